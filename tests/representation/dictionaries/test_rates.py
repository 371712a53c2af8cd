"""How often excess over Gaussian activity is found where there is none, and where it is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

import marr
from marr.representation import dictionary

pytestmark = pytest.mark.slow

UNITS = 8
QUICK = {
    "site": "A", "n_features": 24, "k": 2, "n_epochs": 60, "batch_size": 256, "n_null": 1,
}  # fmt: skip


def p_value(x, seed):
    found = dictionary(marr.from_arrays({"A": x}), **QUICK, seed=seed)
    return float(found.estimate["p_value"])


@pytest.mark.parametrize("shared", [0.0, 2.0])
def test_gaussian_activity_has_no_sparse_structure(shared):
    """Independent rows, and trials whose bins go together."""
    hits, studies = 0, 60
    for seed in range(studies):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(120, 6, UNITS))
        x = x + shared * rng.normal(size=(120, 1, UNITS))
        hits += p_value(x @ rng.normal(size=(UNITS, UNITS)), seed) < 0.05
    assert binom.sf(hits - 1, studies, 0.05) > 0.001, hits / studies


def test_sparse_activity_has():
    hits = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        directions = rng.normal(size=(16, UNITS))
        values = (rng.random((720, 16)) < 0.1) * rng.uniform(0.5, 1.5, (720, 16))
        x = values @ directions + 0.1 * rng.normal(size=(720, UNITS))
        hits += p_value(x.reshape(120, 6, UNITS), seed) < 0.05
    assert hits >= 9
