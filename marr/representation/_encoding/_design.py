"""Features as Gram matrices or columns, standardized inside every training set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from marr.errors import OptionError, StatisticsError
from marr.representation._encoding._map_kernel import (
    Basis,
    centered_across,
    centered_trace,
    dual_basis,
    primal_basis,
    train_scale,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from marr.representation._encoding._features import Band

__all__ = ["Design", "as_tensor", "make_design", "training_sets"]

MOST = 20_000
"""More rows and features than this make no factorization."""
CACHE = 100_000_000
"""Numbers kept in factorizations (800 MB)."""


def as_tensor(values: npt.NDArray[np.float64], device: str | None) -> torch.Tensor:
    """Return values as a double-precision tensor on the device."""
    try:
        where = torch.device(device or "cpu")
    except RuntimeError as error:
        msg = (
            "device must be one that torch knows, e.g. 'cpu' or 'cuda'; got "
            f"{device!r}."
        )
        raise OptionError(msg) from error
    return torch.from_numpy(np.ascontiguousarray(values, dtype=float)).to(where)


def training_sets(
    folds: npt.NDArray[np.intp],
) -> tuple[list[npt.NDArray[np.bool_]], list[tuple[int, int]]]:
    """Return rows outside each fold, then outside each pair of folds; and the pairs.

    The fit without folds f and g is an inner fit of both.
    """
    k = int(folds.max()) + 1
    pairs = [(f, g) for f in range(k) for g in range(f)] if k > 2 else []
    outer = [folds != f for f in range(k)]
    return outer + [(folds != f) & (folds != g) for f, g in pairs], pairs


@dataclass
class Design:
    """Bases of the features for every training set, made when asked for.

    Attributes
    ----------
    trains : list of bool tensor of shape (n_rows,)
        Training sets, see `training_sets`.
    names : tuple of str
        Names of the bands.
    columns : list of tensor of shape (n_rows, n_features), or None
        Features of each band, where they are fewer than rows.
    grams : list (one a band) of lists (one a training set, or one for all), or None
        Gram matrices where features are more than rows.
    relative : bool
        Bring features (each band, for a mixture) to a mean square of 1 in training, so
        that penalties are relative.
    """

    trains: list[torch.Tensor]
    names: tuple[str, ...]
    standardize: bool
    columns: list[torch.Tensor] | None
    grams: list[list[torch.Tensor]] | None
    relative: bool = True
    cached: dict[tuple[int, tuple[float, ...]], Basis] = field(default_factory=dict)
    whole: dict[int, npt.NDArray[np.float64]] = field(default_factory=dict)
    held: int = 0

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.trains[0])

    def traces(self, at: int) -> list[float]:
        """Return the mean square of each band over the rows of a training set."""
        if self.grams is not None:
            train = self.trains[at]
            return [centered_trace(self._gram(b, at), train) for b in range(self._n)]
        found = []
        for x in self.columns or []:
            mean, scale = train_scale(x, self.trains[at], self.standardize)
            inside = (x[self.trains[at]] - mean) * scale
            found.append(float(inside.square().sum(dim=1).mean()))
        return found

    @property
    def cheap(self) -> bool:
        """Whether bases are kept, so that many small fits cost little."""
        return self.held <= 0.9 * CACHE

    @property
    def _n(self) -> int:
        return len(self.names)

    def _gram(self, band: int, at: int) -> torch.Tensor:
        held = (self.grams or [])[band]
        return held[at if len(held) > 1 else 0]

    def basis(self, at: int, mixture: tuple[float, ...] = ()) -> Basis:
        """Return the basis of a training set.

        Parameters
        ----------
        at : int
            Position of the training set.
        mixture : tuple of float, one a band
            Shares of the bands, each first brought to a mean square of 1 in training;
            empty takes the features as they are, brought to 1 together. A share of 0
            leaves the band out.
        """
        key = (at, mixture)
        if key in self.cached:
            return self.cached[key]
        made = self._make(at, mixture)
        size = made.left.numel() + made.right.numel()
        if self.held + size <= CACHE:
            self.cached[key] = made
            self.held += size
        return made

    def _make(self, at: int, mixture: tuple[float, ...]) -> Basis:
        weights, train = self._weights(at, mixture), self.trains[at]
        if self.grams is not None:
            gram = torch.zeros_like(self._gram(0, at))
            for band, weight in enumerate(weights):
                if weight > 0:
                    gram += weight * self._gram(band, at)
            return dual_basis(gram, train)
        parts, scales = [], []
        for x, weight in zip(self.columns or [], weights, strict=True):
            if weight > 0:
                parts.append(x)
                scale = train_scale(x, train, self.standardize)[1]
                scales.append(scale * float(np.sqrt(weight)))
        return primal_basis(torch.cat(parts, dim=1), train, torch.cat(scales, dim=1))

    def band_rights(self, at: int, mixture: tuple[float, ...]) -> list[torch.Tensor]:
        """Return what each band adds to `right` of a basis, (n_rest, r) each."""
        basis, train = self.basis(at, mixture), self.trains[at]
        found, start = [], 0
        for band, weight in enumerate(self._weights(at, mixture)):
            if weight <= 0:
                found.append(torch.zeros_like(basis.right))
            elif self.grams is not None:
                across = centered_across(self._gram(band, at), train)
                found.append(weight * across @ basis.left)
            elif self.columns is not None and basis.axes is not None:
                x = self.columns[band]
                mean, scale = train_scale(x, train, self.standardize)
                axes = basis.axes[start : start + x.shape[1]]
                start += x.shape[1]
                found.append(((x - mean) * scale)[~train] @ axes * weight**0.5)
        return found

    def _weights(self, at: int, mixture: tuple[float, ...]) -> list[float]:
        """Return what the squares of each band are multiplied with."""
        if not self.relative:
            return list(mixture) if mixture else [1.0] * self._n
        traces = self.traces(at)
        total = sum(traces)
        if total <= 0:  # nothing varies: no component will be left
            return [1.0] * self._n
        if not mixture:
            return [1.0 / total] * self._n
        pairs = zip(mixture, traces, strict=True)
        return [share / t if t > 0 else 0.0 for share, t in pairs]

    def check_varies(self, n_folds: int) -> None:
        """Refuse features that are constant without one of the folds."""
        if any(sum(self.traces(at)) <= 0 for at in range(n_folds)):
            msg = (
                "features are constant over the rows of a training set, so nothing can "
                "be learned from them. Use features that vary, or more rows."
            )
            raise StatisticsError(msg)

    def gram_of(self, at: int) -> npt.NDArray[np.float64]:
        """Return the Gram matrix of all features with the scales of a training set."""
        if at in self.whole:
            return self.whole[at]
        n = self.n_rows
        total = torch.zeros((n, n), dtype=torch.double, device=self.trains[0].device)
        for band in range(self._n if self.grams is not None else 0):
            total += self._gram(band, at)
        for x in self.columns or []:
            mean, scale = train_scale(x, self.trains[at], self.standardize)
            scaled = (x - mean) * scale
            total += scaled @ scaled.mT
        found: npt.NDArray[np.float64] = total.numpy(force=True)
        if self.held + found.size <= CACHE:
            self.whole[at] = found
            self.held += found.size
        return found


def make_design(
    bands: tuple[Band, ...],
    rows: npt.NDArray[np.intp],
    trains: list[npt.NDArray[np.bool_]],
    *,
    standardize: bool,
    device: str | None,
) -> Design:
    """Bring bands into columns or Gram matrices, part by part.

    Parameters
    ----------
    bands : tuple of Band
        Features of all rows.
    rows : int array
        Rows that count (all, or those of one half).
    trains : list of bool array of shape (len(rows),)
        Training sets.
    standardize : bool
        Scale each feature by its spread in training.
    device : str or None
        Where torch computes.
    """
    n, p = len(rows), sum(b.n_features for b in bands)
    if min(n, p) > MOST:
        msg = (
            f"{n} rows and {p} features: one of them must be at most {MOST}. Average "
            "repeats (on=...), or reduce the features."
        )
        raise StatisticsError(msg)
    masks = [torch.from_numpy(t) for t in trains]
    names = tuple(b.name for b in bands)
    parts = [_parts(b, rows, device) for b in bands]
    if p <= n:
        columns = [torch.cat(list(x), dim=1) for x in parts]
        masks = [m.to(columns[0].device) for m in masks]
        return Design(masks, names, standardize, columns, None)
    grams = [_grams(x, masks, standardize) for x in parts]
    masks = [m.to(grams[0][0].device) for m in masks]
    return Design(masks, names, standardize, None, grams)


def _parts(
    band: Band, rows: npt.NDArray[np.intp], device: str | None
) -> Iterator[torch.Tensor]:
    for part in band.parts():
        yield as_tensor(part[rows], device)


def _grams(
    parts: Iterator[torch.Tensor], masks: list[torch.Tensor], standardize: bool
) -> list[torch.Tensor]:
    """Return one Gram matrix a training set, or a single one without scaling."""
    out: list[torch.Tensor] = []
    for x in parts:
        here = [m.to(x.device) for m in masks]
        if not standardize:
            here = [torch.ones_like(here[0])]
        for i, train in enumerate(here):
            mean, scale = train_scale(x, train, standardize)
            scaled = (x - mean) * scale
            if len(out) <= i:
                out.append(x.new_zeros((len(x), len(x))))
            out[i].addmm_(scaled, scaled.mT)
    return out
