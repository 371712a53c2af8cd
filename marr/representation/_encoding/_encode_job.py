"""One encoding analysis that is ready to run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from marr.representation._encoding._design import (
    as_tensor,
    make_design,
    training_sets,
)
from marr.representation._encoding._models import PlsMap, RidgeMap, mixtures_of
from marr.representation._encoding._reader import Reader
from marr.stats import bootstrap_weights

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._encoding._features import Band, Features
    from marr.representation._encoding._hold_out import HeldOut
    from marr.representation._encoding._repeats import Repeats
    from marr.systems import System

__all__ = ["Job", "Model", "Settings"]

N_RESAMPLES = 1000
Model = RidgeMap | PlsMap


@dataclass(frozen=True)
class Settings:
    """How maps are fitted, scored and tested."""

    method: str
    score: str
    penalties: tuple[float, ...]
    n_components: int
    choose_components: bool
    n_mixtures: int
    standardize: bool
    seed: int
    device: str | None


@dataclass(frozen=True)
class Job:
    """An encoding that is ready to run."""

    system: System
    sites: tuple[str, ...]
    features: Features
    held: HeldOut
    repeats: Repeats | None
    time: str | tuple[float, float]
    settings: Settings
    weights: npt.NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        """Draw the resamples, shared by all units."""
        n = int(self.held.plan.units.max()) + 1
        drawn = bootstrap_weights(n, n_resamples=N_RESAMPLES, seed=self.settings.seed)
        object.__setattr__(self, "weights", drawn)

    @property
    def rows(self) -> npt.NDArray[np.intp]:
        """Positions of all rows."""
        return np.arange(len(self.features.frame))

    def reader(self, site: str) -> Reader:
        """Return what reads the activity of a site."""
        dims = self.system.activity(site).dims
        time = self.time if "time" in dims else "mean"
        return Reader(self.system, site, self.features.match.codes[0], time)

    def half(
        self, half: int
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return trials of a half, rows that these make, and the folds of the rows."""
        use = self.system.halves == half
        codes = np.where(
            use.reshape(-1, *[1] * (self.features.match.codes[0].ndim - 1)),
            self.features.match.codes[0],
            -1,
        )
        there = np.bincount(codes[codes >= 0], minlength=self.features.frame.n_labels)
        label = self.features.frame.label
        (rows,) = np.nonzero(there[label] > 0)
        folds = self.held.plan.folds[label[rows]]
        return use, rows, np.unique(folds, return_inverse=True)[1].reshape(-1)

    def model(
        self,
        bands: tuple[Band, ...],
        rows: npt.NDArray[np.intp],
        folds: npt.NDArray[np.intp],
        *,
        inner: bool = False,
    ) -> Model:
        """Return the map from some bands, for some rows."""
        how = self.settings
        trains, pairs = training_sets(folds)
        design = make_design(
            bands, rows, trains, standardize=how.standardize, device=how.device
        )
        if len(rows) == len(self.features.frame):
            design.check_varies(int(folds.max()) + 1)
        fold = torch.from_numpy(np.ascontiguousarray(folds)).to(design.trains[0].device)
        if how.method == "pls":
            fewest = min(int(t.sum()) for t in trains) - 1
            n = max(1, min(how.n_components, fewest))
            return PlsMap(design, fold, pairs, n, how.choose_components, inner)
        penalties = as_tensor(np.asarray(how.penalties), how.device)
        mixtures: tuple[tuple[float, ...], ...] = ((),)
        if how.method == "banded_ridge":
            mixtures = mixtures_of(len(bands), n_mixtures=how.n_mixtures, seed=how.seed)
        return RidgeMap(design, fold, pairs, penalties, mixtures, inner)

    def able(self, folds: npt.NDArray[np.intp], *, inner: bool) -> bool:
        """Tell whether some rows can be fitted and held out."""
        how = self.settings
        chosen = (
            how.choose_components
            if how.method == "pls"
            else len(how.penalties) * (how.method == "banded_ridge" or 1) > 1
            or how.method == "banded_ridge"
        )
        n_folds = int(folds.max()) + 1 if len(folds) else 0
        return n_folds >= (3 if chosen or inner else 2) and len(folds) >= 2 * n_folds
