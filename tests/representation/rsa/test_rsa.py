"""Models of geometry: planted ones are found, others are not, bad input is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import marr
from marr.errors import (
    ContractError,
    EvidenceError,
    MarrError,
    OptionError,
    StatisticsError,
)
from marr.findings._figures import figure_spec
from marr.representation import Interpolated, Selected, Weighted, rdm, rsa

N, S, RUNS, UNITS = 24, 6, 4, 30
LABELS = np.array([f"c{i:02d}" for i in range(N)])
FEATURES = np.random.default_rng(11).normal(size=(N, 3))
QUICK = {"n_resamples": 300}


def model(features, labels=LABELS):
    """Return squared distances of features, with labels."""
    d = ((features[:, None] - features) ** 2).sum(-1)
    return pd.DataFrame(d, labels, labels)


SHAPE, COLOR, OTHER = (model(FEATURES[:, [k]]) for k in range(3))
BOTH = model(FEATURES[:, :2] * [2, 1])


def subject(seed, *, gains=(2.0, 1.0), n=N, times=0, name=None, scale=0.5):
    """Return a recording whose units mix shape and color of the conditions."""
    rng = np.random.default_rng(seed)
    code, run = np.tile(np.arange(n), RUNS), np.repeat(np.arange(RUNS), n)
    mix = rng.normal(size=(2, UNITS)) * np.array(gains)[:, None]
    x = scale * FEATURES[code, :2] @ mix
    if times:
        x = x[:, None] * np.linspace(0, 1, times)[:, None]
    x = x + rng.normal(size=x.shape)
    table = pd.DataFrame({"condition": LABELS[code], "session": run})
    return marr.from_arrays({"A": x}, table, name=name or f"s{seed}")


def people(n=S, **how):
    members = [subject(s, **how) for s in range(n)]
    return marr.Cohort(members, name="group", member_kind="people")


@pytest.fixture(scope="module")
def group():
    return people()


@pytest.fixture(scope="module")
def found(group):
    models = {"both": BOTH, "shape": SHAPE, "color": COLOR, "other": OTHER}
    return rsa(group, models=models)


def test_the_planted_model_wins(found):
    at = found.estimate.sel(site="A")
    best = at["estimate"].values
    assert best.argmax() == 0
    assert at["p_corrected"].sel(model="both") < 1e-4
    assert at["p_value"].sel(model="other") > 0.05
    assert (at["ci_low"] <= at["estimate"]).all()
    assert (at["estimate"] <= at["ci_high"]).all()
    assert (at["ceiling"] < at["ceiling_upper"]).all()
    assert (at["ceiling_upper"] <= 1.0).all()
    assert float(at["estimate"].sel(model="both")) > 0.9 * float(at["ceiling"][0])
    drawn = figure_spec(found, found.figures[0])["layers"]
    assert [layer["low"] for layer in drawn if layer["mark"] == "ticks"]
    assert "both explains the geometry best" in found.summary
    assert "24 conditions, 6 people" in found.summary


def test_tables(found):
    apart = found.tables["difference"].sel(site="A")
    values = apart["estimate"].values
    np.testing.assert_allclose(values, -values.T)
    estimate = found.estimate["estimate"].values[0]
    np.testing.assert_allclose(values, estimate[:, None] - estimate)
    assert apart["p_corrected"].sel(model_a="both", model_b="other") < 0.05
    assert (apart["ci_low"].values <= values).all()
    np.testing.assert_allclose(apart["ci_low"].values, -apart["ci_high"].values.T)
    ceiling = found.tables["ceiling"].sel(site="A")
    assert ceiling["p_corrected"].sel(model="other") < 0.05
    assert ceiling["p_corrected"].sel(model="both") > 0.05
    assert ceiling["lower_ci_low"] < ceiling["lower"] < ceiling["lower_ci_high"]
    spread = found.tables["covariance"]["covariance"].values[0]
    np.testing.assert_allclose(spread, spread.T)
    error = found.estimate["standard_error"].values[0]
    np.testing.assert_allclose(np.sqrt(np.diag(spread)[:4]), error)
    gap = apart["standard_error"].values[0, 1] ** 2
    assert spread[0, 0] + spread[1, 1] - 2 * spread[0, 1] == pytest.approx(gap)
    member = found.tables["member"]["estimate"].sel(site="A")
    np.testing.assert_allclose(member.mean("member"), estimate)
    assert list(member["member"].values) == [f"s{s}" for s in range(S)]


def test_estimates_are_plain_correlations(group, found):
    """The mean over members of correlations of the distances of `rdm`."""
    values = []
    for member in group:
        d = rdm(member, n_permutations=0).estimate["estimate"].values[0]
        upper = np.triu_indices(N, 1)
        values.append(np.corrcoef(d[upper], SHAPE.to_numpy()[upper])[0, 1])
    mine = float(found.estimate["estimate"].sel(site="A", model="shape"))
    assert mine == pytest.approx(np.mean(values), abs=1e-12)


def test_conditions_are_matched_by_label(group, found):
    """The order of a model's conditions does not matter, in any of its forms."""
    order = np.random.default_rng(3).permutation(N)
    moved = SHAPE.iloc[order, order]
    upside = SHAPE.iloc[order, order[::-1]]
    values = SHAPE.to_numpy()[np.ix_(order, order)]
    labelled = xr.DataArray(
        values, dims=["a", "b"], coords={"a": LABELS[order], "b": LABELS[order]}
    )
    models = {
        "frame": moved,
        "columns apart": upside,
        "pair": (values, LABELS[order]),
        "array": labelled,
    }
    again = rsa(group, models=models, **QUICK).estimate["estimate"].values[0]
    expected = float(found.estimate["estimate"].sel(site="A", model="shape"))
    np.testing.assert_allclose(again, expected, atol=1e-12)


def test_numeric_labels_match_across_types(rng):
    table = pd.DataFrame({"level": np.tile(np.arange(8), 6)})
    system = marr.from_arrays({"A": rng.normal(size=(48, 10))}, table)
    apart = np.abs(np.arange(8)[:, None] - np.arange(8)).astype(float)
    models = {
        "int": pd.DataFrame(apart, np.arange(8), np.arange(8)),
        "float": pd.DataFrame(apart, np.arange(8.0), np.arange(8.0)),
    }
    found = rsa(system, models=models, on="level", distance="euclidean", **QUICK)
    assert np.ptp(found.estimate["estimate"].values) == 0


def test_a_system_and_a_finding_as_models(group, rng):
    """A system's own distances, one model a site, without asking for its noise."""
    net = marr.from_arrays(
        {"low": FEATURES[:, [2]], "high": FEATURES[:, :2] * [2, 1]},
        pd.DataFrame({"condition": LABELS}),
        name="net",
    )
    models = {"net": net, "finding": rdm(net, sites="high", distance="euclidean")}
    found = rsa(group, models=models, **QUICK)
    assert list(found.estimate["model"].values) == ["net: low", "net: high", "finding"]
    values = found.estimate["estimate"].values[0]
    assert values[1] == pytest.approx(values[2])
    assert values[1] > 0.5 > values[0]
    codes = [n.code for n in found.notes]
    assert "model_distance" in codes
    assert "identical_models" in codes
    names = [s["name"] for s in found.provenance["systems"]]
    assert "net" in names
    assert found.system == "group and net"


# -- one subject ---------------------------------------------------------------------


def test_one_subject(group):
    found = rsa(group[0], models={"both": BOTH, "other": OTHER}, **QUICK)
    assert found.generalizes_over == "conditions (n = 24)"
    at = found.estimate.sel(site="A")
    assert at["p_corrected"].sel(model="both") < 0.01
    assert 0 < at["ceiling"][0] < at["ceiling_upper"][0] <= 1
    assert "member" not in found.tables
    with pytest.raises(EvidenceError, match=r"several subjects.*is one.*Cohort"):
        rsa(group[0], models={"m": BOTH}, generalize="subjects")


def test_without_repeats_there_is_no_ceiling():
    table = pd.DataFrame({"condition": LABELS})
    system = marr.from_arrays({"A": FEATURES}, table)
    found = rsa(system, models={"both": BOTH}, distance="euclidean", **QUICK)
    assert "no_ceiling" in [n.code for n in found.notes]
    assert np.isnan(found.estimate["ceiling"].values).all()
    assert np.isfinite(found.estimate["p_value"].values).all()
    assert np.isnan(found.tables["ceiling"]["p_value"].values).all()
    assert "noise ceiling unknown" in found.summary


# -- over what to generalize ---------------------------------------------------------


def test_what_is_resampled(group):
    errors = {}
    for scope in (("conditions",), ("subjects",), ("conditions", "subjects")):
        one = rsa(group, models={"shape": SHAPE}, generalize=scope, **QUICK)
        errors[scope] = float(one.estimate["standard_error"].values[0, 0])
        for word, there in (("conditions", 24), ("people", 6)):
            asked = {"conditions": "conditions", "people": "subjects"}[word] in scope
            shown = (f"{word} (n = {there})", f"{there} {word}")
            assert any(s in one.generalizes_over for s in shown) == asked
        codes = [n.code for n in one.notes]
        assert ("conditions_fixed" in codes) == (scope == ("subjects",))
        assert ("subjects_fixed" in codes) == (scope == ("conditions",))
    assert errors["conditions", "subjects"] >= max(
        errors["conditions",], errors["subjects",]
    )


def test_subjects_alone_is_the_classical_test(group):
    """The bootstrap error of a mean over subjects is its standard error."""
    one = rsa(group, models={"color": COLOR}, generalize="subjects", n_resamples=20_000)
    each = one.tables["member"]["estimate"].values.ravel()
    expected = each.std(ddof=1) / np.sqrt(S)
    assert float(one.estimate["standard_error"].values[0, 0]) == pytest.approx(
        expected, rel=0.03
    )


# -- flexible models -----------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted(group):
    parts = {"shape": SHAPE, "color": COLOR, "other": OTHER}
    models = {
        "sum": Weighted(parts),
        "free": Weighted(parts, nonnegative=False),
        "mixture": Interpolated([SHAPE, COLOR]),
        "choice": Selected(parts),
        "fixed": SHAPE,
        "truth": BOTH,
    }
    return rsa(group, models=models, **QUICK)


def test_planted_weights_are_recovered(fitted):
    weights = fitted.tables["weights"].sel(site="A")
    raw = (
        weights["raw"].sel(component=["sum: shape", "sum: color", "sum: other"]).values
    )
    assert raw[0] / raw[1] == pytest.approx(4.0, rel=0.4)  # gains 2 and 1, squared
    assert raw[2] < 0.1 * raw[0]
    share = weights["estimate"]
    for name in ("sum", "free", "mixture", "choice"):
        part = share.where(share["model"] == name, drop=True)
        assert np.abs(part).sum() == pytest.approx(1.0)
    low, high = weights["ci_low"], weights["ci_high"]
    assert (low <= high).all()
    assert (low.sel(component="sum: shape") > high.sel(component="sum: color")).all()
    assert float(share.sel(component="choice: shape")) == 1.0


def test_fitted_models_beat_their_parts_and_not_the_truth(fitted):
    at = fitted.estimate["estimate"].sel(site="A")
    assert at.sel(model="sum") > at.sel(model="fixed")
    assert at.sel(model="truth") > at.sel(model="sum") - 0.02
    assert float(at.sel(model="choice")) == pytest.approx(
        float(at.sel(model="fixed")), abs=0.01
    )
    assert "other conditions and subjects than they were scored on" in fitted.methods
    assert "3 folds of conditions x 2 of subjects" in fitted.methods


def test_fits_of_noise_score_nothing(group, rng):
    """Ten random components explain nothing of what they were not fitted to."""
    parts = [model(rng.normal(size=(N, 1))) for _ in range(10)]
    found = rsa(group, models={"noise": Weighted(parts, nonnegative=False)}, **QUICK)
    assert float(found.estimate["p_value"].values[0, 0]) > 0.05
    assert float(found.estimate["estimate"].values[0, 0]) < 0.3


@pytest.mark.parametrize("comparator", ["spearman", "whitened_cosine", "rho-a"])
def test_flexible_models_by_other_comparators(group, comparator):
    models = {"sum": Weighted([SHAPE, COLOR]), "other": OTHER}
    found = rsa(group, models=models, comparator=comparator, n_resamples=100)
    values = found.estimate["estimate"].values[0]
    assert values[0] > 0.5 > values[1]
    one = rsa(group[0], models=models, comparator=comparator, n_resamples=100)
    assert one.estimate["estimate"].values[0, 0] > 0.5


def test_no_component_that_helps(group):
    far = model(FEATURES[:, :2] * [2, 1])
    unlike = (far.max().max() - far).mask(np.eye(N, dtype=bool), 0.0)
    parts = {"a": unlike, "b": unlike * 2 + OTHER * 0}
    found = rsa(group, models={"against": Weighted(parts), "shape": SHAPE}, **QUICK)
    assert "zero_weights" in [n.code for n in found.notes]
    assert float(found.estimate["estimate"].sel(site="A", model="against")) == 0.0
    assert np.isfinite(found.estimate["p_value"].values).all()


# -- other options -------------------------------------------------------------------


def test_permuted_conditions(group):
    models = {"both": BOTH, "other": OTHER}
    found = rsa(group, models=models, null="permutation", **QUICK)
    at = found.estimate.sel(site="A")
    assert at["p_value"].sel(model="both") == pytest.approx(1 / 301)
    assert at["p_value"].sel(model="other") > 0.05
    assert (at["p_corrected"] >= at["p_value"]).all()
    assert np.abs(at["null_mean"]).max() < 0.05
    with pytest.raises(OptionError, match="fixed models"):
        rsa(group, models={"w": Weighted([SHAPE, COLOR])}, null="permutation")


def test_over_time():
    """The signal grows: later bins are explained, the first is not."""
    group = people(4, times=4)
    models = {"both": BOTH, "other": OTHER}
    found = rsa(group, models=models, over=("site", "time"), **QUICK)
    assert found.dims == ("site", "time", "model")
    p = found.estimate["p_corrected"].sel(site="A")
    assert (p.sel(model="both").values[1:] < 0.05).all()
    assert p.sel(model="both").values[0] > 0.05
    assert (p.sel(model="other") > 0.05).all()
    times = found.estimate["time"].values
    window = rsa(
        group, models=models, over=("site", "time"), time=(times[1], times[3]), **QUICK
    )
    np.testing.assert_array_equal(window.estimate["time"], times[1:3])
    np.testing.assert_allclose(
        window.estimate["estimate"], found.estimate["estimate"][:, 1:3]
    )
    with pytest.raises(MarrError, match="time axis"):
        rsa(people(3), models=models, over=("site", "time"))


def test_corrections_go_over_sites_and_models(group):
    members = [
        marr.from_arrays(
            {k: m.activity("A").values for k in ("A", "B")}, m.trials, name=m.name
        )
        for m in group
    ]
    twice = marr.Cohort(members, name="twice", member_kind="people")
    models = {"color": COLOR, "other": OTHER}
    one, two = (rsa(g, models=models, **QUICK) for g in (group, twice))
    np.testing.assert_allclose(
        one.estimate["p_value"].values[0], two.estimate["p_value"].values[1]
    )
    # the second site is a copy of the first: a maximum needs no further correction
    np.testing.assert_allclose(
        one.estimate["p_corrected"].values[0],
        two.estimate["p_corrected"].values[0],
        rtol=0.1,
        atol=1e-4,
    )
    rate = rsa(group, models=models, correction="fdr", **QUICK).estimate
    assert (rate["p_corrected"] >= rate["p_value"]).all()


def test_identical_models(group):
    found = rsa(group, models={"a": SHAPE, "b": 3 * SHAPE}, **QUICK)
    assert "identical_models" in [n.code for n in found.notes]
    apart = found.tables["difference"]
    assert np.abs(apart["estimate"].values).max() < 1e-12
    assert (apart["p_value"].values == 1).all()


def test_cosine_says_what_zero_means(group):
    codes = [
        n.code
        for n in rsa(group, models={"a": SHAPE}, comparator="cosine", **QUICK).notes
    ]
    assert "zero_is_not_chance" in codes


# -- bad input -----------------------------------------------------------------------


def test_conditions_that_do_not_match(group):
    other = SHAPE.rename(index={"c00": "zebra"}, columns={"c00": "zebra"})
    found = rsa(group, models={"m": other}, **QUICK)
    (note,) = [n for n in found.notes if n.code == "unshared_conditions"]
    assert "only in 'the data': 'c00'" in note.text
    assert "only in 'm': 'zebra'" in note.text
    assert "23 conditions" in found.summary
    strange = SHAPE.set_axis([f"x{i}" for i in range(N)], axis=0)
    strange = strange.set_axis(strange.index, axis=1)
    with pytest.raises(
        StatisticsError, match=r"got 0 .*only in 'the data': 'c00'.*'x0'"
    ):
        rsa(group, models={"m": strange})


def test_members_with_other_conditions():
    fewer = subject(1).select(lambda t: t["condition"] != "c03")
    found = rsa(
        marr.Cohort([subject(0), fewer, subject(2)], name="g"),
        models={"m": SHAPE},
        **QUICK,
    )
    text = " ".join(n.text for n in found.notes)
    assert "'c03'" in text


def bad_models():
    flat = pd.DataFrame(1.0 - np.eye(N), LABELS, LABELS)
    lopsided = SHAPE + np.triu(np.ones((N, N)), 1)
    infinite = SHAPE.copy()
    infinite.iloc[0, 1] = infinite.iloc[1, 0] = np.inf
    double = SHAPE.rename(index={"c01": "c00"}, columns={"c01": "c00"})
    return {
        "no labels": (SHAPE.to_numpy(), r"must have labels.*never\s+by position"),
        "flat": (flat, "are all equal"),
        "lopsided": (lopsided, "symmetric"),
        "similarity": (SHAPE + np.eye(N) * 50, "0 on the diagonal"),
        "infinite": (infinite, "infinite"),
        "double": (double, r"more than once.*c00"),
        "other columns": (SHAPE.iloc[:, :-1], "not on both sides"),
        "words": (SHAPE.astype(str), "must hold numbers"),
        "one part": (Weighted([SHAPE]), "at least two components"),
        "no list": (Selected(3), "mapping or a list"),
    }


@pytest.mark.parametrize("name", bad_models())
def test_bad_models(group, name):
    value, words = bad_models()[name]
    with pytest.raises(MarrError, match=words):
        rsa(group, models={"m": value})


def test_bad_options(group):
    with pytest.raises(OptionError, match="must be a mapping"):
        rsa(group, models=SHAPE)
    with pytest.raises(OptionError, match="without entries"):
        rsa(group, models={})
    models = {"m": SHAPE}
    for option, value in {
        "comparator": "pearson",
        "over": "unit",
        "null": "shuffle",
        "correction": "bonferroni",
        "generalize": "trials",
    }.items():
        with pytest.raises(OptionError, match=option):
            rsa(group, models=models, **{option: value})
    with pytest.raises(OptionError, match="n_resamples must be at least 100"):
        rsa(group, models=models, n_resamples=10)
    with pytest.raises(OptionError, match="different names"):
        rsa(
            group,
            models={"m": SHAPE, "n": Weighted([SHAPE, COLOR]), 1: SHAPE, "1": SHAPE},
        )


def test_missing_cells_leave_conditions_out(group):
    holes = SHAPE.copy()
    holes.loc["c05", "c07"] = holes.loc["c07", "c05"] = np.nan
    found = rsa(group, models={"m": holes}, **QUICK)
    (note,) = [n for n in found.notes if n.code == "missing_conditions"]
    assert "c05" in note.text
    assert "23 conditions" in found.summary


def test_patterns_that_do_not_vary(rng):
    """A condition without variation over units has no correlation distance."""
    code = np.tile(np.arange(10), 4)
    x = rng.normal(size=(40, 12))
    x[code == 3] = 1.0
    table = pd.DataFrame({"condition": LABELS[code]})
    system = marr.from_arrays({"A": x}, table)
    models = {"m": SHAPE.iloc[:10, :10]}
    found = rsa(system, models=models, distance="correlation", **QUICK)
    (note,) = [n for n in found.notes if n.code == "missing_conditions"]
    assert "c03" in note.text


def test_few_conditions_and_subjects(rng):
    code = np.tile(np.arange(8), 6)
    members = [
        marr.from_arrays(
            {"A": FEATURES[code, :2] + rng.normal(size=(48, 2))},
            pd.DataFrame({"condition": LABELS[code]}),
            name=f"s{s}",
        )
        for s in range(3)
    ]
    trio = marr.Cohort(members, name="three")
    models = {"m": SHAPE.iloc[:8, :8]}
    codes = [n.code for n in rsa(trio, models=models, **QUICK).notes]
    assert {"few_conditions", "few_subjects", "lost_resamples"} <= set(codes)
    with pytest.raises(StatisticsError, match="at least 10; got 8"):
        rsa(trio, models={"w": Weighted([SHAPE, COLOR])})
    few = trio.select(lambda t: t["condition"].isin(LABELS[:5]))
    with pytest.raises(StatisticsError, match="at least 6"):
        rsa(few, models=models)


def test_one_condition_and_single_trials():
    table = pd.DataFrame({"condition": LABELS})
    single = marr.from_arrays({"A": FEATURES}, table)
    with pytest.raises(StatisticsError, match="at least two trials"):
        rsa(single, models={"m": SHAPE})
    pair = [subject(0), marr.from_arrays({"A": FEATURES}, table, name="s9")]
    with pytest.raises(MarrError, match=r"member 's9' of 'pair'.*two trials"):
        rsa(marr.Cohort(pair, name="pair"), models={"m": SHAPE})


def test_members_without_a_common_site():
    a = subject(0)
    b = marr.from_arrays({"B": a.activity("A").values}, a.trials, name="b")
    with pytest.raises(ContractError, match="share no site"):
        rsa(marr.Cohort([a, b], name="pair"), models={"m": SHAPE})


def test_the_numbers_of_a_model_are_in_the_parameters(found, group):
    described = found.parameters["models"]
    assert described["shape"].startswith("fixed, 1 of 24 x 24, ")
    assert described["shape"] != described["color"]
