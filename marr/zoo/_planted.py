"""Small systems in which the answer was planted, for tutorials and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr

from marr.errors import OptionError

if TYPE_CHECKING:
    from torch import nn

    from marr.systems import Recording

__all__ = ["PlantedNetwork", "planted_network", "planted_recording"]

PLANTED = {"threshold": 0.2, "spread": 0.35, "lapse": 0.03}
"""Choices of the planted animal: cumulative normal, shifted by block, with lapses."""

BLOCK_LENGTH = 25
STIMULI = (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)

FRONT = {"choice": 4, "prior": 4, "noise": 2}
BACK = {"stimulus": 4, "movement": 4, "noise": 2}
TIMES = np.round(np.arange(-0.2, 0.6, 0.1), 1)

NETWORK_UNITS = (
    *("evidence", "evidence", "prior"),
    *("prior_copy", "prior_copy", "prior_copy"),
    *("evidence_copy", "evidence_copy"),
    *("nuisance", "nuisance", "nuisance", "constant"),
)
NETWORK_STEPS = 6


class PlantedNetwork(NamedTuple):
    """A hand-built network, its input, its trials, and what is true of it.

    Attributes
    ----------
    model : torch.nn.Module
        Maps (batch, time, feature) to logits (batch, time, 2) of left and right;
        `model.recurrent` is a torch.nn.RNN of 12 units, `model.readout` is linear.
    inputs : float32 array of shape (n_trials, 6, 3)
        Block cue (first step), evidence (steps 1 to 4), nuisance (all steps).
    trials : DataFrame
        `stimulus`, `target`, `block_side`, `nuisance`.
    units : dict of str to tuple of int
        Indices of the hidden units by what they hold. Only `evidence` and `prior` are
        read out; `prior_copy` and `evidence_copy` hold the same and are not needed;
        `constant` never changes.
    """

    model: nn.Module
    inputs: np.ndarray
    trials: pd.DataFrame
    units: dict[str, tuple[int, ...]]


def planted_recording(
    *, n_trials: int = 400, seed: int = 0, name: str = "planted recording"
) -> Recording:
    """Simulate an animal that decides, and two regions of which the content is known.

    - Choices follow a cumulative normal of the stimulus, spread 0.35, shifted by 0.2
      towards the side that the block of 25 trials favors, with 3 % lapses on each side.
    - Region `front`: 4 units carry the choice from 0.2 s on, 4 the side of the block
      at all times, 2 nothing. Region `back`: 4 units carry the stimulus from 0 s on,
      4 nothing but movement, 2 nothing.
    - Movement wanders slowly over trials and leans towards the choice: a decoder of
      the choice from `back` leans on it until it is controlled for. Each unit also
      drifts slowly.

    Parameters
    ----------
    n_trials : int
        Number of trials, at least 50.
    seed : int
        Same seed, same recording.
    name : str
        Name shown in findings.

    Returns
    -------
    Recording
        Trials with `stimulus`, `block` (number), `block_side`, `target`, `choice`,
        `correct`, `movement`; units carry a coordinate `planted`.

    Examples
    --------
    >>> planted_recording(n_trials=60).sites
    ('front', 'back')
    """
    from marr.systems import from_arrays

    rng = np.random.default_rng(seed)
    trials = _animal(_enough(n_trials), rng)
    signals = {
        "choice": trials["choice"].to_numpy()[:, None] * (TIMES > 0.15),
        "stimulus": 1.5 * trials["stimulus"].to_numpy()[:, None] * (TIMES > -0.05),
        "prior": trials["block_side"].to_numpy()[:, None] * np.ones(len(TIMES)),
        "movement": trials["movement"].to_numpy()[:, None] * np.ones(len(TIMES)),
        "noise": np.zeros((n_trials, len(TIMES))),
    }
    activity, units = {}, {}
    for site, content in (("front", FRONT), ("back", BACK)):
        kinds = [kind for kind, n in content.items() for _ in range(n)]
        signs = np.where(rng.random(len(kinds)) < 0.5, -1, 1)
        signal = np.stack([signals[kind] for kind in kinds], axis=-1) * signs
        noise = rng.normal(size=signal.shape)
        activity[site] = 5 + signal + noise + _drift(n_trials, len(kinds), rng)[:, None]
        ids = [f"{kind}{i}" for kind, n in content.items() for i in range(n)]
        units[site] = pd.DataFrame({"planted": kinds}, index=ids)
    return from_arrays(
        activity,
        trials,
        time=TIMES,
        units=units,
        time_unit="s",
        name=name,
        info={"source": "simulated: marr.zoo.planted_recording", **PLANTED},
    )


def planted_network(*, n_trials: int = 400, seed: int = 0) -> PlantedNetwork:
    """Build a network by hand of which is known which units its answers need.

    Evidence and block cue are integrated and held by three units that are read out;
    five more hold exact copies that are not: decodable, but not needed. The evidence
    of each trial is noisy, and the noise is frozen.

    Parameters
    ----------
    n_trials : int
        Number of trials, at least 50.
    seed : int
        Seed of trials and noise; the weights are always the same.

    Returns
    -------
    PlantedNetwork
        `model`, `inputs`, `trials`, `units`, in this order.

    Examples
    --------
    >>> planted_network(n_trials=50).units["prior"]
    (2,)
    """
    rng = np.random.default_rng(seed)
    n = _enough(n_trials)
    side = rng.choice([-1, 1], size=n)
    target = np.where(rng.random(n) < 0.8, side, -side)
    strength = rng.choice(np.abs(STIMULI[:4]), size=n)
    nuisance = rng.normal(size=n)
    inputs = np.zeros((n, NETWORK_STEPS, 3), np.float32)
    inputs[:, 0, 0] = side
    inputs[:, 1:5, 1] = (target * strength)[:, None] + rng.normal(size=(n, 4))
    inputs[:, :, 2] = nuisance[:, None]
    trials = pd.DataFrame(
        {
            "stimulus": target * strength,
            "target": target,
            "block_side": side,
            "nuisance": nuisance,
        },
        index=pd.RangeIndex(n, name="trial"),
    )
    units = {
        kind: tuple(i for i, k in enumerate(NETWORK_UNITS) if k == kind)
        for kind in dict.fromkeys(NETWORK_UNITS)
    }
    return PlantedNetwork(_hand_built(units), inputs, trials, units)


def _enough(n_trials: int) -> int:
    if n_trials < 50:
        msg = f"n_trials must be at least 50, two blocks; got {n_trials}."
        raise OptionError(msg)
    return n_trials


def _animal(n_trials: int, rng: np.random.Generator) -> pd.DataFrame:
    """Trials, choices and movement of the planted animal."""
    block = np.arange(n_trials) // BLOCK_LENGTH
    side = np.where(block % 2 == 0, 1, -1)
    target = np.where(rng.random(n_trials) < 0.8, side, -side)
    stimulus = target * rng.choice(np.abs(STIMULI[:4]), size=n_trials)
    drive = (stimulus + PLANTED["threshold"] * side) / PLANTED["spread"]
    right = PLANTED["lapse"] + (1 - 2 * PLANTED["lapse"]) * ndtr(drive)
    choice = np.where(rng.random(n_trials) < right, 1, -1)
    return pd.DataFrame(
        {
            "stimulus": stimulus,
            "block": block,
            "block_side": side,
            "target": target,
            "choice": choice,
            "correct": choice == target,
            "movement": 0.6 * choice + _drift(n_trials, 1, rng)[:, 0] / 0.6,
        },
        index=pd.RangeIndex(n_trials, name="trial"),
    )


def _drift(n_trials: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Slow first-order wandering of shape (n_trials, n), standard deviation 0.6."""
    steps = rng.normal(size=(n_trials, n))
    drift = np.empty_like(steps)
    now = steps[0]
    for i, step in enumerate(steps):
        now = 0.95 * now + np.sqrt(1 - 0.95**2) * step
        drift[i] = now
    return 0.6 * drift


def _hand_built(units: dict[str, tuple[int, ...]]) -> nn.Module:
    """Set the weights: small inputs keep tanh nearly linear, identity keeps state."""
    import torch

    from marr.zoo._decision_network import DecisionNetwork

    network = DecisionNetwork(len(NETWORK_UNITS))
    network.recurrent = torch.nn.RNN(3, len(NETWORK_UNITS), batch_first=True)
    w_in, w, bias = (
        network.recurrent.get_parameter(name)
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0")
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for kind, feature, gain, keeps in (
            ("prior", 0, 0.15, 1.0),
            ("prior_copy", 0, 0.15, 1.0),
            ("evidence", 1, 0.05, 1.0),
            ("evidence_copy", 1, 0.05, 1.0),
            ("nuisance", 2, 0.1, 0.0),
        ):
            for unit in units[kind]:
                w_in[unit, feature] = gain
                w[unit, unit] = keeps
        bias[list(units["constant"])] = 0.5
        for unit in (*units["evidence"], *units["prior"]):
            network.readout.weight[:, unit] = torch.tensor([-5.0, 5.0])
    network.record = {"seed": None, "steps": 0, "loss": None}
    return network.eval()
