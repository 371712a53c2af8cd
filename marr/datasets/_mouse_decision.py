"""A mouse's choices in a visual task with a prior that changes by block."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.datasets._registry import DATASETS, data_file
from marr.errors import check_option
from marr.systems import Recording

if TYPE_CHECKING:
    Table = pd.DataFrame

__all__ = ["mouse_decision"]

PROTOCOLS = ("biased", "training")


def mouse_decision(*, protocol: str = "biased", no_go: str = "drop") -> Recording:
    """Load the choices of one mouse in the International Brain Laboratory's task.

    A grating appears left or right and the mouse reports its side. In the "biased"
    sessions the side is left with probability 0.2 or 0.8 in blocks of 20 to 100
    trials, after 90 trials at 0.5, so the block is evidence, too; at zero contrast it
    is the only evidence. This is behavior only: there is no activity. Sessions of one
    animal: nothing here generalizes over animals.

    Parameters
    ----------
    protocol : {"biased", "training"}
        Six sessions with blocks (4,753 trials), or the five earlier sessions without
        (3,091 trials).
    no_go : {"drop", "keep"}
        What to do with trials that ended after 60 s without a choice (1 of the biased,
        18 of the training trials). Kept ones have choice 0 and `correct` False.

    Returns
    -------
    Recording
        Behavior only, one row a trial, the label being the row of the bundled file:

        - `contrast`: signed, -1 to 1; positive = stimulus on the right;
        - `target`: side that was rewarded, -1 left or 1 right (also at contrast 0);
        - `choice`: -1 left, 1 right; `correct`: whether it was rewarded;
        - `response_time`: seconds from stimulus onset to response;
        - `probability_left`: 0.2, 0.5 or 0.8 in "biased"; in "training" it was adjusted
          a little after errors (rounded to one decimal);
        - `block`: number of the block, counted over sessions ("biased" only);
        - `session` (date), `subject`, `trial_in_session` (from 0, before any trial was
          dropped), `start_time` (stimulus onset, seconds in the session).

        ``info["dropped"]`` counts what was left out.

    Notes
    -----
    Response times are kept as they are, also implausible ones (the slowest of a
    session take up to a minute, and on 2020-09-02 the median is 2.5 s against 0.3 to
    0.6 s on other days); they are missing where stimulus onset was not stored (6
    trials in all). Signs were checked against reward: the file codes left as +1, and
    this loader turns it to -1.

    References
    ----------
    The International Brain Laboratory (2021), eLife 10:e63711.

    Examples
    --------
    >>> import marr
    >>> mouse = marr.datasets.mouse_decision()
    >>> len(mouse.trials), sorted(set(mouse.trials["probability_left"].tolist()))
    (4752, [0.2, 0.5, 0.8])
    """
    check_option("protocol", protocol, PROTOCOLS)
    check_option("no_go", no_go, ("drop", "keep"))
    raw = _raw()
    of_protocol = (raw["task_protocol"] == protocol).to_numpy()
    table = _standard(raw)[of_protocol]
    if protocol == "biased":
        table = table.assign(block=_block_numbers(table))
    silent = (table["choice"] == 0).to_numpy()
    if no_go == "drop":
        table = table[~silent]
    info = {
        "source": DATASETS["mouse_decision"].source,
        "license": DATASETS["mouse_decision"].license,
        "citations": list(DATASETS["mouse_decision"].citations),
        "protocol": protocol,
        "sessions": int(table["session"].nunique()),
        "subjects": 1,
        "dropped": {
            "other protocol": int((~of_protocol).sum()),
            "no choice within 60 s": int(silent.sum()) if no_go == "drop" else 0,
        },
        "response_time_missing": int(table["response_time"].isna().sum()),
        "response_time_over_10_s": int((table["response_time"] > 10).sum()),
    }
    return Recording(table, {}, name=f"mouse ({protocol} sessions)", info=info)


def _block_numbers(table: Table) -> Any:
    """Return the number of the block of each trial: a run of one prior in a session."""
    starts = table["probability_left"].ne(table["probability_left"].shift()) | table[
        "session"
    ].ne(table["session"].shift())
    return starts.cumsum() - 1


def _raw() -> Table:
    with data_file(DATASETS["mouse_decision"].file).open("rb") as packed:
        return pd.read_csv(gzip.open(packed))


def _standard(raw: Table) -> Table:
    """Return the file's columns under standard names, left negative."""
    on_right = raw["contrastRight"].notna().to_numpy()
    contrast = np.where(on_right, raw["contrastRight"], -raw["contrastLeft"])
    choice = -raw["choice"].to_numpy()  # the file: 1 is left
    rewarded = (raw["feedbackType"] == 1).to_numpy()
    columns: dict[str, Any] = {
        "contrast": contrast + 0.0,  # no negative zero
        "target": np.where(on_right, 1, -1),
        "choice": choice,
        "correct": rewarded,
        "response_time": raw["response_times"] - raw["stimOn_times"],
        "probability_left": raw["probabilityLeft"].round(1),
        "session": raw["date"],
        "subject": "mouse 1",
        "trial_in_session": raw.groupby("date").cumcount(),
        "start_time": raw["stimOn_times"],
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(len(raw), name="trial"))
