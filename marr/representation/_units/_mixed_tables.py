"""Tables of mixed selectivity: pairings of variables, units, categories."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.representation._units._mixed_fit import INTERACTION
from marr.representation._units._mixed_kernel import (
    matched_shares,
    pair_correlations_of,
)
from marr.stats import bootstrap_weights, fdr, percentile_interval, permutation_p

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._plan import Plan
    from marr.representation._units._coding import Coding
    from marr.representation._units._mixed_fit import Explained

    FloatArray = npt.NDArray[np.float64]

__all__ = [
    "MixedJob",
    "category_table",
    "pairing_table",
    "selectivity_table",
    "unit_table",
]

N_RESAMPLES = 1000
N_MATCHED = 2000


@dataclass(frozen=True)
class MixedJob:
    """What was fitted and tested."""

    coding: Coding
    plan: Plan
    found: Explained
    halves: tuple[Explained | None, Explained | None]
    p: dict[str, FloatArray]
    method: str
    seed: int

    @property
    def names(self) -> list[str]:
        """Names of the variables."""
        return list(self.coding.blocks)


def pairing_table(job: MixedJob) -> xr.Dataset:
    """Return correlations over units of shares, against independent tuning."""
    keep = ~job.coding.rows.constant
    plain = job.found.shares()
    shares = np.stack([plain[n][keep] for n in job.names], axis=1)
    noise = job.found.noise()[keep]
    n, k = shares.shape
    rng = np.random.default_rng(job.seed)
    same = np.tile(np.arange(n)[:, None], (1, k))
    observed = matched_shares(shares, noise, same)
    r = pair_correlations_of(observed)
    null, totals = _matched(shares, noise, rng)
    rows = rng.integers(0, n, (N_RESAMPLES, n))
    resampled = np.stack([pair_correlations_of(observed[i]) for i in rows])
    defined = np.isfinite(r)
    low, high = np.full(len(r), np.nan), np.full(len(r), np.nan)
    if defined.any():
        low[defined], high[defined] = percentile_interval(
            resampled[:, defined], n_units=n
        )
    columns = {
        "estimate": r,
        "ci_low": np.clip(np.fmin(low, r), -1, 1),
        "ci_high": np.clip(np.fmax(high, r), -1, 1),
        "null_mean": null.mean(axis=0),
        "null_low": np.quantile(null, 0.025, axis=0),
        "null_high": np.quantile(null, 0.975, axis=0),
        "p_value": permutation_p(r, null, tail="two"),
        "plain_r": pair_correlations_of(shares),
        **_raw(shares * job.coding.rows.x[:, keep].var(axis=0)[:, None], rng),
        "total_share": np.full(len(r), plain["total"][keep].mean()),
        "null_total_share": np.full(len(r), totals),
    }
    columns["excess"] = r - columns["null_mean"]
    columns["p_corrected"] = np.minimum(columns["p_value"] * len(r), 1.0)
    labels = [f"{a} × {b}" for a, b in combinations(job.names, 2)]
    table = xr.Dataset(
        {name: ("pairing", v) for name, v in columns.items()},
        coords={"pairing": labels},
    )
    table["estimate"].attrs.update(
        long_name="correlation over units of explained variances", units=""
    )
    return table


def _matched(
    shares: FloatArray, noise: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, float]:
    """Return correlations in matched populations, (n_draws, n_pairs), and total shares."""
    same = np.tile(np.arange(len(shares))[:, None], (1, shares.shape[1]))
    drawn, totals = [], []
    for _ in range(N_MATCHED):
        made = matched_shares(shares, noise, rng.permuted(same, axis=0))
        drawn.append(pair_correlations_of(made))
        totals.append(made.sum(axis=1).mean())
    return np.array(drawn), float(np.mean(totals))


def _raw(variance: FloatArray, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Correlate signal variances in units of activity, against units exchanged freely."""
    r = pair_correlations_of(variance)
    null = [
        pair_correlations_of(rng.permuted(variance, axis=0)) for _ in range(N_MATCHED)
    ]
    return {"raw_r": r, "raw_p": permutation_p(r, np.array(null), tail="two")}


def unit_table(job: MixedJob) -> xr.Dataset:
    found, units = job.found.shares(), job.coding.rows.units
    weights = bootstrap_weights(
        len(job.found.losses["mean"]), n_resamples=N_RESAMPLES, seed=job.seed
    )
    low, high = percentile_interval(
        job.found.shares(weights)["total"], n_units=weights.shape[1]
    )
    nothing = np.full(len(units), np.nan)
    both = [nothing if h is None else h.shares()["total"] for h in job.halves]
    columns: dict[str, Any] = {
        "estimate": found["total"],
        "ci_low": np.minimum(low, found["total"]),
        "ci_high": np.maximum(high, found["total"]),
        **{f"share_{n}": found[n] for n in (*job.names, INTERACTION)},
    }
    if job.p:
        columns["category"] = _categories(job)
    table = xr.Dataset(
        {k: ("unit", v) for k, v in columns.items()},
        coords={"unit": units, "half": [0, 1]},
    )
    table["half_estimate"] = (("half", "unit"), np.stack(both))
    table["estimate"].attrs.update(
        long_name="held-out share of variance explained", units="", better="higher"
    )
    for name in (*job.names, INTERACTION):
        table[f"share_{name}"].attrs["long_name"] = (
            f"variance explained by {name} alone"
        )
    table.attrs["reduction"] = "all variables and their interactions together"
    return table


def _categories(job: MixedJob) -> npt.NDArray[np.str_]:
    """Name what each unit follows, at a false discovery rate of 5 % over all tests."""
    names = [*job.names, INTERACTION]
    called = fdr(np.stack([job.p[n] for n in names])) < 0.05
    out = []
    for flags in called.T:
        main = [n for n, on in zip(job.names, flags[:-1], strict=True) if on]
        if flags[-1]:
            out.append("nonlinear mixed")
        elif len(main) > 1:
            out.append("linear mixed")
        else:
            out.append(f"pure {main[0]}" if main else "none")
    return np.array(out)


def selectivity_table(job: MixedJob) -> xr.Dataset:
    """Return what each variable explains of each unit beyond the others."""
    names = [*job.names, INTERACTION]
    weights = bootstrap_weights(
        len(job.found.losses["mean"]), n_resamples=N_RESAMPLES, seed=job.seed
    )
    found, drawn = job.found.shares(), job.found.shares(weights)
    ends = [percentile_interval(drawn[n], n_units=weights.shape[1]) for n in names]
    value = np.stack([found[n] for n in names])
    columns = {
        "estimate": value,
        "ci_low": np.minimum(np.stack([e[0] for e in ends]), value),
        "ci_high": np.maximum(np.stack([e[1] for e in ends]), value),
    }
    if job.p:
        columns["p_value"] = np.stack([job.p[n] for n in names])
        columns["p_corrected"] = fdr(columns["p_value"])
    table = xr.Dataset(
        {k: (("variable", "unit"), v) for k, v in columns.items()},
        coords={"variable": names, "unit": job.coding.rows.units},
    )
    table["estimate"].attrs.update(long_name="variance explained beyond the others")
    table.attrs["reduction"] = "none"
    return table


def category_table(units: xr.Dataset) -> xr.Dataset:
    names, counts = np.unique(units["category"].values, return_counts=True)
    table = xr.Dataset(
        {"estimate": ("category", counts.astype(float))}, coords={"category": names}
    )
    table["estimate"].attrs.update(long_name="number of units", units="units")
    table.attrs["reduction"] = "units counted"
    return table
