"""The compact file of the head-direction session: how it is packed and unpacked.

Times are kept exactly, as whole microseconds; heading is kept to 2 pi / 65,536
(0.0055 degrees) and position to 0.1 mm. Series are differenced and stored byte by
byte ("byte planes"), which lets zlib shrink 7.2 MB of NWB to about 0.3 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Array = np.ndarray[Any, Any]

__all__ = ["HeadingSession", "pack", "session_from_nwb", "unpack"]

TICK_US = 50
"""Sampling step of the spikes (20 kHz) in microseconds."""

TURN = 65_536
"""Steps of heading in a full turn."""

POSITION_STEP = 1e-4
"""Step of position, in the unit of the file (meters)."""


@dataclass(frozen=True)
class HeadingSession:
    """The session as arrays.

    Attributes
    ----------
    spikes : tuple of ndarray
        Spike times of each unit in seconds.
    unit_ids, unit_sites : tuple of str
        Identity and region of each unit.
    epochs : dict of str to (float, float)
        "sleep" and "wake" in seconds.
    times : ndarray of shape (n_samples,)
        Times of tracking in seconds.
    heading : ndarray of shape (n_samples,)
        Head direction in radians, [0, 2 pi).
    position_x, position_z : ndarray of shape (n_samples,)
        Horizontal position of the head.
    """

    spikes: tuple[Array, ...]
    unit_ids: tuple[str, ...]
    unit_sites: tuple[str, ...]
    epochs: dict[str, tuple[float, float]]
    times: Array
    heading: Array
    position_x: Array
    position_z: Array


def _planes(values: Array, dtype: str) -> Array:
    """Return the bytes of small integers, most alike side by side."""
    narrow = values.astype(dtype)
    if not np.array_equal(narrow, values):
        msg = f"values do not fit {dtype}"
        raise OverflowError(msg)
    return np.ascontiguousarray(narrow.view(np.uint8).reshape(len(values), -1).T)


def _unplanes(planes: Array, dtype: str) -> Array:
    return np.ascontiguousarray(planes.T).view(dtype).ravel().astype(np.int64)


def _microseconds(seconds: Array) -> Array:
    whole = np.round(seconds * 1e6).astype(np.int64)
    if not np.array_equal(whole / 1e6, seconds):
        msg = "times are not whole microseconds"
        raise ValueError(msg)
    return whole


def pack(session: HeadingSession) -> dict[str, Array]:
    """Return the arrays of the compact file."""
    spikes = [_microseconds(train) for train in session.spikes]
    ticks = [np.round(train / TICK_US).astype(np.int64) for train in spikes]
    turn = np.round(session.heading / (2 * np.pi) * TURN).astype(np.int64)
    turn_step = (np.diff(turn, prepend=0) + TURN // 2) % TURN - TURN // 2
    packed = {
        "spike_ticks": _planes(
            np.concatenate([np.diff(t, prepend=0) for t in ticks]), "<i4"
        ),
        "spike_offset_us": np.concatenate(
            [s - t * TICK_US for s, t in zip(spikes, ticks, strict=True)]
        ).astype(np.int8),
        "unit_sizes": np.array([len(t) for t in ticks], np.int32),
        "unit_ids": np.array(session.unit_ids),
        "unit_sites": np.array(session.unit_sites),
        "epoch_names": np.array(list(session.epochs)),
        "epoch_times": np.array(list(session.epochs.values()), float),
        "times_us": _planes(np.diff(_microseconds(session.times), prepend=0), "<i4"),
        "heading": _planes(turn_step, "<i2"),
    }
    for name in ("position_x", "position_z"):
        steps = np.round(getattr(session, name) / POSITION_STEP).astype(np.int64)
        packed[name] = _planes(np.diff(steps, prepend=0), "<i2")
    return packed


def unpack(packed: Mapping[str, Array]) -> HeadingSession:
    """Return the session that was packed."""
    ends = np.cumsum(packed["unit_sizes"])[:-1]
    steps = np.split(_unplanes(packed["spike_ticks"], "<i4"), ends)
    offsets = np.split(packed["spike_offset_us"].astype(np.int64), ends)
    spikes = tuple(
        (np.cumsum(s) * TICK_US + o) / 1e6 for s, o in zip(steps, offsets, strict=True)
    )
    turn = np.cumsum(_unplanes(packed["heading"], "<i2")) % TURN
    epochs = zip(packed["epoch_names"], packed["epoch_times"], strict=True)
    return HeadingSession(
        spikes=spikes,
        unit_ids=tuple(map(str, packed["unit_ids"])),
        unit_sites=tuple(map(str, packed["unit_sites"])),
        epochs={str(name): (float(a), float(b)) for name, (a, b) in epochs},
        times=np.cumsum(_unplanes(packed["times_us"], "<i4")) / 1e6,
        heading=turn * (2 * np.pi / TURN),
        position_x=np.cumsum(_unplanes(packed["position_x"], "<i2")) * POSITION_STEP,
        position_z=np.cumsum(_unplanes(packed["position_z"], "<i2")) * POSITION_STEP,
    )


def session_from_nwb(path: Path) -> HeadingSession:
    """Read the original NWB file (A2929-200711 of pynapple's examples).

    ``numpy.savez_compressed(out, **pack(session_from_nwb(path)))`` makes the file
    that ships with marr.
    """
    import h5py

    with h5py.File(path, "r") as file:
        ends = file["units/spike_times_index"][()].astype(np.int64)
        epochs = file["intervals/epochs"]
        names = [tag.decode() for tag in epochs["tags"][()]]
        edges = zip(epochs["start_time"][()], epochs["stop_time"][()], strict=True)
        tracking = file["acquisition/CompassDirection/ry"]
        return HeadingSession(
            spikes=tuple(np.split(file["units/spike_times"][()], ends[:-1])),
            unit_ids=tuple(str(i) for i in file["units/id"][()]),
            unit_sites=tuple(s.decode() for s in file["units/location"][()]),
            epochs={
                n: (float(a), float(b)) for n, (a, b) in zip(names, edges, strict=True)
            },
            times=tracking["timestamps"][()],
            heading=tracking["data"][()],
            position_x=file["acquisition/Position/x/data"][()],
            position_z=file["acquisition/Position/z/data"][()],
        )
