"""One psychometric fit as a problem: what is free, its coordinates, its posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from ._curve_kernel import NATURAL, Cells, Prior, log_likelihood

__all__ = ["LAPSES", "Problem", "spread_points"]

LAPSES = ("free", "equal", "fixed")

_FAR = 300.0  # logarithms of widths are cut there, far outside any prior


@dataclass(frozen=True)
class Problem:
    """One psychometric fit: counted trials, link, prior and what is free.

    Attributes
    ----------
    cells : Cells
    prior : Prior
    link : {"logistic", "gaussian", "weibull"}
    lapses : {"free", "equal", "fixed"}
        Two rates, one shared rate, or the given ones.
    rates : (float, float)
        Lower and upper lapse rate where `lapses` is "fixed".
    overdispersed : bool
        Whether cells are beta-binomial rather than binomial.
    """

    cells: Cells
    prior: Prior
    link: str
    lapses: str = "free"
    rates: tuple[float, float] = (0.0, 0.0)
    overdispersed: bool = False

    @property
    def n_lapses(self) -> int:
        """Free lapse rates: 2, 1 or 0."""
        return {"free": 2, "equal": 1, "fixed": 0}[self.lapses]

    @property
    def n_free(self) -> int:
        """Free parameters."""
        return 2 + self.n_lapses + int(self.overdispersed)

    @property
    def free_columns(self) -> list[int]:
        """Columns of the natural matrix that carry the free parameters."""
        last = [4] if self.overdispersed else []
        return [0, 1, *range(2, 2 + self.n_lapses), *last]

    def _widen(self, free: np.ndarray) -> np.ndarray:
        """Natural matrix (n_rows, 5) from free natural values (n_rows, n_free)."""
        theta = np.zeros((len(free), len(NATURAL)))
        theta[:, self.free_columns] = free
        if self.lapses == "equal":
            theta[:, 3] = theta[:, 2]
        elif self.lapses == "fixed":
            theta[:, 2:4] = self.rates
        return theta

    def natural(
        self, z: Float[np.ndarray, "rows free"]
    ) -> Float[np.ndarray, "rows five"]:
        """Parameters from unbounded coordinates.

        Parameters
        ----------
        z : array of shape (n_rows, n_free)
            Threshold, log width, logit of twice each lapse rate, logit overdispersion.

        Returns
        -------
        array of shape (n_rows, 5)
        """
        free = z.copy()
        free[:, 1] = np.exp(np.clip(z[:, 1], -_FAR, _FAR))
        lapse = slice(2, 2 + self.n_lapses)
        free[:, lapse] = expit(z[:, lapse]) / 2
        if self.overdispersed:
            free[:, -1] = expit(z[:, -1])
        return self._widen(free)

    def coordinates(
        self, theta: Float[np.ndarray, "rows five"]
    ) -> Float[np.ndarray, "rows free"]:
        """Inverse of `natural` for parameters inside their bounds."""
        z = theta[:, self.free_columns]
        z[:, 1] = np.log(z[:, 1])
        lapse = np.clip(z[:, 2 : 2 + self.n_lapses] * 2, 1e-9, 1 - 1e-9)
        z[:, 2 : 2 + self.n_lapses] = np.log(lapse) - np.log1p(-lapse)
        if self.overdispersed:
            eta = np.clip(z[:, -1], 1e-9, 1 - 1e-9)
            z[:, -1] = np.log(eta) - np.log1p(-eta)
        return z

    def rooted(
        self, v: Float[np.ndarray, "rows free"]
    ) -> Float[np.ndarray, "rows five"]:
        """Parameters with rates as squares, so that a mode at rate 0 is a smooth one."""
        free = v.copy()
        free[:, 1] = np.exp(np.clip(v[:, 1], -_FAR, _FAR))
        lapse = slice(2, 2 + self.n_lapses)
        free[:, lapse] = np.minimum(v[:, lapse] ** 2, 0.499999)
        if self.overdispersed:
            free[:, -1] = np.minimum(v[:, -1] ** 2, 1 - 1e-9)
        return self._widen(free)

    def log_prior(
        self, theta: Float[np.ndarray, "rows five"]
    ) -> Float[np.ndarray, " rows"]:
        """Log prior density of the free parameters, in natural units."""
        out = self.prior.log_threshold(theta[:, 0]) + self.prior.log_width(theta[:, 1])
        for column in range(2, 2 + self.n_lapses):
            out = out + self.prior.log_lapse(theta[:, column])
        if self.overdispersed:
            out = out + self.prior.log_overdispersion(theta[:, 4])
        return np.asarray(out)

    def log_jacobian(
        self, z: Float[np.ndarray, "rows free"]
    ) -> Float[np.ndarray, " rows"]:
        """Log volume of natural units per unit of the free coordinates."""
        out = z[:, 1].copy()
        for column in range(2, 2 + self.n_lapses):
            out += _log_logit_slope(z[:, column]) - np.log(2.0)
        if self.overdispersed:
            out += _log_logit_slope(z[:, -1])
        return out

    def log_posterior(
        self, theta: Float[np.ndarray, "rows five"]
    ) -> Float[np.ndarray, " rows"]:
        """Unnormalized log posterior density in natural units."""
        return self.log_prior(theta) + log_likelihood(theta, self.cells, self.link)

    def log_target(
        self, z: Float[np.ndarray, "rows free"]
    ) -> Float[np.ndarray, " rows"]:
        """Unnormalized log posterior density in free coordinates."""
        return self.log_posterior(self.natural(z)) + self.log_jacobian(z)

    def from_prior(
        self, n: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "rows free"]:
        """Draw `n` free coordinates from the prior."""
        theta = self.prior.quantiles(spread_points(n, len(NATURAL), rng))
        return self.coordinates(theta)


def _log_logit_slope(z: np.ndarray) -> np.ndarray:
    """Log of d expit(z) / dz."""
    return -np.abs(z) - 2 * np.log1p(np.exp(-np.abs(z)))


def spread_points(
    n: int, d: int, rng: np.random.Generator
) -> Float[np.ndarray, "points axes"]:
    """Return evenly spread points in the unit cube: a Latin hypercube.

    Parameters
    ----------
    n, d : int
        Number of points and of axes.
    rng : Generator

    Returns
    -------
    array of shape (n, d)
        One point in each of n equal slices of every axis.
    """
    slices = rng.permuted(np.tile(np.arange(n), (d, 1)), axis=1).T
    points = (slices + rng.random((n, d))) / n
    return np.clip(points, 1e-12, 1 - 1e-12)
