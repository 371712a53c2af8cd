"""What a reader of dissimilarity matrices must know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.findings import Note

if TYPE_CHECKING:
    from marr.representation._plan import Plan
    from marr.representation._rsa._rdm_text import Grid

__all__ = ["notes"]

RELIABLE = 0.3
"""Distances below this reliability are called hardly reliable."""


def notes(grid: Grid, plan: Plan | None) -> list[Note]:
    """Say what was left out, missing, or not reliable."""
    conditions, found = grid.conditions, list(plan.notes) if plan else []
    outside = int((conditions.codes < 0).sum())
    if outside:
        text = (
            f"{outside} of {conditions.codes.size} values of {conditions.name} are missing "
            "or outside the bins and were left out."
        )
        advice = "Check that they are not missing where the activity differs."
        found.append(Note("left_out", text, advice))
    found += _missing(grid)
    constant = [
        grid.text(i, n - row[0].n_units)
        for i, (n, row) in enumerate(zip(grid.n_units, grid.found, strict=True))
        if n > row[0].n_units
    ]
    if constant:
        text = f"Constant units were left out: {', '.join(constant)}."
        found.append(Note("constant_units", text))
    return found if plan is None else [*found, *_no_interval(grid), *_unreliable(grid)]


def _missing(grid: Grid) -> list[Note]:
    labels = grid.conditions.labels
    rows, columns = np.triu_indices(len(labels), k=1)
    gaps_of = grid.stack(lambda f: np.isnan(f.columns["estimate"]))
    shape = (len(grid.sites), -1, len(labels), len(labels))
    square = np.asarray(gaps_of.reshape(shape).any(axis=1))
    parts = [
        grid.text(i, int(gaps[rows, columns].sum()))
        for i, gaps in enumerate(square)
        if gaps.any()
    ]
    if not parts:
        return []
    alone = square.any(axis=0).sum(axis=0) == len(labels) - 1
    which = ", ".join(repr(v) for v in labels[alone][:3].tolist())
    text = f"Some of the {len(rows)} pairs have no distance: {', '.join(parts)}" + (
        f" (all those of {which})." if which else "."
    )
    advice = (
        "They share fewer than two folds, or a mean pattern does not vary over units."
    )
    return [Note("missing_pairs", text, advice)]


def _no_interval(grid: Grid) -> list[Note]:
    """Say where intervals or halves are not what they should be."""
    found: list[Note] = []
    lost = [
        s
        for s, row in zip(grid.sites, grid.found, strict=True)
        if any(
            (np.isnan(f.columns["ci_low"]) & np.isfinite(f.columns["estimate"])).any()
            for f in row
        )
    ]
    if lost:
        text = (
            f"Some pairs at {', '.join(lost)} have no interval: without one of the folds "
            "they share fewer than two."
        )
        found.append(Note("no_interval", text, "More folds, or more runs, give one."))
    if any(f.shared_noise for row in grid.found for f in row):
        text = (
            "Parts of the trials have too little noise for a covariance of their own and "
            "share that of all: reliabilities are too high, intervals too narrow."
        )
        advice = "Use noise='identity', or more repeats of each condition."
        found.append(Note("shared_noise", text, advice))
    return found


def _unreliable(grid: Grid) -> list[Note]:
    found: list[Note] = []
    split = grid.stack(lambda f: f.split_half).reshape(len(grid.sites), -1)
    whole = grid.stack(lambda f: f.reliability).reshape(len(grid.sites), -1)
    best = np.where(np.isnan(whole), -np.inf, whole).max(axis=1)
    weak = [
        f"{s} ({b:.2f})" if np.isfinite(b) else f"{s} (unknown)"
        for s, b in zip(grid.sites, best, strict=True)
        if not b > RELIABLE
    ]
    if weak:
        text = f"Distances are hardly reliable at {', '.join(weak)}."
        advice = "Comparisons with other matrices can hardly succeed; more trials help."
        found.append(Note("unreliable", text, advice))
    below = [
        grid.text(i, f"({np.nanmin(r):.2f})")
        for i, r in enumerate(split)
        if (r <= 0).any()
    ]
    if below:
        text = (
            f"Halves of the trials do not agree at {', '.join(below)}: the correlation "
            "of halves is given as it is, since Spearman-Brown is undefined below 0."
        )
        found.append(
            Note("negative_reliability", text, "Read it as a reliability of 0.")
        )
    return found
