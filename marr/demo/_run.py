"""Run both studies and write the report."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from marr.demo._decision import decision_study
from marr.demo._heading import heading_study
from marr.demo._progress import Steps
from marr.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["N_STEPS", "run"]

N_STEPS = 17

TITLE = "Do networks that solve a mouse's tasks solve them as the mouse does?"
ABSTRACT = (
    "Two studies, each at Marr's three levels, on real data. A mouse decided where a "
    "grating was; recurrent networks were trained to be correct on sequences of that "
    "task. Another mouse turned its head while neurons of its thalamus and hippocampus "
    "were recorded; recurrent networks were trained to keep track of heading. No network "
    "was trained on an animal's choices or activity, so likeness is not built in.\n\n"
    "Read the table first: one row a question, one column a level. What was not "
    "measured is said so. Every claim names its evidence: only networks were "
    "perturbed, so only they *need* anything; of the recordings we know what their "
    "readout depends on."
)


def run(
    out: Path,
    *,
    train: bool = False,
    progress: bool = True,
    studies: tuple[str, ...] = ("decision", "heading"),
) -> Path:
    """Write the demo report.

    Parameters
    ----------
    out : Path
        Where the report is written.
    train : bool
        Train the networks anew rather than load the weights that ship with marr.
    progress : bool
        Show the steps on stderr.
    studies : tuple of str
        Which studies to run.

    Returns
    -------
    Path
        The report's path.
    """
    report = Report(TITLE, abstract=ABSTRACT)
    with _one_thread(), Steps(N_STEPS, shown=progress) as step:
        if "decision" in studies:
            decision_study(report, step, train=train)
        if "heading" in studies:
            heading_study(report, step, train=train)
        step("writing the report")
        return report.save(out)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep small matrices on one thread, on which they are fastest; put it back after."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
