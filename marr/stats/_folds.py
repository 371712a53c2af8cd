"""Cross-validation folds and halves that keep dependent trials together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.errors import StatisticsError
from marr.stats._checks import check_count, codes

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.stats._types import IntArray

__all__ = ["blocked_folds", "fold_caveats", "folds", "halves"]


def folds(
    n_trials: int,
    *,
    n_folds: int = 5,
    groups: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    seed: int = 0,
    contiguous: bool = False,
) -> IntArray:
    """Assign each trial to a fold; whole groups stay together.

    Parameters
    ----------
    n_trials : int
        Number of trials.
    n_folds : int
        Number of folds wanted. Where labels are constant within groups it is
        lowered to the number of groups of the rarest class, so that every fold
        holds out groups of each class (see `blocked_folds`).
    groups : array_like of shape (n_trials,), optional
        Unit of dependence (block, session, repeated stimulus).
    labels : array_like of shape (n_trials,), optional
        Classes, to be balanced over folds as far as groups allow. Leave it out for
        a continuous target.
    seed : int
        Seed of the assignment.
    contiguous : bool
        Cut runs of neighboring trials (or groups, in order of appearance) instead
        of shuffling: for autocorrelated trials without groups.

    Returns
    -------
    array of shape (n_trials,)
        Fold of each trial, 0 to the number of folds minus 1.

    Raises
    ------
    StatisticsError
        Fewer trials or groups than folds; one class only; a class whose trials
        cannot be in two folds, so that some training set would lack it.

    Notes
    -----
    Labels that are constant within blocks of drifting activity are decodable from
    the drift alone when folds are shuffled, and decoded *below* chance when one
    block is held out. Folds that hold out blocks of each class do neither.

    Examples
    --------
    >>> folds(6, n_folds=3, contiguous=True)
    array([0, 0, 1, 1, 2, 2])
    """
    n_trials = check_count("n_trials", n_trials)
    n_folds = check_count("n_folds", n_folds, minimum=2)
    group = None if groups is None else codes("groups", groups, n_trials)
    label = None if labels is None else codes("labels", labels, n_trials)
    n_units = n_trials if group is None else int(group.max()) + 1
    if label is not None:
        _check_classes(label, labels)
    if group is not None and label is not None and _constant_within(label, group):
        return blocked_folds(
            label, group, n_folds=n_folds, seed=seed, contiguous=contiguous
        )
    if n_units < n_folds:
        what = "trials" if group is None else "groups"
        msg = (
            f"n_folds={n_folds} but there are only {n_units} {what}. "
            f"Ask for at most {n_units} folds, or use more {what}."
        )
        raise StatisticsError(msg)
    if contiguous:
        assigned = _contiguous(group, n_trials, n_folds)
    elif group is None:
        assigned = _stratified(label, n_trials, n_folds, seed)
    else:
        assigned = _greedy(group, label, n_folds, seed)
    if label is not None:
        _check_training(assigned, label, labels)
    return assigned


def blocked_folds(
    labels: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    n_folds: int | None = None,
    seed: int = 0,
    contiguous: bool = False,
) -> IntArray:
    """Leave out groups of each class at once, for labels constant within groups.

    Parameters
    ----------
    labels : array_like of shape (n_trials,)
        Classes, each group having one.
    groups : array_like of shape (n_trials,)
        Blocks, sessions, or another unit of dependence.
    n_folds : int, optional
        At most this many folds; by default as many as the rarest class has groups,
        which leaves out one group of that class at a time.
    seed : int
        Seed of the assignment.
    contiguous : bool
        Within each class, groups that follow each other go to the same fold.

    Returns
    -------
    array of shape (n_trials,)
        Fold of each trial; every fold holds groups of every class.

    Raises
    ------
    StatisticsError
        If a class has a single group, or a group has several classes.
    """
    label = codes("labels", labels)
    group = codes("groups", groups, len(label))
    _check_classes(label, labels)
    if not _constant_within(label, group):
        msg = "blocked_folds needs labels that are constant within groups. Use folds."
        raise StatisticsError(msg)
    class_of_group = np.zeros(group.max() + 1, np.int64)
    class_of_group[group] = label
    per_class = np.bincount(class_of_group)
    if per_class.min() < 2:
        lonely = _names(label, labels)[int(per_class.argmin())]
        msg = (
            f"labels are constant within groups and class {lonely!r} has one group only: "
            f"held out, it would be missing from training. Use data with at least two "
            f"groups of each class, or labels that vary within groups."
        )
        raise StatisticsError(msg)
    k = int(per_class.min())
    if n_folds is not None:
        k = min(k, check_count("n_folds", n_folds, minimum=2))
    if not contiguous:
        return _greedy(group, label, k, seed)
    fold_of_group = np.zeros(len(class_of_group), np.int64)
    for c, size in enumerate(per_class):
        fold_of_group[class_of_group == c] = np.arange(size) * k // size
    return fold_of_group[group]


def halves(n_trials: int, *, groups: npt.ArrayLike | None = None) -> IntArray:
    """Split trials into two balanced halves, the same ones every time.

    Trials (or whole groups) take the Thue-Morse sequence 0 1 1 0 1 0 0 1 ... in order
    of appearance. It alternates, but is balanced within every period of two, four, ...
    trials, so that a design that itself alternates (blocks left, right, left, ...) is
    not split along with it. A group goes to the smaller half; ties take the sequence.

    Parameters
    ----------
    n_trials : int
        Number of trials.
    groups : array_like of shape (n_trials,), optional
        Groups that stay whole.

    Returns
    -------
    array of shape (n_trials,)
        0 or 1.

    Raises
    ------
    StatisticsError
        If there is only one trial or group.

    Examples
    --------
    >>> halves(8)
    array([0, 1, 1, 0, 1, 0, 0, 1])
    """
    n_trials = check_count("n_trials", n_trials)
    group = np.arange(n_trials) if groups is None else codes("groups", groups, n_trials)
    sizes = np.bincount(group)
    if len(sizes) < 2:
        msg = (
            f"two halves need at least two trials or groups; got {n_trials} trials in "
            f"{len(sizes)} group. Leave groups out, or use more data."
        )
        raise StatisticsError(msg)
    sequence = np.asarray([i.bit_count() % 2 for i in range(len(sizes))], np.int64)
    if groups is None or np.all(sizes == sizes[0]):
        return sequence[group]
    half, total = np.zeros(len(sizes), np.int64), [0, 0]
    for i, size in enumerate(sizes.tolist()):
        tied = total[0] == total[1]
        half[i] = sequence[i] if tied else int(total[1] < total[0])
        total[half[i]] += size
    return half[group]


def fold_caveats(
    fold_ids: npt.ArrayLike,
    *,
    n_folds: int | None = None,
    groups: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
) -> tuple[str, ...]:
    """Say in words what a reader must know about an assignment to folds.

    Parameters
    ----------
    fold_ids : array_like of shape (n_trials,)
        Fold of each trial.
    n_folds : int, optional
        The number that was asked for.
    groups, labels : array_like of shape (n_trials,), optional
        Units of dependence and classes.

    Returns
    -------
    tuple of str
        One sentence a caveat; empty when there is nothing to say.
    """
    fold = codes("fold_ids", fold_ids)
    said: list[str] = []
    k = int(fold.max()) + 1
    if n_folds is not None and k < n_folds:
        said.append(
            f"{k} folds instead of {n_folds}: labels are constant within groups, and "
            f"the rarest class has {k} of them."
        )
    if groups is not None:
        group = codes("groups", groups, len(fold))
        pairs = np.unique(np.stack([group, fold]), axis=1)
        if pairs.shape[1] > group.max() + 1:
            said.append(
                "Some groups are split over folds, so dependent trials may leak."
            )
    if labels is not None:
        label = codes("labels", labels, len(fold))
        table = _counts(fold, label)
        if np.any(table == 0):
            said.append(
                "Some folds hold no trial of some class; accuracy per fold is not "
                "comparable, and decoding may fall below chance."
            )
        share = (table.sum(0) - table) / (table.sum() - table.sum(1, keepdims=True))
        drift = np.ptp(share, axis=0).max()
        if drift > 0.2:
            said.append(
                f"Class shares in training differ by up to {drift:.2f} between folds, "
                f"which pushes decoding below chance."
            )
    return tuple(said)


def _check_classes(label: IntArray, labels: npt.ArrayLike | None) -> None:
    counts = np.bincount(label)
    names = _names(label, labels)
    if len(counts) < 2:
        only = repr(names[0]) if names else "none"
        msg = f"labels must hold at least two classes; got {only} only."
        raise StatisticsError(msg)
    if counts.min() < 2:
        rare = names[int(counts.argmin())]
        msg = (
            f"class {rare!r} of labels has a single trial, which cannot be in training "
            f"and test. Drop it or merge it with another class."
        )
        raise StatisticsError(msg)


def _check_training(
    fold: IntArray, label: IntArray, labels: npt.ArrayLike | None
) -> None:
    table = _counts(fold, label)
    lacking = np.argwhere(table == table.sum(0))
    if len(lacking):
        f, c = (int(v) for v in lacking[0])
        msg = (
            f"all trials of class {_names(label, labels)[c]!r} fall into fold {f}, so "
            f"its training set lacks that class and decoding would fall below chance. "
            f"Use fewer folds, finer groups, or contiguous=False."
        )
        raise StatisticsError(msg)


def _names(label: IntArray, labels: npt.ArrayLike | None) -> list[object]:
    values = np.asarray(labels).tolist()
    first = [int(np.argmax(label == c)) for c in range(int(label.max()) + 1)]
    return [values[i] for i in first]


def _counts(fold: IntArray, label: IntArray) -> IntArray:
    """Trials of shape (n_folds, n_classes)."""
    k, c = int(fold.max()) + 1, int(label.max()) + 1
    return np.bincount(fold * c + label, minlength=k * c).reshape(k, c)


def _constant_within(label: IntArray, group: IntArray) -> bool:
    pairs = np.unique(np.stack([group, label]), axis=1)
    # groups of a single trial each are no groups
    return pairs.shape[1] == group.max() + 1 and len(group) > group.max() + 1


def _contiguous(group: IntArray | None, n: int, k: int) -> IntArray:
    if group is None:
        return np.arange(n) * k // n
    sizes = np.bincount(group)
    middle = np.cumsum(sizes) - sizes / 2
    fold = np.minimum((middle * k / n).astype(np.int64), k - 1)
    if len(np.unique(fold)) < k:  # sizes too uneven: as many groups in each
        fold = np.arange(len(sizes)) * k // len(sizes)
    return fold[group]


def _stratified(label: IntArray | None, n: int, k: int, seed: int) -> IntArray:
    order = np.random.default_rng(seed).permutation(n)
    if label is not None:
        order = order[np.argsort(label[order], kind="stable")]
    fold = np.empty(n, np.int64)
    fold[order] = np.arange(n) % k
    return fold


def _greedy(group: IntArray, label: IntArray | None, k: int, seed: int) -> IntArray:
    """Deal groups, large ones first, to the fold that has least of their classes."""
    rng = np.random.default_rng(seed)
    table = _counts(group, np.zeros_like(group) if label is None else label)
    order = rng.permutation(len(table))
    order = order[np.argsort(-table.sum(1)[order], kind="stable")]
    share = table / table.sum(0)
    held, sizes = np.zeros((k, table.shape[1])), np.zeros(k)
    fold = np.empty(len(table), np.int64)
    ties = rng.random((len(table), k)) * 1e-15
    for i in order:
        # of equals the fullest fold, which lacks this class most
        cost = held @ share[i] - 1e-9 * sizes + ties[i]
        fold[i] = f = int(cost.argmin())
        held[f] += share[i]
        sizes[f] += table[i].sum() / table.sum()
    return fold[group]
