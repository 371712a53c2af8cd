"""A person's visual cortex while seeing pictures of eight categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.datasets._registry import DATASETS, data_file
from marr.errors import check_option
from marr.systems import from_arrays

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.systems import Recording

__all__ = ["category_fmri"]

BLOCK = 9
"""Volumes of a block of one category."""

AROUND = 2
"""Volumes kept before and after a block, where time is kept."""


def category_fmri(*, time: str = "mean") -> Recording:
    """Load fMRI of one person who looked at pictures of eight categories, in 12 runs.

    Each trial is a block of one category (9 volumes, 22.5 s); each run holds each
    category once. Voxels were detrended (a line a run) and scaled by mean and standard
    deviation of the rest volumes of their run.

    Parameters
    ----------
    time : {"mean", "keep"}
        "mean" averages the 9 volumes of a block; "keep" keeps them as they are, and two
        volumes before and after.

    Returns
    -------
    Recording
        96 trials, site "visual" with 530 voxels (coordinates `x`, `y` in mm, and
        `voxel_i`, `voxel_j`). Columns: `condition` (the category), `run` (0 to 11),
        `session` (the run again, so that folds keep runs whole), `subject`,
        `start_time` (first volume, seconds in the run), `position` (of the block in
        its run).

    Notes
    -----
    One person and one slice: nothing here generalizes over people. Voxels were not
    selected by their response. Neighboring voxels and volumes share noise; runs are the
    independent repeats. The labels of the file already allow for the lag of the blood
    response: it is at full height in the first volume of a block, and gone after the
    last; with another 5 s of delay a classifier gives .74 instead of .84 right. The pictures are not part of the data, so what models say about
    them must come from the names of the categories.

    References
    ----------
    Haxby et al. (2001). Distributed and overlapping representations of faces and
    objects in ventral temporal cortex. Science 293, 2425.

    Examples
    --------
    >>> import marr
    >>> brain = marr.datasets.category_fmri()
    >>> brain.trials["condition"].nunique(), brain.activity("visual").shape
    (8, (96, 530))
    """
    check_option("time", time, ("mean", "keep"))
    with data_file(DATASETS["category_fmri"].file).open("rb") as packed:
        raw = np.load(packed, allow_pickle=False)
        bold, label, run = raw["bold"].astype(float), raw["label"], raw["run"]
        place, zooms = raw["voxel_ij"], raw["zooms_mm_s"]
    scaled = _scaled(bold, label == "rest", run)
    starts = _starts(label, run)
    around = 0 if time == "mean" else AROUND
    offsets = np.arange(-around, BLOCK + around)
    rows = starts[:, None] + offsets
    values = scaled[rows]
    first = np.array([np.flatnonzero(run == r)[0] for r in run[starts]])
    table = pd.DataFrame(
        {
            "condition": label[starts].astype(str).astype(object),
            "run": run[starts].astype(int),
            "session": [f"run {r:02d}" for r in run[starts]],
            "subject": "person 1",
            "start_time": (starts - first) * float(zooms[3]),
            "position": pd.Series(run[starts]).groupby(run[starts]).cumcount(),
        },
        index=pd.RangeIndex(len(starts), name="trial"),
    )
    info = {
        "source": DATASETS["category_fmri"].source,
        "license": DATASETS["category_fmri"].license,
        "citations": list(DATASETS["category_fmri"].citations),
        "scaling": "linear trend of each run removed; z-scores against rest of the run",
        "subjects": 1,
    }
    units = pd.DataFrame(
        {
            "voxel_i": place[:, 0].astype(int),
            "voxel_j": place[:, 1].astype(int),
            "x": place[:, 0] * float(zooms[0]),
            "y": place[:, 1] * float(zooms[1]),
        },
        index=pd.Index([f"{i}-{j}" for i, j in place.tolist()], name="unit_id"),
    )
    return from_arrays(
        {"visual": values.mean(axis=1) if time == "mean" else values},
        table,
        time=None if time == "mean" else offsets * float(zooms[3]),
        units=units,
        name="human visual cortex",
        info=info,
    )


def _scaled(
    bold: npt.NDArray[np.float64], rest: npt.NDArray[np.bool_], run: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Remove a line from each run, and scale by the rest volumes of the run."""
    scaled = np.empty_like(bold)
    for r in np.unique(run):
        inside = run == r
        n = int(inside.sum())
        line = np.stack([np.ones(n), np.linspace(-1, 1, n)], axis=1)
        weights, *_ = np.linalg.lstsq(line, bold[inside], rcond=None)
        flat = bold[inside] - line @ weights
        quiet = flat[rest[inside]]
        scaled[inside] = (flat - quiet.mean(axis=0)) / quiet.std(axis=0)
    return scaled


def _starts(label: npt.NDArray[Any], run: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Return the first volume of each block of pictures."""
    new = np.append(True, (label[1:] != label[:-1]) | (run[1:] != run[:-1]))
    return np.flatnonzero(new & (label != "rest"))
