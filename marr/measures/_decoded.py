"""The measure `decoded`: what a linear readout gets out of a system's activity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr._option_types import checked
from marr.errors import ContractError, OptionError, check_option
from marr.measures._base import (
    FittedMeasure,
    Measure,
    Values,
    defined_trials,
    known_rows,
)
from marr.measures._design import Rows, check_times, features_of, rows_of
from marr.measures._readout_kernel import (
    PENALTIES,
    Moments,
    Readouts,
    fit_readouts,
    fold_moments,
    predict,
)
from marr.measures._score_kernel import KIND_SCORES, SCORES, row_means, score_rows
from marr.measures._targets import EncodedTarget, encode, target_kind
from marr.stats import folds as assign_folds
from marr.systems import System, target_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["Decoded", "FittedDecoded", "decoded"]


@dataclass(frozen=True, repr=False)
class Decoded(Measure):
    """Out-of-fold ridge readout of a variable; see `decoded`."""

    sites: tuple[str, ...] | None = None
    target_kind: str | None = None
    score: str | None = None
    penalties: tuple[float, ...] = PENALTIES
    n_folds: int = 5
    seed: int = 0

    def fit(
        self, intact: System, *, train: NDArray[np.bool_] | None = None
    ) -> FittedDecoded:
        """Fit one readout a fold on the other folds of the intact system.

        Parameters
        ----------
        intact : System
            Where readouts are fitted and targets are read.
        train : array of bool of shape (n_trials,), optional
            Trials that may enter a fit (control trials); all by default. Each other
            trial is read by the readout of its fold all the same.
        """
        defined = defined_trials(intact, self.where)
        used = intact if defined.all() else intact.select(defined)
        truth = target_values(used, str(self.target))
        timed = truth.ndim == 2
        x = features_of(used, self.sites, timed=timed)
        if timed:
            check_times(x, truth, str(self.target))
        kind = target_kind(truth, self.target_kind, argument=f"target {self.target!r}")
        if self.score is not None:
            check_option("score", self.score, KIND_SCORES[kind])
        learn = (
            np.ones(len(used.trial_index), bool) if train is None else train[defined]
        )
        rows = rows_of(x, truth, kind)
        in_training = learn[rows.trial]
        target = encode(truth.values.reshape(-1)[rows.flat], kind, in_training)
        rows = rows.keep(target.known)
        in_training = learn[rows.trial]
        fold = self._folds(used, rows, target, timed=timed)
        weights = np.where(in_training, target.weights, 0.0)
        moments = fold_moments(rows.take(x), target.values, weights, fold[rows.trial])
        penalties = np.asarray(self.penalties, dtype=float)
        return FittedDecoded(
            measure=self,
            trials=used.trial_index,
            every=intact.trial_index,
            units=pd.Index(x["unit"].values),
            timed=timed,
            kind=kind,
            rows=rows,
            fold=fold,
            target=target,
            moments=moments,
            readouts=fit_readouts(moments, penalties),
        )

    def _folds(
        self, used: System, rows: Rows, target: EncodedTarget, *, timed: bool
    ) -> NDArray[np.intp]:
        """Assign trials to folds: whole groups together, classes balanced."""
        groups = used.groups()
        n_units = len(used.trial_index) if groups is None else len(np.unique(groups))
        labels = None
        if target.labels is not None and not timed:
            labels = np.zeros(len(used.trial_index), dtype=int)
            labels[rows.trial] = target.labels
        return np.asarray(
            assign_folds(
                len(used.trial_index),
                n_folds=max(2, min(self.n_folds, n_units)),
                groups=groups,
                labels=labels,
                seed=self.seed,
                contiguous=timed and groups is None,
            ),
            dtype=np.intp,
        )

    def describe(self) -> dict[str, Any]:
        """Return plain values for the parameters of a finding."""
        return {
            **super().describe(),
            "target": self.target,
            "sites": None if self.sites is None else list(self.sites),
            "score": self.score,
            "n_folds": self.n_folds,
            "penalties": list(self.penalties),
        }


@dataclass(frozen=True, eq=False)
class FittedDecoded(FittedMeasure):
    """Readouts, folds and targets of the intact trials."""

    measure: Decoded
    trials: pd.Index  # trials on which the measure is defined
    every: pd.Index  # all trials of the intact system
    units: pd.Index  # labels of the units that the readout reads
    timed: bool
    kind: str
    rows: Rows
    fold: NDArray[np.intp]  # fold of each trial
    target: EncodedTarget
    moments: Moments  # from which the readouts were fitted
    readouts: Readouts

    @property
    def score(self) -> str:
        """Name of the score in use."""
        return self.measure.score or KIND_SCORES[self.kind][0]

    @property
    def value_units(self) -> str:
        """Unit of the score."""
        return SCORES[self.score].unit

    @property
    def chance(self) -> float:
        """Score of a readout that knows nothing."""
        if self.kind == "categorical":
            return 1.0 / self.target.values.shape[1]
        return float(np.pi / 2) if self.score == "angle" else 0.0

    @property
    def row_fold(self) -> NDArray[np.intp]:
        """Fold of each row."""
        return np.asarray(self.fold[self.rows.trial])

    def features(self, system: System) -> xr.DataArray:
        """Return the activity that the readout reads, units in its order."""
        x = features_of(system, self.measure.sites, timed=self.timed)
        if self.units.equals(pd.Index(x["unit"].values)):
            return x
        missing = self.units.difference(pd.Index(x["unit"].values))
        if len(missing):
            msg = (
                f"{self.measure.name}: units {missing[:3].tolist()} of the intact system "
                f"are not in {system.name!r}; ablate units instead of dropping them."
            )
            raise ContractError(msg)
        return x.sel(unit=self.units.to_numpy())

    def __call__(self, system: System) -> Values:
        """Return the score of each trial's out-of-fold readout, NaN where not defined."""
        every = known_rows(self.every, system, self.measure.name)
        trials = self.trials.get_indexer(self.every)[every]  # -1: not defined
        chosen = np.flatnonzero(trials >= 0)
        out = np.full(len(every), np.nan)
        if not len(chosen):
            return out
        part = system if len(chosen) == len(every) else system._selected(chosen)
        x = self.features(part)
        n_times = x.sizes["time"] if self.timed else 1
        place = np.full(len(self.trials), -1)
        place[trials[chosen]] = np.arange(len(chosen))
        mine = np.flatnonzero(place[self.rows.trial] >= 0)
        trial = place[self.rows.trial[mine]]
        flat = trial * n_times + self.rows.flat[mine] % n_times
        predicted = predict(
            self.readouts, Rows(flat, trial).take(x), self.row_fold[mine]
        )
        scores = score_rows(self.score, predicted, self.target.values[mine])
        out[chosen] = row_means(scores, trial, len(chosen))
        return out

    def spread(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Average scores (..., rows) within trials, over all trials of the fit."""
        means = row_means(scores, self.rows.trial, len(self.trials))
        out = np.full((*means.shape[:-1], len(self.every)), np.nan)
        out[..., self.every.get_indexer(self.trials)] = means
        return out


@checked
def decoded(
    target: str,
    sites: str | Sequence[str] | None = None,
    *,
    kind: str | None = None,
    score: str | None = None,
    penalty: float | Sequence[float] | None = None,
    n_folds: int = 5,
    where: str | None = None,
    seed: int = 0,
) -> Measure:
    """How well a linear readout of the activity gives a variable, trial by trial.

    Ridge readouts are fitted on intact trials, one a fold on the other folds (whole
    groups of dependent trials stay together; scaling and penalty are chosen inside the
    training folds). Each trial, intact or perturbed, is scored by the readout that did not
    see it. A per-trial target is read from the time mean; a (trial, time) target from
    each time bin, with folds by trial, and averaged within the trial.

    Parameters
    ----------
    target : str
        Column of the trial table or continuous variable.
    sites : str or sequence of str, optional
        Sites that the readout reads; all of them, pooled, by default.
    kind : {"categorical", "continuous", "circular"}, optional
        Kind of target; inferred by default (text, booleans and few integers are
        categorical; variables with attribute ``circular`` are angles in radians).
    score : str, optional
        categorical: "probability" given to the true class (default; classes weigh
        the same, so chance is one over their number) or "correct"; continuous:
        "explained" (1 minus squared error over variance; its mean is R2); circular:
        "cosine" of the angular error (default) or "angle" (radians, lower is better).
    penalty : float or sequence of float, optional
        Ridge penalty relative to the number of training rows, or those to choose from;
        1e-4 ... 1e2 by default.
    n_folds : int
        Number of folds.
    where : str, optional
        Query on the intact trial table; fit and score only these trials.
    seed : int
        Seed of the folds.

    Returns
    -------
    Measure
        Of kind "readout".

    Notes
    -----
    A readout says what a downstream decoder *could* use. That a variable is decodable, or
    that a decoder loses from an ablation, does not show that the system uses it.

    References
    ----------
    Hoerl & Kennard (1970), Technometrics 12, 55-67.

    Examples
    --------
    >>> import numpy as np, pandas as pd, marr
    >>> x = np.tile([[1.0, 0.0], [0.0, 1.0]], (10, 1))
    >>> trials = pd.DataFrame({"side": ["left", "right"] * 10})
    >>> system = marr.from_arrays({"V1": x}, trials=trials)
    >>> fitted = decoded("side", score="correct").fit(system)
    >>> float(fitted(system).mean())
    1.0
    """
    names = (
        (sites,) if isinstance(sites, str) else None if sites is None else tuple(sites)
    )
    if kind is not None:
        check_option("kind", kind, KIND_SCORES)
    if score is not None:
        check_option("score", score, KIND_SCORES[kind] if kind else SCORES)
    penalties = PENALTIES if penalty is None else tuple(np.atleast_1d(penalty).tolist())
    if not penalties or not all(np.isfinite(p) and p > 0 for p in penalties):
        msg = f"penalty must be positive numbers; got {penalty!r}."
        raise OptionError(msg)
    if n_folds < 2:
        msg = f"n_folds must be a whole number of at least 2; got {n_folds!r}."
        raise OptionError(msg)
    better = SCORES[score].better if score else "higher"
    how = f" ({score})" if score else ""
    place = "" if names is None else f" from {', '.join(names)}"
    return Decoded(
        name=f"readout of {target}{how}{place}" + (f" where {where}" if where else ""),
        kind="readout",
        better=better,
        units=SCORES[score].unit if score else "",
        target=target,
        where=where,
        sites=names,
        target_kind=kind,
        score=score,
        penalties=penalties,
        n_folds=n_folds,
        seed=seed,
    )
