"""Taking a variable out: nothing linear is left of it, the rest stays, models falter."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import marr
from marr.errors import EvidenceError, OptionError
from marr.representation import amnesic
from marr.representation._readout._amnesic_kernel import (
    random_subspaces,
    variable_subspace,
    without_subspace,
)

N = 200


def recording(seed=0):
    rng = np.random.default_rng(seed)
    side, color = np.arange(N) % 2, np.arange(N) // 2 % 2
    x = rng.normal(0, 0.7, (N, 10))
    x[:, :3] += (2 * side - 1)[:, None]
    x[:, 5:8] += (2 * color - 1)[:, None]
    table = pd.DataFrame({"side": side, "color": color})
    return marr.from_arrays({"V1": x}, table)


def test_nothing_covaries_with_the_variable_any_more():
    rng = np.random.default_rng(0)
    z = np.eye(3)[np.arange(90) % 3]
    x = rng.normal(size=(90, 8)) + z @ rng.normal(size=(3, 8))
    basis = variable_subspace(x, z)
    assert basis.shape == (8, 2)
    left = without_subspace(x, basis, x.mean(0))
    assert np.abs((left - left.mean(0)).T @ (z - z.mean(0))).max() < 1e-10
    np.testing.assert_allclose(left.mean(0), x.mean(0))
    drawn = random_subspaces(x, 2, 5, seed=0)
    np.testing.assert_allclose(drawn[3].T @ drawn[3], np.eye(2), atol=1e-12)


def test_the_target_goes_and_another_variable_stays():
    found = amnesic(recording(), "side", others="color")
    scores = found.tables["score"].sel(site="V1")
    assert float(scores["before"].sel(quantity="side")) > 0.95
    assert abs(float(scores["after"].sel(quantity="side")) - 0.5) < 0.1
    loss = found.estimate.sel(site="V1")
    assert abs(float(loss["estimate"].sel(quantity="color"))) < 0.05
    assert float(loss["p_value"].sel(quantity="side")) < 0.05
    assert found.evidence == "predictive"


class Chooser(torch.nn.Module):
    """Chooses by the first of two inputs; the second is carried along."""

    def __init__(self):
        super().__init__()
        self.hidden = torch.nn.Linear(2, 6, bias=False)
        self.out = torch.nn.Linear(6, 2, bias=False)
        mixing = torch.linalg.qr(
            torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
        )[0]
        with torch.no_grad():
            self.hidden.weight.copy_(mixing)
            self.out.weight.copy_(torch.stack([-mixing[:, 0], mixing[:, 0]]))

    def forward(self, x):
        return self.out(self.hidden(x))


def model():
    rng = np.random.default_rng(0)
    side, color = np.arange(N) % 2, np.arange(N) // 2 % 2
    x = np.stack([2.0 * side - 1, 2.0 * color - 1], 1) + rng.normal(0, 0.3, (N, 2))
    table = pd.DataFrame({"target": side, "side": side, "color": color})
    inputs = torch.tensor(x, dtype=torch.float32)
    return marr.hook(
        Chooser(), inputs, table, sites=["hidden"], readout=marr.readouts.choice
    )


def test_a_model_needs_what_it_chooses_by_and_nothing_else():
    accuracy = marr.measures.accuracy()
    side = amnesic(model(), "side", measure=accuracy, n_random=19)
    color = amnesic(model(), "color", measure=accuracy, n_random=19)
    assert side.evidence == "causal"
    assert float(side.estimate["estimate"].sel(quantity=accuracy.name)[0]) > 0.3
    assert float(color.estimate["estimate"].sel(quantity=accuracy.name)[0]) < 0.05
    assert "was not seen to need it" in color.summary


def test_a_recording_cannot_act_again():
    with pytest.raises(EvidenceError, match=r"nobody saw it act.*marr\.hook"):
        amnesic(recording(), "side", measure=marr.measures.accuracy())
    with pytest.raises(OptionError, match="the target 'side' itself"):
        amnesic(recording(), "side", others=["side"])
