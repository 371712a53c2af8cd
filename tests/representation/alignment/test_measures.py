"""The metadata of every alignment measure, checked by computing with it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.stats import ortho_group

from marr.errors import MarrError
from marr.representation import ALIGNMENT_MEASURES, alignment_measures
from marr.representation._alignment._measure import INVARIANCES
from marr.representation._alignment._sample import Sample
from marr.stats import folds

NAMES = sorted(ALIGNMENT_MEASURES)
N, P, Q = 36, 7, 5
RTD_BREAKS = range(60, 64)

EXACT = 1e-6
"""Angles near 0 are known to about the square root of rounding."""


def measure(name):
    entry = ALIGNMENT_MEASURES[name]
    return entry.configured(k=5) if "k" in entry.options else entry


@cache
def pair(seed=0, q=Q, n=N):
    """Two systems that share half of their variance; units of unequal size and mean."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, 3))
    made = []
    for units in (P, q):
        x = shared @ rng.normal(size=(3, units)) + rng.normal(size=(n, units))
        made.append(x * rng.uniform(0.5, 2, units) + rng.normal(0, 3, units))
    return made


def sized(entry, **options):
    return pair(q=P if entry.equal_units else Q, **options)


def changed(x, what, rng):
    """Do to a system what a measure may be blind to."""
    p = x.shape[1]
    return {
        "translation": lambda: x + rng.normal(0, 5, p),
        "isotropic scale": lambda: 3.7 * x,
        "permutation": lambda: x[:, rng.permutation(p)],
        "orthogonal": lambda: x @ ortho_group.rvs(p, random_state=rng),
        "invertible linear": lambda: x @ (rng.normal(size=(p, p)) + 2 * np.eye(p)),
    }[what]()


def check_invariances(entry):
    a, b = sized(entry)
    value = entry(a, b)
    for what in INVARIANCES:
        moves = []
        for seed in range(2):
            rng = np.random.default_rng(seed)
            moves += [
                entry(changed(a, what, rng), b) - value,
                entry(a, changed(b, what, rng)) - value,
                entry(changed(a, what, rng), changed(b, what, rng)) - value,
            ]
        moved = float(np.abs(moves).max())
        if what in entry.invariances:
            assert moved < EXACT, f"{entry.name} changes by {moved} under {what}"
        else:
            assert moved > 1e-4, f"{entry.name} is blind to {what}, and does not say so"


@pytest.mark.parametrize("name", NAMES)
def test_invariances(name):
    check_invariances(measure(name))


@pytest.mark.parametrize("name", NAMES)
def test_symmetry(name):
    entry = measure(name)
    a, b = sized(entry)
    apart = abs(entry(a, b) - entry(b, a))
    assert (apart < 1e-10) == entry.symmetric, apart


def triangles(entry, seeds=range(120)):
    """Return the largest violation of the triangle inequality on random systems."""
    worst = -np.inf
    for seed in seeds:
        rng = np.random.default_rng(seed)
        n, p = (6, 1 + seed % 2) if entry.least_rows <= 6 else (12, 3)
        x, z, noise = rng.normal(size=(3, n, p))
        y = rng.random() * x + rng.random() * z + 0.5 * noise * (seed % 5 > 0)
        a, b, c = entry(x, z), entry(x, y), entry(y, z)
        worst = max(worst, a - b - c, b - a - c, c - a - b)
    return worst


@pytest.mark.parametrize(
    "name", [n for n in NAMES if ALIGNMENT_MEASURES[n].kind == "distance"]
)
def test_metrics_hold_the_triangle_inequality(name):
    """And others break it, or are not 0 for a system and itself."""
    entry = measure(name)
    x = np.random.default_rng(0).normal(size=(N, P))
    seeds = RTD_BREAKS if name == "rtd" else range(120)
    holds = triangles(entry, seeds) < 1e-7
    assert entry.metric == (entry(x, x) < EXACT and holds)


def test_scores_are_no_metrics():
    assert not any(m.metric for m in ALIGNMENT_MEASURES.values() if m.kind == "score")


@pytest.mark.parametrize("name", NAMES)
def test_range(name):
    entry = measure(name)
    a, b = pair(q=P)
    rng = np.random.default_rng(1)
    values = [entry(a, b), entry(a, a), entry(a, -a)]
    values += [entry(*rng.normal(size=(2, N, P))) for _ in range(10)]
    assert entry.low - 1e-9 <= min(values)
    assert max(values) <= entry.high + 1e-9
    if not entry.cross_validated:
        perfect = 1.0 if entry.kind == "score" else 0.0
        size = 1.0 if np.isfinite(entry.high) else np.linalg.norm(a)
        assert values[1] == pytest.approx(perfect, abs=EXACT * size)


@pytest.mark.parametrize("name", NAMES)
def test_more_alike_is_better(name):
    """Noise moves every measure away from identity, in the direction it names."""
    entry = measure(name)
    a, _ = pair()
    rng = np.random.default_rng(2)
    noise = rng.normal(size=a.shape)
    values = [entry.sign * entry(a, a + s * noise) for s in (0.1, 1.0, 10.0)]
    assert values[0] > values[1] > values[2]


@pytest.mark.parametrize("name", NAMES)
def test_rows_must_correspond(name):
    entry = measure(name)
    a, b = sized(entry)
    order = np.random.default_rng(3).permutation(N)
    assert (abs(entry(a, b[order]) - entry(a, b)) > 1e-3) == entry.paired_rows
    together = abs(entry(a[order], b[order]) - entry(a, b))
    assert entry.cross_validated or together < EXACT  # folds go by position
    assert entry.uses_time is False


@pytest.mark.parametrize("name", NAMES)
def test_numbers_of_units(name):
    entry = measure(name)
    a, b = pair()
    if entry.equal_units:
        with pytest.raises(
            MarrError, match=r"same number of them; got 7 and 5.*procrus"
        ):
            entry(a, b)
    else:
        assert np.isfinite(entry(a, b))


def independent(entry, n, p, n_draws=12):
    rng = np.random.default_rng(4)
    return np.mean([entry(*rng.normal(size=(2, n, p))) for _ in range(n_draws)])


@pytest.mark.parametrize("name", NAMES)
def test_bias_when_units_outnumber_rows(name):
    """Independent systems look alike in biased measures, and in no other."""
    entry = measure(name)
    if entry.independent is None:
        pytest.skip("what independent systems give depends on more")
    reach = 1.0 if np.isinf(entry.high) or entry.kind == "score" else entry.high
    off = abs(independent(entry, 30, 150) - entry.independent) / reach
    assert (off > 0.2) == entry.biased, off
    assert not entry.biased or entry.alternative in ALIGNMENT_MEASURES


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name):
    """The slope along a direction is not zero, and the same for two steps."""
    entry = measure(name)
    a, b = sized(entry)
    step = np.random.default_rng(5).normal(size=a.shape)
    slopes = [
        (entry(a + h * step, b) - entry(a - h * step, b)) / (2 * h)
        for h in (1e-5, 5e-6)
    ]
    smooth = abs(slopes[0]) > 1e-6 and slopes[1] == pytest.approx(slopes[0], rel=1e-3)
    assert smooth == entry.differentiable, slopes


@pytest.mark.parametrize("name", NAMES)
def test_cross_validated_measures_depend_on_folds_and_no_other(name):
    entry = measure(name)
    a, b = sized(entry)
    found = [entry(a, b, seed=seed) for seed in (0, 1)]
    assert (found[0] != found[1]) == entry.cross_validated


@pytest.mark.parametrize("name", NAMES)
def test_shuffles_equal_shuffled_rows(name):
    """What the null computes is the measure of permuted rows, one by one."""
    entry = measure(name)
    a, b = sized(entry)
    rng = np.random.default_rng(6)
    orders = np.stack([rng.permutation(N) for _ in range(3)])
    fold = folds(N, n_folds=5, seed=0)
    engine = entry.engine()
    left, right = (
        engine.prepare(Sample("s", x, fold, None, x.shape[1])) for x in (a, b)
    )
    shuffled = engine.shuffled([left], [right], orders)[:, 0, 0]
    one = [engine.compare([left], [right], order)[0, 0] for order in orders]
    np.testing.assert_allclose(shuffled, one, atol=1e-10)
    if not entry.name.startswith("predictivity_reverse"):
        expected = [entry(a, b[order]) for order in orders]
        np.testing.assert_allclose(shuffled, expected, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_wide_systems_by_inner_products_alone(name):
    """Measures that rotations do not change need no units; others say that they do."""
    entry = measure(name)
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(2, 25, 60))
    b = b + a
    fold = folds(25, n_folds=5, seed=0)
    engine = entry.engine()
    centered = [x - x.mean(axis=0) for x in (a, b)]
    ready = [Sample("s", None, fold, x @ x.T, 60) for x in centered]
    if "orthogonal" not in entry.invariances:
        with pytest.raises(MarrError, match="too large to keep"):
            [engine.prepare(s) for s in ready]
        return
    left, right = (engine.prepare(s) for s in ready)
    value = engine.compare([left], [right])[0, 0]
    assert value == pytest.approx(entry(a, b), abs=EXACT)
    rows = np.arange(20)
    parts = [engine.prepare(s.keep(rows)) for s in ready]
    kept = [engine.prepare(Sample("s", x[rows], fold[rows], None, 60)) for x in (a, b)]
    assert engine.compare(parts[:1], parts[1:])[0, 0] == pytest.approx(
        engine.compare(kept[:1], kept[1:])[0, 0], abs=EXACT
    )


def test_a_wrong_entry_fails():
    wrong = replace(ALIGNMENT_MEASURES["cka"], invariances=frozenset(INVARIANCES))
    with pytest.raises(AssertionError, match="changes by"):
        check_invariances(wrong)
    blind = replace(ALIGNMENT_MEASURES["cca"], invariances=frozenset({"translation"}))
    with pytest.raises(AssertionError, match="is blind to"):
        check_invariances(blind)


def test_the_table_shows_all_metadata():
    table = alignment_measures()
    assert table.index.tolist() == list(ALIGNMENT_MEASURES)
    assert table.loc["cka", "estimator"].startswith("unbiased")
    assert "orthogonal" in table.loc["procrustes", "invariances"]
    for entry in ALIGNMENT_MEASURES.values():
        assert set(entry.invariances) <= set(INVARIANCES)
        assert entry.convention
        assert entry.cost
        assert entry.citations


def test_configured_measures():
    partial = ALIGNMENT_MEASURES["shape_partial"]
    a, b = pair()
    one = partial.configured(alpha=1)
    assert one(a, b) == pytest.approx(ALIGNMENT_MEASURES["procrustes"](a, b))
    zero = partial.configured(alpha=0)
    assert zero(a, b) == pytest.approx(ALIGNMENT_MEASURES["shape_linear"](a, b))
    with pytest.raises(
        MarrError, match=r"no option 'alhpa'.*alpha.*Did you mean 'alpha'"
    ):
        partial.configured(alhpa=1)
    with pytest.raises(MarrError, match="alpha must be a number from 0 to 1; got 2"):
        partial.configured(alpha=2)
    with pytest.raises(MarrError, match="k must be a whole number from 1"):
        ALIGNMENT_MEASURES["mutual_knn"].configured(k=0)


def test_arrays_that_cannot_be_compared():
    cka = ALIGNMENT_MEASURES["cka"]
    x = np.random.default_rng(0).normal(size=(10, 3))
    with pytest.raises(MarrError, match="same rows; got 10 and 9"):
        cka(x, x[:9])
    with pytest.raises(MarrError, match="y must be finite"):
        cka(x, np.where(x > 1, np.nan, x))
    with pytest.raises(MarrError, match="at least 4 rows; got 3"):
        cka(x[:3], x[:3])
    flat = np.vstack([x, np.ones((2, 3))])
    with pytest.raises(
        MarrError, match=r"2 rows .*positions \[10, 11\].*same activity"
    ):
        ALIGNMENT_MEASURES["rsa"](flat, flat)
    with pytest.raises(MarrError, match="over 2 units is always 0 or 2"):
        ALIGNMENT_MEASURES["rsa"](x[:, :2], x)
