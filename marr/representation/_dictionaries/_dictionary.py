"""What a dictionary explains of a site, and how much of it is there to stay."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from marr._analysis import Draft, analysis
from marr.errors import ContractError, OptionError, check_option
from marr.findings import Note
from marr.representation._dictionaries._evaluate import (
    Features,
    Totals,
    components,
    features_of,
    random_scores,
    score,
)
from marr.representation._dictionaries._rows import Sample, sample_rows
from marr.representation._dictionaries._split import Split, make_split
from marr.representation._dictionaries._stability import Stability, stability_of
from marr.representation._dictionaries._surrogate import Surrogate, surrogate_of
from marr.representation._dictionaries._tables import (
    baseline_table,
    estimate_of,
    feature_table,
    seed_table,
    top_table,
)
from marr.representation._dictionaries._text import figures, methods_text, summary_of
from marr.representation._dictionaries._train import (
    MAX_ROWS,
    SPARSE,
    fit_dictionaries,
    make_settings,
)
from marr.systems import Dictionary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.representation._dictionaries._train import Settings
    from marr.systems import System

__all__ = ["dictionary"]

NULLS = {
    "gaussian": "dictionaries of Gaussian activity with the same mean and covariance",
    "random": "random dictionaries",
}
"""What a dictionary is compared with."""

CITES = {
    "topk": ("gao2024",),
    "jumprelu": ("rajamanoharan2024",),
    "relu": ("cunningham2024",),
    "nmf": ("lee1999",),
    "ica": ("hyvarinen1999",),
}


@dataclass(frozen=True)
class Found:
    """Everything that was measured, before it is put into tables."""

    dictionary: Dictionary
    split: Split
    totals: Totals
    random: Any
    surrogate: Surrogate | None
    rank: int
    features: Features
    stability: Stability | None


@analysis(level="representation", citations=("elhage2022",), needs="activity")
def dictionary(
    system: System,
    *,
    site: str,
    dictionary: Dictionary | None = None,
    method: str = "topk",
    n_features: int | None = None,
    k: int | None = None,
    n_seeds: int = 3,
    n_epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int = 512,
    max_rows: int = MAX_ROWS,
    n_top: int = 5,
    null: str = "gaussian",
    n_null: int = 20,
    device: str = "cpu",
    seed: int = 0,
) -> Draft:
    """Take the activity of a site apart into features, and say what they are worth.

    One dictionary is trained on all trials: its features are what the finding describes
    (`train_dictionary` with the same options returns it). `n_seeds` more are trained from
    other random starts, each without one part of the trials, and scored on that part.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    site : str
        Site whose activity is taken apart.
    dictionary : Dictionary, optional
        Describe this one (loaded, or trained before) instead of training. It is scored
        on the trials that it was not trained on; it has no stability.
    method : {"topk", "jumprelu", "nmf", "ica"}
        See `train_dictionary`.
    n_features : int, optional
        Number of features; see `train_dictionary`.
    k : int, optional
        Active features a row; see `train_dictionary`.
    n_seeds : int
        Dictionaries that are trained for explained variance and stability, at least 2.
    n_epochs : int, optional
        Passes over the rows; see `train_dictionary`.
    learning_rate : float, optional
        Of the autoencoders; see `train_dictionary`.
    batch_size : int
        Rows a step.
    max_rows : int
        With more rows than this, so many are drawn for training.
    n_top : int
        Trials listed for each feature.
    null : {"gaussian", "random"}
        "gaussian" does the same with Gaussian activity of the same mean and covariance
        (for "nmf" with the same distribution of each unit), which has no sparse
        structure: it takes twice the time. "random" leaves that out.
    n_null : int
        Random dictionaries.
    device : str
        Torch device.
    seed : int
        Seed of all draws.

    Returns
    -------
    Finding
        `estimate`: explained variance on held-out trials, with `ci_low`, `ci_high`,
        `null_mean`, `excess` over it and `p_value`; `random` (random dictionaries of the
        same size and sparsity), `pca` (`rank` principal components, as many as features
        are active), `gain` (over these, with `gain_low`, `gain_high`), `l0` (active
        features a row), `dead` (share of features that never are), `stability` (mean
        cosine of features with their partners in the other dictionaries) with
        `stability_null` and `stability_random`, `n_features`, `n`.
        Tables: "dictionary" (all side by side), "feature" (by unit, labels
        "site.features:0" as `with_features` gives them: share of the variance lost
        without it, `density`, `stability`), "top" (trials on which each feature is
        largest), "seed" (one row a trained dictionary).

    Raises
    ------
    MarrError
        Unknown site; too few rows; a dictionary for other units; options of training
        together with `dictionary`.

    Notes
    -----
    Explained variance is 1 - sum ||x - x_hat||^2 / (sum ||x||^2 - n ||mean x||^2) over all
    held-out rows, for every kind of dictionary and system: about the mean, and a ratio of
    sums. Some tools average ratios, or leave out the mean; their numbers are higher.
    To pick k of many directions for each row explains more than k components of any
    activity, Gaussian noise included; and its features look alike from seed to seed. So
    sparse structure shows as excess over Gaussian activity, not over components. The
    interval holds the dictionaries fixed. A feature is a direction, not a cause: see
    `with_features` and `marr.implementation.ablate`.

    References
    ----------
    Elhage et al. (2022), Toy models of superposition; Gao et al. (2024),
    arXiv:2406.04093; Rajamanoharan et al. (2024), arXiv:2407.14435.
    """
    system.check_site(site)
    units = system.activity(site)["unit_id"].values.astype(str).tolist()
    _check(n_seeds=(n_seeds, 2), n_top=(n_top, 1), n_null=(n_null, 1))
    check_option("null", null, NULLS)
    settings = None
    if dictionary is None:
        settings = make_settings(
            len(units),
            method=method,
            n_features=n_features,
            k=k,
            n_epochs=n_epochs,
            learning_rate=learning_rate,
            batch_size=batch_size,
            max_rows=max_rows,
            device=device,
        )
    else:
        _check_given(dictionary, n_features=n_features, k=k, n_epochs=n_epochs)
        dictionary = dictionary.aligned(units, site=site)
        units = units if dictionary.units is None else sorted(units)
    order = units if dictionary is not None else sorted(units)
    sample = sample_rows(system, site, max_rows=max_rows, seed=seed, units=order)
    split = make_split(system, n_seeds, given=dictionary, seed=seed)
    whole, others = _dictionaries(
        system, site, sample, split, settings, dictionary, seed
    )
    rank = _rank(whole, sample, device)
    found = Found(
        dictionary=whole,
        split=split,
        totals=score(
            system,
            site,
            split,
            others or [whole] * split.n_folds,
            components(sample, split.fold, rank, seed),
            units=order,
            device=device,
        ),
        random=random_scores(
            sample, whole.n_features, _active(whole, rank), n_draws=n_null, seed=seed
        ),
        surrogate=surrogate_of(
            sample,
            settings,
            None if others else whole,
            n_models=split.n_folds,
            seed=seed,
        )
        if null == "gaussian"
        else None,
        rank=rank,
        features=features_of(
            system, site, whole, split, units=order, n_top=n_top, device=device
        ),
        stability=stability_of(whole, others, sample, n_draws=n_null, seed=seed)
        if others
        else None,
    )
    return _draft(system, site, found, others)


def _check(**options: tuple[int, int]) -> None:
    for name, (value, least) in options.items():
        if value < least:
            msg = f"{name} must be at least {least}; got {value}."
            raise OptionError(msg)


def _check_given(dictionary: Any, **training: Any) -> None:
    """Refuse what is no dictionary, and options that would train another one."""
    if not isinstance(dictionary, Dictionary):
        msg = (
            "dictionary must be a Dictionary (train_dictionary or load_dictionary make "
            f"one); got {type(dictionary).__name__}."
        )
        raise ContractError(msg)
    for name, value in training.items():
        if value is not None:
            msg = (
                f"{name} is an option of training, and dictionary= is there already; "
                "leave one of them out."
            )
            raise OptionError(msg)


def _dictionaries(
    system: System,
    site: str,
    sample: Sample,
    split: Split,
    settings: Settings | None,
    given: Dictionary | None,
    seed: int,
) -> tuple[Dictionary, list[Dictionary]]:
    """Return the dictionary that is described, and those of the folds."""
    if given is not None:
        return _ordered(given, sample), []
    assert settings is not None
    (whole,) = fit_dictionaries(system, site, sample, settings, [None], [seed])
    used = [split.fold != k for k in range(split.n_folds)]
    starts = np.random.SeedSequence(seed).generate_state(split.n_folds).tolist()
    others = fit_dictionaries(system, site, sample, settings, used, starts)
    return _ordered(whole, sample), [_ordered(o, sample) for o in others]


def _ordered(dictionary: Dictionary, sample: Sample) -> Dictionary:
    if dictionary.units is None:
        return dictionary
    return dictionary.aligned(sample.units)


def _rank(dictionary: Dictionary, sample: Sample, device: str) -> int:
    """Return how many features are active a row: the rank to compare with."""
    if dictionary.kind in ("nmf", "ica"):
        return min(dictionary.n_features, dictionary.n_units)
    rows = sample.x[:: max(1, len(sample.x) // 2000)]
    active = (dictionary.encode(rows, device=device) != 0).sum(axis=1).mean()
    return int(np.clip(round(float(active)), 1, dictionary.n_units))


def _active(dictionary: Dictionary, rank: int) -> int:
    return rank if dictionary.kind in (*SPARSE, "relu") else dictionary.n_features


def _draft(
    system: System, site: str, found: Found, others: Sequence[Dictionary]
) -> Draft:
    whole = found.dictionary
    estimate, scores = estimate_of(found)
    tables = {
        "dictionary": baseline_table(found, scores),
        "feature": feature_table(site, found),
        "top": top_table(system, site, found),
    }
    if found.stability is not None:
        tables["seed"] = seed_table(found, others)
    return Draft(
        estimate=estimate,
        summary=partial(
            summary_of, site=site, dictionary=whole, held_out=found.split.held_out
        ),
        question=f"Which features make up the activity of {site}?",
        methods=methods_text(site, found, others),
        tables=tables,
        figures=figures(site, found),
        notes=[*found.split.notes, *_notes(found, others)],
        citations=CITES[whole.kind],
        generalizes_over=found.split.over,
        parameters={"dictionary_digest": whole.digest},
    )


def _notes(found: Found, others: Sequence[Dictionary]) -> list[Note]:
    notes = []
    dead = int((found.features.density == 0).sum())
    if dead:
        text = f"{dead} of {found.dictionary.n_features} features are never active."
        notes.append(Note("dead_features", text, "Fewer features, or more steps."))
    models = [found.dictionary, *others]
    missed = sum(not m.info.get("converged", True) for m in models)
    if missed:
        text = f"{missed} of {len(models)} fits stopped before they converged."
        notes.append(Note("not_converged", text, "Give a larger n_epochs."))
    return notes
