"""Which trials run together: batches of trials, of ragged trials, of whole sequences."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from marr.errors import ContractError, check_known

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from marr.systems._hooked_inputs import Inputs

__all__ = ["Batch", "Layout", "Place", "sequence_rows"]


@dataclass(frozen=True)
class Place:
    """Where each (row, step) of a batch belongs.

    Parameters
    ----------
    trial, time : arrays of int of shape (n_rows, n_steps)
        Position of the trial on the root system and time within it (0 in padding).
    valid : bool array of shape (n_rows, n_steps)
        False in padding.
    """

    trial: NDArray[np.intp]
    time: NDArray[np.intp]
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class Batch:
    """Arguments of one call of the model.

    Parameters
    ----------
    args, kwargs
        Tensors, trials first.
    trials : array of int
        Trials (positions on the root system) in this batch; one a row unless `place`.
    place : Place or None
        Given when rows are not trials of equal length.
    masked : bool array of shape (n_rows, n_times) or None
        False where an attention mask hides a token.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    trials: NDArray[np.intp]
    place: Place | None = None
    masked: NDArray[np.bool_] | None = None

    @property
    def valid(self) -> NDArray[np.bool_] | None:
        """Steps of each row that exist, None if all do."""
        return self.masked if self.place is None else self.place.valid

    @property
    def n_rows(self) -> int:
        """Rows of the batch."""
        return len(self.trials) if self.place is None else len(self.place.trial)


class Layout:
    """Cut trials into batches.

    Parameters
    ----------
    inputs : Inputs
        What goes in.
    sequences : list of arrays, optional
        Trials of each sequence, in order; each is run as one row.
    """

    def __init__(
        self, inputs: Inputs, sequences: Sequence[NDArray[np.intp]] | None
    ) -> None:
        self.inputs = inputs
        self.sequences = sequences
        self.plain = sequences is None and not inputs.ragged
        if sequences is not None:
            _check_time(inputs)
            self.row_of = np.empty(inputs.n_trials, dtype=np.intp)
            for i, members in enumerate(sequences):
                self.row_of[members] = i

    @cached_property
    def _flat(self) -> dict[int | str, torch.Tensor]:
        """All trials end to end, with a row of zeros for padding at the end."""
        flat = self.inputs.end_to_end()
        return {
            k: torch.cat([a, a.new_zeros((1, *a.shape[1:]))]) for k, a in flat.items()
        }

    @cached_property
    def _origin(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Start of each trial end to end, and trial and time of each step."""
        lengths = self._lengths
        start = np.concatenate([[0], np.cumsum(lengths)])
        trial = np.append(np.repeat(np.arange(len(lengths)), lengths), 0)
        time = np.append(np.arange(start[-1]) - np.repeat(start[:-1], lengths), 0)
        return start.astype(np.intp), trial.astype(np.intp), time.astype(np.intp)

    @property
    def _lengths(self) -> NDArray[np.intp]:
        assert self.inputs.lengths is not None
        return self.inputs.lengths

    def rows(self, trials: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Return the rows that must run to see these trials: trials, or sequences."""
        if self.sequences is None:
            return [np.array([t]) for t in trials]
        return [self.sequences[i] for i in np.unique(self.row_of[trials])]

    def row_lengths(self, rows: Sequence[NDArray[np.intp]]) -> NDArray[np.intp]:
        """Return the number of steps of each row."""
        return np.array([self._lengths[row].sum() for row in rows], dtype=np.intp)

    def batches(
        self, trials: NDArray[np.intp], *, n_trials: int, pad: bool
    ) -> Iterator[Batch]:
        """Yield batches of about `n_trials` trials that hold all trials asked for.

        Parameters
        ----------
        trials : array of int
            Positions on the root system.
        n_trials : int
            Trials in a batch; a sequence is never cut.
        pad : bool
            Whether rows of different lengths may run together, with zeros at the end.
        """
        if self.plain:
            for i in range(0, len(trials), n_trials):
                yield self.plain_batch(trials[i : i + n_trials])
            return
        rows = self.rows(trials)
        lengths = self.row_lengths(rows)
        order = np.argsort(lengths, kind="stable")
        group: list[int] = []
        steps = n_trials * int(self._lengths.max())
        for i in order:
            full = bool(group) and (
                (len(group) + 1) * int(lengths[i]) > steps
                or (not pad and lengths[i] != lengths[group[0]])
            )
            if full:
                yield self.placed_batch([rows[j] for j in group])
                group = []
            group.append(int(i))
        yield self.placed_batch([rows[j] for j in group])

    def plain_batch(self, trials: NDArray[np.intp]) -> Batch:
        """Return one batch, a trial a row, without padding."""
        index = torch.from_numpy(np.ascontiguousarray(trials))
        chosen = {k: a[index] for k, a in self.inputs.arrays.items()}
        valid = self.inputs.valid
        masked = None if valid is None else valid[trials]
        return Batch(*_arguments(chosen), trials, masked=masked)

    def placed_batch(
        self,
        rows: Sequence[NDArray[np.intp]],
        *,
        n_steps: int | None = None,
        extra: int = 0,
    ) -> Batch:
        """Return one batch, a ragged trial or a sequence a row, padded with zeros.

        Parameters
        ----------
        rows : sequence of arrays of int
            Trials of each row, in order.
        n_steps : int, optional
            Cut every row to this many steps.
        extra : int
            Steps of padding to add.
        """
        start, trial, time = self._origin
        spans = [_span(start, row)[:n_steps] for row in rows]
        pad_at = len(trial) - 1
        width = max(len(span) for span in spans) + extra
        index = np.full((len(spans), width), pad_at, dtype=np.intp)
        for i, span in enumerate(spans):
            index[i, : len(span)] = span
        steps = torch.from_numpy(index)
        chosen = {k: a[steps] for k, a in self._flat.items()}
        place = Place(trial[index], time[index], index != pad_at)
        return Batch(*_arguments(chosen), np.concatenate(list(rows)), place)


def sequence_rows(
    table: pd.DataFrame, column: str | None
) -> list[NDArray[np.intp]] | None:
    """Return the trials of each sequence, in table order, sequences as they appear."""
    if column is None:
        return None
    check_known("sequences", column, table.columns, what="column of the trial table")
    if table[column].isna().any():
        missing = table.index[table[column].isna()][:3].tolist()
        msg = (
            f"sequences: column {column!r} has missing values (trials {missing} ...); "
            "every trial must belong to a sequence."
        )
        raise ContractError(msg)
    codes, _ = pd.factorize(table[column])
    return [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]


def _span(start: NDArray[np.intp], row: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the steps of the trials of a row, end to end."""
    counts = start[row + 1] - start[row]
    shift = np.repeat(start[row] - np.cumsum(counts) + counts, counts)
    return np.asarray(np.arange(counts.sum()) + shift, dtype=np.intp)


def _check_time(inputs: Inputs) -> None:
    """Raise unless every argument has the time axis along which trials are joined."""
    shapes = [tuple(a.shape) for a in inputs.arrays.values()]
    timed = inputs.ragged or all(len(s) > 1 and s[1] == inputs.n_times for s in shapes)
    if inputs.lengths is None or not timed:
        msg = (
            "sequences: inputs must have shape (trial, time, feature), or be a list of "
            "(time, feature) arrays, to be run one trial after the other; got shape "
            f"{shapes}. Add a time axis, e.g. inputs[:, None, :]."
        )
        raise ContractError(msg)


def _arguments(
    chosen: dict[int | str, torch.Tensor],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    positional = sorted(k for k in chosen if isinstance(k, int))
    named = {k: a for k, a in chosen.items() if isinstance(k, str)}
    return tuple(chosen[k] for k in positional), named
