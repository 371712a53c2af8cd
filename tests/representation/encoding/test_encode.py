"""Encoding models with a known answer, and what they meet."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import marr
from marr.errors import ContractError, MarrError, OptionError, StatisticsError
from marr.representation import encode

FEW = {"n_permutations": 39}
NONE = {"n_permutations": 0}


def gaussian_features(n: int, p: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.normal(size=(n, p)), index=[f"s{i}" for i in range(n)])


def repeated(
    n: int = 120,
    p: int = 4,
    units: int = 12,
    repeats: int = 3,
    snr: float = 1.0,
    seed: int = 0,
    **columns: np.ndarray,
) -> tuple[marr.Recording, pd.DataFrame]:
    """Return a recording of repeated stimuli, linear in features, and the features."""
    rng = np.random.default_rng(seed + 100)
    features = gaussian_features(n, p, seed)
    weights = rng.normal(size=(p, units)) / np.sqrt(p)
    signal = features.to_numpy() @ weights
    signal *= np.sqrt(snr) / signal.std(axis=0)
    order = rng.permutation(np.repeat(np.arange(n), repeats))
    noise = rng.normal(size=(len(order), units))
    table = pd.DataFrame({"stimulus": features.index[order], **columns})
    return marr.from_arrays(
        {"V1": signal[order] + noise}, table, name="brain"
    ), features


# -- known answers ----------------------------------------------------------------------


@pytest.mark.parametrize("score", ["r2", "pearson"])
def test_scores_reach_the_signal_and_the_ceiling_brackets_them(score):
    """Means of three repeats at SNR 1: R² 3 / (1 + 3), correlation its root."""
    brain, features = repeated(n=300, units=20)
    found = encode(brain, features, on="stimulus", score=score, **NONE)
    truth = 0.75 if score == "r2" else np.sqrt(0.75)
    data = found.estimate
    assert float(data["estimate"].mean()) == pytest.approx(truth, abs=0.02)
    assert float(data["ceiling"].mean()) == pytest.approx(truth, abs=0.02)
    assert float(data["ceiled"].mean()) == pytest.approx(1.0, abs=0.03)
    inside = (data["ceiling_low"] <= truth) & (truth <= data["ceiling_high"])
    assert inside.mean() > 0.8
    inside = (data["ci_low"] <= truth) & (truth <= data["ci_high"])
    assert inside.mean() > 0.8
    other = "pearson" if score == "r2" else "r2"
    assert float(data[other].mean()) == pytest.approx(
        np.sqrt(0.75) if score == "r2" else 0.75, abs=0.02
    )
    assert "p_value" not in data
    assert found.generalizes_over == "values of stimulus"


def test_single_trials_have_the_ceiling_of_single_trials():
    brain, features = repeated(n=200, units=20)
    rows = features.loc[brain.trials["stimulus"]].set_axis(brain.trial_index)
    found = encode(brain, rows, **NONE)
    assert found.parameters["held_out"] == "stimuli (200)"
    assert float(found.estimate["estimate"].mean()) == pytest.approx(0.5, abs=0.03)
    assert float(found.estimate["ceiling"].mean()) == pytest.approx(0.5, abs=0.03)


def test_repeats_never_straddle_training_and_test():
    """Features that only name the stimulus predict it from its repeats, and else not."""
    rng = np.random.default_rng(1)
    stimulus = rng.permutation(np.repeat(np.arange(40), 4))
    y = rng.normal(size=(40, 6))[stimulus] + 0.1 * rng.normal(size=(160, 6))
    code = rng.normal(size=(40, 200))[stimulus]  # says nothing of any other stimulus
    brain = marr.from_arrays({"V1": y}, pd.DataFrame({"picture": stimulus}))
    assert float(encode(brain, code, **NONE).estimate["estimate"].max()) < 0.1
    noisy = code + 0.01 * rng.normal(size=code.shape)  # no longer equal
    leaked = encode(brain, noisy, **NONE).estimate["estimate"]
    assert float(leaked.min()) > 0.8
    named = encode(brain, noisy, stimulus="picture", **NONE)
    assert float(named.estimate["estimate"].max()) < 0.1
    assert named.parameters["held_out"] == "stimuli (40)"
    trials = encode(brain, code, hold_out="trial", **NONE)
    assert float(trials.estimate["estimate"].min()) > 0.8


def test_classes_hold_out_runs():
    brain = marr.datasets.category_fmri()
    found = encode(brain, "condition", **FEW)
    data = found.estimate
    assert found.parameters["held_out"] == "groups of trials (session)"
    assert found.parameters["null"] == "within"
    good = data["ceiling"].values > 0.4
    ratio = data["ceiled"].values[good]
    assert good.sum() > 20
    assert 0.75 < np.median(ratio) < 1.05  # categories are all there is to know
    assert np.nanmax(ratio) < 1.2
    assert float(data["estimate"].max()) > 0.6
    unreliable = np.isnan(data["ceiled"].values)
    assert 0.4 < unreliable.mean() < 0.8  # never divided by a ceiling near 0
    assert any(n.code == "unreliable_units" for n in found.notes)
    assert "explainable variance of the" in found.summary


def test_the_ratio_is_refused_without_a_reliable_ceiling():
    rng = np.random.default_rng(2)
    brain, features = repeated(units=6)
    both = np.concatenate(
        [brain.activity("V1").values, rng.normal(size=(360, 6))], axis=1
    )
    brain = marr.from_arrays({"V1": both}, brain.trials)
    data = encode(brain, features, on="stimulus", **NONE).estimate
    assert np.isfinite(data["ceiled"].values[:6]).all()
    assert np.isnan(data["ceiled"].values[6:]).all()
    assert (data["ceiling"].values[6:] < 0.5).all()


def test_a_negative_correlation_stays_negative():
    brain, features = repeated(units=300, snr=0.05, n=40, p=30)
    data = encode(brain, features, on="stimulus", score="pearson", **NONE).estimate
    known = np.isfinite(data["ceiled"].values)
    signs = np.sign(data["ceiled"].values[known])
    assert (signs == np.sign(data["estimate"].values[known])).all()


def test_no_repeats_no_ceiling():
    brain, features = repeated(repeats=1)
    found = encode(brain, features, on="stimulus", **NONE)
    assert "ceiling" not in found.estimate
    assert any(n.code == "no_ceiling" for n in found.notes)
    with pytest.raises(OptionError, match="ceiling='repeats' needs trials that repeat"):
        encode(brain, features, on="stimulus", ceiling="repeats", **NONE)
    none = encode(brain, features, on="stimulus", ceiling="none", **NONE)
    assert not any(n.code == "no_ceiling" for n in none.notes)


# -- bands ------------------------------------------------------------------------------


def test_orthogonal_bands_share_nothing_and_doubled_bands_share_all():
    rng = np.random.default_rng(0)
    n = 1500
    x = rng.normal(size=(n, 6))
    features = pd.DataFrame(x, index=np.arange(n))
    y = x @ rng.normal(size=(6, 10)) + rng.normal(size=(n, 10))
    brain = marr.from_arrays({"V1": y})
    halves = {"first": features.iloc[:, :3], "second": features.iloc[:, 3:]}
    apart = encode(brain, halves, **NONE).tables["partition"]
    together = apart["together"].values
    assert together.mean() > 0.7
    assert np.abs(apart["shared"].values).max() < 0.05
    np.testing.assert_allclose(
        apart["estimate"].sum("band").values + apart["shared"].values, together
    )
    np.testing.assert_allclose(apart["product"].sum("band").values, together)
    np.testing.assert_allclose(apart["product"], apart["estimate"], atol=0.06)
    doubled = {"one": features, "two": features}
    same = encode(brain, doubled, **NONE).tables["partition"]
    assert np.abs(same["estimate"].values).max() < 0.01
    np.testing.assert_allclose(same["shared"], together, atol=0.02)
    np.testing.assert_allclose(same["product"].sum("band"), same["together"])
    assert "minus" in same.attrs["reduction"]


def test_a_band_of_noise_explains_nothing_and_takes_nothing():
    brain, features = repeated(n=150, p=4, repeats=1, units=10, snr=2.0)
    noise = gaussian_features(150, 300, seed=7)
    call = {"on": "stimulus", **NONE}
    both = encode(brain, {"good": features, "noise": noise}, **call)
    alone = encode(brain, features, **call)
    gap = alone.estimate["estimate"] - both.estimate["estimate"]
    assert float(gap.mean()) < 0.03
    one_penalty = encode(
        brain, {"good": features, "noise": noise}, method="ridge", **call
    )
    gap = both.estimate["estimate"] - one_penalty.estimate["estimate"]
    assert float(gap.mean()) > 0.1
    band = both.tables["band"].sel(site="V1")
    assert float(band["ci_high"].sel(band="noise")) < 0.05
    assert float(band["ci_low"].sel(band="good")) > 0.4
    share = both.tables["unit"]["share"].sel(band="good")
    assert float(share.mean()) > 0.8


# -- layers -------------------------------------------------------------------------------


def layers(features: pd.DataFrame, seed: int = 3, n_noise: int = 2) -> marr.Recording:
    rng = np.random.default_rng(seed)
    x = features.to_numpy()
    sites = {
        "early": x @ rng.normal(size=(x.shape[1], 30))
        + 2 * rng.normal(size=(len(x), 30)),
        "middle": x @ rng.normal(size=(x.shape[1], 30)),
        **{f"noise {i}": rng.normal(size=(len(x), 30)) for i in range(n_noise)},
    }
    return marr.from_arrays(
        sites, pd.DataFrame({"stimulus": features.index}), name="net"
    )


def test_layers_to_region():
    brain, features = repeated(units=10)
    found = encode(brain, layers(features), on="stimulus", **FEW)
    assert found.estimate["estimate"].dims == ("feature_site", "unit")
    assert found.system == "brain and net"
    table = found.tables["layer"]["estimate"].sel(site="V1")
    assert str(table["feature_site"].values[int(table.values.argmax())]) == "middle"
    site = found.tables["site"]
    assert site["chosen"].item() == "middle"
    assert site["chosen_share"].item() == 1.0
    assert site["estimate"].item() == pytest.approx(0.72, abs=0.06)
    unit = found.per("unit")
    np.testing.assert_allclose(
        unit.estimate["estimate"], found.estimate["estimate"].sel(feature_site="middle")
    )
    assert unit.estimate["half_estimate"].dims == ("half", "unit")
    p = found.estimate["p_corrected"]
    assert (p.sel(feature_site="middle") < 0.05).all()
    assert (p.sel(feature_site="noise 0") > 0.05).all()
    assert "middle (chosen in 100% of folds) predicts V1" in found.summary


def test_the_best_of_many_useless_layers_is_useless():
    """Choosing on the folds that are scored would call one of twenty good."""
    rng = np.random.default_rng(4)
    n = 40
    table = pd.DataFrame({"stimulus": np.arange(n)})
    brain = marr.from_arrays({"V1": rng.normal(size=(n, 1))}, table, name="brain")
    found, best = [], []
    for seed in range(4):
        net = layers(gaussian_features(n, 2, seed), seed, n_noise=12)
        net = marr.from_arrays(
            {s: net.activity(s).values for s in net.sites[2:]}, table, name="net"
        )
        result = encode(brain, net, on="stimulus", penalties=[1.0], **NONE)
        found.append(float(result.tables["site"]["estimate"].item()))
        best.append(float(result.tables["layer"]["estimate"].max()))
    assert np.mean(best) > np.mean(found) + 0.1
    assert np.mean(found) < 0.05


def test_one_site_from_another_of_the_same_recording():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(80, 6))
    sites = {"A": x, "B": x[:, :3] @ rng.normal(size=(3, 4)) + rng.normal(size=(80, 4))}
    both = marr.from_arrays(sites, name="both")
    found = encode(both, both, sites="B", **NONE)
    assert found.estimate["feature_site"].values.tolist() == ["A"]
    assert float(found.estimate["estimate"].mean()) > 0.4
    assert found.system == "both"
    with pytest.raises(OptionError, match="every site of 'both' is predicted itself"):
        encode(both, both, **NONE)


# -- methods ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ridge", "banded_ridge", "pls"])
def test_every_method_reaches_the_signal(method):
    brain, features = repeated(units=5)
    found = encode(brain, features, on="stimulus", method=method, **NONE)
    assert float(found.estimate["estimate"].mean()) == pytest.approx(0.72, abs=0.05)
    assert found.parameters["method"] == method
    strength = "n_components" if method == "pls" else "penalty"
    assert strength in found.estimate


def test_more_features_than_rows():
    brain, features = repeated(units=5, n=80)
    rng = np.random.default_rng(6)
    wide = pd.DataFrame(
        features.to_numpy() @ rng.normal(size=(4, 500)), index=features.index
    )
    found = encode(brain, wide, on="stimulus", **FEW)
    assert float(found.estimate["estimate"].mean()) > 0.6
    assert (found.estimate["p_corrected"] < 0.05).all()


def test_constant_units_are_named_and_left_out():
    brain, features = repeated(units=5)
    values = brain.activity("V1").values.copy()
    values[:, 2] = 1e6
    brain = marr.from_arrays({"V1": values}, brain.trials, units=list("abcde"))
    found = encode(brain, features, on="stimulus", **FEW)
    assert np.isnan(found.estimate["estimate"].values[2])
    assert np.isnan(found.estimate["p_corrected"].values[2])
    note = next(n for n in found.notes if n.code == "constant_units")
    assert "V1:c" in note.text
    assert float(found.tables["site"]["n_units"].item()) == 4


# -- time -------------------------------------------------------------------------------


def delayed(n: int = 40, n_times: int = 30, seed: int = 0) -> marr.Recording:
    """Return units that follow a signal one and two bins later."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(n, n_times))
    y = np.zeros((n, n_times, 3))
    y[:, 1:, 0] = signal[:, :-1]
    y[:, 2:, 1] = signal[:, :-2]
    y += 0.5 * rng.normal(size=y.shape)
    return marr.from_arrays(
        {"V1": y}, variables={"signal": signal}, time=np.arange(n_times) / 10
    )


def test_delays_are_a_finite_impulse_response():
    system = delayed()
    call = {"time": "keep", **FEW}
    now = encode(system, "signal", **call).estimate["estimate"].values
    assert np.abs(now).max() < 0.05
    found = encode(system, "signal", delays=(0.0, 0.1), **call)
    first = found.estimate["estimate"].values
    assert first[0] == pytest.approx(0.8, abs=0.05)
    assert np.abs(first[1:]).max() < 0.05
    assert any(n.code == "incomplete_bins" for n in found.notes)
    assert "2 delays" in found.methods
    assert (found.estimate["p_corrected"].values < 0.05).tolist() == [
        True,
        False,
        False,
    ]
    second = encode(system, "signal", delays=(0.1, 0.2), **call).estimate["estimate"]
    assert (second.values[:2] > 0.7).all()


def test_windows_of_time():
    rng = np.random.default_rng(7)
    x = rng.normal(size=60)
    y = rng.normal(size=(60, 10, 4))
    y[:, 5:] += 3 * x[:, None, None]
    system = marr.from_arrays({"V1": y}, pd.DataFrame({"x": x}), time=np.arange(10.0))
    late, early = (
        float(encode(system, "x", time=w, **NONE).estimate["estimate"].mean())
        for w in ((5.0, 10.0), (0.0, 5.0))
    )
    assert late > 0.9
    assert early < 0.1


def test_rows_of_a_variable_that_changes_within_trials():
    """Mean activity by bins of heading, predicted from cosine and sine of heading."""
    rng = np.random.default_rng(8)
    heading = rng.uniform(-np.pi, np.pi, size=(30, 40))
    y = np.stack([np.cos(heading), np.sin(heading - 1)], axis=-1)
    y += rng.normal(size=y.shape)
    angle = xr.DataArray(heading, dims=("trial", "time"), attrs={"circular": True})
    system = marr.from_arrays({"V1": y}, variables={"heading": angle})
    found = encode(system, "heading", on="heading", bins=16, **FEW)
    assert (found.estimate["estimate"].values > 0.8).all()
    with pytest.raises(OptionError, match="varies within trials"):
        encode(system, "heading", on="heading", bins=16, time="keep", **NONE)


# -- plans ----------------------------------------------------------------------------------


def test_stimuli_nested_in_sessions_keep_sessions_whole():
    brain, features = repeated(n=60)
    session = brain.trials["stimulus"].str[1:].astype(int) // 10
    brain = marr.from_arrays(
        {"V1": brain.activity("V1").values}, brain.trials.assign(session=session)
    )
    found = encode(brain, features, on="stimulus", **FEW)
    assert found.parameters["held_out"] == "groups of values of stimulus (session)"
    assert found.parameters["null"] == "within"


def test_stimuli_that_recur_over_runs_are_held_out_and_said_so():
    brain, features = repeated(n=60)
    run = np.random.default_rng(0).permutation(np.arange(180) % 6)
    brain = marr.from_arrays(
        {"V1": brain.activity("V1").values}, brain.trials.assign(block=run)
    )
    rows = features.loc[brain.trials["stimulus"]].set_axis(brain.trial_index)
    found = encode(brain, rows, **FEW)
    assert found.parameters["held_out"] == "stimuli (60)"
    assert any(n.code == "crossed" for n in found.notes)
    assert found.parameters["null"] == "block"


def test_drifting_features_are_shifted():
    rng = np.random.default_rng(9)
    slow = np.cumsum(rng.normal(size=(120, 2)), axis=0)
    brain = marr.from_arrays({"V1": np.cumsum(rng.normal(size=(120, 8)), axis=0)})
    found = encode(brain, slow, **FEW)
    assert found.parameters["null"] == "shift"
    assert (found.estimate["p_corrected"] > 0.05).all()
    mixed = np.concatenate([rng.normal(size=(120, 50)), slow], axis=1)
    assert encode(brain, mixed, **FEW).parameters["null"] == "shift"
    free = encode(brain, rng.normal(size=(120, 50)), **FEW)
    assert free.parameters["null"] == "free"


def test_halves_are_disjoint_and_agree():
    brain, features = repeated(n=200, units=30, snr=0.5)
    table = encode(brain, features, on="stimulus", **NONE).tables["unit"]
    assert table["half_estimate"].shape == (2, 30)
    assert np.isfinite(table["half_estimate"].values).all()
    few, some = repeated(n=10, repeats=2, units=3)
    found = encode(few, some, on="stimulus", n_folds=5, **NONE)
    assert np.isfinite(found.estimate["estimate"].values).all()


# -- what it is given -----------------------------------------------------------------------


def test_all_kinds_of_features_agree():
    brain, features = repeated(repeats=1)
    x = features.loc[brain.trials["stimulus"]].to_numpy()
    labelled = xr.DataArray(
        features.to_numpy(), dims=("stimulus", "f"), coords={"stimulus": features.index}
    )
    named = brain.trials.assign(**{f"x{i}": x[:, i] for i in range(4)})
    own = marr.from_arrays({"V1": brain.activity("V1").values}, named)
    given = [
        encode(brain, features.sample(frac=1, random_state=1), on="stimulus", **NONE),
        encode(brain, labelled, on="stimulus", **NONE),
        encode(brain, x, stimulus="stimulus", **NONE),
        encode(own, ["x0", "x1", "x2", "x3"], **NONE),
        encode(brain, features.to_numpy()[np.argsort(features.index)], on="stimulus",
               **NONE),
    ]  # fmt: skip
    first = given[0].estimate["estimate"].values
    for other in given[1:]:
        np.testing.assert_allclose(other.estimate["estimate"].values, first, atol=1e-9)


def test_missing_stimuli_are_named():
    brain, features = repeated(n=60)
    found = encode(brain, features.iloc[:50], on="stimulus", **NONE)
    note = next(n for n in found.notes if n.code == "unshared_rows")
    assert "10 only in 'brain'" in note.text
    assert "'s50'" in note.text
    with pytest.raises(ContractError, match=r"share 2 rows.*only in 'brain': 's0'"):
        encode(brain, features.set_axis([f"x{i}" for i in range(58)] + ["s58", "s59"]),
               on="stimulus", **NONE)  # fmt: skip


def test_classes_of_a_table_become_columns():
    brain, _ = repeated(n=60)
    kind = pd.DataFrame({"kind": list("abc") * 20}, index=[f"s{i}" for i in range(60)])
    found = encode(brain, kind, on="stimulus", **NONE)
    assert found.estimate["estimate"].max() < 0.2


@pytest.mark.parametrize(
    ("features", "options", "pattern"),
    [
        ([], {}, "names of columns or variables.*empty list"),
        ({}, {}, "empty dict"),
        (None, {}, "got NoneType"),
        ("nonesuch", {}, "no column or variable 'nonesuch'"),
        (["stimulus", 3], {}, "list with 3|got 'features'"),
        (np.zeros((7, 2)), {}, "have 7 rows, but there are 60"),
        (np.ones((60, 2)), {}, "constant over the rows"),
        (np.full((60, 2), np.nan), {}, "120 missing or infinite"),
        ("stimulus", {"time": (3.0, 1.0)}, "time must be"),
        (
            "stimulus",
            {"delays": (0, 1)},
            "delays go with activity that has a time axis",
        ),
        ("stimulus", {"time": "keep"}, "has a time axis"),
        ("stimulus", {"penalties": [0.0]}, "penalties must be positive"),
        ("stimulus", {"n_components": 0}, "n_components"),
        ("stimulus", {"stimulus": "nope"}, "stimulus: no column"),
        (
            "stimulus",
            {"on": "stimulus", "stimulus": "stimulus"},
            "goes with on='trial'",
        ),
        ("x", {"device": "nowhere"}, "device must be one that torch knows"),
        ("stimulus", {"n_folds": 2}, "needs at least three folds.*penalties="),
    ],
)
def test_bad_input_is_refused_by_name(features, options, pattern):
    brain, _ = repeated(n=60, repeats=1)
    brain = marr.from_arrays(
        {"V1": brain.activity("V1").values},
        brain.trials.assign(x=np.random.default_rng(0).normal(size=60)),
    )
    with pytest.raises(MarrError, match=pattern) as caught:
        encode(brain, features, **{**NONE, **options})
    assert len(str(caught.value)) < 700


def test_two_folds_do_with_one_penalty():
    brain, features = repeated(n=60, repeats=1)
    found = encode(brain, features, on="stimulus", n_folds=2, penalties=0.1, **NONE)
    assert found.parameters["n_folds"] == 2
    assert "The penalty was 0.1 (relative)." in found.methods


def test_double_labels_are_refused():
    brain, features = repeated(n=60)
    twice = pd.concat([features, features.iloc[:2]])
    with pytest.raises(ContractError, match=r"several rows labeled \['s0', 's1'\]"):
        encode(brain, twice, on="stimulus", **NONE)


def test_few_rows_are_said():
    brain, features = repeated(n=12)
    found = encode(brain, features, on="stimulus", n_permutations=9)
    assert {"few_rows", "few_shuffles"} <= {n.code for n in found.notes}
    tiny, few = repeated(n=4, repeats=2)
    with pytest.raises(StatisticsError, match="n_folds=5"):
        encode(tiny, few, on="stimulus", **NONE)


def test_a_cohort_has_its_units_side_by_side():
    members = []
    for seed in range(3):
        brain, features = repeated(n=60, units=3, seed=0)
        values = brain.activity("V1").values
        noise = np.random.default_rng(seed).normal(size=values.shape)
        members.append(
            marr.from_arrays({"V1": values + noise}, brain.trials, name=f"m{seed}")
        )
    group = marr.Cohort(members, name="group")
    found = encode(group, features, on="stimulus", **FEW)
    assert found.estimate.sizes["unit"] == 9
    assert "median R²" in found.summary
    assert set(found.tables) >= {"site", "unit"}
