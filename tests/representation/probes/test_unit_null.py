"""Patterns of units for shuffled labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import marr
from marr.representation._probes._moments_kernel import Problem, Splits
from marr.representation._probes._pattern_kernel import unit_patterns
from marr.representation._probes._probe_kernel import METHODS


@pytest.mark.parametrize("kind", ["two", "three", "number", "angle"])
def test_a_draw_has_the_pattern_that_it_has_alone(rng, kind):
    x = torch.from_numpy(rng.normal(size=(1, 60, 7)))
    design = torch.from_numpy(rng.normal(size=(1, 60, 1)))
    if kind in ("two", "three"):
        y = np.eye(3 if kind == "three" else 2)[rng.integers(0, 2, size=(60, 4))]
        y[:5] = np.eye(y.shape[-1])[-1]
    else:
        y = rng.normal(size=(60, 4, 1 if kind == "number" else 2))
    classes = kind in ("two", "three")
    problem = Problem(x, torch.from_numpy(y)[None], design, not classes)
    rows = torch.from_numpy(np.arange(60) < np.array([[40], [60]]))
    masks = Splits(rows, rows, torch.zeros(60, dtype=torch.long))
    grid = torch.tensor([0.1, 3.0], dtype=torch.double)
    method = METHODS["lda" if classes else "ridge"]
    choice = torch.tensor([0, 1, 0, 1])
    found = unit_patterns(problem, masks, method, grid, choice, classes=classes)
    assert found.pattern.shape == (2, 4, 7)
    for draw in range(4):
        at = slice(draw, draw + 1)
        one = problem._replace(y=problem.y[:, :, at])
        alone = unit_patterns(one, masks, method, grid, choice[at], classes=classes)
        for many, single in zip(found, alone, strict=True):
            torch.testing.assert_close(many[:, at], single, rtol=1e-8, atol=1e-10)


def test_units_that_follow_one_signal_have_large_patterns_for_any_labels(rng):
    common = rng.normal(size=(120, 1))
    follows = np.linspace(0.05, 0.95, 12)
    x = follows * common + np.sqrt(1 - follows**2) * rng.normal(size=(120, 12))
    trials = pd.DataFrame({"side": rng.permutation(np.tile(["left", "right"], 60))})
    recording = marr.from_arrays({"A": x}, trials=trials)
    null = marr.representation.decode(recording, "side", n_permutations=50).tables[
        "null"
    ]
    assert null["half_estimate"].dims == ("draw", "half", "unit")
    assert null.sizes == {"draw": 50, "half": 2, "unit": 12}
    typical = null["half_estimate"].mean(("draw", "half")).values
    assert np.corrcoef(typical, follows)[0, 1] > 0.8
    none = marr.representation.decode(recording, "side", n_permutations=0)
    assert "null" not in none.tables
