"""Engines of the registered measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import StatisticsError
from marr.representation._alignment import _factor_kernel as factors
from marr.representation._alignment import _gram_kernel as grams
from marr.representation._alignment import _neighbor_kernel as local
from marr.representation._alignment import _topology_kernel as topology
from marr.representation._alignment._engines import (
    FactorEngine,
    LinearKernel,
    Matrices,
    Pairs,
    Predict,
)

if TYPE_CHECKING:
    from marr.representation._alignment._engines import Engine
    from marr.representation._alignment._sample import Sample

Array = Any

__all__ = [
    "aligned_shapes",
    "canonical_correlations",
    "held_out_rotation",
    "kernel_neighbors",
    "linear_cka",
    "permuted_shapes",
    "rbf_cka",
    "rdm_correlation",
    "shared_neighbors",
    "topological",
    "unit_by_unit",
    "unit_prediction",
    "weighted_canonical",
]


# -- kernels and dissimilarities -------------------------------------------------------


def linear_cka(*, debiased: bool, angular: bool = False) -> Engine:
    """CKA of the linear kernel."""
    return LinearKernel(debiased=debiased, link=factors.angle if angular else None)


def rbf_cka(*, debiased: bool) -> Engine:
    """CKA of a Gaussian kernel whose width follows each system's own distances."""
    centering = grams.u_center if debiased else grams.center

    def embed(sample: Sample) -> Array:
        k = grams.rbf(grams.squared_distances(sample.gram))
        return grams.unit_length(centering(k))

    return Matrices(embed)


def rdm_correlation(*, distance: str, ranked: bool) -> Engine:
    """Correlation of dissimilarity matrices over pairs of rows."""

    def embed(sample: Sample) -> Array:
        if distance == "euclidean":
            d = grams.squared_distances(sample.gram)
        else:
            d = grams.correlation_distances(sample.units)
            _check_patterns(d, sample)
        return grams.unit_length(grams.standard_pairs(d, ranked=ranked))

    return Matrices(embed)


def _check_patterns(distances: Array, sample: Sample) -> None:
    flat = np.flatnonzero(np.isnan(np.diag(distances)))
    if flat.size:
        msg = (
            f"{sample.label}: {flat.size} rows (positions {flat[:5].tolist()}) have the "
            "same activity in all units, so a correlation distance is undefined. Drop "
            "these rows, or use measure='rsa_euclidean' or 'cka'."
        )
        raise StatisticsError(msg)
    if sample.n_units < 3:
        msg = (
            f"{sample.label}: a correlation distance over {sample.n_units} units is "
            "always 0 or 2. Use measure='rsa_euclidean' or 'cka'."
        )
        raise StatisticsError(msg)


# -- neighbors and topology ------------------------------------------------------------


def shared_neighbors(*, k: int) -> Engine:
    """Share of the k nearest rows that both systems have in common."""

    def embed(sample: Sample) -> Array:
        return local.neighbor_matrix(sample.gram, _fitting(int(k), sample))

    return Matrices(embed)


def kernel_neighbors(*, k: int) -> Engine:
    """Debiased CKA restricted to rows that are neighbors in both systems."""

    def ready(sample: Sample) -> Any:
        return local.local_kernel(sample.gram, _fitting(int(k), sample))

    def value(a: Any, b: Any, order: Array) -> float:
        return float(local.cknna(a[0], a[1], a[2], b[0], b[1], b[2], order))

    return Pairs(ready, value)


def _fitting(k: int, sample: Sample) -> int:
    if k >= len(sample) - 1:
        msg = (
            f"k={k} neighbors of {len(sample)} rows are all of them; use fewer: "
            "ALIGNMENT_MEASURES['mutual_knn'].configured(k=3)."
        )
        raise StatisticsError(msg)
    return k


def topological(*, quantile: float, most_rows: int, lite: bool) -> Engine:
    """Divergence of the connections of two systems, over batches of rows."""
    function = topology.lite_divergence if lite else topology.divergence

    def ready(sample: Sample) -> Any:
        return grams.squared_distances(sample.gram)

    def value(a: Array, b: Array, order: Array) -> float:
        n = len(a)
        b = b if order is None else grams.permuted(b, order)
        batches = [np.arange(n)]
        if n > most_rows:
            rng = np.random.default_rng(0)
            batches = [np.sort(rng.permutation(n)[: int(most_rows)]) for _ in range(3)]
        found = [
            function(
                *(topology.scaled_distances(d[np.ix_(r, r)], quantile) for d in (a, b))
            )
            for r in batches
        ]
        return float(np.mean(found))

    return Pairs(ready, value)


# -- shapes and canonical correlations -------------------------------------------------


def _cosine(norm: float, a: float, b: float, _ra: int, _rb: int) -> float:
    return norm / max(a * b, 1e-300)


def _angle(*parts: Any) -> float:
    return float(factors.angle(np.array(_cosine(*parts))))


def _chord(*parts: Any) -> float:
    apart = 1 - _cosine(*parts)
    return float(np.sqrt(2 * apart)) if apart > factors.ROUNDING else 0.0


def _euclidean(norm: float, a: float, b: float, _ra: int, _rb: int) -> float:
    square, size = a**2 + b**2 - 2 * norm, a**2 + b**2
    return float(np.sqrt(square)) if square > factors.ROUNDING * size else 0.0


def _mean_correlation(norm: float, _a: float, _b: float, ra: int, rb: int) -> float:
    return norm / max(min(ra, rb), 1)


FINISH = {
    "angle": _angle,
    "cosine": _cosine,
    "chord": _chord,
    "euclidean": _euclidean,
}


def aligned_shapes(*, alpha: float, value: str) -> Engine:
    """Best rotation of (partially) whitened coordinates."""

    def coordinates(sample: Sample) -> Array:
        return factors.partial_whitening(sample.rows, alpha)

    return FactorEngine(coordinates, FINISH[value])


def canonical_correlations(*, variance: float) -> Engine:
    """Mean canonical correlation of the components that hold a share of variance."""

    def coordinates(sample: Sample) -> Array:
        if variance >= 1:
            return factors.canonical(sample.rows)
        return factors.variance_components(sample.rows, variance)

    return FactorEngine(coordinates, _mean_correlation)


def weighted_canonical() -> Engine:
    """Projection-weighted canonical correlation, the first system the reference."""

    def ready(sample: Sample) -> Any:
        units = sample.units
        return factors.canonical(sample.rows), units - units.mean(axis=0)

    def value(a: Any, b: Any, order: Array) -> float:
        other = b[0] if order is None else b[0][order]
        return factors.projection_weighted(a[0], other, a[1])

    return Pairs(ready, value)


def permuted_shapes() -> Engine:
    """Best one-to-one matching of units."""
    return Pairs(
        _unit_shape, lambda a, b, order: _matched(a, b, order, factors.matched_units)
    )


def unit_by_unit() -> Engine:
    """No alignment: unit i against unit i."""
    return Pairs(
        _unit_shape,
        lambda a, b, order: _matched(a, b, order, lambda x, y: (x * y).sum()),
    )


def _unit_shape(sample: Sample) -> Array:
    x = sample.units - sample.units.mean(axis=0)
    return x / max(float(np.linalg.norm(x)), 1e-300)


def _matched(a: Array, b: Array, order: Array, product: Any) -> float:
    found = product(a, b if order is None else b[order])
    return float(factors.angle(np.array(float(found))))


def held_out_rotation(*, alpha: float) -> Engine:
    """Angle of held-out rows under the rotation that fits the others."""

    def ready(sample: Sample) -> Any:
        return sample.rows, sample.fold

    def value(a: Any, b: Any, order: Array) -> float:
        other = b[0] if order is None else b[0][order]
        cosine = factors.held_out_cosine(a[0], other, a[1], alpha)
        return float(factors.angle(np.array(cosine)))

    return Pairs(ready, value)


def unit_prediction(*, score: str, reverse: bool) -> Engine:
    """Held-out prediction of units."""
    return Predict(score=score, reverse=reverse)
