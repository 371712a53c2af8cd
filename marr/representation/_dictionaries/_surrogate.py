"""What a dictionary would find in activity that has nothing but its covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.representation._dictionaries._score_kernel import matched_cosine
from marr.representation._dictionaries._train import fit_parts

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._dictionaries._rows import Sample
    from marr.representation._dictionaries._train import Settings
    from marr.systems import Dictionary

__all__ = ["Surrogate", "surrogate_of", "surrogate_rows"]

MOST_ROWS = 100_000
"""Rows of a surrogate."""

SCORED = 5000
"""Rows on which a given dictionary is scored."""


@dataclass(frozen=True)
class Surrogate:
    """Dictionaries of Gaussian activity with the same mean and covariance.

    Attributes
    ----------
    scores : array of shape (n_models,)
        Explained variance on rows that were not trained on.
    matched : array of shape (n_models, n_features) or None
        Cosine of features with their partners in the other dictionaries; None for a
        dictionary that was given.
    """

    scores: npt.NDArray[np.float64]
    matched: npt.NDArray[np.float64] | None


def surrogate_rows(
    x: npt.NDArray[np.floating], n: int, *, positive: bool, seed: int
) -> npt.NDArray[np.float64]:
    """Draw rows with the mean and covariance of activity, and nothing else of it.

    Parameters
    ----------
    x : array of shape (n_rows, n_units)
        Activity.
    n : int
        Rows to draw.
    positive : bool
        Keep the distribution of each unit (and so its sign) as well: a Gaussian copula
        with the correlations of the activity.
    seed : int
        Seed.
    """
    rng = np.random.default_rng(seed)
    values = x.astype(float)
    mean = values.mean(axis=0)
    if positive:
        spread = values.std(axis=0)
        values = (values - mean) / np.where(spread > 0, spread, 1.0)
    else:
        values = values - mean
    size, axes = np.linalg.eigh(values.T @ values / len(values))
    root = axes * np.sqrt(np.maximum(size, 0.0))
    drawn = rng.normal(size=(n, x.shape[1])) @ root.T
    if not positive:
        return np.asarray(drawn + mean)
    rank = np.argsort(np.argsort(drawn, axis=0, kind="stable"), axis=0, kind="stable")
    at = rank * len(x) // n
    return np.take_along_axis(np.sort(x.astype(float), axis=0), at, axis=0)


def surrogate_of(
    sample: Sample,
    settings: Settings | None,
    given: Dictionary | None,
    *,
    n_models: int,
    seed: int,
) -> Surrogate:
    """Train (or score) dictionaries on a surrogate as on the activity itself.

    Parameters
    ----------
    sample : Sample
        The activity.
    settings : Settings or None
        How dictionaries are trained.
    given : Dictionary or None
        Score this one instead.
    n_models : int
        Number of dictionaries (or of draws for a given one).
    seed : int
        Seed of all draws.
    """
    starts = np.random.SeedSequence([seed, 1]).generate_state(n_models + 2).tolist()
    if given is not None:
        scores = []
        for start in starts[:n_models]:
            positive = given.kind == "nmf"
            n = min(len(sample.x), SCORED)
            rows = surrogate_rows(sample.x, n, positive=positive, seed=start)
            scores.append(_score(given, rows))
        return Surrogate(np.array(scores), None)
    assert settings is not None
    n = min(len(sample.x), MOST_ROWS)
    positive = settings.method == "nmf"
    rows = surrogate_rows(sample.x, n, positive=positive, seed=starts[-1])
    fold = np.arange(n) * n_models // n
    masks = [np.ones(n, bool), *(fold != k for k in range(n_models))]
    models = fit_parts(rows, masks, settings, starts[: n_models + 1])
    whole, others = models[0], models[1:]
    scores = [_score(m, rows[fold == k]) for k, m in enumerate(others)]
    signed = settings.method != "ica"
    matched = [
        matched_cosine(whole.decoder, m.decoder, signed=signed)[0] for m in others
    ]
    return Surrogate(np.array(scores), np.stack(matched))


def _score(dictionary: Dictionary, rows: npt.NDArray[np.float64]) -> float:
    left = rows - dictionary.decode(dictionary.encode(rows), like=rows)
    variance = float(((rows - rows.mean(axis=0)) ** 2).sum())
    return 1 - float((left**2).sum()) / variance
