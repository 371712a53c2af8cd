"""The decision trials, against counts known from the raw table."""

from __future__ import annotations

import numpy as np
import pytest

from marr import datasets
from marr.datasets._mouse_decision import _raw
from marr.errors import OptionError


@pytest.fixture(scope="module")
def mouse():
    return datasets.mouse_decision()


@pytest.fixture(scope="module")
def raw():
    return _raw()


def test_counts(mouse):
    assert len(mouse.trials) == 4752
    assert mouse.sites == ()
    assert mouse.trials["session"].nunique() == 6
    assert mouse.info["dropped"] == {"other protocol": 3091, "no choice within 60 s": 1}
    assert mouse.info["response_time_missing"] == 6
    assert mouse.group_column == "session"
    training = datasets.mouse_decision(protocol="training")
    assert len(training.trials) == 3091 - 18
    assert "block" not in training.trials
    assert training.trials["session"].nunique() == 5


def test_signs_agree_with_reward_and_with_the_raw_table(mouse, raw):
    table = mouse.trials
    source = raw.loc[table.index]
    assert set(table["choice"]) == {-1, 1}
    rewarded = source["feedbackType"] == 1
    assert (table["correct"] == rewarded).all()
    assert ((table["choice"] == table["target"]) == table["correct"]).all()
    side = np.sign(table["contrast"])
    assert (side[side != 0] == table["target"][side != 0]).all()
    assert (table["target"] == 1).equals(source["contrastRight"].notna())
    # a full-contrast stimulus on the right is mostly answered with right
    assert (table.query("contrast == 1")["choice"] == 1).mean() > 0.8
    assert (table.query("contrast == -1")["choice"] == -1).mean() > 0.8


def test_the_block_is_the_probability_of_left(mouse):
    table = mouse.trials
    assert sorted(table["probability_left"].unique()) == [0.2, 0.5, 0.8]
    for block, rows in table.groupby("probability_left"):
        assert (rows["target"] == -1).mean() == pytest.approx(block, abs=0.03)
    first = table.query("trial_in_session < 90")
    assert (first["probability_left"] == 0.5).all()
    assert (table.query("trial_in_session >= 90")["probability_left"] != 0.5).all()


def test_the_mouse_uses_the_prior_at_zero_contrast(mouse):
    zero = mouse.trials.query("contrast == 0")
    right = (
        (zero["choice"] == 1).groupby(zero["probability_left"]).agg(["mean", "size"])
    )
    assert right.loc[0.2, "mean"] == pytest.approx(0.733, abs=0.001)
    assert right.loc[0.8, "mean"] == pytest.approx(0.432, abs=0.001)
    assert right["size"].tolist() == [419, 108, 417]


def test_no_go_trials_are_kept_on_request():
    kept = datasets.mouse_decision(no_go="keep").trials
    silent = kept[kept["choice"] == 0]
    assert len(silent) == 1
    assert not silent["correct"].any()
    assert silent["target"].isin([-1, 1]).all()
    assert (silent["response_time"] > 59).all()
    assert (
        len(datasets.mouse_decision(protocol="training", no_go="keep").trials) == 3091
    )


def test_order_and_times(mouse):
    for _, rows in mouse.trials.groupby("session"):
        assert rows["trial_in_session"].is_monotonic_increasing
        assert rows["start_time"].dropna().is_monotonic_increasing
    times = mouse.trials["response_time"]
    assert (times.dropna() > 0).all()
    assert times.isna().sum() == 6


def test_unknown_options():
    with pytest.raises(OptionError, match="Did you mean 'biased'"):
        datasets.mouse_decision(protocol="biassed")
    with pytest.raises(OptionError, match="no_go must be one of"):
        datasets.mouse_decision(no_go=True)
