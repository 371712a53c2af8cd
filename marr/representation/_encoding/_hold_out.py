"""What is held out together: repeats of a stimulus, runs, and neighbors in time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from marr.errors import OptionError, check_option
from marr.findings import Note
from marr.representation._plan import NULLS, Plan, autocorrelated, make_plan
from marr.representation._targets import Target
from marr.stats import permutations
from marr.systems import target_values

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._encoding._features import Band, Features
    from marr.systems import System

__all__ = ["HOLD_OUT", "HeldOut", "plan_rows"]

HOLD_OUT = {
    "auto": "stimuli, but trials where features are classes",
    "stimulus": "all repeats of a stimulus",
    "trial": "trials, or whole groups of dependent trials",
}
"""What is never split between training and test."""
NULL_NAMES = tuple(name for name in NULLS if name != "conditional")
FEWEST = 3
"""Fewer stimuli than this cannot be held out."""
ORDERS = 50
"""Random orders that a feature's likeness of neighbors is compared with."""


@dataclass(frozen=True)
class HeldOut:
    """Folds, null and resampling units of the labels.

    Attributes
    ----------
    plan : Plan
        Folds, shuffles and units.
    stimulus : int array of shape (n_labels,)
        Equal numbers are repeats of one stimulus.
    what : str
        What is held out, in words.
    """

    plan: Plan
    stimulus: npt.NDArray[np.intp]
    what: str
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class _Grouped:
    """Rows with groups, as `make_plan` asks a system for them."""

    codes: npt.NDArray[np.intp] | None
    group_column: str | None

    def groups(self) -> npt.NDArray[np.intp] | None:
        return self.codes


def plan_rows(
    system: System,
    features: Features,
    *,
    stimulus: str | None,
    hold_out: str,
    n_folds: int,
    null: str,
    n_permutations: int,
    seed: int,
) -> HeldOut:
    """Decide what is held out together, how the null is made, what is resampled."""
    check_option("hold_out", hold_out, HOLD_OUT)
    check_option("null", null, NULL_NAMES)
    bands = [b for found in features.sets.values() for b in found]
    same = _equal_rows(bands, features.frame.n_labels)
    ids = _stimuli(system, features, stimulus, same)
    sessions, column = _groups(system, features)
    groups, column, what, notes = _kept_whole(
        features, ids, sessions, column, hold_out, stimulus
    )
    slow = _slowest(bands, sessions, seed)
    series = _series(same, slow, groups, seed)
    target = Target("features", "continuous", series, np.ones(len(series), bool))
    plan = make_plan(
        cast("System", _Grouped(groups, column)),
        target,
        n_folds=n_folds,
        null=null,
        n_permutations=n_permutations,
        design=None,
        seed=seed,
    )
    if slow is not None and groups is ids and null == "auto" and n_permutations:
        shifts = permutations(
            len(ids),
            n_permutations=n_permutations,
            seed=seed,
            within=sessions,
            scheme="shift",
        )
        plan = replace(plan, scheme="shift", indices=shifts.astype(np.intp))
    return HeldOut(plan, ids, what, (*notes, *plan.notes))


def _series(
    same: npt.NDArray[np.intp],
    slow: npt.NDArray[np.float64] | None,
    groups: npt.NDArray[np.intp] | None,
    seed: int,
) -> npt.NDArray[np.float64]:
    """Return two numbers a label that stand for its features in a plan.

    They are equal where the features are, and resemble their neighbors if these do.
    """
    rng = np.random.default_rng(seed)
    for _ in range(50):
        drawn = rng.normal(size=int(same.max()) + 1)[same]
        if slow is not None or not autocorrelated(drawn[:, None], groups):
            break
    return np.stack([drawn, drawn if slow is None else slow], axis=1)


def _equal_rows(bands: list[Band], n_labels: int) -> npt.NDArray[np.intp]:
    """Return the same number for labels whose features are equal."""
    digests = [hashlib.blake2b(digest_size=16) for _ in range(n_labels)]
    for band in bands:
        for part in band.label_parts():
            rows = np.ascontiguousarray(part + 0.0)
            for digest, row in zip(digests, rows, strict=True):
                digest.update(row.tobytes())
    found = np.array([d.hexdigest() for d in digests])
    first, inverse = np.unique(found, return_index=True, return_inverse=True)[1:]
    order = np.argsort(np.argsort(first))  # numbered in order of appearance
    return np.asarray(order[inverse.reshape(-1)], dtype=np.intp)


def _stimuli(
    system: System,
    features: Features,
    stimulus: str | None,
    same: npt.NDArray[np.intp],
) -> npt.NDArray[np.intp]:
    """Return the stimulus of each label."""
    n = features.frame.n_labels
    if features.match.on != "trial":
        if stimulus is not None:
            msg = (
                f"stimulus={stimulus!r} goes with on='trial'; rows are already the values "
                f"of {features.match.on!r}."
            )
            raise OptionError(msg)
        return np.arange(n)
    if stimulus is None:
        return same
    values = target_values(system, stimulus, argument="stimulus").values
    if values.ndim != 1:
        msg = f"stimulus={stimulus!r} varies within trials; name a column of the table."
        raise OptionError(msg)
    kept = values[_trial_of(features)].astype(str)
    codes = np.unique(kept, return_inverse=True)[1]
    return np.asarray(codes.reshape(-1), dtype=np.intp)


def _trial_of(features: Features) -> npt.NDArray[np.intp]:
    """Return the trial of each label, where labels are trials."""
    codes = features.match.codes[0]
    trial = np.empty(features.frame.n_labels, dtype=np.intp)
    trial[codes[codes >= 0]] = np.flatnonzero(codes >= 0)
    return trial


def _groups(
    system: System, features: Features
) -> tuple[npt.NDArray[np.intp] | None, str | None]:
    """Return the group of each label; None where labels span groups."""
    groups, codes = system.groups(), features.match.codes[0]
    if groups is None:
        return None, None
    per_trial = codes.reshape(len(codes), -1)
    flat = np.repeat(groups[:, None], per_trial.shape[1], axis=1)[per_trial >= 0]
    label = per_trial[per_trial >= 0]
    found = np.full(features.frame.n_labels, -1)
    found[label] = flat
    if (found[label] != flat).any():
        return None, None
    found = np.unique(found, return_inverse=True)[1].reshape(-1)
    if found.max() + 1 in (1, len(found)):
        return None, None
    return found.astype(np.intp), system.group_column


def _kept_whole(
    features: Features,
    ids: npt.NDArray[np.intp],
    groups: npt.NDArray[np.intp] | None,
    column: str | None,
    hold_out: str,
    stimulus: str | None,
) -> tuple[npt.NDArray[np.intp] | None, str | None, str, list[Note]]:
    """Return the groups that folds keep whole, their name, what they are in words."""
    n_stimuli = int(ids.max()) + 1
    repeated = n_stimuli < len(ids)
    rows = (
        "trials" if features.match.on == "trial" else f"values of {features.match.on}"
    )
    plain = f"groups of {rows} ({column})" if groups is not None else rows
    by_trial = hold_out == "trial" or (
        hold_out == "auto" and (features.categorical or n_stimuli < FEWEST)
    )
    if by_trial or not repeated:
        return groups, column, plain, []
    if n_stimuli < FEWEST:
        msg = (
            f"hold_out='stimulus': there are {n_stimuli} different stimuli, too few to "
            "hold any out. Use hold_out='trial'."
        )
        raise OptionError(msg)
    name = stimulus or "stimulus"
    if groups is None:
        return ids, name, f"stimuli ({n_stimuli})", []
    if _nested(ids, groups):
        return groups, column, plain, []
    if _nested(groups, ids):
        return ids, name, f"stimuli ({n_stimuli})", []
    text = (
        f"Stimuli recur over groups ({column}), so whole stimuli are held out, and trials "
        "of one group are in training and test."
    )
    advice = "Average the repeats with on=, or hold out groups: hold_out='trial'."
    return ids, name, f"stimuli ({n_stimuli})", [Note("crossed", text, advice)]


def _nested(inner: npt.NDArray[np.intp], outer: npt.NDArray[np.intp]) -> bool:
    """Tell whether each inner group lies in one outer group."""
    first = np.unique(inner, return_index=True)[1]
    return bool((outer[first][inner] == outer).all())


def _slowest(
    bands: list[Band], groups: npt.NDArray[np.intp] | None, seed: int
) -> npt.NDArray[np.float64] | None:
    """Return the feature most alike between neighbors, if chance has less of it.

    The largest correlation with the row before, over features, must exceed that of every
    one of 50 random orders of the rows.
    """
    best, slow = -np.inf, None
    rng = np.random.default_rng(seed)
    chance = np.full(ORDERS, -np.inf)
    orders: npt.NDArray[np.intp] | None = None
    for band in bands:
        for part in band.label_parts():
            x = part.mean(axis=1) if part.ndim == 3 else part
            if orders is None:
                orders = rng.permuted(np.tile(np.arange(len(x)), (ORDERS, 1)), axis=1)
            deviation = x - x.mean(axis=0)
            power = (deviation**2).sum(axis=0)
            varying = power > 1e-24 * np.maximum((x**2).sum(axis=0), 1e-300)
            if not varying.any():
                continue
            z = deviation[:, varying] / np.sqrt(power[varying])
            follows = (
                np.ones(len(z) - 1, bool)
                if groups is None
                else groups[1:] == groups[:-1]
            )
            found = (z[1:] * z[:-1])[follows].sum(axis=0)
            chance = np.maximum(
                chance,
                [(z[o[1:]] * z[o[:-1]])[follows].sum(axis=0).max() for o in orders],
            )
            if found.size and found.max() > best:
                best, slow = float(found.max()), z[:, int(found.argmax())]
    return slow if slow is not None and best > chance.max() else None
