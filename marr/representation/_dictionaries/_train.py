"""Train dictionaries on the activity of a site."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from marr._option_types import checked
from marr.errors import ContractError, OptionError, check_option
from marr.representation._dictionaries._factors import ica_parts, nmf_parts
from marr.representation._dictionaries._rows import Sample, sample_rows
from marr.systems import Dictionary, System, trial_hashes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = [
    "METHODS",
    "Settings",
    "fit_dictionaries",
    "fit_parts",
    "make_settings",
    "train_dictionary",
]

METHODS = {
    "topk": "sparse autoencoder, the k largest features of each row",
    "jumprelu": "sparse autoencoder, a threshold a feature, k active on average",
    "nmf": "nonnegative matrix factorization",
    "ica": "independent component analysis",
}
"""Ways to make a dictionary."""

SPARSE = ("topk", "jumprelu")
STEPS = 2000
"""Training steps of an autoencoder, unless `n_epochs` is given."""

EPOCHS = 1000
"""Most iterations of the methods that use all rows at once."""

MAX_ROWS = 500_000
RATE = 6e-3
"""Learning rate of autoencoders of up to 256 features."""


@dataclass(frozen=True)
class Settings:
    """Options of training, complete."""

    method: str
    n_features: int
    k: int | None
    n_epochs: int | None
    learning_rate: float
    batch_size: int
    max_rows: int
    device: str

    def n_steps(self, n_rows: int) -> int:
        """Return the number of steps of an autoencoder."""
        per_epoch = -(-n_rows // min(self.batch_size, n_rows))
        if self.n_epochs is not None:
            return self.n_epochs * per_epoch
        return max(STEPS, per_epoch)


@checked
def train_dictionary(
    system: System,
    *,
    site: str,
    method: str = "topk",
    n_features: int | None = None,
    k: int | None = None,
    n_epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int = 512,
    max_rows: int = MAX_ROWS,
    device: str = "cpu",
    seed: int = 0,
) -> Dictionary:
    """Train a dictionary of features on the activity of a site.

    Rows are trials, or all valid time bins of all trials, of recordings or models.

    Parameters
    ----------
    system : System
        Recording or hooked model.
    site : str
        Which one.
    method : {"topk", "jumprelu", "nmf", "ica"}
        "topk", "jumprelu": sparse autoencoders, usually with more features than units;
        "nmf": nonnegative parts (counts, rates, rectified layers); "ica": independent
        components, at most as many as units.
    n_features : int, optional
        By default four times the units for autoencoders, else half of them.
    k : int, optional
        Active features a row, for autoencoders (on average, for "jumprelu"); by
        default the square root of the number of units.
    n_epochs : int, optional
        Passes over the rows; by default 2,000 steps of an autoencoder, and up to 1,000
        iterations of the others.
    learning_rate : float, optional
        Of Adam, on activity of mean square 1; by default 0.006, and less with more than
        256 features (over the square root of their number).
    batch_size : int
        Rows a step.
    max_rows : int
        With more rows than this, so many are drawn at random.
    device : str
        Torch device of the autoencoders.
    seed : int
        Same seed, same dictionary.

    Returns
    -------
    Dictionary
        With decoder rows of length 1, so that a feature is in units of the activity;
        `trained_on` remembers the trials, so that `dictionary` scores it on others.

    Raises
    ------
    MarrError
        Unknown site; too few rows; negative activity for "nmf"; more components than
        units for "ica"; impossible options.

    Notes
    -----
    Not for claims about "the" features: another seed gives another dictionary.
    `marr.representation.dictionary` says how much of it stays, and how much better it is
    than principal components.

    References
    ----------
    Gao et al. (2024), arXiv:2406.04093; Rajamanoharan et al. (2024), arXiv:2407.14435;
    Lee & Seung (1999), Nature 401, 788-791; Hyvarinen (1999), IEEE Trans. Neural Networks
    10, 626-634.

    Examples
    --------
    >>> import numpy as np, marr
    >>> x = np.random.default_rng(0).poisson(2.0, (50, 8)).astype(float)
    >>> counts = marr.from_arrays({"V1": x})
    >>> parts = marr.representation.train_dictionary(
    ...     counts, site="V1", method="nmf", n_features=3)
    >>> counts.with_features(parts).activity("V1.features").shape
    (50, 3)
    """
    if not isinstance(system, System):
        msg = (
            f"system must be a System; got {type(system).__name__}. Train on one member of "
            "a cohort at a time: units differ."
        )
        raise ContractError(msg)
    system.check_site(site)
    n_units = system.activity(site).sizes["unit"]
    settings = make_settings(
        n_units,
        method=method,
        n_features=n_features,
        k=k,
        n_epochs=n_epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        max_rows=max_rows,
        device=device,
    )
    sample = sample_rows(system, site, max_rows=max_rows, seed=seed)
    (found,) = fit_dictionaries(system, site, sample, settings, [None], [seed])
    return found


def make_settings(
    n_units: int,
    *,
    method: str,
    n_features: int | None,
    k: int | None,
    n_epochs: int | None,
    learning_rate: float | None,
    batch_size: int,
    max_rows: int,
    device: str,
) -> Settings:
    """Return the options with their defaults, checked."""
    check_option("method", method, METHODS)
    sparse = method in SPARSE
    if n_features is None:
        n_features = 4 * n_units if sparse else max(1, n_units // 2)
    if not sparse and k is not None:
        msg = f"k is the number of active features of an autoencoder; {method!r} has none."
        raise OptionError(msg)
    if sparse and k is None:
        k = max(1, min(round(np.sqrt(n_units)), n_features))
    whole = {
        "n_features": (n_features, n_units if method == "ica" else None),
        "k": (k, n_features),
        "n_epochs": (n_epochs, None),
        "batch_size": (batch_size, None),
        "max_rows": (max_rows, None),
    }
    for name, (value, most) in whole.items():
        if value is not None and (value < 1 or (most is not None and value > most)):
            upto = f" and at most {most}" if most is not None else ""
            msg = f"{name} must be at least 1{upto}; got {value}."
            raise OptionError(msg)
    if learning_rate is None:
        learning_rate = RATE * min(1.0, (256 / n_features) ** 0.5)
    if not 0 < learning_rate < np.inf:
        msg = f"learning_rate must be a positive number; got {learning_rate!r}."
        raise OptionError(msg)
    return Settings(
        method,
        n_features,
        k,
        n_epochs,
        float(learning_rate),
        batch_size,
        max_rows,
        device,
    )


def fit_dictionaries(
    system: System,
    site: str,
    sample: Sample,
    settings: Settings,
    used: Sequence[npt.NDArray[np.bool_] | None],
    seeds: Sequence[int],
) -> list[Dictionary]:
    """Train one dictionary for each set of trials and seed.

    Parameters
    ----------
    system : System
        For the hashes of its trials.
    site : str
        Site of the sample.
    sample : Sample
        Rows.
    settings : Settings
        Complete options.
    used : sequence of bool array of shape (n_trials,) or None
        Trials that each is trained on; None for all.
    seeds : sequence of int
        One a dictionary.
    """
    masks = [
        np.ones(len(sample.x), bool) if u is None else u[sample.trial] for u in used
    ]
    models = fit_parts(sample.x, masks, settings, seeds)
    hashes = trial_hashes(system)
    given = system.activity(site)["unit_id"].values.astype(str).tolist()
    found = []
    for model, mask, seed in zip(models, masks, seeds, strict=True):
        trials = np.unique(sample.trial[mask])
        info = {
            "method": settings.method,
            "system": system.name,
            "seed": seed,
            "n_rows": int(mask.sum()),
            "n_trials": len(trials),
            "n_epochs": settings.n_epochs,
            "learning_rate": settings.learning_rate,
            **model.info,
        }
        labelled = replace(
            model,
            units=sample.units,
            site=site,
            name=f"{settings.method} {settings.n_features} of {site}",
            info=info,
            trained_on=hashes[trials],
        )
        found.append(labelled.aligned(given))
    return found


def fit_parts(
    x: npt.NDArray[np.floating],
    masks: Sequence[npt.NDArray[np.bool_]],
    settings: Settings,
    seeds: Sequence[int],
) -> list[Dictionary]:
    """Train one dictionary for each set of rows and seed; units have no ids."""
    if settings.method in SPARSE:
        parts = _autoencoders(x, masks, settings, seeds)
    else:
        one = nmf_parts if settings.method == "nmf" else ica_parts
        size, most = settings.n_features, settings.n_epochs or EPOCHS
        parts = [one(x[m], size, most, s) for m, s in zip(masks, seeds, strict=True)]
    return [Dictionary(kind=settings.method, **part) for part in parts]


def _autoencoders(
    x: npt.NDArray[np.floating],
    masks: Sequence[npt.NDArray[np.bool_]],
    settings: Settings,
    seeds: Sequence[int],
) -> list[dict[str, Any]]:
    """Train in single precision; give weights for the activity as it is."""
    import torch

    from marr.representation._dictionaries._train_kernel import Recipe, train

    far = x.mean(axis=0, dtype=float)  # only so that single precision loses nothing
    size = float(np.sqrt(((x - far) ** 2).mean(dtype=float)))
    tensor = torch.from_numpy(((x - far) / size).astype(np.float32))
    rows = [torch.from_numpy(np.flatnonzero(mask)) for mask in masks]
    fewest = min(len(r) for r in rows)
    assert settings.k is not None
    recipe = Recipe(
        settings.method,
        settings.n_features,
        settings.k,
        settings.n_steps(fewest),
        min(settings.batch_size, fewest),
        settings.learning_rate,
    )
    fit = train(tensor.to(settings.device), rows, recipe, list(seeds))
    found = []
    for s in range(len(seeds)):
        encoder, bias, decoder, center, threshold, mean = (
            part[s].cpu().numpy().astype(float)
            for part in (
                fit.encoder,
                fit.encoder_bias,
                fit.decoder,
                fit.decoder_bias,
                fit.threshold,
                fit.mean,
            )
        )
        scale = float(fit.scale[s]) * size
        part = {
            "encoder": encoder,
            "encoder_bias": bias * scale,
            "decoder": decoder,
            "decoder_bias": far + mean * size + center * scale,
            "info": {"n_steps": recipe.n_steps, "batch_size": recipe.batch_size},
        }
        if settings.method == "topk":
            part["k"] = settings.k
        else:
            part["threshold"] = threshold * scale
        found.append(part)
    return found
