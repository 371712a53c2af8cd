"""Recurrent networks that keep track of heading from turning alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from marr.errors import OptionError
from marr.zoo._heading_task import (
    HEADING_FEATURES,
    N_BINS,
    angle_between,
    heading_inputs,
    turning,
)
from marr.zoo._training import Progress, descend, one_thread, seeded_weights

__all__ = ["HeadingNetwork", "heading_errors", "new_heading", "train_heading"]

HEADING_UNITS = 64
HEADING_STEPS = 2500
BATCH = 64
RATE = 2e-3
HIDDEN_NOISE = 0.2
ACTIVITY_COST = 0.02
SPEED_UP = 1.5
SHORTEST = 10


class HeadingNetwork(nn.Module):
    """Vanilla recurrent network with a linear readout of cosine and sine.

    Parameters
    ----------
    n_units : int
        Hidden units.

    Attributes
    ----------
    recurrent : torch.nn.RNN
        The hidden units, rectified.
    readout : torch.nn.Linear
        Cosine and sine of the heading, at each bin.
    record : dict
        Seed, steps and loss of the training; `steps` is 0 for an untrained network.
    """

    def __init__(self, n_units: int = HEADING_UNITS) -> None:
        super().__init__()
        self.recurrent = nn.RNN(
            len(HEADING_FEATURES), n_units, nonlinearity="relu", batch_first=True
        )
        self.readout = nn.Linear(n_units, 2)
        self.record: dict[str, Any] = {}

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (batch, time, feature) to (batch, time, 2): cosine, sine."""
        hidden, _ = self.recurrent(inputs)
        direction: Tensor = self.readout(hidden)
        return direction

    def noisy_hidden(self, inputs: Tensor, noise: Tensor) -> Tensor:
        """Step the hidden units with noise (batch, time, unit) on their input."""
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        w_in, w, b_in, b = (self.recurrent.get_parameter(name) for name in names)
        drive = inputs @ w_in.T + b_in + b + noise
        hidden = torch.zeros(len(inputs), len(w))
        states = []
        for now in drive.unbind(1):
            hidden = torch.relu(now + hidden @ w.T)
            states.append(hidden)
        return torch.stack(states, 1)


def new_heading(seed: int) -> HeadingNetwork:
    """Return the network of a seed before any training: recurrence is a rotation."""
    network = seeded_weights(HeadingNetwork, seed=seed)
    assert isinstance(network, HeadingNetwork)
    generator = torch.Generator().manual_seed(seed)
    recurrence = network.recurrent.get_parameter("weight_hh_l0")
    nn.init.orthogonal_(recurrence, generator=generator)
    network.record = {"seed": seed, "steps": 0, "loss": None}
    return network.eval()


def train_heading(
    seed: int,
    *,
    steps: int = HEADING_STEPS,
    progress: Progress | None = None,
) -> HeadingNetwork:
    """Train a network to report heading from turning, on generated paths.

    The loss is the squared error of cosine and sine at every bin, plus a cost of
    activity; hidden units are noisy, so that what is kept must be kept robustly. Paths
    grow from 1 to 5 s during the training, and turn half as fast again as a mouse.
    No recorded path is used.

    Parameters
    ----------
    seed : int
        Seed of the weights, the paths and the noise. Same seed, same torch and same
        processor: same weights, bit by bit.
    steps : int
        Gradient steps, each on 64 paths; the default takes about 20 s on one core.
    progress : callable, optional
        Called after each step with (steps done, steps in all, loss).

    Returns
    -------
    HeadingNetwork
        In evaluation mode, with its `record`.

    References
    ----------
    Cueva & Wei, "Emergence of grid-like representations by training recurrent neural
    networks to perform spatial localization", ICLR 2018, for networks of this kind.
    """
    if steps < 1:
        msg = (
            f"steps must be at least 1; got {steps}. For no training use trained=False."
        )
        raise OptionError(msg)
    network = new_heading(seed).train()
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)

    def loss_at(step: int) -> Tensor:
        n_bins = min(N_BINS, SHORTEST + (60 * step) // steps)
        turns = SPEED_UP * turning(BATCH, rng, n_bins=n_bins)
        turns[:, 0] = rng.uniform(-np.pi, np.pi, size=BATCH)
        heading = np.cumsum(turns, axis=1)
        aim = np.stack([np.cos(heading), np.sin(heading)], axis=-1).astype(np.float32)
        noise = torch.randn(BATCH, n_bins, HEADING_UNITS, generator=generator)
        inputs = torch.from_numpy(heading_inputs(heading % (2 * np.pi)))
        hidden = network.noisy_hidden(inputs, HIDDEN_NOISE * noise)
        error = (network.readout(hidden) - torch.from_numpy(aim)).square().mean()
        cost: Tensor = error + ACTIVITY_COST * hidden.square().mean()
        return cost

    loss = descend(network, loss_at, steps=steps, rate=RATE, progress=progress)
    network.record = {"seed": seed, "steps": steps, "loss": round(loss, 6)}
    return network.eval()


def heading_errors(network: nn.Module, heading: np.ndarray) -> np.ndarray:
    """Return how far off the reported heading is; the plain way, without hooks.

    Parameters
    ----------
    network : torch.nn.Module
        Maps (batch, time, feature) to (batch, time, 2).
    heading : array of shape (n_trials, n_bins)
        True heading in radians.

    Returns
    -------
    array of shape (n_trials, n_bins)
        Absolute error in radians, 0 to pi.
    """
    with torch.no_grad(), one_thread():
        out = network(torch.from_numpy(heading_inputs(heading))).numpy()
    reported = np.arctan2(out[..., 1], out[..., 0])
    return np.abs(angle_between(reported, np.asarray(heading)))
