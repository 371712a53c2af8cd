"""Readouts: numbers by hand, labels, ragged outputs, what is refused."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import marr
from marr.errors import ContractError, OptionError
from marr.readouts import choice, confidence, heading, response_time, value

EMPTY = pd.DataFrame(index=range(3))


def test_choice_at_the_last_time():
    outputs = np.zeros((3, 4, 2))
    outputs[:, 0, 0] = 9
    outputs[:, -1, 1] = [1.0, -1.0, 3.0]
    found = choice(outputs, EMPTY)
    assert found["choice"].tolist() == [1, 0, 1]
    expected = 1 / (1 + np.exp(-np.array([1.0, -1.0, 3.0])))
    assert found["choice_probability"] == pytest.approx(expected)
    assert "correct" not in found
    assert choice(outputs, EMPTY, at="mean")["choice"].tolist() == [0, 0, 0]
    assert choice(outputs, EMPTY, at=0)["choice"].tolist() == [0, 0, 0]


def test_a_single_output_is_log_odds():
    found = choice(np.array([2.0, -2.0, 0.0])[:, None], EMPTY)
    assert found["choice"].tolist() == [1, 0, 0]
    assert found["choice_probability"][0] == pytest.approx(1 / (1 + np.exp(-2)))
    flat = choice(np.array([2.0, -2.0, 0.0]), EMPTY)
    assert flat["choice_probability"] == pytest.approx(found["choice_probability"])


def test_correct_in_the_terms_of_the_labels():
    logits = np.array([[0, 1, 0], [2, 0, 0], [0, 0, 1.0]])
    table = pd.DataFrame({"side": ["mid", "right", None]})
    labels = ["left", "mid", "right"]
    found = choice(logits, table, labels=labels, target="side")
    assert found["choice"].tolist() == ["mid", "left", "right"]
    assert found["correct"][:2].tolist() == [1.0, 0.0]
    assert np.isnan(found["correct"][2])
    assert "choice_probability" not in found


def test_large_logits_do_not_overflow():
    found = choice(np.array([[0, 1e4], [1e4, 0], [0, -1e4]]), EMPTY)
    assert found["choice_probability"].tolist() == [1.0, 0.0, 0.0]


def test_ragged_outputs_are_read_at_their_last_valid_time():
    outputs = np.zeros((2, 3, 2))
    outputs[0, 1, 1] = 5
    outputs[0, 2] = np.nan
    outputs[1, 2, 1] = 5
    found = choice(outputs, EMPTY.iloc[:2])
    assert found["choice"].tolist() == [1, 1]
    assert choice(outputs, EMPTY.iloc[:2], at="mean")["choice"].tolist() == [1, 1]


def test_confidence_is_the_largest_probability():
    found = confidence(np.log([[0.2, 0.3, 0.5], [0.8, 0.1, 0.1]]), EMPTY.iloc[:2])
    assert found["confidence"] == pytest.approx([0.5, 0.8])


def test_response_time_counts_steps_to_threshold():
    ramp = np.zeros((3, 5, 2))
    ramp[0, :, 1] = [0, 1, 2, 3, 4]
    ramp[1, :, 0] = 10
    found = response_time(ramp, EMPTY, threshold=0.8, step=0.1)["response_time"]
    assert found[:2] == pytest.approx([0.3, 0.1])
    assert np.isnan(found[2])


def test_heading_and_its_error_wrap():
    angle = np.array([3.1, -3.1, 0.0])
    outputs = np.stack([np.cos(angle), np.sin(angle)], -1) * [[1.0], [2.0], [0.1]]
    table = pd.DataFrame({"heading": [-3.1, -3.1, 1.0]})
    found = heading(outputs, table)
    assert found["heading_estimate"] == pytest.approx(angle)
    assert found["heading_error"] == pytest.approx([2 * np.pi - 6.2, 0, 1.0])


def test_heading_over_time_against_a_variable(rng):
    truth = rng.uniform(-np.pi, np.pi, size=(3, 6))
    off = truth + 0.2
    outputs = np.stack([np.cos(off), np.sin(off)], -1)
    outputs[0, 4:] = np.nan
    found = heading(outputs, EMPTY, {"heading": truth})
    assert found["heading_error"] == pytest.approx([0.2, 0.2, 0.2])
    wrapped = np.angle(np.exp(1j * off))
    assert found["heading_estimate"][0] == pytest.approx(wrapped[0, 3])


def test_value_of_one_output():
    outputs = np.arange(12.0).reshape(3, 4)
    assert value(outputs, EMPTY, index=2, name="v") == {"v": pytest.approx([2, 6, 10])}


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (
            lambda: choice(np.zeros((3, 2, 2, 2)), EMPTY),
            ContractError,
            "Write a readout",
        ),
        (lambda: choice(np.zeros((3, 2)), EMPTY, at="first"), None, ""),
        (
            lambda: choice(np.zeros((3, 4, 2)), EMPTY, at="first"),
            OptionError,
            "at must",
        ),
        (lambda: choice(np.zeros((3, 4, 2)), EMPTY, at=4), OptionError, "below 4"),
        (
            lambda: choice(np.zeros((3, 2)), EMPTY, labels=["a"]),
            ContractError,
            "each of",
        ),
        (
            lambda: choice(np.zeros((3, 2)), pd.DataFrame({"target": list("abc")})),
            ContractError,
            "Give labels=",
        ),
        (lambda: response_time(np.zeros((3, 2)), EMPTY), ContractError, "over time"),
        (
            lambda: response_time(np.zeros((3, 2, 2)), EMPTY, threshold=2),
            OptionError,
            "threshold",
        ),
        (lambda: heading(np.zeros((3, 3)), EMPTY), ContractError, "two outputs"),
        (
            lambda: heading(np.zeros((3, 4, 2)), EMPTY, {"heading": np.zeros((3, 5))}),
            ContractError,
            "trials and times",
        ),
        (lambda: value(np.zeros((3, 2)), EMPTY, index=2), OptionError, "one of 2"),
    ],
)
def test_what_is_refused(call, error, match):
    if error is None:
        assert call()
        return
    with pytest.raises(error, match=match):
        call()


def test_readouts_of_a_hooked_model(rng):
    torch.manual_seed(0)
    x = rng.normal(size=(9, 5, 3))
    truth = rng.uniform(-3, 3, size=(9, 5))
    system = marr.hook(
        nn.Sequential(nn.Linear(3, 2)),
        x,
        pd.DataFrame({"side": np.arange(9) % 2}),
        sites=["0"],
        readout=[partial(choice, target="side"), confidence, heading],
        variables={"heading": truth},
        batch_size=2,
    )
    whole = choice(system.outputs(), system.task, target="side")
    table = system.trials
    assert table["choice"].tolist() == whole["choice"].tolist()
    assert table["correct"].tolist() == whole["correct"].tolist()
    expected = heading(system.outputs(), system.task, {"heading": truth})
    assert table["heading_error"].to_numpy() == pytest.approx(expected["heading_error"])
    part = system.select([4, 2])
    assert part.trials["heading_error"].tolist() == [
        table.loc[4, "heading_error"],
        table.loc[2, "heading_error"],
    ]
    assert system.describe()["readout"] == "choice + confidence + heading"
