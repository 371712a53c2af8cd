"""Shared by the tests of bad input: the refusal, small arrays, a model with vices."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import marr
from marr.errors import MarrError

if TYPE_CHECKING:
    from collections.abc import Callable

behavior, representation = marr.behavior, marr.representation
ablate, decode, rdm = (
    marr.implementation.ablate,
    representation.decode,
    representation.rdm,
)
FEW = {"n_permutations": 20}


def refused(call: Callable[[], Any], *patterns: str, error: type = MarrError) -> str:
    """Return the message of the error that a call raises, after looking for patterns in it."""
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    for pattern in patterns:
        assert re.search(pattern, text), f"no {pattern!r} in: {text}"
    assert 20 < len(text) < 1000
    return text


def activity(n_trials: int = 40, n_units: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_trials, n_units))


def table(n_trials: int = 40, **columns: Any) -> pd.DataFrame:
    sides = np.tile(["left", "right", "right", "left"], n_trials)[:n_trials]
    return pd.DataFrame({"side": sides, **columns})


class Mlp(nn.Module):
    """Two layers, and what a model should not have."""

    def __init__(self, p: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.drop = nn.Dropout(p)
        self.second = nn.Linear(6, 2)
        self.idle = nn.Linear(6, 6)
        self.again = self.first  # a second name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.drop(torch.tanh(self.first(x))))


def hooked(model: nn.Module | None = None, sites: tuple[str, ...] = ("first",)) -> Any:
    torch.manual_seed(0)
    model = Mlp() if model is None else model
    return marr.hook(
        model,
        activity(),
        table(target=np.arange(40) % 2),
        sites=list(sites),
        readout=marr.readouts.choice,
    )
