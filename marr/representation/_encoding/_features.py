"""Features of the rows: bands of columns, or the sites of another system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError
from marr.representation._encoding._feature_columns import own_columns, table_system
from marr.representation._encoding._frame import (
    Frame,
    expanded,
    make_frame,
    ordered,
    valid_bins,
)
from marr.representation._encoding._reader import Reader, averaged
from marr.representation._rows import RowMatch, match_rows
from marr.systems import Cohort, System, site_list

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.findings import Note

__all__ = ["Band", "Features", "resolve_features"]


@dataclass(frozen=True)
class Band:
    """Features that share a penalty.

    Attributes
    ----------
    name : str
        Name of the band.
    n_features : int
        Columns, each delay counted.
    frame : Frame
        Rows.
    values : array of shape (n_labels, [n_bins,] n_columns) or None
        Columns, or else they are read from `readers`.
    """

    name: str
    n_features: int
    frame: Frame
    values: npt.NDArray[np.float64] | None = None
    readers: tuple[Reader, ...] = ()

    def label_parts(self) -> Iterator[npt.NDArray[np.float64]]:
        """Yield columns of the labels, (n_labels, [n_bins,] k), part by part."""
        if self.values is not None:
            yield self.values
        for reader in self.readers:
            matrix, _ = reader.averager(self.frame.n_labels)
            for _, values in reader.parts():
                yield averaged(matrix, values, bins=reader.codes.ndim == 2)

    def parts(self) -> Iterator[npt.NDArray[np.float64]]:
        """Yield columns of the rows, (n_rows, k), part by part."""
        for values in self.label_parts():
            yield expanded(values, self.frame, delayed=True)


@dataclass(frozen=True)
class Features:
    """Features, and the rows that they and the system share.

    Attributes
    ----------
    sets : dict of str to tuple of Band
        One model each: the sites of another system, or "features" alone.
    by_site : bool
        Whether the sets are sites.
    match : RowMatch
        Labels in the order of their trials; `codes[0]` are those of the system.
    frame : Frame
        Rows.
    categorical : bool
        Whether all features are classes, which cannot predict a class never seen.
    others : tuple of System
        Further systems whose data went in.
    """

    sets: dict[str, tuple[Band, ...]]
    by_site: bool
    match: RowMatch
    frame: Frame
    categorical: bool
    others: tuple[System, ...]
    words: str
    notes: tuple[Note, ...] = field(default=())

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands."""
        return tuple(b.name for b in next(iter(self.sets.values())))


def resolve_features(
    system: System,
    features: Any,
    *,
    sites: Sequence[str],
    on: str,
    bins: int | Sequence[float] | None,
    time: str | tuple[float, float],
    delays: Sequence[float],
) -> Features:
    """Find the rows that system and features share, and the features of each row.

    Raises
    ------
    OptionError
        Unknown columns; what cannot be features.
    ContractError
        Too few shared labels (named), missing values.
    """
    named = isinstance(features, Mapping)
    items: dict[str, Any] = dict(features) if named else {"features": features}
    _check_items(items)
    own = match_rows([system], on=on, bins=bins)
    made = {
        name: _item(value, on=on, labels=own.labels, name=str(name))
        for name, value in items.items()
    }
    others = list(dict.fromkeys(m[0] for m in made.values() if m[0] is not None))
    match = match_rows([system, *others], on=on, bins=bins) if others else own
    match = ordered(match)
    frame, notes = make_frame(system, sites, match, time, delays)
    bands: dict[str, tuple[Band, ...]] = {}
    kinds = []
    for name, (other, categorical) in made.items():
        if other is None:
            columns = own_columns(
                system,
                _names(items[name]),
                timed=frame.bin is not None or match.codes[0].ndim == 2,
                valid=valid_bins(system, sites),
            )
            bands[name] = (_own_band(name, columns.values, match, frame),)
            kinds.append(columns.categorical)
        else:
            codes = match.codes[1 + others.index(other)]
            out = sites if other is system else ()
            kinds.append(categorical)
            bands[name] = _site_bands(
                name, other, codes, frame, time, pooled=named, leave_out=out
            )
    by_site = not named and isinstance(features, System)
    sets: dict[str, tuple[Band, ...]] = (
        {b.name: (b,) for b in bands["features"]}
        if by_site
        else {"features": tuple(b for found in bands.values() for b in found)}
    )
    return Features(
        sets,
        by_site,
        match,
        frame,
        all(kinds),
        tuple(o for o in others if o is not system and not _is_table(o, items)),
        _words(items),
        (*match.notes, *notes),
    )


def _check_items(items: Mapping[str, Any]) -> None:
    if not items:
        msg = "features is an empty dict; name at least one band."
        raise OptionError(msg)
    for name, value in items.items():
        if isinstance(value, (Cohort, Mapping)) or value is None:
            msg = (
                f"features ({name!r}) must be names of columns or variables, a DataFrame, "
                f"an array or a System; got {type(value).__name__}."
            )
            raise OptionError(msg)


def _is_names(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, Sequence)
        and not isinstance(value, bytes)
        and all(isinstance(v, str) for v in value)
    )


def _names(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _item(
    value: Any, *, on: str, labels: npt.NDArray[Any], name: str
) -> tuple[System | None, bool]:
    """Return the system that holds an item, None for the system itself; if of classes."""
    if isinstance(value, System):
        return value, False
    if _is_names(value):
        return None, False
    return table_system(value, on=on, labels=labels, name=name)


def _is_table(other: System, items: Mapping[str, Any]) -> bool:
    return not any(other is value for value in items.values())


def _words(items: Mapping[str, Any]) -> str:
    parts = []
    for name, value in items.items():
        if isinstance(value, System):
            parts.append(value.name)
        elif _is_names(value):
            parts.append(" and ".join(_names(value)))
        else:
            parts.append("given features" if name == "features" else str(name))
    return ", ".join(dict.fromkeys(parts))


def _own_band(
    name: str, values: npt.NDArray[np.float64], match: RowMatch, frame: Frame
) -> Band:
    codes = match.codes[0]
    if values.ndim == 3 and frame.bin is not None and values.shape[1] != frame.n_bins:
        msg = (
            f"features {name!r} have {values.shape[1]} time bins, the activity "
            f"{frame.n_bins}. Bin both alike."
        )
        raise ContractError(msg)
    if codes.ndim == 2 and values.ndim == 2:
        values = np.repeat(values[:, None], codes.shape[1], axis=1)
    n = len(match.labels)
    shape = codes.shape if codes.ndim == 2 else codes.shape[:1]
    flat, rows = codes.reshape(-1), values.reshape(int(np.prod(shape)), -1)
    known = flat >= 0
    total = np.zeros((n, rows.shape[1]))
    np.add.at(total, flat[known], rows[known])
    count = np.bincount(flat[known], minlength=n)
    mean = (total / np.maximum(count, 1)[:, None]).reshape(
        n, *values.shape[len(shape) :]
    )
    timed = mean.ndim == 3
    width = mean.shape[-1] * (len(frame.delays) if timed else 1)
    return Band(name, width, frame, mean)


def _site_bands(
    name: str,
    other: System,
    codes: npt.NDArray[np.intp],
    frame: Frame,
    time: str | tuple[float, float],
    *,
    pooled: bool,
    leave_out: Sequence[str] = (),
) -> tuple[Band, ...]:
    """Return one band a site, or one of all sites."""
    names = [s for s in other.sites if s not in leave_out]
    if not names:
        msg = (
            f"features: every site of {other.name!r} is predicted itself. Name the sites "
            "to predict: sites=['...']; the others are features."
        )
        raise OptionError(msg)
    site_list(other, names)
    readers = []
    for site in names:
        dims = other.activity(site).dims
        how = time if "time" in dims else "mean"
        if codes.ndim == 2 and "time" not in dims:
            msg = f"features of {other.name!r} need a time axis: rows are time bins."
            raise ContractError(msg)
        reader = Reader(other, site, codes, how)
        bins = reader.array.sizes["time"] if reader.timed and codes.ndim == 1 else None
        if bins is not None and bins != frame.n_bins:
            msg = (
                f"features of {other.name!r} have {bins} time bins, the activity "
                f"{frame.n_bins}. Bin both alike."
            )
            raise ContractError(msg)
        readers.append(reader)

    def width(reader: Reader) -> int:
        lagged = reader.timed and frame.bin is not None
        return reader.n_units * (len(frame.delays) if lagged else 1)

    if pooled:
        total = sum(width(r) for r in readers)
        return (Band(name, total, frame, readers=tuple(readers)),)
    return tuple(Band(r.site, width(r), frame, readers=(r,)) for r in readers)
