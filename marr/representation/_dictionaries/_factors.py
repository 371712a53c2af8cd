"""Dictionaries from factorizations of all rows at once: NMF and ICA."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["ica_parts", "nmf_parts"]


def nmf_parts(
    x: npt.NDArray[np.floating], n_features: int, n_iterations: int, seed: int
) -> dict[str, Any]:
    """Return nonnegative parts of length 1, from a random start."""
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    if x.min() < 0:
        msg = (
            f"method='nmf' needs activity that is nowhere negative; got {x.min():.3g}. Use "
            "counts or rates, a rectified layer, or method='topk'."
        )
        raise ContractError(msg)
    scale = float(x.mean(dtype=float))
    model = NMF(
        n_features,
        init="random",
        max_iter=n_iterations,
        random_state=seed,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(np.asarray(x, dtype=float) / scale)
    decoder = np.asarray(model.components_, dtype=float)
    norms = np.linalg.norm(decoder, axis=1, keepdims=True)
    decoder = np.divide(decoder, norms, out=np.zeros_like(decoder), where=norms > 0)
    return {"decoder": decoder, "info": {"converged": not caught}}


def ica_parts(
    x: npt.NDArray[np.floating], n_features: int, n_iterations: int, seed: int
) -> dict[str, Any]:
    """Return components of positive skewness, those of most variance first."""
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    values = np.asarray(x, dtype=float)
    rank = int(np.linalg.matrix_rank(values - values.mean(axis=0)))
    if n_features > rank:
        msg = (
            f"n_features must be at most {rank}, the rank of the activity, for "
            f"method='ica'; got {n_features}."
        )
        raise OptionError(msg)
    model = FastICA(
        n_features,
        whiten="unit-variance",
        max_iter=n_iterations,
        random_state=seed,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        sources = model.fit_transform(values)
    encoder, decoder = model.components_.T, model.mixing_.T
    norms = np.linalg.norm(decoder, axis=1)
    sign = np.where((sources**3).sum(axis=0) < 0, -1.0, 1.0)
    order = np.argsort(-norms, kind="stable")
    return {
        "encoder": (encoder * sign * norms)[:, order],
        "decoder": (decoder * (sign / norms)[:, None])[order],
        "decoder_bias": np.asarray(model.mean_, dtype=float),
        "info": {"converged": not caught},
    }
