"""Rates over many simulated studies; see benchmarks/calibration_alignment.py for more."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, ortho_group

import marr
from marr.representation import ALIGNMENT_MEASURES, align
from marr.representation._alignment._design import any_serial, make_design
from marr.representation._alignment._sample import Sample
from marr.representation._alignment._values import Sides, measured

pytestmark = pytest.mark.slow


def compared(x, y, names, design):
    measures = [ALIGNMENT_MEASURES[n] for n in names]
    measures = [m.configured(k=5) if "k" in m.options else m for m in measures]
    sides = Sides(*([[Sample("s", v, design.fold, None, v.shape[1])]] for v in (x, y)))
    own = np.zeros((len(measures), 1, 1, 1), bool)
    found = measured(measures, sides, design, own)
    return {k: v[:, 0, 0, 0] for k, v in found.items()}


def designed(n, seed, orders=39, parts=0, **more):
    options = {"groups": None, "column": None, "dependent": False, **more}
    return make_design(
        n, null="auto", n_permutations=orders, n_parts=parts, seed=seed, **options
    )


def not_above(hits, n, alpha=0.05):
    """Tell whether so many rejections are within chance of alpha."""
    return binom.sf(hits - 1, n, alpha) > 0.001


CHEAP = ("cka", "cka_biased", "cka_rbf", "rsa", "procrustes", "svcca", "mutual_knn")


def test_independent_systems_are_not_found_alike():
    """2,000 pairs of 24 rows, 6 and 40 units: exact p-values, whatever the bias."""
    n, hits = 2000, np.zeros(len(CHEAP))
    for i in range(n):
        rng = np.random.default_rng(i)
        x, y = rng.normal(size=(24, 6)), rng.normal(size=(24, 40))
        hits += compared(x, y, CHEAP, designed(24, i))["p_value"] <= 0.05
    rates = dict(zip(CHEAP, hits / n, strict=True))
    assert all(not_above(h, n) for h in hits), rates
    assert min(rates.values()) > 0.03, rates


@pytest.mark.parametrize(
    "name", ["rtd", "predictivity", "shape_held_out", "cknna", "pwcca"]
)
def test_dear_measures_likewise(name):
    """400 pairs each."""
    n, hits = 400, 0
    for i in range(n):
        rng = np.random.default_rng(i)
        x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 6))
        hits += int(compared(x, y, [name], designed(20, i, 19))["p_value"][0] <= 0.05)
    assert not_above(hits, n), hits / n


def test_slow_drifts_are_not_found_alike():
    """1,000 pairs; exchanged freely almost all would be."""
    n, hits, free = 1000, 0, 0
    for i in range(n):
        rng = np.random.default_rng(i)
        x, y = rng.normal(size=(2, 200, 4))
        for t in range(1, 200):
            x[t] += 0.9 * x[t - 1]
            y[t] += 0.9 * y[t - 1]
        fold = np.zeros(200, np.intp)
        slow = any_serial([[Sample("s", v, fold)] for v in (x, y)])
        found = compared(x, y, ["cka"], designed(200, i, 79, dependent=slow))
        hits += int(found["p_value"][0] <= 0.05)
        if i < 100:
            free += int(compared(x, y, ["cka"], designed(200, i))["p_value"][0] <= 0.05)
    assert not_above(hits, n, 0.06), hits / n
    assert free > 80


@pytest.mark.parametrize(("rows", "units"), [(40, 10), (40, 100)])
def test_interval_of_debiased_alignment_covers_the_population(rows, units):
    """2,000 Gaussian pairs, fewer and more rows than units."""
    n, hits = 2000, 0
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, units)) * np.sqrt(0.1)
    s_xx, s_yy = (w.T @ w + 0.5 * np.eye(units) for w in (a, b))
    value = np.linalg.norm(a.T @ b) ** 2 / (np.linalg.norm(s_xx) * np.linalg.norm(s_yy))
    for i in range(n):
        rng = np.random.default_rng(i)
        z = rng.normal(size=(rows, 5))
        x, y = (z @ w + np.sqrt(0.5) * rng.normal(size=(rows, units)) for w in (a, b))
        found = compared(x, y, ["cka"], designed(rows, i, orders=0, parts=20))
        hits += int(found["ci_low"][0] <= value <= found["ci_high"][0])
    assert binom.cdf(hits, n, 0.95) > 0.001, hits / n


def test_excess_of_a_distance_covers_zero():
    """300 pairs of noisy copies; a percentile bootstrap of the distance never would."""
    n, hits = 300, 0
    for i in range(n):
        rng = np.random.default_rng(i)
        mean, stimulus = rng.normal(size=(30, 8)), np.repeat(np.arange(30), 4)
        table = pd.DataFrame({"stimulus": stimulus})
        turned = mean @ ortho_group.rvs(8, random_state=rng)
        a, b = (
            marr.from_arrays(
                {"s": m[stimulus] + rng.normal(size=(120, 8))}, table, name=k
            )
            for k, m in (("a", mean), ("b", turned))
        )
        found = align(
            a, b, on="stimulus", measure="procrustes", n_permutations=0, n_resamples=15
        ).estimate
        low, high = found["excess_low"].item(), found["excess_high"].item()
        hits += int(low <= 0 <= high)
        assert found["ci_low"].item() > 0
    assert binom.cdf(hits, n, 0.95) > 0.001, hits / n
