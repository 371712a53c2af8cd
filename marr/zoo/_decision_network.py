"""Recurrent networks that decide as the mouse is asked to: evidence and block prior."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from marr.errors import OptionError
from marr.zoo._decision_task import (
    FEATURES,
    N_STEPS,
    RESPONSE_STEP,
    SEQUENCE_LENGTH,
    decision_batch,
    trial_inputs,
)
from marr.zoo._training import Progress, descend, one_thread, seeded_weights

__all__ = ["DecisionNetwork", "decision_choices", "new_decision", "train_decision"]

DECISION_UNITS = 32
DECISION_STEPS = 500
BATCH = 32
RATE = 2e-3


class DecisionNetwork(nn.Module):
    """Vanilla recurrent network with a linear readout of left and right.

    Parameters
    ----------
    n_units : int
        Hidden units.

    Attributes
    ----------
    recurrent : torch.nn.RNN
        The hidden units, tanh.
    readout : torch.nn.Linear
        Two logits at each step; those of the response step are the answer.
    record : dict
        Seed, steps and loss of the training; `steps` is 0 for an untrained network.
    """

    def __init__(self, n_units: int = DECISION_UNITS) -> None:
        super().__init__()
        self.recurrent = nn.RNN(len(FEATURES), n_units, batch_first=True)
        self.readout = nn.Linear(n_units, 2)
        self.record: dict[str, Any] = {}

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (batch, time, feature) to logits (batch, time, 2): left, right."""
        hidden, _ = self.recurrent(inputs)
        logits: Tensor = self.readout(hidden)
        return logits


def new_decision(seed: int) -> DecisionNetwork:
    """Return the network of a seed before any training."""
    network = seeded_weights(DecisionNetwork, seed=seed)
    assert isinstance(network, DecisionNetwork)
    network.record = {"seed": seed, "steps": 0, "loss": None}
    return network.eval()


def train_decision(
    seed: int,
    *,
    steps: int = DECISION_STEPS,
    progress: Progress | None = None,
) -> DecisionNetwork:
    """Train a network to choose the correct side on generated sequences.

    Sequences have the statistics of the task (contrasts, blocks, block lengths). No
    choice of a mouse and no recorded session is used, so every real session is held
    out. The loss is the cross-entropy at the response step; gradients run through
    whole sequences of 90 trials.

    Parameters
    ----------
    seed : int
        Seed of the weights and of the sequences. Same seed, same torch and same
        processor: same weights, bit by bit.
    steps : int
        Gradient steps, each on 32 sequences; the default takes about 15 s on one core.
    progress : callable, optional
        Called after each step with (steps done, steps in all, loss).

    Returns
    -------
    DecisionNetwork
        In evaluation mode, with its `record`.
    """
    if steps < 1:
        msg = (
            f"steps must be at least 1; got {steps}. For no training use trained=False."
        )
        raise OptionError(msg)
    network = new_decision(seed).train()
    rng = np.random.default_rng(seed)

    def loss_at(_: int) -> Tensor:
        contrast, target, _block = decision_batch(BATCH, SEQUENCE_LENGTH, rng)
        previous = np.concatenate([np.zeros((BATCH, 1)), target[:, :-1]], axis=1)
        inputs = trial_inputs(contrast, target, previous, rng)
        flat = inputs.reshape(BATCH, SEQUENCE_LENGTH * N_STEPS, len(FEATURES))
        logits = network(torch.from_numpy(flat))[:, RESPONSE_STEP::N_STEPS]
        labels = torch.from_numpy((target > 0).astype(np.int64))
        return nn.functional.cross_entropy(logits.reshape(-1, 2), labels.reshape(-1))

    loss = descend(network, loss_at, steps=steps, rate=RATE, progress=progress)
    network.record = {"seed": seed, "steps": steps, "loss": round(loss, 6)}
    return network.eval()


def decision_choices(
    network: nn.Module, inputs: np.ndarray, trials: pd.DataFrame
) -> np.ndarray:
    """Run whole sequences and return the choices; the plain way, without hooks.

    Parameters
    ----------
    network : torch.nn.Module
        Maps (batch, time, feature) to logits (batch, time, 2).
    inputs, trials : array of shape (n_trials, N_STEPS, n_features) and DataFrame
        As returned by `decision_inputs`.

    Returns
    -------
    int array of shape (n_trials,)
        -1 left, 1 right.
    """
    codes = pd.factorize(trials["sequence"])[0]
    position = trials.groupby("sequence").cumcount().to_numpy()
    shape = (codes.max() + 1, position.max() + 1, *inputs.shape[1:])
    padded = np.zeros(shape, np.float32)
    padded[codes, position] = inputs
    with torch.no_grad(), one_thread():
        logits = network(torch.from_numpy(padded.reshape(shape[0], -1, shape[-1])))
    answers = logits.numpy()[:, RESPONSE_STEP::N_STEPS]
    right = answers[codes, position, 1] > answers[codes, position, 0]
    return np.where(right, 1, -1)
