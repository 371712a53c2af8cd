"""One tiny task, as a recording and as a hooked network, with the same names.

Sites "early" (4 units) and "late" (3 units), 6 steps, 60 trials in 10 blocks. The
columns `side`, `stimulus`, `prior`, `angle` and the variables `heading` and `speed` are
task variables; `choice`, `correct` and `heading_estimate` are behavior: drawn for the
recording, read out of the network.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import nn

import marr
from marr.systems import Cohort, HookedModel, Recording

SITES = {"early": 4, "late": 3}
N_TRIALS, N_TIMES, N_BLOCKS = 60, 6, 10
SIDES = ("left", "right")


def task(seed: int = 0, n_trials: int = N_TRIALS) -> pd.DataFrame:
    """Return the task variables, blocks of equal prior and no behavior."""
    rng = np.random.default_rng(seed)
    block = np.arange(n_trials) * N_BLOCKS // n_trials
    prior = np.where(block % 2 == 0, 0.2, 0.8)
    side = (rng.random(n_trials) < 0.5).astype(int)
    size = np.array([0.0, 0.25, 0.5, 1.0])[rng.permutation(n_trials) % 4]
    return pd.DataFrame(
        {
            "target": side,
            "side": np.array(SIDES)[side],
            "stimulus": size * (2 * side - 1),
            "prior": prior,
            "block": block,
            "condition": np.array(["a", "b", "c"])[rng.permutation(n_trials) % 3],
            "angle": rng.uniform(-np.pi, np.pi, n_trials),
        }
    )


def variables(table: pd.DataFrame, seed: int = 0) -> dict[str, xr.DataArray]:
    """Return a running speed and a heading that ends at the column `angle`."""
    rng = np.random.default_rng(seed + 1000)
    drift = 0.3 * np.arange(1 - N_TIMES, 1)
    heading = (table["angle"].to_numpy()[:, None] + drift + np.pi) % (2 * np.pi) - np.pi
    speed = rng.gamma(2.0, 2.0, (len(table), N_TIMES))
    times = {"time": np.arange(N_TIMES)}
    return {
        "speed": xr.DataArray(
            speed, dims=("trial", "time"), coords=times, attrs={"units": "cm/s"}
        ),
        "heading": xr.DataArray(
            heading,
            dims=("trial", "time"),
            coords=times,
            attrs={"circular": True, "units": "rad"},
        ),
    }


def features(table: pd.DataFrame, heading: np.ndarray, seed: int) -> np.ndarray:
    """Return noisy evidence, prior, cosine and sine of heading: (trial, time, 4)."""
    rng = np.random.default_rng(seed + 2000)
    evidence = table["stimulus"].to_numpy()[:, None] + rng.normal(0, 0.6, heading.shape)
    prior = np.broadcast_to(table["prior"].to_numpy()[:, None] - 0.5, heading.shape)
    return np.stack([evidence, prior, np.cos(heading), np.sin(heading)], axis=-1)


def features_of_the_task() -> Recording:
    """Return two layers over the trials of the task: one that fits it, one of noise."""
    rng = np.random.default_rng(5000)
    table = task()
    clear = np.column_stack([table["stimulus"], table["prior"], np.cos(table["angle"])])
    layers = {
        "clear": clear @ rng.normal(size=(3, 5)),
        "noise": rng.normal(size=(len(table), 6)),
    }
    return marr.from_arrays(layers, name="layers")


def behaved(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the table with choices of an observer who uses stimulus and prior."""
    rng = np.random.default_rng(seed + 3000)
    drive = 4 * table["stimulus"] + 2 * (table["prior"] - 0.5)
    choice = (rng.random(len(table)) < 1 / (1 + np.exp(-drive))).astype(int)
    said = table["angle"] + rng.normal(0, 0.4, len(table))
    return table.assign(
        choice=choice,
        correct=(choice == table["target"]).astype(float),
        heading_estimate=(said + np.pi) % (2 * np.pi) - np.pi,
    )


def recording(
    seed: int = 0,
    *,
    n_trials: int = N_TRIALS,
    order: dict[str, np.ndarray] | None = None,
    name: str = "animal",
) -> Recording:
    """Return a recording that carries the task in its activity.

    Parameters
    ----------
    seed : int
        Seed of everything.
    n_trials : int
        Number of trials.
    order : mapping of site to int array of shape (n_units,), optional
        Order in which the units come, with their ids.
    name : str
        Name of the system.
    """
    rng = np.random.default_rng(seed + 4000)
    table = task(seed, n_trials)
    more = variables(table, seed)
    inputs = features(table, more["heading"].values, seed)
    activity, units = {}, {}
    for site, n_units in SITES.items():
        weights = rng.normal(size=(inputs.shape[-1], n_units))
        values = inputs @ weights + rng.normal(0, 0.7, (*inputs.shape[:2], n_units))
        rows = np.arange(n_units) if order is None else order[site]
        activity[site] = values[..., rows]
        units[site] = [f"u{i}" for i in rows]
    return marr.from_arrays(
        activity, behaved(table, seed), more, units=units, name=name
    )


class Network(nn.Module):
    """Two recurrent layers and a linear readout of side (2) and heading (2)."""

    def __init__(self) -> None:
        super().__init__()
        self.early = nn.RNN(4, SITES["early"], batch_first=True)
        self.late = nn.RNN(SITES["early"], SITES["late"], batch_first=True)
        self.out = nn.Linear(SITES["late"], 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.late(self.early(x)[0])[0])


def network(
    seed: int = 0,
    *,
    n_trials: int = N_TRIALS,
    order: dict[str, np.ndarray] | None = None,
    name: str = "network",
) -> HookedModel:
    """Return a hooked network whose readout was fitted to the task in closed form.

    Parameters
    ----------
    seed, n_trials, order, name
        As for `recording`; the weights follow the order of the units.
    """
    table = task(seed, n_trials)
    more = variables(table, seed)
    x = features(table, more["heading"].values, seed)
    model = fitted_network(seed, x, table)
    rows = {s: np.arange(n) for s, n in SITES.items()} if order is None else order
    reorder(model, rows["early"], rows["late"])
    return marr.hook(
        model,
        x,
        table,
        sites=list(SITES),
        readout=[read_choice, read_heading],
        variables=more,
        units={site: [f"u{i}" for i in rows[site]] for site in SITES},
        name=name,
    )


def fitted_network(seed: int, x: np.ndarray, table: pd.DataFrame) -> Network:
    """Return a network in double precision; the global random state is left alone."""
    generator = torch.Generator().manual_seed(seed)
    model = Network().double()
    with torch.no_grad():
        for weights in model.parameters():
            drawn = torch.randn(weights.shape, generator=generator, dtype=torch.double)
            weights.copy_(0.7 * drawn)
        last = model.late(model.early(torch.from_numpy(x))[0])[0][:, -1].numpy()
        side = 2.0 * table["target"].to_numpy() - 1
        wanted = np.stack(
            [-side, side, np.cos(table["angle"]), np.sin(table["angle"])], axis=1
        )
        design = np.column_stack([last, np.ones(len(last))])
        solved = np.linalg.lstsq(design, wanted, rcond=None)[0]
        model.out.weight.copy_(torch.from_numpy(solved[:-1].T.copy()))
        model.out.bias.copy_(torch.from_numpy(solved[-1].copy()))
    return model.eval()


def reorder(model: Network, early: np.ndarray, late: np.ndarray) -> None:
    """Permute the units of both layers; outputs stay the same."""
    state = model.state_dict()
    for site, rows in (("early", early), ("late", late)):
        for key in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            state[f"{site}.{key}"] = state[f"{site}.{key}"][rows]
        state[f"{site}.weight_hh_l0"] = state[f"{site}.weight_hh_l0"][:, rows]
    state["late.weight_ih_l0"] = state["late.weight_ih_l0"][:, early]
    state["out.weight"] = state["out.weight"][:, late]
    model.load_state_dict(state)


def read_choice(outputs: np.ndarray, trials: pd.DataFrame) -> dict[str, np.ndarray]:
    return marr.readouts.choice(outputs[..., :2], trials)


def read_heading(outputs: np.ndarray, trials: pd.DataFrame) -> dict[str, np.ndarray]:
    return marr.readouts.heading(outputs[..., 2:], trials, target="angle")


MAKERS = {"recording": recording, "network": network}
"""The two kinds of system, made by a call with a seed."""


def cohort(kind: str) -> Cohort:
    """Return three recordings or three networks."""
    make = partial(MAKERS[kind])
    members = [make(seed, name=f"{kind} {seed}") for seed in range(3)]
    member_kind = {"recording": "animals", "network": "seeds"}[kind]
    return Cohort(members, name=f"three {member_kind}", member_kind=member_kind)
