"""Simulated answers with a planted psychometric function."""

from __future__ import annotations

import numpy as np
import pandas as pd

import marr

CONTRASTS = np.array([-1, -0.5, -0.25, -0.125, -0.0625, 0, 0.0625, 0.125, 0.25, 0.5, 1])
LOG19 = np.log(19.0)


def logistic(x, threshold=0.0, width=0.5, low=0.0, high=0.0):
    """The function written out, independent of the package."""
    s = 2 * LOG19 * (np.asarray(x) - threshold) / width
    return low + (1 - low - high) / (1 + np.exp(-s))


def answers(n=1000, seed=0, levels=CONTRASTS, **truth):
    rng = np.random.default_rng(seed)
    x = rng.choice(levels, n)
    y = rng.random(n) < logistic(x, **truth)
    return pd.DataFrame({"contrast": x, "choice": np.where(y, 1, -1)})


def subject(table=None, name="subject", **kwargs):
    return marr.from_arrays(
        {}, answers(**kwargs) if table is None else table, name=name
    )
