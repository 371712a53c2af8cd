"""Alignment losses: the numbers of the measures, with right gradients, that training uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from marr.errors import ContractError, OptionError
from marr.representation import ALIGNMENT_MEASURES, alignment_loss
from marr.representation._alignment._loss import LOSSES


def pair(n=12, p=5, q=7, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, 3))
    x = shared @ rng.normal(size=(3, p)) + 0.5 * rng.normal(size=(n, p))
    y = shared @ rng.normal(size=(3, q)) + 0.5 * rng.normal(size=(n, q))
    return x, y


@pytest.mark.parametrize("measure", LOSSES)
def test_the_loss_is_the_measure(measure):
    x, y = pair()
    loss = float(alignment_loss(torch.tensor(x), torch.tensor(y), measure=measure))
    entry = ALIGNMENT_MEASURES[measure]
    value = entry(x, y)
    wanted = 1 - value if entry.kind == "score" else value
    assert loss == pytest.approx(wanted, abs=1e-9)
    assert entry.differentiable


@pytest.mark.parametrize("measure", [m for m in LOSSES if "rbf" not in m])
def test_gradients_are_those_of_finite_differences(measure):
    x, y = (torch.tensor(v, requires_grad=True) for v in pair())
    assert torch.autograd.gradcheck(
        lambda a, b: alignment_loss(a, b, measure=measure), (x, y), atol=1e-6
    )


@pytest.mark.parametrize("measure", LOSSES)
def test_descent_raises_alignment(measure):
    x, y = pair(n=30)
    moving = torch.tensor(x, requires_grad=True)
    target = torch.tensor(y)
    before = float(alignment_loss(moving, target, measure=measure).detach())
    optimizer = torch.optim.Adam([moving], lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        alignment_loss(moving, target, measure=measure).backward()
        optimizer.step()
    after = float(alignment_loss(moving, target, measure=measure).detach())
    assert after < 0.6 * before
    assert torch.isfinite(moving).all()


def test_what_cannot_be_a_loss():
    x = torch.randn(8, 3)
    with pytest.raises(OptionError, match="Did you mean 'cka'"):
        alignment_loss(x, x, measure="ckaa")
    with pytest.raises(ContractError, match="same rows; got 8 and 7"):
        alignment_loss(x, x[:7])
    with pytest.raises(ContractError, match="at least 4 rows"):
        alignment_loss(x[:3], x[:3])
    with pytest.raises(ContractError, match="y is the same in all rows"):
        alignment_loss(x, torch.ones(8, 2))


def test_maps_of_a_convolution_are_flattened():
    x = torch.randn(6, 2, 3, 3)
    flat = alignment_loss(x, x.flatten(1) * 2)
    assert float(flat) == pytest.approx(0, abs=1e-5)
