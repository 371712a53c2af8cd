"""Rows that several systems share: trials, conditions, or bins of a variable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import ContractError, StatisticsError
from marr.findings import Note
from marr.representation._conditions import resolve_conditions
from marr.systems import System, site_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    import xarray as xr

__all__ = ["RowMatch", "match_rows", "site_patterns", "trial_chunks"]

CHUNK = 8_000_000
"""Numbers of activity read at once."""

FEWEST = 4
"""Fewer shared rows than this are refused."""


@dataclass(frozen=True)
class RowMatch:
    """Which trials (or time bins) of each system belong to which shared row.

    Attributes
    ----------
    on : str
        "trial", or the column or variable that makes the rows.
    labels : array of shape (n_rows,)
        Shared labels, in the order of the first system.
    codes : tuple of int array, one a system
        Row of each trial, shape (n_trials,), or of each time bin, shape
        (n_trials, n_times), for a variable; -1 where there is none.
    circular : bool
        Whether the labels are angles in radians.
    notes : tuple of Note
        Labels that some system lacks, by name.
    """

    on: str
    labels: npt.NDArray[Any]
    codes: tuple[npt.NDArray[np.intp], ...]
    circular: bool = False
    notes: tuple[Note, ...] = field(default=())

    def counts(self, system: int) -> npt.NDArray[np.intp]:
        """Return how often each row was measured in a system."""
        codes = self.codes[system]
        return np.bincount(codes[codes >= 0], minlength=len(self.labels))


def match_rows(
    systems: Sequence[System],
    *,
    on: str = "trial",
    bins: int | Sequence[float] | None = None,
) -> RowMatch:
    """Find the rows that all systems share.

    Parameters
    ----------
    systems : sequence of System
        At least one.
    on : str
        "trial" joins by the labels of the trials; else a column of the trial tables,
        or a continuous variable (with `bins`).
    bins : int or sequence of float, optional
        Cut numbers, as in `rdm`.

    Raises
    ------
    ContractError
        If fewer than four rows are shared (the labels that are missing on each side are
        named), or if trials of one label are of other stimuli.
    """
    if on == "trial":
        found = [
            (np.asarray(s.trial_index), np.arange(len(s.trial_index))) for s in systems
        ]
        circular = False
    else:
        made = [resolve_conditions(s, on, bins) for s in systems]
        found = [(c.labels, c.codes) for c in made]
        circular = any(c.circular for c in made)
    indexes = [pd.Index(labels, dtype=object) for labels, _ in found]
    shared = indexes[0][np.logical_and.reduce([indexes[0].isin(i) for i in indexes])]
    lost = [i[~i.isin(shared)].tolist() for i in indexes]
    if len(shared) < FEWEST:
        raise ContractError(_too_few(systems, on, len(shared), lost))
    labels = found[0][0][indexes[0].get_indexer(shared)]
    codes = tuple(
        _recoded(shared.get_indexer(index), code)
        for index, (_, code) in zip(indexes, found, strict=True)
    )
    if on == "trial":
        _check_same_stimuli(systems, shared)
    return RowMatch(on, labels, codes, circular, _lost_notes(systems, on, lost))


def _recoded(
    position: npt.NDArray[np.intp], codes: npt.NDArray[Any]
) -> npt.NDArray[np.intp]:
    new = np.append(position, -1)[codes]
    return np.asarray(new, dtype=np.intp)


def _shown(values: Sequence[Any]) -> str:
    text = ", ".join(repr(v) for v in values[:5])
    return text + (f" and {len(values) - 5} more" if len(values) > 5 else "")


def _too_few(
    systems: Sequence[System], on: str, n_shared: int, lost: Sequence[Sequence[Any]]
) -> str:
    only = "; ".join(
        f"only in {s.name!r}: {_shown(x)}"
        for s, x in zip(systems, lost, strict=True)
        if x
    )
    advice = (
        "Give both the same trial labels, or join by a column: on='condition'."
        if on == "trial"
        else "Give both the same labels (and types), or join by another column."
    )
    return (
        f"on={on!r}: the systems share {n_shared} rows; at least {FEWEST} are needed"
        + (f" ({only})" if only else "")
        + f". {advice}"
    )


def _lost_notes(
    systems: Sequence[System], on: str, lost: Sequence[Sequence[Any]]
) -> tuple[Note, ...]:
    parts = [
        f"{len(x)} only in {s.name!r} ({_shown(x)})"
        for s, x in zip(systems, lost, strict=True)
        if x
    ]
    if not parts:
        return ()
    text = f"Rows ({on}) that not all systems have were left out: {'; '.join(parts)}."
    return (Note("unshared_rows", text, "Check that the labels mean the same."),)


def _check_same_stimuli(systems: Sequence[System], shared: pd.Index) -> None:
    """Refuse trials that share a label but not their stimulus or condition."""
    tables = [s.trials for s in systems]
    for column in ("stimulus", "condition"):
        if not all(column in t.columns for t in tables):
            continue
        first = tables[0].loc[shared, column].to_numpy()
        for system, table in zip(systems[1:], tables[1:], strict=True):
            apart = int((table.loc[shared, column].to_numpy() != first).sum())
            if apart:
                msg = (
                    f"on='trial': {apart} of {len(shared)} trials of "
                    f"{systems[0].name!r} and {system.name!r} have the same label but "
                    f"another {column!r}, so they are not the same trials. Join by what "
                    f"was shown: on={column!r}."
                )
                raise ContractError(msg)


def trial_chunks(array: xr.DataArray) -> Iterator[tuple[slice, xr.DataArray]]:
    """Yield parts of an array along trials, small enough to read at once.

    A lazy array is read part by part, and no part is kept.
    """
    n = array.sizes["trial"]
    width = max(1, int(np.prod(array.shape[1:], dtype=float)))
    step = max(1, CHUNK // width)
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        yield rows, array.isel(trial=rows)


def site_patterns(
    system: System,
    site: str,
    codes: npt.NDArray[np.intp],
    n_rows: int,
    *,
    time: str | tuple[float, float] = "mean",
    use: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.float64]:
    """Return the mean activity of each shared row, read part by part.

    Parameters
    ----------
    system : System
        Whose activity is averaged.
    site : str
        Site.
    codes : int array of shape (n_trials,) or (n_trials, n_times)
        From `RowMatch.codes`.
    n_rows : int
        Number of rows.
    time : "mean", "keep" or (float, float)
        Average over valid bins (of a window), or keep the axis. Ignored where the
        rows are time bins.
    use : bool array of shape (n_trials,), optional
        Trials that count, e.g. one half.

    Returns
    -------
    array of shape (n_rows, n_units), or (n_rows, n_times, n_units) for "keep"
        NaN for rows that were not measured.
    """
    (name,) = site_list(system, site)
    array = system.activity(name)
    keep = time == "keep" and codes.ndim == 1 and "time" in array.dims
    shape = (array.sizes["time"],) if keep else ()
    total = np.zeros((n_rows, *shape, array.sizes["unit"]))
    count = np.zeros((n_rows, *shape))
    used = np.ones(len(codes), bool) if use is None else np.asarray(use, dtype=bool)
    for rows, part in trial_chunks(array):
        code = np.where(
            used[rows].reshape(-1, *[1] * (codes.ndim - 1)), codes[rows], -1
        )
        values, weight = _part(part, time, code.ndim == 2)
        if code.ndim == 1 and not keep and weight.ndim == 2:
            _check_window(weight[code >= 0], name, time)
            per = weight.sum(axis=1)[:, None]
            values = np.where(weight[..., None], values, 0.0).sum(axis=1) / np.maximum(
                per, 1
            )
            weight = np.ones(len(values), bool)
        known = code >= 0
        if keep:
            values = np.where(weight[..., None], values, 0.0)
        else:
            known = known & weight
        np.add.at(total, code[known], values[known])
        np.add.at(count, code[known], weight[known])
    _check_finite(total, name)
    with np.errstate(invalid="ignore"):
        return np.where(
            count[..., None] > 0, total / np.maximum(count, 1)[..., None], np.nan
        )


def _part(
    part: xr.DataArray, time: str | tuple[float, float], timed: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return activity of some trials, and which of its bins count."""
    values = np.asarray(part.values, dtype=float)
    if "time" not in part.dims:
        if timed:
            msg = "rows that are time bins need activity with a time axis."
            raise ContractError(msg)
        return values, np.ones(len(values), bool)
    inside = np.ones(part.sizes["time"], bool)
    if not isinstance(time, str):
        times = part["time"].values
        inside = (times >= time[0]) & (times < time[1])
    valid = np.broadcast_to(inside, values.shape[:2])
    if "valid" in part.coords:
        valid = valid & part["valid"].values.astype(bool)
    return values, valid


def _check_window(
    weight: npt.NDArray[np.bool_], site: str, time: str | tuple[float, float]
) -> None:
    if len(weight) and not weight.any(axis=1).all():
        msg = (
            f"time={time!r}: some trials of site {site!r} have no valid bin there. "
            "Choose a wider window, or drop these trials with select()."
        )
        raise StatisticsError(msg)


def _check_finite(total: npt.NDArray[np.float64], site: str) -> None:
    if not np.isfinite(total).all():
        msg = (
            f"activity of {site!r} holds NaN or infinite values in the rows analyzed. "
            "Drop these trials or units with select(), or mark bins with valid=."
        )
        raise ContractError(msg)
