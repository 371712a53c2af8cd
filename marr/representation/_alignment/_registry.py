"""Every alignment measure, with its metadata."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import OptionError, check_known
from marr.representation._alignment import _makers as make
from marr.representation._alignment._measure import AlignmentMeasure

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

__all__ = ["ALIGNMENT_MEASURES", "alignment_measures", "resolve_measures"]

MOVE = frozenset({"translation"})
ORDER = frozenset({"isotropic scale", "permutation"})
TURN = MOVE | ORDER | {"orthogonal"}
LINEAR = TURN | {"invertible linear"}
RIGHT = float(np.pi / 2)
SCORE = {"kind": "score", "low": 0.0, "high": 1.0, "metric": False, "independent": 0.0}
SIGNED = {**SCORE, "low": -1.0}
ANGLE = {"kind": "distance", "low": 0.0, "high": RIGHT, "metric": True}
ANGLE |= {"independent": RIGHT}
GRAM = "n² (p + q)"
FACTOR = "n² (p + q) + n p q"
UNBIASED = "unbiased (U-statistic) HSIC in numerator and denominator"
PLUG_IN = "plug-in (biased) HSIC"


def _cka(name: str, words: str, **more: Any) -> AlignmentMeasure:
    kind = {**SIGNED} if not more["biased"] else {**SCORE}
    return AlignmentMeasure(
        **{
            "name": name,
            "long_name": words,
            "family": "kernel",
            "symmetric": True,
            "invariances": TURN,
            "cost": GRAM,
            "citations": ("kornblith2019",),
            **kind,
            **more,
        }
    )


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


def _rsa(name: str, words: str, **more: Any) -> AlignmentMeasure:
    return AlignmentMeasure(
        **{
            "name": name,
            "long_name": words,
            "family": "rsa",
            "symmetric": True,
            "invariances": ORDER,
            "biased": False,
            "cost": GRAM,
            "estimator": "plug-in over all pairs of rows",
            "least_rows": 5,
            "citations": ("kriegeskorte2008",),
            **SIGNED,
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


def _topology(name: str, words: str, **more: Any) -> AlignmentMeasure:
    return AlignmentMeasure(
        **{
            "name": name,
            "long_name": words,
            "family": "topology",
            "kind": "distance",
            "low": 0.0,
            "high": float("inf"),
            "symmetric": True,
            "metric": False,
            "invariances": TURN,
            "biased": True,
            "independent": None,
            "estimator": "plug-in; grows with the number of rows",
            "least_rows": 6,
            "options": {"quantile": 0.9, "most_rows": 200},
            "citations": ("barannikov2022",),
            **more,
        }
    )


def _neighbors(name: str, words: str, **more: Any) -> AlignmentMeasure:
    return AlignmentMeasure(
        **{
            "name": name,
            "long_name": words,
            "family": "neighbors",
            "symmetric": True,
            "invariances": TURN,
            "biased": False,
            "cost": GRAM,
            "least_rows": 12,
            "options": {"k": 10},
            "citations": ("huh2024",),
            **SCORE,
            **more,
        }
    )


_ENTRIES = (
    _cka(
        "cka",
        "linear CKA (debiased)",
        biased=False,
        estimator=UNBIASED,
        convention="linear kernel; can be slightly negative",
        identity="inner product of U-centered Gram matrices over their lengths",
        make=partial(make.linear_cka, debiased=True),
        citations=("kornblith2019", "song2012", "murphy2024"),
    ),
    _cka(
        "cka_biased",
        "linear CKA (biased)",
        biased=True,
        alternative="cka",
        estimator=PLUG_IN,
        convention="linear kernel",
        identity=(
            "cosine of double-centered squared-Euclidean RDMs; whitened-cosine RSA of "
            "that distance; RV coefficient"
        ),
        make=partial(make.linear_cka, debiased=False),
    ),
    _cka(
        "cka_rbf",
        "RBF CKA (debiased)",
        biased=False,
        estimator=UNBIASED,
        convention="width² = median nonzero squared distance of each system",
        make=partial(make.rbf_cka, debiased=True),
        citations=("kornblith2019", "song2012"),
    ),
    _cka(
        "cka_rbf_biased",
        "RBF CKA (biased)",
        biased=True,
        alternative="cka_rbf",
        estimator=PLUG_IN,
        convention="width² = median nonzero squared distance of each system",
        make=partial(make.rbf_cka, debiased=False),
    ),
    _cka(
        "cka_angular",
        "angular distance of linear CKA (biased)",
        biased=True,
        alternative="cka",
        estimator=PLUG_IN,
        convention="arc cosine, in radians, not divided by pi / 2",
        identity="arccos(cka_biased)",
        make=partial(make.linear_cka, debiased=False, angular=True),
        citations=("williams2021",),
        **ANGLE,
    ),
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
        convention="radians, not divided by pi / 2; no zero padding needed",
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
    _rsa(
        "rsa",
        "RSA (correlation distance, Pearson)",
        convention="1 - correlation over units; Pearson over pairs",
        make=partial(make.rdm_correlation, distance="correlation", ranked=False),
    ),
    _rsa(
        "rsa_spearman",
        "RSA (correlation distance, Spearman)",
        differentiable=False,
        convention="1 - correlation over units; Spearman over pairs",
        make=partial(make.rdm_correlation, distance="correlation", ranked=True),
    ),
    _rsa(
        "rsa_euclidean",
        "RSA (squared Euclidean distance, Pearson)",
        invariances=TURN,
        convention="squared distances; Pearson over pairs",
        make=partial(make.rdm_correlation, distance="euclidean", ranked=False),
    ),
    _neighbors(
        "mutual_knn",
        "mutual nearest neighbors",
        independent=None,
        differentiable=False,
        estimator="share of common neighbors; k / (n - 1) for independent systems",
        convention="Euclidean neighbors, the row itself left out",
        make=make.shared_neighbors,
    ),
    _neighbors(
        "cknna",
        "kernel alignment of nearest neighbors",
        low=float("-inf"),
        high=float("inf"),
        independent=None,
        estimator=UNBIASED,
        convention="neighbors by inner product of centered rows; linear kernel",
        make=make.kernel_neighbors,
    ),
    _topology(
        "rtd",
        "representation topology divergence",
        convention="distances over their 0.9 quantile; H1, mean of both directions",
        cost="about n³ a direction",
        make=partial(make.topological, lite=False),
    ),
    _topology(
        "rtd_lite",
        "representation topology divergence, lite",
        convention="distances over their 0.9 quantile; spanning trees, mean of both directions",
        cost=GRAM,
        make=partial(make.topological, lite=True),
        citations=("tulchinskii2025",),
    ),
)

ALIGNMENT_MEASURES: dict[str, AlignmentMeasure] = {m.name: m for m in _ENTRIES}
"""Every alignment measure by name; tests read the metadata of each and check it."""

_COLUMNS = (
    "long_name",
    "family",
    "kind",
    "low",
    "high",
    "symmetric",
    "metric",
    "invariances",
    "paired_rows",
    "equal_units",
    "biased",
    "differentiable",
    "cross_validated",
    "uses_time",
    "estimator",
    "convention",
    "cost",
    "identity",
)


def alignment_measures() -> pd.DataFrame:
    """Return all alignment measures with their metadata, one row a measure.

    Examples
    --------
    >>> from marr.representation import alignment_measures
    >>> bool(alignment_measures().loc["cka_biased", "biased"])
    True
    """
    import pandas as pd

    rows = {m.name: metadata(m) for m in _ENTRIES}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis("measure")


def metadata(measure: AlignmentMeasure) -> dict[str, Any]:
    """Return what a finding tells of a measure."""
    found = {k: getattr(measure, k) for k in _COLUMNS}
    found["invariances"] = ", ".join(sorted(measure.invariances)) or "none"
    return found


def resolve_measures(
    measure: str | AlignmentMeasure | Sequence[str | AlignmentMeasure],
) -> tuple[tuple[AlignmentMeasure, ...], bool]:
    """Return the measures asked for, and whether there may be several."""
    several = not isinstance(measure, (str, AlignmentMeasure))
    given = list(measure) if isinstance(measure, (list, tuple)) else [measure]
    if not given:
        msg = "measure must name at least one of marr.representation.ALIGNMENT_MEASURES."
        raise OptionError(msg)
    found = []
    for item in given:
        if isinstance(item, AlignmentMeasure):
            found.append(item)
            continue
        check_known("measure", item, ALIGNMENT_MEASURES, what="alignment measure")
        found.append(ALIGNMENT_MEASURES[str(item)])
    names = [m.name for m in found]
    if len(set(names)) < len(names):
        msg = f"measure names a measure twice: {names}."
        raise OptionError(msg)
    return tuple(found), several
