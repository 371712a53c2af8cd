"""Whether features come back from another start, and more than by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.representation._dictionaries._evaluate import random_directions
from marr.representation._dictionaries._score_kernel import matched_cosine

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._dictionaries._rows import Sample
    from marr.systems import Dictionary

__all__ = ["Stability", "stability_of"]

NULL_ROWS = 2000


@dataclass(frozen=True)
class Stability:
    """Cosines of features with their partners in other dictionaries.

    Attributes
    ----------
    matched, largest : arrays of shape (n_models, n_features)
        Cosine with the partner (one to one), and with the most similar feature.
    null : array of shape (n_draws, n_features)
        Cosine with the partner in random dictionaries.
    """

    matched: npt.NDArray[np.float64]
    largest: npt.NDArray[np.float64]
    null: npt.NDArray[np.float64]

    @property
    def feature(self) -> npt.NDArray[np.float64]:
        """Mean matched cosine of each feature over the other dictionaries."""
        return np.asarray(self.matched.mean(axis=0))


def stability_of(
    dictionary: Dictionary,
    others: Sequence[Dictionary],
    sample: Sample,
    *,
    n_draws: int,
    seed: int,
) -> Stability:
    """Match the features of a dictionary with those of others, and with random ones.

    Parameters
    ----------
    dictionary : Dictionary
        Whose features are looked for.
    others : sequence of Dictionary
        Trained with other seeds, on other trials.
    sample : Sample
        Activity: random directions have its covariance.
    n_draws : int
        Number of random dictionaries.
    seed : int
        Seed of the random dictionaries.
    """
    signed = dictionary.kind != "ica"
    own = np.asarray(dictionary.decoder, dtype=float)
    pairs = [
        matched_cosine(own, np.asarray(o.decoder, dtype=float), signed=signed)
        for o in others
    ]
    rng = np.random.default_rng(seed)
    x = sample.x
    if len(x) > NULL_ROWS:
        x = x[np.sort(rng.choice(len(x), NULL_ROWS, replace=False))]
    x = x.astype(float)
    mean = x.mean(axis=0)
    positive = dictionary.kind == "nmf"  # parts are matched with random parts
    null = []
    for _ in range(n_draws):
        if positive:
            drawn = rng.dirichlet(np.full(len(x), 5 / len(x)), size=len(own)) @ x
        else:
            drawn = random_directions(x - mean, len(own), rng)
        null.append(matched_cosine(own, drawn, signed=signed)[0])
    return Stability(
        np.stack([m for m, _ in pairs]), np.stack([l for _, l in pairs]), np.stack(null)
    )
