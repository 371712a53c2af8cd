"""Measures: fitted on the intact system, one value a trial of any."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import marr
from marr.errors import ContractError, EvidenceError, OptionError, StatisticsError
from marr.measures import (
    accuracy,
    as_measure,
    choice_follows,
    column,
    decoded,
    logit_difference,
    wrap,
)


@pytest.fixture
def recording(rng):
    n = 120
    side = rng.permutation(np.repeat(["left", "right"], n // 2))
    x = rng.normal(size=(n, 6, 8))
    x[..., 0] += np.where(side == "left", 1.5, -1.5)[:, None]
    angle = rng.uniform(-np.pi, np.pi, size=(n, 6))
    x[..., 1] += 3 * np.cos(angle)
    x[..., 2] += 3 * np.sin(angle)
    speed = rng.normal(size=n)
    x[..., 3] += 3 * speed[:, None]
    trials = pd.DataFrame(
        {
            "side": side,
            "choice": np.where(rng.random(n) < 0.8, side, "left"),
            "prior": rng.choice(["left", "right"], n),
            "contrast": rng.choice([0.0, 0.5], n),
            "speed": speed,
            "error": rng.uniform(size=n),
        },
        index=[f"t{i}" for i in range(n)],
    )
    trials["correct"] = trials["choice"] == trials["side"]
    heading = xr.DataArray(angle, dims=("trial", "time"), attrs={"circular": True})
    return marr.from_arrays(
        {"M2": x[..., :5], "V1": x[..., 5:]},
        trials,
        variables={"heading": heading},
        time=np.arange(6) * 0.1,
        name="mouse",
    )


MEASURES = [
    accuracy(),
    choice_follows("prior", where="contrast == 0"),
    column("error", better="lower"),
    column("heading", better="lower"),
    decoded("side"),
    decoded("side", score="correct", where="contrast == 0"),
    decoded("speed", sites="M2"),
    decoded("heading"),
    decoded("heading", score="angle"),
    wrap(lambda system: system.activity("V1").mean(("time", "unit"))),
]


@pytest.mark.parametrize("measure", MEASURES, ids=repr)
def test_values_follow_the_trial_labels(recording, measure):
    fitted = measure.fit(recording)
    whole = pd.Series(fitted(recording), recording.trials.index)
    part = recording.select(recording.trials.index[::-3])
    np.testing.assert_allclose(fitted(part), whole[part.trials.index], atol=1e-12)
    shown = repr(measure)
    assert measure.name in shown
    assert measure.kind in shown


@pytest.mark.parametrize("measure", MEASURES, ids=repr)
def test_trials_that_the_fit_did_not_know_are_refused(recording, measure):
    part = recording.select(recording.trials.index[:90])
    with pytest.raises(ContractError, match="fitted on other trials"):
        measure.fit(part)(recording)


def test_accuracy_is_the_column(recording):
    values = accuracy().fit(recording)(recording)
    assert values.mean() == recording.trials["correct"].mean()


def test_where_is_decided_on_the_intact_system(recording):
    fitted = choice_follows("prior", where="contrast == 0").fit(recording)
    values, trials = fitted(recording), recording.trials
    asked = (trials["contrast"] == 0).to_numpy()
    assert np.isnan(values[~asked]).all()
    follows = (trials["choice"] == trials["prior"]).to_numpy()
    assert (values[asked] == follows[asked]).all()


def test_behavior_of_a_perturbed_recording_is_refused(recording):
    perturbed = recording.perturb(marr.Ablate("M2"))
    for measure in (
        accuracy(),
        choice_follows("prior"),
        wrap(lambda system: system.trials["correct"]),
    ):
        fitted = measure.fit(recording)
        with pytest.raises(EvidenceError, match="observed on the intact system"):
            fitted(perturbed)


def test_choices_that_could_never_follow_are_refused(recording):
    with pytest.raises(ContractError, match="no choice could ever follow"):
        choice_follows("contrast").fit(recording)


def test_text_is_no_number(recording):
    with pytest.raises(ContractError, match="numeric column"):
        column("choice", better="higher").fit(recording)


def test_unknown_column_suggests_the_nearest(recording):
    with pytest.raises(OptionError, match="'correct'"):
        accuracy("corect").fit(recording)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda system: 1.0, "one value a trial"),
        (lambda system: system.activity("M2").values, "one value a trial"),
        (lambda system: ["a"] * len(system.trials), "must give numbers"),
        (lambda system: np.full(len(system.trials), np.inf), "infinite"),
    ],
    ids=["scalar", "matrix", "text", "infinite"],
)
def test_functions_must_give_one_number_a_trial(recording, function, message):
    with pytest.raises(ContractError, match=message):
        wrap(function).fit(recording)(recording)


def test_what_is_no_function_is_refused():
    with pytest.raises(ContractError, match=r"marr\.measures"):
        as_measure("accuracy")
    assert as_measure(MEASURES[0]) is MEASURES[0]


# -- readouts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "kind", "least"),
    [
        (decoded("side"), "categorical", 0.75),
        (decoded("side", score="correct"), "categorical", 0.9),
        (decoded("speed"), "continuous", 0.6),
        (decoded("heading"), "circular", 0.85),
    ],
    ids=repr,
)
def test_planted_variables_are_read_out(recording, measure, kind, least):
    fitted = measure.fit(recording)
    assert fitted.kind == kind
    assert np.nanmean(fitted(recording)) > least
    ablated = recording.perturb(marr.Ablate("M2"))
    left = np.nanmean(fitted(ablated))
    assert left == pytest.approx(fitted.chance, abs=0.15)


def test_explained_variance_is_r_squared(recording):
    from sklearn.metrics import r2_score

    fitted = decoded("speed", penalty=0.1).fit(recording)
    features = fitted.features(recording).values
    truth = recording.trials["speed"].to_numpy()
    from marr.measures._readout_kernel import predict

    predicted = predict(fitted.readouts, features, fitted.fold)[:, 0]
    original = predicted * truth.std() + truth.mean()
    assert fitted(recording).mean() == pytest.approx(r2_score(truth, original))


def test_shuffled_labels_are_read_out_at_chance(recording, rng):
    trials = recording.trials
    scores = []
    for _ in range(20):
        trials["side"] = rng.permutation(trials["side"].to_numpy())
        shuffled = marr.from_arrays({"M2": recording.activity("M2").values}, trials)
        scores.append(decoded("side").fit(shuffled)(shuffled).mean())
    assert np.mean(scores) == pytest.approx(0.5, abs=0.02)


def test_rare_classes_weigh_as_much_as_common_ones(rng):
    label = np.repeat(["rare", "common"], [12, 108])
    system = marr.from_arrays(
        {"A": rng.normal(size=(120, 3))}, pd.DataFrame({"label": label})
    )
    values = decoded("label").fit(system)(system)
    assert np.mean(values) == pytest.approx(0.5, abs=0.06)  # not .9, the base rate


def test_blocks_that_drift_are_not_decodable(rng):
    block = np.arange(16).repeat(12)
    label = np.where(block % 2 == 0, "a", "b")
    trials = pd.DataFrame({"label": label, "block": block})
    scores = []
    for _ in range(10):
        drift = rng.normal(size=(16, 6))[block]
        x = drift + 0.1 * rng.normal(size=(192, 6))
        system = marr.from_arrays({"A": x}, trials)
        scores.append(decoded("label", score="correct").fit(system)(system).mean())
    assert 0.3 < np.mean(scores) < 0.65


def test_only_training_trials_are_learned_from(recording):
    train = np.arange(120) < 80
    trials = recording.trials
    trials.loc[trials.index[80:], "side"] = "left"  # wrong on trials outside
    other = marr.from_arrays({"M2": recording.activity("M2").values}, trials)
    fitted = decoded("side", penalty=0.1).fit(other, train=train)
    values = fitted(other)
    assert np.isfinite(values).all()
    assert values[:80].mean() > 0.75
    true_left = (recording.trials["side"] == "left").to_numpy()[80:]
    assert values[80:][true_left].mean() > 0.7
    assert values[80:][~true_left].mean() < 0.4


def test_ragged_trials_are_read_only_where_valid(rng):
    x = rng.normal(size=(60, 5, 4))
    y = rng.normal(size=(60, 5))
    x[..., 0] += 2 * y
    lengths = rng.integers(2, 6, 60)
    valid = np.arange(5)[None, :] < lengths[:, None]
    x[~valid] = np.nan
    activity = xr.DataArray(
        x,
        dims=("trial", "time", "unit"),
        coords={"time": np.arange(5), "valid": (("trial", "time"), valid)},
        attrs={"time_unit": "step"},
    )
    system = marr.from_arrays({"A": activity}, variables={"y": y})
    values = decoded("y").fit(system)(system)
    assert np.isfinite(values).all()
    assert values.mean() > 0.5


def test_missing_bins_of_a_variable_are_left_out(recording, rng):
    heading = recording.variables["heading"].copy()
    heading.values[rng.random(heading.shape) < 0.3] = np.nan
    heading.values[0] = np.nan
    system = marr.from_arrays(
        {"M2": recording.activity("M2").values},
        recording.trials,
        variables={"heading": heading},
        time=np.arange(6) * 0.1,
    )
    values = decoded("heading").fit(system)(system)
    assert np.isnan(values[0])
    assert np.isfinite(values[1:]).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: decoded("side", kind="angular"), OptionError, "kind must be one of"),
        (lambda: decoded("side", score="auc"), OptionError, "score must be one of"),
        (
            lambda: decoded("x", kind="continuous", score="correct"),
            OptionError,
            "'explained'",
        ),
        (lambda: decoded("side", penalty=-1.0), OptionError, "positive"),
    ],
    ids=["kind", "score", "score of kind", "penalty"],
)
def test_impossible_options_of_decoded(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("measure", "error", "message"),
    [
        (decoded("sid"), OptionError, "'side'"),
        (decoded("side", sites="V2"), OptionError, "'V1'"),
        (decoded("side", where="side == 'left'"), StatisticsError, "one class"),
        (decoded("side", where="nothing > 1"), ContractError, "cannot evaluate"),
        (decoded("side", kind="continuous"), ContractError, "must hold numbers"),
        (decoded("side", score="cosine"), OptionError, "'probability'"),
    ],
    ids=["target", "site", "one class", "where", "text", "score"],
)
def test_what_cannot_be_decoded(recording, measure, error, message):
    with pytest.raises(error, match=message):
        measure.fit(recording)


def test_units_must_not_be_dropped(recording):
    fitted = decoded("side", sites="M2").fit(recording)
    fewer = marr.from_arrays(
        {"M2": recording.activity("M2").values[..., :3]},
        recording.trials,
        time=np.arange(6) * 0.1,
    )
    with pytest.raises(ContractError, match="ablate units instead"):
        fitted(fewer)


def test_order_of_units_does_not_matter(recording):
    fitted = decoded("side", sites="M2").fit(recording)
    turned = marr.from_arrays(
        {"M2": recording.activity("M2").isel(unit=[4, 0, 3, 1, 2])},
        recording.trials,
    )
    np.testing.assert_allclose(fitted(turned), fitted(recording), atol=1e-12)


def test_logit_difference_needs_a_model(recording):
    with pytest.raises(EvidenceError, match="outputs of a model"):
        logit_difference("side", "prior").fit(recording)


class _Outputs:
    """A linear model whose outputs are its inputs."""

    @staticmethod
    def system(trials, outputs):
        import torch
        from torch import nn

        net = nn.Sequential(nn.Identity(), nn.Identity())
        return marr.hook(net, torch.tensor(outputs), trials, sites=["0"], name="net")


def test_logit_difference_by_class_and_by_column(rng):
    outputs = rng.normal(size=(8, 3)).astype(np.float32)
    right = rng.integers(0, 3, 8)
    trials = pd.DataFrame({"right": right, "wrong": (right + 1) % 3})
    net = _Outputs.system(trials, outputs)
    every = np.arange(8)
    fitted = logit_difference("right", "wrong").fit(net)
    expected = outputs[every, right] - outputs[every, (right + 1) % 3]
    np.testing.assert_allclose(fitted(net), expected, rtol=1e-6)
    part = net.select(every[::-2])
    np.testing.assert_allclose(fitted(part), expected[::-2], rtol=1e-6)
    fixed = logit_difference(2, 0, where="right == 2").fit(net)(net)
    assert np.isnan(fixed[right != 2]).all()
    np.testing.assert_allclose(
        fixed[right == 2], (outputs[:, 2] - outputs[:, 0])[right == 2], rtol=1e-6
    )
    ablated = net.perturb(marr.Ablate("0", mode="zero"))
    assert (fitted(ablated) == 0).all()


@pytest.mark.parametrize("position", [-1, 0])
def test_logit_difference_at_a_position(rng, position):
    outputs = rng.normal(size=(6, 4, 2)).astype(np.float32)
    net = _Outputs.system(None, outputs)
    values = logit_difference(0, 1, position=position).fit(net)(net)
    expected = outputs[:, position, 0] - outputs[:, position, 1]
    np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.parametrize("which", [3, -4, "half", "word"])
def test_classes_must_exist(rng, which):
    trials = pd.DataFrame({"half": [0.5] * 5, "word": ["yes"] * 5})
    net = _Outputs.system(trials, rng.normal(size=(5, 3)).astype(np.float32))
    with pytest.raises(ContractError, match=r"classes from 0 to 2|numeric column"):
        logit_difference(which, 0).fit(net)
