"""The numbers of a comparison of two sets of dissimilarity matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.errors import EvidenceError, OptionError, check_option
from marr.findings import Finding
from marr.representation._rsa._compare_kernel import (
    COMPARATORS,
    bootstrap_comparison,
    compare_pairs,
    condition_permutations,
    lag_classes,
    permuted_comparison,
    residual_pairs,
    rotations,
)
from marr.representation._rsa._evaluate_kernel import evaluate
from marr.representation._rsa._matched import FEWEST, complete_conditions
from marr.representation._rsa._permutation_kernel import permuted_similarity
from marr.representation._rsa._rdm_kernel import upper
from marr.stats import (
    bootstrap_weights,
    max_statistic,
    percentile_interval,
    permutation_p,
    spearman_brown,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._rsa._matched import Matched

__all__ = ["Comparison", "compare", "prepare_comparison"]

NAMES = {
    "spearman": "rank correlation",
    "pearson": "correlation",
    "cosine": "cosine similarity",
    "kendall": "Kendall's tau-b",
    "rho-a": "rank correlation (rho-a)",
    "tau-a": "Kendall's tau-a",
    "whitened_cosine": "whitened cosine similarity",
    "whitened_correlation": "whitened correlation",
}
"""Comparators in words."""
SHARED = {k: "correlation" if k == "pearson" else k for k in NAMES if k != "kendall"}
"""Comparators that `rsa` has too, by their name there."""


@dataclass(frozen=True)
class Comparison:
    """What is compared, and how.

    Attributes
    ----------
    pair : Matched
        Dissimilarities over the same conditions.
    controls : array of shape (n_pairs, n_controls) or None
        What is partialed out.
    comparator, scheme : str
        Key of `NAMES`; "free" or "rotation".
    moves : int array of shape (n_permutations, n_conditions)
        Permutations of conditions.
    counts : array of shape (n_resamples, n_conditions)
        How often each condition was drawn.
    """

    pair: Matched
    controls: npt.NDArray[np.float64] | None
    comparator: str
    scheme: str
    moves: npt.NDArray[np.intp]
    counts: npt.NDArray[np.float64]


def prepare_comparison(
    pair: Matched,
    *,
    control: Any,
    comparator: str,
    null: str,
    n_permutations: int,
    n_resamples: int,
    seed: int,
) -> Comparison:
    """Resolve controls and the null; draw permutations and resamples."""
    controls = _controls(control, pair, comparator)
    scheme = _scheme(null, pair, controls)
    n = len(pair.labels)
    moves = (
        rotations(n)
        if scheme == "rotation"
        else condition_permutations(n, n_permutations, seed)
    )
    counts = bootstrap_weights(n, n_resamples=n_resamples, seed=seed)
    return Comparison(pair, controls, comparator, scheme, moves, counts)


def _controls(
    control: Any, pair: Matched, comparator: str
) -> npt.NDArray[np.float64] | None:
    """Return controls of shape (n_pairs, n_controls), or None."""
    if control is None or (isinstance(control, (list, tuple)) and not control):
        return None
    if comparator not in ("spearman", "pearson"):
        msg = (
            f"control goes with comparator='spearman' or 'pearson'; got {comparator!r}."
        )
        raise OptionError(msg)
    given = control if isinstance(control, (list, tuple)) else [control]
    return np.concatenate([_one_control(c, pair) for c in given], axis=1)


def _one_control(control: Any, pair: Matched) -> npt.NDArray[np.float64]:
    if isinstance(control, str):
        check_option("control", control, ["angular"])
        if not pair.circular:
            msg = (
                "control='angular' needs conditions on a circle (bins of a variable that "
                "is marked circular) in both findings. Give an array of distances instead."
            )
            raise EvidenceError(msg)
        return lag_classes(pair.labels.astype(float))
    if isinstance(control, Finding):
        control = control.estimate["estimate"].squeeze().values
    matrix = np.asarray(control, dtype=float)
    n = int(pair.kept.max()) + 1
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < n:
        msg = (
            f"control must be a square array over the {n} conditions, in the order of a; "
            f"got shape {matrix.shape}."
        )
        raise OptionError(msg)
    values = upper(matrix[np.ix_(pair.kept, pair.kept)])
    if not np.isfinite(values).all() or np.ptp(values) == 0:
        msg = "control must hold finite distances that are not all equal."
        raise OptionError(msg)
    return np.asarray(values[:, None])


def _scheme(null: str, pair: Matched, controls: npt.NDArray[np.float64] | None) -> str:
    if null == "rotation" and not pair.circular:
        msg = "null='rotation' needs conditions on a circle; use null='free'."
        raise EvidenceError(msg)
    if null != "auto":
        return null
    return "rotation" if pair.circular and controls is not None else "free"


def compare(job: Comparison) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the estimate over (site_a, site_b), and the table of pairs."""
    pair = job.pair
    shape = (len(pair.sites_a), len(pair.sites_b))
    columns = {
        k: np.full(shape, np.nan) for k in ("estimate", "ci_low", "ci_high", "ceiling")
    }
    null = np.empty((len(job.moves), *shape))
    for i, j in np.ndindex(shape):
        found = _one(job, pair.a[i], pair.b[j])
        columns["estimate"][i, j], null[:, i, j], drawn = found
        low, high = percentile_interval(drawn, n_units=len(pair.labels))
        columns["ci_low"][i, j], columns["ci_high"][i, j] = low, high
        product = _reliability(job, "a", i) * _reliability(job, "b", j)
        columns["ceiling"][i, j] = np.sqrt(product)
    observed = columns["estimate"]
    columns["p_value"] = permutation_p(observed, null, tail="greater")
    columns["p_corrected"] = (
        max_statistic(observed, null, tail="greater")
        if observed.size > 1
        else columns["p_value"]
    )
    columns["null_mean"] = null.mean(axis=0)
    dims = ["site_a", "site_b"]
    table = xr.Dataset(
        {k: (dims, v) for k, v in columns.items()},
        coords={"site_a": list(pair.sites_a), "site_b": list(pair.sites_b)},
    )
    partial = "partial " if job.controls is not None else ""
    table["estimate"].attrs.update(
        long_name=f"{partial}{NAMES[job.comparator]} of dissimilarities",
        units="",
        chance=0.0,
        better="higher",
    )
    return table.squeeze(drop=True), _pairs(job)


def _one(
    job: Comparison, a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]
) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the similarity of two matrices, permuted ones, and bootstrap draws."""
    if job.controls is not None or job.comparator not in SHARED:
        how = (job.controls, job.comparator)
        return (
            compare_pairs(upper(a), upper(b), *how),
            permuted_comparison(a, b, *how, job.moves),
            bootstrap_comparison(a, b, *how, job.counts),
        )
    rows, name = np.stack([upper(a), upper(b)]), SHARED[job.comparator]
    null = permuted_similarity(rows[:1], rows[1:], job.moves, name)[:, 0]
    enough = (job.counts > 0).sum(axis=1) > 3
    drawn = np.full(len(job.counts), np.nan)
    drawn[enough] = _similarity(rows, job.counts[enough], name)
    whole = _similarity(rows, np.ones((1, job.counts.shape[1])), name)
    return float(whole[0]), null, drawn


def _similarity(
    rows: npt.NDArray[np.float64], counts: npt.NDArray[np.float64], name: str
) -> npt.NDArray[np.float64]:
    nobody = np.ones((len(counts), 1))
    return evaluate(rows, 1, counts, [nobody], name).similarity[:, 0, 0]


def _reliability(job: Comparison, which: str, site: int) -> float:
    """Reliability of what is compared, NaN if unknown.

    Over many splits for plain ranks; else from the two halves that a finding carries.
    """
    many = getattr(job.pair, f"reliability_{which}")
    if many is not None and job.controls is None and job.comparator == "spearman":
        return float(many[site]) if many[site] > 0 else float("nan")
    halves = getattr(job.pair, f"halves_{which}")
    if halves is None:
        return float("nan")
    pairs = upper(halves[:, site])
    known = np.isfinite(pairs).all(axis=0)  # rare conditions may miss from a half
    if known.mean() < 0.5 or known.sum() < 10:
        return float("nan")
    controls = None if job.controls is None else job.controls[known]
    if job.comparator in COMPARATORS:
        r = compare_pairs(pairs[0, known], pairs[1, known], controls, job.comparator)
    else:  # these take whole matrices
        kept = complete_conditions(halves[:, site])
        if len(kept) < max(FEWEST, len(job.pair.labels) / 2):
            return float("nan")
        whole = upper(halves[:, site][:, kept][:, :, kept])
        r = float(_similarity(whole, np.ones((1, len(kept))), job.comparator)[0])
    return float(spearman_brown(r)) if r > 0 else float("nan")


def _pairs(job: Comparison) -> xr.Dataset:
    """Return the distances (and what controls leave of them), one row a pair."""
    labels = [
        f"{v:.4g}" if isinstance(v, float) else str(v) for v in job.pair.labels.tolist()
    ]
    rows, columns = np.triu_indices(len(labels), k=1)
    names = [f"{labels[i]}|{labels[j]}" for i, j in zip(rows, columns, strict=True)]
    data = {
        "a": (["site_a", "pair"], upper(job.pair.a)),
        "b": (["site_b", "pair"], upper(job.pair.b)),
    }
    if job.controls is not None:
        for key in ("a", "b"):
            left = residual_pairs(data[key][1], job.controls, job.comparator)
            data[f"{key}_left"] = (data[key][0], left)
    return xr.Dataset(
        data,
        coords={
            "pair": names,
            "site_a": list(job.pair.sites_a),
            "site_b": list(job.pair.sites_b),
        },
    ).squeeze(["site_a", "site_b"] if len(job.pair.a) == len(job.pair.b) == 1 else [])
