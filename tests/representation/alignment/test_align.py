"""Alignment of two systems: planted answers, rows, nulls, floors, behavior, bad input."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import ortho_group
from sklearn.metrics import cohen_kappa_score

import marr
from marr.errors import EvidenceError, MarrError
from marr.representation import ALIGNMENT_MEASURES, align
from marr.representation._alignment import _patterns
from marr.representation._alignment._agreement import chance_corrected
from marr.representation._alignment._design import make_design, serial
from marr.representation._alignment._sample import Sample
from marr.systems import Cohort

FEW = {"n_permutations": 60, "n_resamples": 10}


def system(x, name="a", index=None, **columns):
    """A system of one site "s" (an array) or several (a dict)."""
    sites = x if isinstance(x, dict) else {"s": x}
    n = len(next(iter(sites.values())))
    index = range(n) if index is None else index
    table = pd.DataFrame(columns, index=pd.Index(index, name="trial"))
    return marr.from_arrays(sites, table, name=name)


def codes(finding):
    return [n.code for n in finding.notes]


@pytest.fixture
def latent(rng):
    return rng.normal(size=(60, 4))


@pytest.fixture
def two(rng, latent):
    """Site "same" of both carries the latents; site "other" is its own."""
    return [
        system(
            {
                "same": latent @ ortho_group.rvs(4, random_state=seed) * (1 + seed),
                "other": rng.normal(size=(60, 5)),
            },
            name=name,
        )
        for seed, name in ((0, "a"), (1, "b"))
    ]


# -- planted answers ---------------------------------------------------------------------


@pytest.mark.parametrize("measure", ["cka", "procrustes", "cca", "rsa_euclidean"])
def test_a_rotated_copy_is_the_same_representation(two, measure):
    found = align(*two, measure=measure, **FEW)
    table = found.estimate.sel(site_a="same", site_b="same")
    perfect = 1.0 if ALIGNMENT_MEASURES[measure].kind == "score" else 0.0
    assert float(table["estimate"]) == pytest.approx(perfect, abs=1e-6)
    assert float(table["relative"]) == pytest.approx(1.0)
    assert float(table["p_corrected"]) < 0.05
    rest = found.estimate["p_corrected"].values[
        found.estimate["relative"].values < 0.99
    ]
    assert (rest > 0.05).all()
    assert found.dims == ("site_a", "site_b")
    assert found.system == "a and b"
    assert [s["name"] for s in found.provenance["systems"]] == ["a", "b"]
    assert "same of a and same of b" in found.summary


def test_the_estimate_is_the_measure_of_the_arrays(two):
    found = align(*two, measure=["cka", "procrustes"], **FEW)
    for name in ("cka", "procrustes"):
        x, y = (two[i].activity(s).values for i, s in ((0, "same"), (1, "other")))
        expected = ALIGNMENT_MEASURES[name](x, y)
        cell = found.estimate.sel(measure=name, site_a="same", site_b="other")
        assert float(cell["estimate"]) == pytest.approx(expected, abs=1e-12)
    assert found.dims == ("measure", "site_a", "site_b")
    metadata = found.tables["metadata"]
    assert metadata["measure"].values.tolist() == ["cka", "procrustes"]
    assert metadata["invariances"].values[0].startswith("isotropic scale, orthogonal")


def test_independent_data_of_few_rows(rng):
    """The biased measure is high, its null as high, and a note offers the debiased one."""
    a, b = (system(rng.normal(size=(50, 300)), n) for n in "ab")
    found = align(a, b, measure=["cka_biased", "cka"], **FEW)
    table = found.estimate.squeeze()
    biased, debiased = table["estimate"].values
    assert biased > 0.8
    assert abs(debiased) < 0.1
    np.testing.assert_allclose(table["null_mean"].values, [biased, debiased], atol=0.05)
    assert (table["p_corrected"] > 0.05).all()
    note = next(n for n in found.notes if n.code == "biased_measure")
    assert "50 rows and up to 300 units: cka_biased" in note.text
    assert "'cka'" in note.advice
    assert "cka," not in note.text
    assert "biased_measure" not in codes(align(a, b, measure="cka", **FEW))


def test_which_is_alike_depends_on_the_invariance(rng):
    """A linear distortion: the same for CCA, far off for Procrustes."""
    x = rng.normal(size=(80, 6))
    warped = (
        x @ ortho_group.rvs(6, random_state=0) * np.array([9, 3, 1, 0.3, 0.1, 0.03])
    )
    found = align(
        system(x), system(warped, "b"), measure=["cca", "procrustes", "cka"], **FEW
    )
    cca, procrustes, cka = found.estimate["estimate"].values.ravel()
    assert cca == pytest.approx(1.0)
    assert procrustes > 0.7
    assert cka < 0.6


def test_sites_of_one_system(two):
    found = align(two[0], None, **FEW)
    np.testing.assert_allclose(np.diag(found.estimate["estimate"].values), 1.0)
    assert "shared_trials" in codes(found)
    assert "other and same" in found.summary or "same and other" in found.summary
    assert found.question == "How alike are the sites of a?"
    some = align(two[0], None, sites_a="same", sites_b=["other", "same"], **FEW)
    assert some.estimate["estimate"].shape == (1, 2)
    np.testing.assert_allclose(
        some.estimate["estimate"].values[0],
        found.estimate["estimate"].sel(site_a="same", site_b=["other", "same"]).values,
    )


def test_predictivity_has_a_direction(rng):
    """A copy with private units predicts the common ones, not the reverse."""
    x = rng.normal(size=(120, 4))
    more = np.hstack([x, rng.normal(size=(120, 12))])
    found = align(
        system(more),
        system(x, "b"),
        measure=["predictivity", "predictivity_reverse"],
        **FEW,
    )
    forward, back = found.estimate["estimate"].values.ravel()
    assert forward > 0.9
    assert abs(back) < 0.3


def test_cohort_against_one(two, latent):
    members = [
        system({"same": latent + 0.1 * i, "other": latent**3}, f"m{i}")
        for i in range(3)
    ]
    group = Cohort(members, name="three", member_kind="seeds")
    found = align(group, two[1], **FEW)
    assert found.generalizes_over == "seeds (n = 3)"
    assert found.tables["member"].sizes["member"] == 3
    assert "each member" in found.summary
    with pytest.raises(MarrError, match=r"one System; got the Cohort 'three'.*matrix"):
        align(two[1], group)


# -- rows ----------------------------------------------------------------------------------


def test_rows_are_joined_by_label(rng, latent):
    order = rng.permutation(60)
    a = system(latent, stimulus=np.arange(60).astype(str))
    b = system(latent[order], "b", index=order, stimulus=order.astype(str))
    for on in ("trial", "stimulus"):
        assert align(a, b, on=on, **FEW).estimate["estimate"].item() == pytest.approx(
            1.0
        )


def test_missing_stimuli_are_named_on_each_side(latent):
    a = system(latent[:20], stimulus=[f"s{i}" for i in range(20)])
    b = system(latent[5:25], "b", stimulus=[f"s{i}" for i in range(5, 25)])
    found = align(a, b, on="stimulus", **FEW)
    note = next(n for n in found.notes if n.code == "unshared_rows")
    assert "5 only in 'a' ('s0'" in note.text
    assert "5 only in 'b' ('s20'" in note.text
    assert found.parameters["n_rows"] == 15
    apart = system(latent[:20], "b", stimulus=[f"t{i}" for i in range(20)])
    with pytest.raises(MarrError, match=r"only in 'a': 's0'.*only in 'b': 't0'"):
        align(a, apart, on="stimulus")
    with pytest.raises(MarrError, match="another 'stimulus'"):
        align(a, apart)


def test_repeats_are_averaged(rng):
    mean = rng.normal(size=(12, 5))
    stimulus = np.repeat(np.arange(12), 6)
    a, b = (
        system(mean[stimulus] + 0.5 * rng.normal(size=(72, 5)), n, stimulus=stimulus)
        for n in "ab"
    )
    found = align(a, b, on="stimulus", **FEW)
    x, y = (
        np.stack([s.activity("s").values[stimulus == k].mean(0) for k in range(12)])
        for s in (a, b)
    )
    expected = ALIGNMENT_MEASURES["cka"](x, y)
    assert found.estimate["estimate"].item() == pytest.approx(expected)
    assert "12 rows (stimulus)" in found.summary
    assert "ceiling" in found.estimate


def test_bins_of_time(rng):
    """Alike late, unrelated early."""
    x, y = rng.normal(size=(2, 40, 4, 5))
    y[:, 2:] = x[:, 2:]
    a, b = system(x), system(y, "b")
    found = align(a, b, time="keep", **FEW)
    assert found.dims == ("site_a", "site_b", "time")
    value, p = (found.estimate[k].values.ravel() for k in ("estimate", "p_corrected"))
    assert (np.abs(value[:2]) < 0.3).all()
    np.testing.assert_allclose(value[2:], 1.0)
    assert (p[:2] > 0.05).all()
    assert (p[2:] < 0.05).all()
    late = align(a, b, time=(2, 4), **FEW)
    assert late.estimate["estimate"].item() == pytest.approx(1.0)
    assert found.figure().data
    short = system(y[:, :3], "b")
    with pytest.raises(MarrError, match=r"compares bin with bin.*as many bins"):
        align(a, short, time="keep")


# -- floors and ceilings -----------------------------------------------------------------


def repeated(rng, mean, noise, n_repeats=8, name="a"):
    stimulus = np.repeat(np.arange(len(mean)), n_repeats)
    x = mean[stimulus] + noise * rng.normal(size=(len(stimulus), mean.shape[1]))
    return system(x, name, stimulus=stimulus)


def test_distance_in_excess_of_its_floor(rng):
    """Two noisy copies are apart, but no farther than each is from itself."""
    mean = rng.normal(size=(40, 6))
    turned = mean @ ortho_group.rvs(6, random_state=2)
    a, b = repeated(rng, mean, 1.0), repeated(rng, turned, 1.0, name="b")
    found = align(a, b, on="stimulus", measure="procrustes", **FEW).estimate.squeeze()
    assert float(found["estimate"]) > 0.2
    assert float(found["floor"]) > 0.3
    assert float(found["excess_low"]) < 0 < float(found["excess_high"])
    other = repeated(rng, rng.normal(size=(40, 6)), 1.0, name="b")
    far = align(a, other, on="stimulus", measure="procrustes", **FEW)
    assert far.estimate["excess_low"].item() > 0.2
    assert "beyond what noise alone leaves" in far.summary


def test_ceiling_of_scores(rng):
    """Geometric mean of the reliabilities, stepped up to all repeats."""
    mean = rng.normal(size=(60, 20))
    a, b = repeated(rng, mean, 2.0), repeated(rng, mean, 1.0, name="b")
    found = align(a, b, on="stimulus", **FEW).estimate.squeeze()
    assert float(found["estimate"]) < 0.95
    assert float(found["estimate"]) == pytest.approx(float(found["ceiling"]), abs=0.1)
    assert float(found["halves"]) < float(found["estimate"])
    expected = float(found["estimate"] - found["null_mean"])
    assert float(found["excess"]) == pytest.approx(expected)


def test_halves_of_the_same_trials_are_disjoint(rng):
    """A system against a part of itself: halves share no trial, so no noise."""
    a = repeated(rng, np.zeros((30, 5)), 1.0)  # nothing but noise
    found = align(a, a.select(np.arange(240) < 239), on="stimulus", **FEW)
    assert found.estimate["estimate"].item() > 0.9
    assert abs(found.estimate["halves"].item()) < 0.3
    assert "shared_trials" in codes(found)


def test_without_repeats_a_distance_has_no_floor(two):
    found = align(*two, measure="procrustes", **FEW)
    assert "floor" not in found.estimate
    assert "no_floor" in codes(found)
    assert "no_floor" not in codes(align(*two, measure="cka", **FEW))


def test_scores_and_distances_side_by_side(rng):
    mean = rng.normal(size=(20, 6))
    a, b = repeated(rng, mean, 1.0), repeated(rng, mean, 1.0, name="b")
    table = align(a, b, on="stimulus", measure=["cka", "procrustes"], **FEW).estimate
    assert np.isfinite(table["ceiling"].sel(measure="cka"))
    assert np.isfinite(table["floor"].sel(measure="procrustes"))
    assert "better" not in table["estimate"].attrs
    np.testing.assert_array_less(0.3, table["relative"].values)


# -- nulls, parts, folds -------------------------------------------------------------------


def walk(rng, n=80, p=5):
    """Slowly drifting activity."""
    x = rng.normal(size=(n, p))
    for i in range(1, n):
        x[i] += 0.95 * x[i - 1]
    return x


def test_autocorrelated_trials_are_shifted(rng, latent):
    a, b = (system(walk(rng), n) for n in "ab")
    found = align(a, b, **FEW)
    assert found.parameters["null"] == "shift"
    assert found.generalizes_over == "runs of neighboring trials"
    assert "harris2020" in found.citations
    free = align(system(latent), system(latent, "b"), **FEW)
    assert free.parameters["null"] == "free"


def test_groups_of_trials(rng):
    x, y = rng.normal(size=(2, 60, 4))
    block = np.repeat(np.arange(10), 6)
    a, b = system(x, block=block), system(y, "b", block=block)
    found = align(a, b, **FEW)
    assert found.parameters["null"] == "within"
    assert found.generalizes_over == "groups of trials (block)"
    assert align(a, b, null="block", **FEW).parameters["null"] == "block"
    with pytest.raises(
        MarrError, match="null='block' needs rows that are trials in groups"
    ):
        align(system(x), system(y, "b"), null="block")


def test_serial_rows(rng):
    fold = np.zeros(80, np.intp)
    slow = [Sample("s", walk(rng), fold) for _ in range(10)]
    fast = [
        Sample("s", rng.normal(size=(80, p)), fold)
        for p in (2, 5, 100)
        for _ in range(20)
    ]
    assert all(serial(s) for s in slow)
    assert np.mean([serial(s) for s in fast]) < 0.12
    few = rng.normal(size=(80, 60))
    few[:, :4] += 2 * walk(rng, p=4)  # a slow part of a wide system
    assert serial(Sample("s", few, fold))


def test_parts_cover_every_row_once():
    design = make_design(
        23, groups=None, column=None, dependent=False, null="auto",
        n_permutations=10, n_parts=5, seed=0,
    )  # fmt: skip
    assert sorted(np.bincount(design.part)) == [4, 4, 5, 5, 5]
    assert design.n_parts == 5
    assert (np.sort(design.orders, axis=1) == np.arange(23)).all()
    groups = np.repeat(np.arange(8), 3)
    design = make_design(
        24, groups=groups, column="block", dependent=False, null="auto",
        n_permutations=10, n_parts=20, seed=0,
    )  # fmt: skip
    assert design.n_parts == 8
    assert all(len(np.unique(design.part[groups == g])) == 1 for g in range(8))
    assert (groups[design.orders] == groups).all()


def test_no_null_and_no_interval_where_none_is_asked_for(two):
    found = align(*two, n_permutations=0, n_resamples=0)
    assert set(found.estimate.data_vars) == {"estimate"}
    assert "Interval" not in found.methods
    assert "P-values" not in found.methods
    for option, value in (
        ("n_permutations", -1),
        ("n_resamples", 3),
        ("n_permutations", 1.5),
    ):
        with pytest.raises(MarrError, match=option):
            align(*two, **{option: value})


def test_few_rows_use_fewer_neighbors(rng):
    x = rng.normal(size=(12, 4))
    found = align(system(x), system(x, "b"), measure="mutual_knn", **FEW)
    assert found.estimate["estimate"].item() == pytest.approx(1.0)
    note = next(n for n in found.notes if n.code == "fewer_neighbors")
    assert "mutual_knn: 4 neighbors instead of 10" in note.text


# -- large activity ------------------------------------------------------------------------


@pytest.mark.parametrize("measure", ["cka", "cka_rbf", "procrustes", "cca", "rtd_lite"])
def test_inner_products_in_parts_give_the_same_numbers(monkeypatch, rng, measure):
    x, y = rng.normal(size=(2, 20, 90)) + 5
    y = y + x
    stimulus = np.arange(20)
    a, b = system(x, stimulus=stimulus), system(y, "b", stimulus=stimulus)
    options = {"measure": measure, "on": "stimulus", **FEW}
    whole = align(a, b, **options)
    monkeypatch.setattr(_patterns, "WHOLE", 20 * 11)
    parts = align(a, b, **options)
    for name in ("estimate", "ci_low", "null_mean"):
        np.testing.assert_allclose(
            parts.estimate[name], whole.estimate[name], atol=1e-7, err_msg=name
        )


def test_memory_follows_the_rows_not_the_units(monkeypatch):
    """Twice the units, the same peak, below one copy of the activity."""
    monkeypatch.setattr(_patterns, "WHOLE", 50 * 1000)
    peaks = []
    for p in (20_000, 40_000):
        x = np.random.default_rng(0).normal(size=(50, p)).astype(np.float32)
        a = system(x)
        tracemalloc.start()
        _patterns.load_site(a, "s", np.arange(50), 50, time="mean", whole=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 0.5 * 50 * 20_000 * 8


# -- behavior ------------------------------------------------------------------------------


@pytest.fixture
def behaving(rng, latent):
    answer = rng.integers(0, 3, 60)
    systems = []
    for name, share in (("a", 0.7), ("b", 0.6)):
        keep = rng.random(60) < share
        choice = np.where(keep, answer, rng.integers(0, 3, 60))
        x = latent + rng.normal(size=latent.shape)
        correct = (choice == answer).astype(float)
        systems.append(system(x, name, choice=choice, correct=correct))
    return systems


def test_behavior_beside_the_code(behaving):
    a, b = behaving
    found = align(a, b, behavior="choice", **FEW)
    table = found.tables["behavior"]["estimate"]
    x, y = (s.trials["choice"].to_numpy() for s in behaving)
    r, s = (v.trials["correct"].to_numpy() for v in behaving)
    assert float(table.sel(behavior="agreement")) == pytest.approx((x == y).mean())
    kappa = cohen_kappa_score(x, y)
    assert float(table.sel(behavior="kappa")) == pytest.approx(kappa)
    expected = r.mean() * s.mean() + (1 - r.mean()) * (1 - s.mean())
    consistency = ((r == s).mean() - expected) / (1 - expected)
    assert float(table.sel(behavior="error consistency")) == pytest.approx(consistency)
    wrong = (r == 0) & (s == 0)
    assert float(table.sel(behavior="same error")) == pytest.approx(
        (x == y)[wrong].mean()
    )
    assert (found.tables["behavior"]["p_corrected"].sel(behavior="kappa") < 0.05).item()
    assert "Behavior: agreement" in found.summary


def test_code_and_behavior_dissociate(rng, latent):
    """The same code, unrelated choices."""
    a, b = (system(latent, n, choice=rng.integers(0, 2, 60)) for n in "ab")
    found = align(a, b, behavior="choice", **FEW)
    assert found.estimate["estimate"].item() == pytest.approx(1.0)
    table = found.tables["behavior"].sel(behavior="kappa")
    assert float(table["ci_low"]) < 0 < float(table["ci_high"])
    assert float(table["p_corrected"]) > 0.05


def test_answers_of_repeated_rows_are_drawn_from_both(rng):
    a, b = rng.dirichlet([1, 1, 1], size=(2, 10))
    expected = a.mean(0) @ b.mean(0)
    observed = np.mean(
        [(p[:, None] * q * np.eye(3)).sum() for p, q in zip(a, b, strict=True)]
    )
    assert chance_corrected(a, b) == pytest.approx(
        (observed - expected) / (1 - expected)
    )


def test_reports_are_correlated(rng, latent):
    said = rng.normal(size=60)
    a = system(latent, report=said)
    b = system(latent, "b", report=said + 0.5 * rng.normal(size=60))
    table = align(a, b, behavior="report", **FEW).tables["behavior"]["estimate"]
    expected = np.corrcoef(*(s.trials["report"] for s in (a, b)))[0, 1]
    assert float(table.sel(behavior="correlation")) == pytest.approx(expected)


def test_behavior_that_cannot_be_compared(behaving, latent):
    a, b = behaving
    with pytest.raises(MarrError, match=r"behavior.*'chioce'.*Did you mean 'choice'"):
        align(a, b, behavior="chioce", **FEW)
    with pytest.raises(MarrError, match="behavior= compares two systems"):
        align(a, None, behavior="choice", **FEW)
    silent = system(latent, "b", choice=[np.nan, *range(59)])
    with pytest.raises(MarrError, match="missing"):
        align(a, silent, behavior="choice", **FEW)


# -- bad input -----------------------------------------------------------------------------


def test_measures_that_do_not_exist(two):
    with pytest.raises(MarrError, match=r"measure: no alignment measure 'cak'.*'cka'"):
        align(*two, measure="cak")
    with pytest.raises(MarrError, match="names a measure twice"):
        align(*two, measure=["cka", "cka"])
    with pytest.raises(MarrError, match="must name at least one"):
        align(*two, measure=[])
    entry = ALIGNMENT_MEASURES["shape_partial"].configured(alpha=0.2)
    found = align(*two, measure=entry, **FEW)
    assert found.parameters["measure"] == "shape_partial(alpha=0.2)"


def test_what_is_no_second_system(two):
    with pytest.raises(MarrError, match=r"b must be a System or None.*got ndarray"):
        align(two[0], np.zeros((60, 3)))
    with pytest.raises(MarrError, match="time must be 'mean', 'keep' or a window"):
        align(*two, time="last")
    with pytest.raises(MarrError, match=r"sites.*'smae'.*Did you mean 'same'"):
        align(*two, sites_a="smae")


def test_patterns_that_do_not_vary(latent):
    flat = system(np.ones((60, 3)), "b")
    with pytest.raises(MarrError, match="b, s: all 60 rows have the same pattern"):
        align(system(latent), flat)
    silent = system(np.hstack([latent, np.zeros((60, 2))]), "b")
    found = align(system(latent), silent, measure=["cka", "predictivity", "cca"], **FEW)
    np.testing.assert_array_less(0.99, found.estimate["estimate"].values)


def test_too_few_rows(latent):
    a, b = system(latent[:8]), system(latent[:8], "b")
    with pytest.raises(MarrError, match="'predictivity' needs at least 15 rows; got 8"):
        align(a, b, measure="predictivity")
    assert "few_rows" in codes(align(a, b, **FEW))


def test_other_numbers_of_units(rng, latent):
    a, b = system(latent), system(rng.normal(size=(60, 6)), "b")
    with pytest.raises(MarrError, match="same number of them; got 4 and 6"):
        align(a, b, measure="unit_angle")
    found = align(a, b, measure="shape_permutation", **FEW)
    assert "padded_units" in codes(found)


def test_activity_that_is_not_finite(latent):
    broken = latent.copy()
    broken[3, 1] = np.nan
    with pytest.raises(MarrError, match="NaN or infinite"):
        align(system(latent), system(broken, "b"))


def _ring(seed, name):
    """Units with random first and second harmonics of an angle, in random phases."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, (120, 4))
    weights = rng.normal(size=(4, 5))
    waves = np.stack([f(k * angle) for k in (1, 2) for f in (np.cos, np.sin)], axis=-1)
    heading = xr.DataArray(angle, dims=("trial", "time"), attrs={"circular": True})
    values = waves @ weights + rng.normal(0, 0.5, (120, 4, 5))
    return marr.from_arrays({"s": values}, variables={"heading": heading}, name=name)


def test_unrelated_rings_are_alike_as_rings_but_not_beyond():
    free, turned = [], []
    for seed in range(30):
        a, b = _ring(seed, "a"), _ring(seed + 1000, "b")
        options = {"on": "heading", "bins": 24, "n_resamples": 0, "n_permutations": 99}
        free.append(align(a, b, **options))
        turned.append(align(a, b, null="rotation", **options))
    rates = [
        np.mean([f.estimate["p_value"] <= 0.05 for f in s]) for s in (free, turned)
    ]
    assert rates[0] > 0.3
    assert rates[1] <= 0.17
    assert (
        "null='rotation'" in {n.code: n.advice for n in free[0].notes}["ordered_rows"]
    )
    assert turned[0].parameters["null"] == "rotation"


def test_rotations_need_a_circle():
    a = _ring(0, "a")
    with pytest.raises(EvidenceError, match="all bins of an angle"):
        align(a, None, null="rotation")
