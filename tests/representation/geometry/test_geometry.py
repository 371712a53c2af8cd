"""Abstraction, parallelism and shattering: planted codes, oracles, nulls, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import marr
from marr.errors import MarrError, OptionError, StatisticsError
from marr.representation import geometry
from marr.representation._geometry import _dichotomy_kernel as kernel
from marr.representation._geometry._space import make_space

FEW = {"n_permutations": 39, "n_resamples": 20}


def signs_of(codes, n):
    return np.stack([(codes >> i) & 1 for i in range(n)], axis=1) * 2.0 - 1


def session(n_variables=3, per=25, noise=1.0, seed=0, n_units=40):
    """Return sites that code the variables linearly, turned around, mixed, or not."""
    rng = np.random.default_rng(seed)
    n_conditions = 2**n_variables
    codes = rng.permutation(np.tile(np.arange(n_conditions), per))
    s = signs_of(codes, n_variables)
    ways = rng.normal(size=(n_variables, n_units))
    flipped = s.copy()
    flipped[:, 0] *= s[:, 1]
    hidden = np.tanh(2 * s @ rng.normal(size=(n_variables, 300)) + rng.normal(size=300))
    mixed = hidden @ rng.normal(size=(300, n_units)) / 6

    def noisy(x, level=noise):
        return x + level * rng.normal(size=(len(codes), n_units))

    sites = {
        "linear": noisy(s @ ways),
        "turned": noisy(flipped @ ways),
        "mixed": noisy(mixed),
        "empty": noisy(np.zeros((len(codes), n_units))),
    }
    table = pd.DataFrame(
        {
            "a": np.where(s[:, 0] > 0, "yes", "no"),
            **{name: s[:, i] for i, name in enumerate("abcd"[:n_variables]) if i},
            "code": codes,
        }
    )
    return marr.from_arrays(sites, table)


@pytest.fixture(scope="module")
def eight():
    return geometry(session(), variables=["a", "b", "c"], **FEW)


@pytest.fixture(scope="module")
def four():
    return geometry(session(2), variables=["a", "b"], **FEW)


def value(found, site, quantity, key="estimate"):
    return float(found.estimate[key].sel(site=site, quantity=quantity))


def test_three_linear_variables_separate_7_of_35_and_mixing_35_of_35(eight):
    table = eight.tables["dichotomy"]
    assert table.sizes["dichotomy"] == 35
    separable = table["separable"].sum("dichotomy")
    assert int(separable.sel(site="linear")) == 7
    assert int(separable.sel(site="mixed")) == 35
    assert int(separable.sel(site="empty")) <= 2
    assert value(eight, "linear", "separable share") == pytest.approx(0.2)
    assert value(eight, "mixed", "separable share", "p_corrected") <= 0.05


def test_an_abstract_code_generalizes_and_a_turned_one_goes_below_chance(eight, four):
    for found in (eight, four):
        assert value(found, "linear", "CCGP: a") > 0.95
        assert value(found, "linear", "CCGP: a", "p_value") <= 0.1
        assert value(found, "turned", "decoding: a") < 0.65
    assert value(four, "turned", "CCGP: a") < 0.05  # not clipped at one half
    assert value(four, "turned", "CCGP: a", "p_value") <= 0.05
    assert value(eight, "turned", "CCGP: a") < 0.4
    assert value(eight, "empty", "CCGP: a") == pytest.approx(0.5, abs=0.15)
    assert value(eight, "empty", "CCGP: a", "p_value") > 0.05


def test_parallelism_and_its_ceiling(four):
    assert value(four, "linear", "parallelism: a") > 0.9
    assert value(four, "turned", "parallelism: a") < -0.9
    ceiling = value(four, "linear", "parallelism: a", "ceiling")
    assert value(four, "linear", "parallelism: a") == pytest.approx(ceiling, abs=0.05)
    assert value(four, "empty", "parallelism: a", "ceiling") < 0.5
    assert value(four, "empty", "parallelism: a", "p_value") > 0.02


def test_exclusive_or_is_read_where_it_is_coded(four):
    assert value(four, "turned", "decoding: a xor b") > 0.95
    assert value(four, "mixed", "decoding: a xor b") > 0.9
    assert value(four, "linear", "decoding: a xor b", "p_value") > 0.05


def test_dichotomies_are_named_and_split_as_the_variables_do(eight):
    table = eight.tables["dichotomy"].sel(site="linear")
    assert table["dichotomy"].values[:7].tolist() == [
        "a", "b", "c", "a xor b", "a xor c", "b xor c", "a xor b xor c",
    ]  # fmt: skip
    assert table["sides"].values[:4].tolist() == [
        "-+-+-+-+", "--++--++", "----++++", "-++--++-",
    ]  # fmt: skip
    assert set(table["kind"].values.tolist()) == {"variable", "xor", "other"}
    assert float(table["ccgp"].sel(dichotomy="a")) > 0.95
    assert float(table["parallelism"].sel(dichotomy="a")) > 0.9
    assert eight.figures[1].table == "plane"
    assert eight.tables["plane"].sizes["point"] == 4 * 35


def test_every_pair_can_be_held_out():
    system = session()
    found = geometry(system, variables=["a", "b", "c"], held_out="pairs", sites="linear", **FEW)  # fmt: skip
    table = found.tables["dichotomy"].sel(site="linear")
    assert value(found, "linear", "CCGP: b") == pytest.approx(
        float(table["ccgp"].sel(dichotomy="b"))
    )
    assert "every pair of conditions" in found.methods


# -- the closed form -----------------------------------------------------------------


def problem(n=160, n_units=10, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.tile(np.arange(8), n // 8)
    x = signs_of(codes, 3) @ rng.normal(size=(3, n_units)) + rng.normal(size=(n, n_units)) @ rng.normal(size=(n_units, n_units))  # fmt: skip
    return x, codes, (np.arange(n) // 8) % 5, rng


def test_answers_are_those_of_discriminant_analysis_on_the_same_noise():
    """scikit-learn's shrunk discriminant analysis, classes of equal size."""
    x, codes, fold, _ = problem()
    space = make_space(x, codes, fold, 8)
    signs, _ = kernel.balanced_dichotomies(8, 100, 0)
    one = space.folds[0]
    found = space.relabeled(one, codes[None])
    right, rows = kernel.fold_correct(*found, signs)
    train, test = ~one.test, one.test
    agree = []
    for d, sign in enumerate(signs):
        # the least-squares classifier with equal conditions, trained on single trials
        y = sign[codes[train]]
        center = space.x[train].mean(axis=0)
        z = space.x[train] - center
        means = np.stack([z[codes[train] == k].mean(axis=0) for k in range(8)])
        noise = z - means[codes[train]]
        covariance = (1 - one.mix) * noise.T @ noise / len(z) + means.T @ means / 8
        covariance += one.mix * (z**2).sum() / z.size * np.eye(z.shape[1])
        w = np.linalg.solve(covariance, z.T @ y)
        guess = np.sign((space.x[test] - center) @ w)
        ours = right[0, :, d].sum() / rows[0].sum()
        agree.append(abs(ours - (guess == sign[codes[test]]).mean()))
        if d == 0:
            peer = LinearDiscriminantAnalysis().fit(space.x[train], y)
            assert peer.score(space.x[test], sign[codes[test]]) == pytest.approx(
                ours, abs=0.1
            )
    assert max(agree) < 1e-12


def test_woodbury_equals_noise_estimated_anew():
    """Shuffled labels whiten by their own noise; a weight of one changes nothing."""
    x, codes, fold, rng = problem()
    shuffled = rng.permutation(codes)
    for labels in (codes, shuffled):
        space = make_space(x, labels, fold, 8)
        for one in space.folds:
            fast = space.relabeled(one, labels[None])
            slow = space.reweighted(one, np.ones((1, len(x))))
            np.testing.assert_allclose(fast.gram, slow.gram, rtol=1e-8, atol=1e-9)
            np.testing.assert_allclose(fast.products, slow.products, rtol=1e-8, atol=1e-9)  # fmt: skip


def test_centroids_moved_to_where_they_are_change_nothing():
    x, codes, fold, _ = problem()
    space = make_space(x, codes, fold, 8)
    means, _ = kernel.draw_means(space.x, codes[None], None, 8)
    for one in space.folds:
        moved = space.moved(one, means)
        same = space.reweighted(one, np.ones((1, len(x))))
        np.testing.assert_allclose(moved.gram, same.gram, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(moved.products, same.products, rtol=1e-8, atol=1e-9)


def test_held_out_conditions_take_no_part():
    """Means of the held-out conditions may be anything."""
    x, codes, fold, _ = problem()
    signs, _ = kernel.balanced_dichotomies(8, 100, 0)
    space = make_space(x, codes, fold, 8)
    one = space.folds[0]
    products, gram, c, w = space.reweighted(one, np.ones((1, len(x))))
    which = signs[:, 2] * signs[:, 5] < 0
    found = kernel.held_out_correct(products, gram, c[0], w, signs[which], (2, 5))
    products, gram = products.copy(), gram.copy()
    products[:, :, [2, 5]] = 1e6
    gram[:, [2, 5]] = gram[:, :, [2, 5]] = 1e6
    again = kernel.held_out_correct(products, gram, c[0], w, signs[which], (2, 5))
    np.testing.assert_array_equal(found[0], again[0])


def test_more_units_than_trials():
    rng = np.random.default_rng(3)
    codes = np.tile(np.arange(4), 15)
    x = signs_of(codes, 2) @ rng.normal(size=(2, 500)) + 2 * rng.normal(size=(60, 500))
    table = pd.DataFrame(dict(zip("ab", signs_of(codes, 2).T, strict=True)))
    found = geometry(marr.from_arrays({"A": x}, table), variables=["a", "b"], **FEW)
    assert value(found, "A", "CCGP: a") > 0.95
    assert value(found, "A", "decoding: a xor b", "p_value") > 0.02
    silent = rng.normal(size=x.shape)
    found = geometry(marr.from_arrays({"A": silent}, table), variables=["a", "b"], **FEW)  # fmt: skip
    assert value(found, "A", "decoding: a", "p_value") > 0.05


def test_number_of_balanced_dichotomies():
    for k, n in ((4, 3), (6, 10), (8, 35), (10, 126), (5, 10), (7, 35)):
        signs, total = kernel.balanced_dichotomies(k, 10_000, 0)
        assert len(signs) == total == n
        assert len({tuple(s * s[0]) for s in signs.tolist() for s in [np.array(s)]}) == n  # fmt: skip
        assert (np.abs(signs.sum(axis=1)) == k % 2).all()
    signs, total = kernel.balanced_dichotomies(20, 50, 0)
    assert total == 92_378
    assert len(np.unique(signs, axis=0)) == 50
    assert (signs.sum(axis=1) == 0).all()
    assert (signs[:, -1] == -1).all()
    assert np.array_equal(signs, kernel.balanced_dichotomies(20, 50, 0)[0])


# -- other designs -------------------------------------------------------------------


def test_conditions_of_one_column_with_variables_constant_in_each():
    system = session()
    found = geometry(system, on="code", variables=["b"], sites="linear", **FEW)
    assert found.estimate["quantity"].values.tolist() == [
        "decoding: b", "CCGP: b", "decoding: mean of all", "separable share",
    ]  # fmt: skip
    assert value(found, "linear", "separable share") == pytest.approx(0.2, abs=0.03)
    alone = geometry(system, on="code", sites="linear", **FEW)
    assert alone.tables["dichotomy"].sizes["dichotomy"] == 35
    with pytest.raises(StatisticsError, match="takes both values in condition"):
        geometry(system, on="b", variables=["a"], **FEW)
    with pytest.raises(StatisticsError, match="makes 2 conditions"):
        geometry(system, on="b", **FEW)


def test_a_sample_of_dichotomies_is_said():
    found = geometry(session(4, 8), variables=list("abcd"), max_dichotomies=40, sites="linear", **FEW)  # fmt: skip
    note = next(n for n in found.notes if n.code == "sampled_dichotomies")
    assert "40 of 6,435 balanced dichotomies were drawn at random (seed 0)" in note.text
    names = found.tables["dichotomy"]["name"].values
    assert {"a", "b", "c", "d", "a xor b xor c xor d"} <= set(names.tolist())
    assert value(found, "linear", "CCGP: d") > 0.9


def test_unbalanced_trials():
    system = session(2, 60)
    rng = np.random.default_rng(0)
    keep = (system.trials["code"] == 3) | (rng.random(240) < 0.3)
    found = geometry(system.select(keep.to_numpy()), variables=["a", "b"], **FEW)
    assert value(found, "linear", "CCGP: a") > 0.95
    assert value(found, "linear", "decoding: a xor b", "p_value") > 0.02
    assert abs(value(found, "empty", "decoding: a") - 0.5) < 0.15


def test_what_is_missing_is_named():
    system = session(2, 25)
    code = system.trials["code"].to_numpy()
    with pytest.raises(
        StatisticsError, match=r"not crossed: no trial has a=yes, b=1\."
    ):
        geometry(system.select(code != 3), variables=["a", "b"], **FEW)
    few = np.flatnonzero(code == 3)[:2]
    kept = (code != 3) | np.isin(np.arange(len(code)), few)
    with pytest.raises(StatisticsError, match=r"too few of a=yes, b=1 \(2\)"):
        geometry(system.select(kept), variables=["a", "b"], **FEW)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"variables": "a"}, OptionError, "at least two binary columns"),
        ({"variables": ["a", "a"]}, OptionError, "at least two"),
        ({"variables": ["a", "code"]}, StatisticsError, "'code' has 8 values"),
        ({"variables": ["a", "bb"]}, OptionError, "no column"),
        ({"variables": ["a", "b"], "held_out": "none"}, OptionError, "held_out"),
        ({"variables": ["a", "b"], "bins": 3}, OptionError, "bins cut the column"),
        ({"variables": ["a", "b"], "n_folds": 1}, OptionError, "n_folds"),
        ({}, OptionError, "at least two binary columns"),
    ],
)
def test_bad_input(options, error, match):
    with pytest.raises(error, match=match):
        geometry(session(per=6), **{**FEW, **options})


def test_a_constant_site_and_constant_units():
    rng = np.random.default_rng(0)
    codes = np.tile(np.arange(4), 10)
    table = pd.DataFrame(dict(zip("ab", signs_of(codes, 2).T, strict=True)))
    x = np.column_stack([signs_of(codes, 2) + rng.normal(size=(40, 2)), np.ones(40)])
    found = geometry(marr.from_arrays({"A": x}, table), variables=["a", "b"], **FEW)
    assert "constant_units" in {n.code for n in found.notes}
    flat = marr.from_arrays({"A": np.ones((40, 3))}, table)
    with pytest.raises(MarrError, match="0 of 3 units of site 'A' vary"):
        geometry(flat, variables=["a", "b"], **FEW)


def test_groups_stay_whole_and_a_condition_in_one_group_is_refused():
    rng = np.random.default_rng(1)
    codes = np.tile(np.arange(4), 20)
    s = signs_of(codes, 2)
    x = s @ rng.normal(size=(2, 8)) + rng.normal(size=(80, 8))
    table = pd.DataFrame({"a": s[:, 0], "b": s[:, 1], "block": np.arange(80) // 8})
    found = geometry(marr.from_arrays({"A": x}, table), variables=["a", "b"], **FEW)
    assert "block" in found.generalizes_over
    order = np.argsort(codes, kind="stable")
    table = pd.DataFrame({"a": s[order, 0], "b": s[order, 1], "block": np.arange(80) // 20})  # fmt: skip
    system = marr.from_arrays({"A": x[order]}, table)
    with pytest.raises(MarrError, match=r"fold|group"):
        geometry(system, variables=["a", "b"], **FEW)
