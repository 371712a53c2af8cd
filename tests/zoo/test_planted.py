from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import ndtr

import marr.zoo
from marr.errors import OptionError
from marr.zoo import list_systems, planted_network, planted_recording
from marr.zoo._planted import PLANTED


def t_value(x, y):
    """Return how far the correlation of x and y lies from 0, in standard errors."""
    r = np.corrcoef(x, y)[0, 1]
    return r * np.sqrt((len(x) - 2) / (1 - r**2))


def test_choices_follow_the_planted_curve():
    trials = planted_recording(n_trials=20_000, seed=1).trials
    x = trials["stimulus"].to_numpy()
    side, right = trials["block_side"].to_numpy(), trials["choice"].to_numpy() == 1

    def loss(p):
        drive = (x + p[0] * side) / p[1]
        probability = p[2] + (1 - 2 * p[2]) * ndtr(drive)
        return -np.log(np.where(right, probability, 1 - probability)).sum()

    fit = minimize(loss, [0.1, 0.5, 0.05], bounds=[(-1, 1), (0.05, 2), (1e-3, 0.3)])
    assert fit.x == pytest.approx(list(PLANTED.values()), abs=0.02)


def test_units_carry_what_was_planted_and_nothing_else():
    system = planted_recording(n_trials=2000, seed=2)
    trials = system.trials
    for site in system.sites:
        activity = system.activity(site)
        late = activity.sel(time=slice(0.2, None)).mean("time")
        early = activity.sel(time=slice(None, -0.1)).mean("time")
        for unit in range(late.sizes["unit"]):
            kind = str(late["planted"].values[unit])
            carries = {
                "choice": trials["choice"],
                "prior": trials["block_side"],
                "stimulus": trials["stimulus"],
                "movement": trials["movement"],
            }
            if kind in carries:
                assert abs(t_value(late[:, unit], carries[kind])) > 10
            if kind in ("prior", "movement"):
                assert abs(t_value(early[:, unit], carries[kind])) > 10


def test_choice_units_hold_nothing_before_the_stimulus():
    system = planted_recording(n_trials=2000, seed=3)
    front = system.activity("front")
    planted = front["planted"].values
    early = front.sel(time=slice(None, -0.1)).mean("time").values
    noise_free = early[:, planted == "choice"]
    # drift is slow, so blocks of 25 trials are the unit: compare neighboring trials
    steps, side = np.diff(noise_free, axis=0), np.diff(system.trials["choice"])
    assert all(abs(t_value(steps[:, i], side)) < 4 for i in range(steps.shape[1]))


def test_movement_mimics_choice():
    trials = planted_recording(n_trials=2000, seed=4).trials
    assert np.corrcoef(trials["movement"], trials["choice"])[0, 1] > 0.25
    lagged = np.corrcoef(trials["movement"][1:], trials["movement"][:-1])[0, 1]
    assert lagged > 0.4


def test_planted_recording_is_seeded():
    first, again = planted_recording(seed=5), planted_recording(seed=5)
    other = planted_recording(seed=6)
    assert first.trials.equals(again.trials)
    assert first.activity("back").equals(again.activity("back"))
    assert not first.trials.equals(other.trials)
    assert first.group_column == "block"


def answers(planted, silenced=()):
    """Step the network by hand and hold some units at their mean."""
    rnn = planted.model.recurrent
    inputs = torch.from_numpy(planted.inputs)
    hidden = torch.zeros(len(inputs), 12)
    with torch.no_grad():
        for step in range(inputs.shape[1]):
            drive = inputs[:, step] @ rnn.weight_ih_l0.T + rnn.bias_ih_l0
            hidden = torch.tanh(drive + hidden @ rnn.weight_hh_l0.T)
            hidden[:, silenced] = hidden[:, silenced].mean(0)
        logits = planted.model.readout(hidden).numpy()
    return np.where(logits[:, 1] > logits[:, 0], 1, -1), hidden.numpy()


def test_only_the_planted_units_are_needed():
    planted = planted_network(n_trials=3000, seed=0)
    trials, units = planted.trials, planted.units
    intact, _ = answers(planted)
    with torch.no_grad():
        fused = planted.model(torch.from_numpy(planted.inputs))[:, -1].numpy()
    np.testing.assert_array_equal(intact, np.where(fused[:, 1] > fused[:, 0], 1, -1))
    for kind in ("prior_copy", "evidence_copy", "nuisance", "constant"):
        np.testing.assert_array_equal(answers(planted, units[kind])[0], intact)
    zero = trials["stimulus"] == 0
    follows = (intact == trials["block_side"])[zero].mean()
    assert follows > 0.7
    without, _ = answers(planted, units["prior"])
    assert abs((without == trials["block_side"])[zero].mean() - 0.5) < 0.06
    strong = trials["stimulus"].abs() == 1
    for unit in units["evidence"]:
        one, _ = answers(planted, (unit,))
        assert (one == trials["target"])[strong].mean() > 0.9
    both, _ = answers(planted, units["evidence"])
    np.testing.assert_array_equal(both, trials["block_side"])


def test_copies_hold_the_same_as_what_is_needed():
    planted = planted_network(seed=1)
    _, hidden = answers(planted)
    for kind in ("prior", "evidence"):
        original = hidden[:, planted.units[kind][0]]
        for copy in planted.units[f"{kind}_copy"]:
            np.testing.assert_allclose(hidden[:, copy], original, atol=1e-6)
    assert hidden[:, planted.units["constant"][0]].std() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("make", [planted_recording, planted_network])
def test_too_few_trials_are_refused(make):
    with pytest.raises(OptionError, match="at least 50"):
        make(n_trials=10)


def test_catalog_lists_what_exists():
    table = list_systems()
    assert len(table) >= 4
    for call in table["call"]:
        name = call.removeprefix("marr.zoo.").removesuffix("()")
        assert name in marr.zoo.__all__
        assert callable(getattr(marr.zoo, name))
    assert set(marr.zoo.__all__) <= set(dir(marr.zoo))


def test_planted_recording_needs_no_torch():
    code = (
        "import sys, marr.zoo; marr.zoo.planted_recording(n_trials=50); "
        "assert 'torch' not in sys.modules, 'torch was loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
