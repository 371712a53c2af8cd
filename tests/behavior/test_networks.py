"""The same calls on networks: choices from a readout, anew after a perturbation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from planted import CONTRASTS
from torch import nn

import marr
from marr.errors import EvidenceError


class Decider(nn.Module):
    """Three hidden units: evidence, prior, and one that nothing reads."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(2, 3, bias=False)
        self.out = nn.Linear(3, 1, bias=False)
        self.hidden.weight.data = nn.Parameter(np_tensor([[1, 0], [0, 1], [1, 1]])).data
        self.out.weight.data = nn.Parameter(np_tensor([[12, 1.5, 0]])).data

    def forward(self, x):
        return self.out(self.hidden(x))


def np_tensor(values):
    import torch

    return torch.tensor(np.asarray(values, dtype=np.float32))


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(0)
    n = 3000
    contrast, prior = rng.choice(CONTRASTS, n), rng.choice([-1.0, 1.0], n)
    noise = rng.logistic(0, 1, n) / 12
    target = np.where(contrast + 1e-9 * prior > 0, 1, -1)
    table = pd.DataFrame({
        "contrast": contrast, "prior": prior, "target": target, "choice": -target,
    })  # fmt: skip
    inputs = np_tensor(np.stack([contrast + noise, prior], axis=1))
    return marr.hook(
        Decider(), inputs, table, sites=["hidden"], name="network",
        readout=lambda out, trials: marr.readouts.choice(out, trials, labels=[-1, 1]),
    )  # fmt: skip


def bias(finding, prior):
    return float(finding.estimate.estimate.sel(prior=prior, parameter="bias"))


def test_its_own_choices_are_fitted_not_those_of_the_table(network):
    f = marr.behavior.psychometric(network, stimulus="contrast", by="prior")
    expected = 1 / (1 + np.exp(-1.5))
    row = f.estimate.sel(prior=1.0, parameter="bias")
    assert float(row.ci_low) < expected < float(row.ci_high)
    row = f.estimate.sel(prior=1.0, parameter="threshold")
    assert float(row.ci_low) < -1.5 / 12 < float(row.ci_high)
    assert (
        float(f.tables["contrast"].p_corrected.sel(parameter="bias").squeeze()) < 0.01
    )
    with pytest.raises(EvidenceError, match="whoever produced"):
        marr.behavior.psychometric(
            network, stimulus="contrast", choice="reference_choice"
        )


def test_ablating_the_prior_unit_takes_the_prior_away(network):
    lesioned = network.perturb(marr.Ablate("hidden", units=[1], mode="zero"))
    f = marr.behavior.psychometric(lesioned, stimulus="contrast", by="prior")
    assert abs(bias(f, 1.0) - bias(f, -1.0)) < 0.08
    assert "is not shown to vary with prior" in f.summary
    idle = network.perturb(marr.Ablate("hidden", units=[2], mode="zero"))
    same = marr.behavior.psychometric(idle, stimulus="contrast", by="prior")
    assert bias(same, 1.0) - bias(same, -1.0) > 0.5


def test_accuracy_of_a_network_and_of_its_lesion(network):
    intact = marr.behavior.accuracy(network)
    blind = network.perturb(marr.Ablate("hidden", units=[0]))
    lesioned = marr.behavior.accuracy(blind, shortcuts=["prior"])
    assert float(intact.estimate.estimate) > 0.8
    assert "not_above_bar" in {n.code for n in lesioned.notes}


def test_a_network_without_readout_has_no_behavior():
    table = pd.DataFrame({"contrast": np.tile(CONTRASTS, 5), "choice": 1})
    silent = marr.hook(
        Decider(), np_tensor(np.zeros((55, 2))), table, sites=["hidden"], name="silent"
    )
    with pytest.raises(EvidenceError, match="readout"):
        marr.behavior.psychometric(silent, stimulus="contrast")
