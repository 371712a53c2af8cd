"""Measures of pairs of rows: kernels, dissimilarities, neighborhoods, topology."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from marr.representation._alignment import _makers as make
from marr.representation._alignment._measure import AlignmentMeasure

__all__ = [
    "ANGLE",
    "MOVE",
    "ORDER",
    "PAIR_MEASURES",
    "RIGHT",
    "SCORE",
    "SIGNED",
    "TURN",
]

MOVE = frozenset({"translation"})
ORDER = frozenset({"isotropic scale", "permutation"})
TURN = MOVE | ORDER | {"orthogonal"}
RIGHT = float(np.pi / 2)
SCORE: dict[str, Any] = {
    "kind": "score",
    "low": 0.0,
    "high": 1.0,
    "metric": False,
    "independent": 0.0,
}
SIGNED: dict[str, Any] = {**SCORE, "low": -1.0}
ANGLE: dict[str, Any] = {"kind": "distance", "low": 0.0, "high": RIGHT, "metric": True}
ANGLE |= {"independent": RIGHT}
GRAM = "n² (p + q)"
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
            "least_rows": 6,
            "options": {"k": 10},
            "citations": ("huh2024",),
            **SCORE,
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


PAIR_MEASURES = (
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
        symmetric=False,
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
        convention=(
            "distances over their 0.9 quantile; spanning trees, mean of both directions; "
            "0 for all systems with the same trees"
        ),
        metric=True,
        cost=GRAM,
        make=partial(make.topological, lite=True),
        citations=("tulchinskii2025",),
    ),
)
"""Kernels, dissimilarities, neighborhoods, topology."""
