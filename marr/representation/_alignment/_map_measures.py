"""Measures that map one system onto another: canonical, shape, regression, units."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from marr.representation._alignment import _makers as make
from marr.representation._alignment._measure import AlignmentMeasure
from marr.representation._alignment._pair_measures import (
    ANGLE,
    MOVE,
    ORDER,
    SCORE,
    SIGNED,
    TURN,
)

__all__ = ["MAP_MEASURES"]

LINEAR = TURN | {"invertible linear"}
FACTOR = "n² (p + q) + n p q"


def _shape(name: str, words: str, **more: Any) -> AlignmentMeasure:
    return AlignmentMeasure(
        **{
            "name": name,
            "long_name": words,
            "family": "shape",
            "symmetric": True,
            "invariances": TURN,
            "biased": True,
            "cost": FACTOR,
            "estimator": "plug-in",
            "alternative": "shape_held_out",
            "citations": ("williams2021",),
            **ANGLE,
            **more,
        }
    )


def _correlation(name: str, words: str, **more: Any) -> AlignmentMeasure:
    return AlignmentMeasure(
        **{
            "name": name,
            "long_name": words,
            "family": "canonical",
            "symmetric": True,
            "biased": True,
            "cost": FACTOR,
            "estimator": "plug-in canonical correlations",
            "alternative": "predictivity",
            **SCORE,
            **more,
        }
    )


def _prediction(name: str, words: str, **more: Any) -> AlignmentMeasure:
    return AlignmentMeasure(
        **{
            "name": name,
            "long_name": words,
            "family": "regression",
            "symmetric": False,
            "invariances": MOVE | ORDER,
            "biased": False,
            "cost": "n² (min(n, p) + q) a fold",
            "estimator": "ridge, five folds",
            "cross_validated": True,
            "least_rows": 15,
            "citations": ("schrimpf2018", "golub1979"),
            **SIGNED,
            **more,
        }
    )


MAP_MEASURES = (
    _correlation(
        "cca",
        "mean canonical correlation",
        invariances=LINEAR,
        convention="mean over as many correlations as the smaller rank",
        identity="cos(shape_linear), where both ranks are equal",
        make=make.canonical_correlations,
        options={"variance": 1.0},
        citations=("hotelling1936",),
    ),
    _correlation(
        "svcca",
        "SVCCA",
        invariances=TURN,
        convention="fewest components that hold 99 % of the variance; mean correlation",
        identity="principal components, then cca",
        make=make.canonical_correlations,
        options={"variance": 0.99},
        citations=("raghu2017",),
    ),
    _correlation(
        "pwcca",
        "projection-weighted CCA",
        invariances=MOVE | ORDER,
        symmetric=False,
        convention="weights from the canonical variates and raw columns of the first system",
        make=make.weighted_canonical,
        citations=("morcos2018cca",),
    ),
    _shape(
        "procrustes",
        "angular Procrustes distance",
        convention="radians, not divided by pi / 2; systems of any two sizes",
        identity="arccos(nbs); shape_partial at alpha = 1",
        make=partial(make.aligned_shapes, alpha=1.0, value="angle"),
    ),
    _shape(
        "procrustes_euclidean",
        "Procrustes distance",
        kind="distance",
        high=float("inf"),
        independent=None,
        invariances=TURN - {"isotropic scale"},
        convention="Frobenius norm of the residual, in the units of activity, not scaled",
        identity="Bures distance of the unscaled Gram matrices",
        make=partial(make.aligned_shapes, alpha=1.0, value="euclidean"),
    ),
    _shape(
        "nbs",
        "normalized Bures similarity",
        **SCORE,
        convention="fidelity of Gram matrices of unit trace (not squared)",
        identity="cos(procrustes)",
        make=partial(make.aligned_shapes, alpha=1.0, value="cosine"),
        citations=("harvey2024",),
    ),
    _shape(
        "bures",
        "Bures distance",
        high=float(np.sqrt(2)),
        independent=float(np.sqrt(2)),
        convention="Gram matrices of unit trace",
        identity="sqrt(2 - 2 nbs)",
        make=partial(make.aligned_shapes, alpha=1.0, value="chord"),
        citations=("harvey2024",),
    ),
    _shape(
        "shape_partial",
        "shape distance, half whitened",
        convention="singular values become alpha s + 1 - alpha, variance kept; radians",
        identity="alpha = 1 procrustes, alpha = 0 shape_linear",
        invariances=MOVE | {"permutation", "orthogonal"},
        make=partial(make.aligned_shapes, value="angle"),
        options={"alpha": 0.5},
    ),
    _shape(
        "shape_linear",
        "shape distance under linear maps",
        invariances=LINEAR,
        convention="fully whitened, radians; over the geometric mean of the ranks",
        identity="arccos(cca), where both ranks are equal",
        make=partial(make.aligned_shapes, alpha=0.0, value="angle"),
    ),
    _shape(
        "shape_permutation",
        "shape distance under permutations",
        invariances=MOVE | ORDER,
        convention="one-to-one matching; the smaller system is padded with silent units",
        cost="n p q + p q min(p, q)",
        make=make.permuted_shapes,
    ),
    _shape(
        "shape_held_out",
        "held-out Procrustes angle",
        metric=False,
        biased=False,
        high=float(np.pi),
        cross_validated=True,
        alternative="",
        least_rows=10,
        estimator="five folds: means and rotation fitted on the others",
        convention="arc cosine of the mean held-out cosine, radians",
        make=make.held_out_rotation,
        options={"alpha": 1.0},
    ),
    AlignmentMeasure(
        name="unit_angle",
        long_name="angle without alignment",
        family="units",
        symmetric=True,
        invariances=frozenset({"translation", "isotropic scale"}),
        biased=False,
        equal_units=True,
        **{**ANGLE, "high": float(np.pi)},
        estimator="plug-in",
        convention="unit i against unit i, radians; the order of units is meaningful",
        cost="n p",
        make=make.unit_by_unit,
        citations=("williams2021",),
    ),
    _prediction(
        "predictivity",
        "linear predictivity of b from a",
        convention="Pearson a unit and fold, mean over folds, median over units",
        make=partial(make.unit_prediction, score="pearson", reverse=False),
    ),
    _prediction(
        "predictivity_reverse",
        "linear predictivity of a from b",
        convention="Pearson a unit and fold, mean over folds, median over units",
        identity="predictivity with a and b exchanged",
        make=partial(make.unit_prediction, score="pearson", reverse=True),
    ),
    _prediction(
        "predictivity_r2",
        "R² of b predicted from a",
        low=float("-inf"),
        convention="against the training mean, pooled over folds, median over units",
        make=partial(make.unit_prediction, score="r2", reverse=False),
    ),
)
"""Canonical correlations, shapes, units, regression."""
