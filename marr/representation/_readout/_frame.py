"""What analyses on probes share: rows, targets and their shuffles, folds, scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from marr.representation._draws import arrange, make_draws
from marr.representation._layout import build_layout
from marr.representation._plan import make_plan
from marr.representation._probes._fit_kernel import encode_targets, fit_predict
from marr.representation._probes._maps import by_unit
from marr.representation._probes._score_kernel import KINDS
from marr.representation._targets import resolve_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._layout import Layout
    from marr.representation._plan import Plan
    from marr.representation._probes._fit_kernel import Fit
    from marr.representation._targets import Target
    from marr.systems import System

__all__ = [
    "Frame",
    "RowScores",
    "held_out",
    "make_frame",
    "pooled_scores",
    "row_scores",
]

SCORES = {
    "categorical": "balanced accuracy",
    "ordinal": "rank correlation",
    "continuous": "R² (out of fold)",
    "circular": "mean cosine of the angular error",
}


@dataclass(frozen=True)
class Frame:
    """A target and the rows it is read from.

    Attributes
    ----------
    y : array of shape (1 or n_times, n_rows, 1 + n_shuffles)
        Codes, numbers or angles; column 0 is the data.
    fold : int array of shape (n_rows,)
        Fold of each row.
    unit : int array of shape (n_rows,)
        What the bootstrap resamples, numbered from 0.
    """

    target: Target
    layout: Layout
    plan: Plan
    y: npt.NDArray[np.float64]
    fold: npt.NDArray[np.intp]
    unit: npt.NDArray[np.intp]

    @property
    def n_units(self) -> int:
        """Number of units that the bootstrap resamples."""
        return int(self.unit.max()) + 1

    @property
    def labels(self) -> list[str]:
        """Names of the cells."""
        return [cell.label for cell in self.layout.cells]

    @property
    def train(self) -> npt.NDArray[np.bool_]:
        """Training rows of each fold."""
        return ~self.test

    @property
    def test(self) -> npt.NDArray[np.bool_]:
        """Held-out rows of each fold."""
        return np.arange(int(self.fold.max()) + 1)[:, None] == self.fold

    def fit(self, x: npt.NDArray[np.float64], y: Any, **options: Any) -> Fit:
        """Fit probes on the folds, or on other `train` and `test` rows."""
        train = options.pop("train", self.train)
        test = options.pop("test", self.test)
        options.setdefault("inner", self.fold)
        return fit_predict(x, y, train, test, kind=self.target.kind, **options)


def make_frame(
    system: System,
    target: str,
    *,
    sites: str | Sequence[str] | None,
    over: Sequence[str],
    kind: str | None,
    n_folds: int,
    n_permutations: int,
    null: str = "auto",
    seed: int = 0,
) -> Frame:
    """Resolve names, arrange rows, decide on folds and shuffles, as `decode` does."""
    what = resolve_target(system, target, kind=kind)
    layout = build_layout(system, what, sites=sites, over=over)
    plan = make_plan(
        system,
        what,
        n_folds=n_folds,
        null=null,
        n_permutations=n_permutations,
        design=None,
        seed=seed,
    )
    draws = make_draws(
        what,
        plan,
        None,
        n_permutations=n_permutations,
        groups=system.groups(),
        seed=seed,
    )
    rows = arrange(draws.block(0, len(draws)), layout)
    unit = np.unique(plan.units[layout.row_trial], return_inverse=True)[1].reshape(-1)
    fold = plan.folds[layout.row_trial]
    return Frame(what, layout, plan, _plain(rows, what.kind), fold, unit)


def _plain(coded: npt.NDArray[np.float64], kind: str) -> npt.NDArray[np.float64]:
    """Return codes, numbers or angles of targets that are coded as columns."""
    if kind == "categorical":
        return coded.argmax(axis=-1).astype(float)
    if kind == "circular":
        return np.asarray(np.arctan2(coded[..., 1], coded[..., 0]))
    return coded[..., 0]


@dataclass(frozen=True)
class RowScores:
    """The score of predictions as sums over units of resampling.

    Attributes
    ----------
    part, whole : array of shape (n_units, n_times, n_strata)
        See `marr.representation._probes._score_kernel`.
    kind : str
        Kind of target.
    """

    part: npt.NDArray[np.float64]
    whole: npt.NDArray[np.float64]
    kind: str

    def score(self, weights: npt.NDArray[Any] | None = None) -> npt.NDArray[np.float64]:
        """Return scores, (n_times,), or (n_resamples, n_times) for weights of units."""
        use = np.ones((1, len(self.part))) if weights is None else weights
        sums = [
            torch.from_numpy(np.tensordot(use, v, axes=(1, 0)))
            for v in (self.part, self.whole)
        ]
        found = KINDS[self.kind].combine(*sums).numpy()
        return np.asarray(found[0] if weights is None else found)

    def without_each(self) -> npt.NDArray[np.float64]:
        """Return scores without each unit, (n_units, n_times)."""
        return self.score(1.0 - np.eye(len(self.part)))


def row_scores(
    frame: Frame,
    predicted: npt.NDArray[np.float64],
    *,
    rows: npt.NDArray[np.bool_] | None = None,
) -> RowScores:
    """Return how well outputs (n_times, n_rows, n_outputs) match the data, by unit.

    Parameters
    ----------
    frame : Frame
        Whose column 0 of `y` is the truth.
    predicted : array of shape (n_times, n_rows, n_outputs)
        Outputs of probes.
    rows : bool array of shape (n_rows,), optional
        Rows that count.
    """
    kind = frame.target.kind
    used = np.ones(len(frame.unit), bool) if rows is None else rows
    truth = encode_targets(frame.y[..., :1], kind)[:, used]
    guess = torch.from_numpy(np.ascontiguousarray(predicted[:, used, None]))
    if kind == "continuous":  # scored around the mean of the rows
        center = truth.mean(dim=1, keepdim=True)
        truth, guess = truth - center, guess - center
    part, whole = KINDS[kind].parts(guess, truth)
    shape = (guess.shape[0], *part.shape[1:])
    parts = [
        by_unit(
            v.expand(*shape[:-1], v.shape[-1])[:, :, 0].numpy(),
            frame.unit[used],
            frame.n_units,
        )
        for v in (part, whole)
    ]
    return RowScores(parts[0], parts[1], kind)


def held_out(
    predicted: npt.NDArray[np.float64] | None, test: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Join what disjoint folds predict of their held-out rows.

    Parameters
    ----------
    predicted : array of shape (n_folds, n_times, n_rows, n_targets, n_outputs)
        From a fit that keeps predictions.
    test : bool array of shape (n_folds, n_rows)
        Held-out rows of each fold; together all rows.

    Returns
    -------
    array of shape (n_times, n_rows, n_targets, n_outputs)
    """
    if predicted is None:
        msg = "a fit without predictions (keep=False) has no held-out outputs"
        raise AssertionError(msg)
    out = np.empty(predicted.shape[1:])
    for k, rows in enumerate(test):
        out[:, rows] = predicted[k][:, rows]
    return out


def pooled_scores(
    kind: str, predicted: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the score of outputs against each target's own labels.

    Parameters
    ----------
    kind : str
        Kind of target.
    predicted : array of shape (n_times, n_rows, n_targets, n_outputs)
        Outputs of probes.
    y : array of shape (1 or n_times, n_rows, n_targets)
        Codes, numbers or angles.

    Returns
    -------
    array of shape (n_times, n_targets)
    """
    if predicted.shape[2] == 0:
        return np.empty((predicted.shape[0], 0))
    guess = torch.from_numpy(np.ascontiguousarray(predicted))
    truth = encode_targets(y, kind)
    truth = truth.expand(guess.shape[0], *truth.shape[1:])
    if truth.shape[-1] < guess.shape[-1]:  # a class that these rows lack
        lost = guess.shape[-1] - truth.shape[-1]
        truth = torch.nn.functional.pad(truth, (0, lost))
    if kind == "continuous":
        center = truth.mean(dim=1, keepdim=True)
        truth, guess = truth - center, guess - center
    part, whole = KINDS[kind].parts(guess, truth)
    whole = whole.expand(*part.shape[:-1], whole.shape[-1])
    return np.asarray(KINDS[kind].combine(part.sum(dim=1), whole.sum(dim=1)).numpy())
