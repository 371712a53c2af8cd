"""Tuning models fitted in folds: held-out losses, curves, and the test by shuffles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.representation._units import _glm_kernel as glm
from marr.representation._units._curve_kernel import bin_sums, information
from marr.representation._units._partial import (
    partial_draws,
    residual_basis,
    with_one,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from marr.representation._units._tuning_design import TuningDesign

    FloatArray = npt.NDArray[np.float64]

__all__ = ["Family", "HeldOut", "Tests", "family_of", "held_out", "shuffle_tests"]

PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Candidates of a smooth model; each unit takes its own inside the training folds."""

BINNED = (1e-8,)
"""A curve of bins is not shrunk; the trace of a penalty puts empty bins at the mean."""


@dataclass(frozen=True)
class Family:
    """How activity is explained: which fit, which loss, which link.

    `mean` turns the linear predictor into expected activity.
    """

    name: str
    path: Callable[..., glm.Fit]
    loss: Callable[[FloatArray, FloatArray], FloatArray]
    mean: Callable[[FloatArray], FloatArray]
    penalties: tuple[float, ...]


def family_of(model: str, *, smooth: bool, penalty: float | None) -> Family:
    """Return the family of a model."""
    penalties = PENALTIES if smooth else BINNED
    if penalty is not None:
        penalties = (float(penalty),)
    if model == "poisson_glm":
        if not smooth and penalty is None:
            penalties = (1e-6,)
        return Family(model, glm.poisson_path, glm.poisson_loss, _exp, penalties)
    return Family(model, glm.gaussian_path, glm.gaussian_loss, _same, penalties)


def _exp(eta: FloatArray) -> FloatArray:
    return np.exp(np.clip(eta, -30.0, 30.0))


def _same(eta: FloatArray) -> FloatArray:
    return eta


@dataclass(frozen=True)
class HeldOut:
    """Out-of-fold losses and the curves of the training folds.

    Attributes
    ----------
    losses : dict of str to array of shape (n_resampled, n_units)
        Summed by what the bootstrap resamples: "full", "mean" (no regressor at all),
        "without" (no variable) and one entry a nuisance (all but it).
    curves : array of shape (n_folds, n_units, n_bins)
        Expected activity at the centers of the bins, nuisances at their mean.
    penalty : array of shape (n_units,)
        Median over folds.
    converged : bool array of shape (n_units,)
    """

    losses: dict[str, FloatArray]
    curves: FloatArray
    penalty: FloatArray
    converged: npt.NDArray[np.bool_]

    def explained(self, name: str = "without") -> FloatArray:
        """Share of the deviance that only the variable (or a nuisance) explains."""
        return explained(self.losses, name)


def explained(losses: dict[str, FloatArray], name: str) -> FloatArray:
    """Loss without minus loss with a regressor, over the loss of the mean alone."""
    total = losses["mean"].sum(axis=0)
    fall = (losses[name] - losses["full"]).sum(axis=0)
    return np.where(total > 0, fall / np.where(total > 0, total, 1.0), 0.0)


def _models(design: TuningDesign) -> dict[str, FloatArray]:
    """Return the regressors of each model, without the constant."""
    rows = design.rows.pick(design.basis)
    parts = {**design.nuisances}
    out = {"full": np.concatenate([rows, *parts.values()], axis=1)}
    if not parts:
        return out
    out["without"] = design.nuisance_columns
    for name in parts if len(parts) > 0 else ():
        others = [v for k, v in parts.items() if k != name]
        out[name] = np.concatenate([rows, *others], axis=1)
    return out


def held_out(
    design: TuningDesign,
    family: Family,
    folds: npt.NDArray[np.intp],
    resampled: npt.NDArray[np.intp],
    keep: npt.NDArray[np.bool_] | None = None,
) -> HeldOut | None:
    """Fit every model in every training set and score the fold that was left out.

    Parameters
    ----------
    design : TuningDesign
        Regressors and activity.
    family : Family
        Kind of model.
    folds, resampled : int arrays of shape (n_rows,)
        Fold of each row, and what it is resampled with.
    keep : bool array of shape (n_rows,), optional
        Rows that take part, e.g. one half.

    Returns
    -------
    HeldOut, or None where the rows fill fewer than two folds
    """
    use = np.ones(len(folds), bool) if keep is None else keep
    present = [k for k in np.unique(folds[use]) if (use & (folds != k)).sum() > 2]
    if len(present) < 2:
        return None
    y, models = design.rows.x, _models(design)
    n_resampled = int(resampled.max()) + 1
    losses = {name: np.zeros((n_resampled, y.shape[1])) for name in ("mean", *models)}
    curves, penalties, converged = [], [], []
    width = design.grid.shape[1]
    for k in present:
        train, test = use & (folds != k), use & (folds == k)
        held, group = y[test], resampled[test]
        level = np.broadcast_to(y[train].mean(axis=0), held.shape)
        losses["mean"] += bin_sums(group, family.loss(held, level), n_resampled)
        for name, x in models.items():
            fit = fit_rows(family, x[train], y[train], _free(name, x, width))
            mean = family.mean(with_one(x[test]) @ fit.coef)
            losses[name] += bin_sums(group, family.loss(held, mean), n_resampled)
            if name == "full":
                curves.append(curve_of(family, fit, design))
                penalties.append(fit.penalty)
                converged.append(fit.converged)
    losses.setdefault("without", losses["mean"])
    return HeldOut(
        losses,
        np.stack(curves),
        np.median(penalties, axis=0),
        np.all(converged, axis=0),
    )


def _free(name: str, x: FloatArray, width: int) -> npt.NDArray[np.bool_]:
    """Return which columns are not penalized: the constant and the nuisances."""
    free = np.ones(x.shape[1] + 1, bool)
    if name != "without":
        free[1 : width + 1] = False
    return free


def fit_rows(
    family: Family, x: FloatArray, y: FloatArray, free: npt.NDArray[np.bool_]
) -> glm.Fit:
    """Fit all units on some rows."""
    return family.path(with_one(x), y, free, np.asarray(family.penalties))


def curve_of(family: Family, fit: glm.Fit, design: TuningDesign) -> FloatArray:
    """Return the curve of a fit, (n_units, n_bins), nuisances at their mean."""
    width = design.grid.shape[1]
    eta = fit.coef[0] + design.grid @ fit.coef[1 : width + 1]
    return family.mean(eta).T


def full_curve(design: TuningDesign, family: Family) -> FloatArray:
    """Return the curve of the fit to all rows, (n_units, n_bins)."""
    x = _models(design)["full"]
    fit = fit_rows(family, x, design.rows.x, _free("full", x, design.grid.shape[1]))
    return curve_of(family, fit, design)


@dataclass(frozen=True)
class Tests:
    """The statistic of each unit, of the data and of shuffles, and their information."""

    observed: FloatArray  # (n_units,)
    null: FloatArray  # (n_draws, n_units)
    information: FloatArray | None  # (n_draws, n_units)


def shuffle_tests(
    design: TuningDesign, family: Family, indices: npt.NDArray[np.intp]
) -> Tests:
    """Compare what the variable explains with what it explains after shuffles.

    The statistic is the share of what the nuisances leave of activity that the
    variable's basis explains (for Poisson models the score statistic): no model is
    fitted anew. With nuisances the basis is shuffled after they were regressed out of
    it, and regressed out again.
    """
    rows, others, basis = design.rows, design.nuisance_columns, design.basis
    if design.nuisances:
        basis = residual_basis(rows, basis, others)
    rate = None
    if family.name == "poisson_glm" and design.nuisances:  # else rates are constant
        rate = _nuisance_rate(design)
    observed, null = partial_draws(rows, basis, others, indices, rate)
    bits = None
    if (rows.x >= 0).all():
        drawn = [
            information(*empirical(rows.pick(design.filled[i]), rows.x, design))
            for i in indices
        ]
        bits = np.stack(drawn)
    return Tests(observed, null, bits)


def empirical(
    codes: npt.NDArray[np.intp], y: FloatArray, design: TuningDesign
) -> tuple[FloatArray, FloatArray]:
    """Return mean activity by bin, (n_units, n_bins), and rows in each bin."""
    n_bins = len(design.conditions.labels)
    occupancy = np.bincount(codes, minlength=n_bins).astype(float)
    sums = bin_sums(codes, y, n_bins)
    return (sums / np.maximum(occupancy, 1)[:, None]).T, occupancy


def _nuisance_rate(design: TuningDesign) -> FloatArray:
    """Return the rate that a Poisson model of the nuisances expects."""
    x = with_one(design.nuisance_columns)
    fit, _ = glm.poisson_fit(x, design.rows.x, np.ones(x.shape[1], bool), 0.0)
    return _exp(x @ fit.coef)
