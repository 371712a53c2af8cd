"""Hand-built networks and recordings in which what is needed is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import marr

if TYPE_CHECKING:
    from collections.abc import Callable

N_TRIALS = 120


@pytest.fixture(scope="session")
def circuit() -> Any:
    """Choice from unit 0; tone from the OR of units 1 and 2; units 3 to 7 do nothing.

    Unit 7 is constant. `correct` scores the choice, `tone_correct` the tone.
    """
    import torch
    from torch import nn

    class Circuit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Identity()

        def forward(self, x: Any) -> Any:
            side, tone, junk = x[:, 0], x[:, 1], x[:, 2:]
            constant = torch.ones_like(side)
            units = [side, tone, tone, *junk.T, constant]
            h = self.hidden(torch.stack(units, dim=1))
            heard = torch.clamp(h[:, 1] + h[:, 2], -1, 1)
            return torch.stack([h[:, 0], heard], dim=1)

    rng = np.random.default_rng(0)
    side, tone = (rng.permutation(np.tile([-1.0, 1.0], N_TRIALS // 2)) for _ in "ab")
    inputs = np.stack([side, tone, *rng.normal(size=(4, N_TRIALS))], axis=1)
    trials = pd.DataFrame({"side": side, "tone": tone})

    def readout(outputs: Any, table: Any) -> dict[str, Any]:
        chosen, heard = np.where(outputs > 0, 1.0, -1.0).T
        return {
            "choice": chosen,
            "correct": chosen == table["side"].to_numpy(),
            "tone_correct": heard == table["tone"].to_numpy(),
            "tone_error": np.abs(outputs[:, 1] - table["tone"].to_numpy()),
        }

    return marr.hook(
        Circuit(),
        inputs.astype(np.float32),
        trials,
        sites=["hidden"],
        readout=readout,
        name="circuit",
    )


@pytest.fixture(scope="session")
def make_recording() -> Callable[..., Any]:
    """Two sites; unit A:0 carries the side alone, A:1 and A:2 carry the tone twice."""

    def make(seed: int = 0, n: int = N_TRIALS, **columns: Any) -> Any:
        rng = np.random.default_rng(seed)
        side, tone = (rng.permutation(np.tile([-1.0, 1.0], n // 2)) for _ in "ab")
        x = rng.normal(size=(n, 5, 9))
        x[..., 0] += 2 * side[:, None]
        x[..., 1] += 2 * tone[:, None]
        x[..., 2] += 2 * tone[:, None]
        x[..., 8] = 3.0
        heading = rng.uniform(-np.pi, np.pi, size=(n, 5))
        x[..., 5] += 2 * np.cos(heading)
        x[..., 6] += 2 * np.sin(heading)
        trials = pd.DataFrame(
            {"side": side, "tone": tone, "choice": side, "correct": rng.random(n) < 0.8}
        ).assign(**columns)
        import xarray as xr

        angle = xr.DataArray(heading, dims=("trial", "time"), attrs={"circular": True})
        return marr.from_arrays(
            {"A": x[..., :5], "B": x[..., 5:]},
            trials,
            variables={"heading": angle},
            time=np.arange(5) * 0.1,
            name="mouse",
        )

    return make


@pytest.fixture
def recording(make_recording: Callable[..., Any]) -> Any:
    """Return the recording of seed 0."""
    return make_recording()
