"""Posterior of a psychometric function: modes and adaptive importance sampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln, ndtri

from ._problem_kernel import Problem, spread_points

__all__ = ["Draws", "climb", "find_map", "sample"]

LogDensity = Callable[[np.ndarray], np.ndarray]
Proposal = tuple[np.ndarray, np.ndarray]  # mean, lower Cholesky factor

_DF = 5.0  # degrees of freedom of the proposals
_WIDEN = 1.2  # covariance of a proposal over that of the weighted draws
_PER_ROUND = 6000
_FROM_PRIOR = 512
_STEPS = np.array([1.0, 0.5, 0.2, 0.05, 0.01, 2.0])
_ZERO = 1e-6  # a lapse rate or overdispersion under this is reported as 0


def climb(
    target: LogDensity,
    start: Float[np.ndarray, " free"],
    scale: Float[np.ndarray, " free"],
    *,
    n_iterations: int = 60,
    tolerance: float = 1e-10,
) -> tuple[Float[np.ndarray, " free"], Float[np.ndarray, "free free"], bool]:
    """Climb to a mode by Newton steps with differences taken in one batch.

    Parameters
    ----------
    target : callable
        (n_rows, n_free) -> (n_rows,) log density.
    start : array of shape (n_free,)
        Point with finite density.
    scale : array of shape (n_free,)
        Rough size of a change that matters, for the first differences.
    n_iterations : int
        Most Newton steps.
    tolerance : float
        Stop when a step gains less, in nats.

    Returns
    -------
    mode : array of shape (n_free,)
    hessian : array of shape (n_free, n_free)
    converged : bool
    """
    z, size = start.astype(float), scale.astype(float)
    value = float(target(z[None])[0])
    for _ in range(n_iterations):
        gradient, hessian = _differences(target, z, 0.02 * size)
        curve = np.abs(np.diag(hessian))
        size = np.clip(1 / np.sqrt(np.maximum(curve, 1e-300)), size / 10, size * 10)
        size = np.minimum(size, 1e3 * scale)
        scaled = hessian * np.outer(size, size)
        eigen, axes = np.linalg.eigh(scaled)
        push = axes @ ((axes.T @ (gradient * size)) / np.maximum(np.abs(eigen), 0.05))
        tries = z + _STEPS[:, None] * (push * size)
        values = target(tries)
        values[~np.isfinite(values)] = -np.inf
        best = int(values.argmax())
        gain = float(values[best]) - value
        if gain > 0:
            z, value = tries[best], float(values[best])
        if gain < tolerance:
            return z, hessian, True
    return z, hessian, False


def _differences(
    target: LogDensity, z: np.ndarray, h: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and Hessian by central differences, all points in one call."""
    d = len(z)
    eye = np.diag(h)
    pairs = [(i, j) for i in range(d) for j in range(i)]
    both = [eye[i] + eye[j] for i, j in pairs] + [eye[i] - eye[j] for i, j in pairs]
    moves = np.concatenate(
        [np.zeros((1, d)), eye, -eye, np.array(both), -np.array(both)]
    )
    f = target(z + moves)
    centre, plus, minus = f[0], f[1 : d + 1], f[d + 1 : 2 * d + 1]
    rest = f[2 * d + 1 :].reshape(2, 2, len(pairs))  # (sign, same or opposed, pair)
    gradient = (plus - minus) / (2 * h)
    hessian = np.diag((plus + minus - 2 * centre) / h**2)
    mixed = (rest[0, 0] + rest[1, 0] - rest[0, 1] - rest[1, 1]) / 4
    for (i, j), value in zip(pairs, mixed, strict=True):
        hessian[i, j] = hessian[j, i] = value / (h[i] * h[j])
    return gradient, hessian


@dataclass(frozen=True)
class Draws:
    """Weighted draws from a posterior.

    Attributes
    ----------
    theta : array of shape (n_draws, 5)
        Natural parameters, columns as in `NATURAL`.
    weights : array of shape (n_draws,)
        Importance weights, summing to 1.
    effective : float
        Effective number of draws, ``1 / sum(weights**2)``.
    n_rounds : int
        Rounds of adaptation that were used.
    log_evidence : float
        Log of the marginal likelihood (without binomial coefficients).
    """

    theta: Float[np.ndarray, "draws five"]
    weights: Float[np.ndarray, " draws"]
    effective: float
    n_rounds: int
    log_evidence: float

    def resample(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n five"]:
        """Return `n` equally weighted draws in random order (systematic resampling)."""
        at = (rng.random() + np.arange(n)) / n
        rows = np.searchsorted(np.cumsum(self.weights), at).clip(
            max=len(self.theta) - 1
        )
        return self.theta[rng.permutation(rows)]


def sample(
    problem: Problem,
    *,
    seed: int,
    effective: float = 12000.0,
    min_rounds: int = 3,
    max_rounds: int = 8,
) -> Draws:
    """Draw from the posterior by adaptive importance sampling.

    Proposals are a share of the prior and multivariate t distributions (5 degrees of
    freedom), the first from the curvature at the mode, each next one with the mean
    and 1.2 times the covariance of the weighted draws so far. Every draw is weighted
    against the mixture of all proposals (balance heuristic), so that no weight is
    left behind by a poor early round.

    Parameters
    ----------
    problem : Problem
    seed : int
    effective : float
        Effective number of draws at which adaptation stops.
    min_rounds, max_rounds : int
        Rounds made at least and at most.

    Returns
    -------
    Draws

    References
    ----------
    Cornuet, Marin, Mira & Robert (2012), Scandinavian Journal of Statistics 39,
    798-812 (adaptive multiple importance sampling).
    """
    rng = np.random.default_rng(seed)
    z = problem.from_prior(_FROM_PRIOR, rng)
    target = problem.log_target(z)
    mean, covariance = _first_proposal(problem, z, target)
    proposals: list[Proposal] = []
    mixture = _log_mixture(problem, z, proposals)
    for n_rounds in range(1, max_rounds + 1):
        proposals.append((mean, np.linalg.cholesky(covariance)))
        mixture = np.logaddexp(mixture, np.log(_PER_ROUND) + _log_t(z, *proposals[-1]))
        new = _draw_t(*proposals[-1], _PER_ROUND, rng)
        mixture = np.concatenate([mixture, _log_mixture(problem, new, proposals)])
        target = np.concatenate([target, problem.log_target(new)])
        z = np.concatenate([z, new])
        weights, log_sum = _normalized(target - mixture)
        n_effective = 1.0 / float((weights**2).sum())
        mean, covariance = _moments(z, weights)
        if n_rounds >= min_rounds and n_effective >= effective:
            break
    return Draws(
        theta=problem.natural(z),
        weights=weights,
        effective=n_effective,
        n_rounds=n_rounds,
        log_evidence=log_sum,
    )


def _first_proposal(
    problem: Problem, z: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mode in free coordinates, and the covariance that the curvature there implies."""
    spread = problem.prior.high - problem.prior.low
    scale = np.full(problem.n_free, 0.3)
    scale[0] = 0.05 * spread
    start = z[int(target.argmax())]
    mode, hessian, _ = climb(
        problem.log_target, start, scale, n_iterations=30, tolerance=1e-4
    )
    wide = np.maximum(z.std(axis=0), 1e-9)  # never wider than the prior
    eigen, axes = np.linalg.eigh(-hessian * np.outer(wide, wide))
    eigen = np.maximum(eigen, 0.25)
    root = wide[:, None] * axes / np.sqrt(eigen)
    return mode, _WIDEN * root @ root.T


def _draw_t(
    mean: np.ndarray, root: np.ndarray, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Multivariate t draws (n, n_free) from evenly spread points."""
    d = len(mean)
    u = spread_points(n, d, rng)
    radius = np.sqrt(_DF / rng.chisquare(_DF, size=(n, 1)))
    return mean + (ndtri(u) * radius) @ root.T


def _log_t(z: np.ndarray, mean: np.ndarray, root: np.ndarray) -> np.ndarray:
    d = len(mean)
    distance = (((z - mean) @ np.linalg.inv(root).T) ** 2).sum(axis=1)
    constant = gammaln((_DF + d) / 2) - gammaln(_DF / 2) - d / 2 * np.log(_DF * np.pi)
    volume = np.log(np.diag(root)).sum()
    return np.asarray(constant - volume - (_DF + d) / 2 * np.log1p(distance / _DF))


def _log_mixture(
    problem: Problem, z: np.ndarray, proposals: list[Proposal]
) -> np.ndarray:
    """Log of the summed proposal densities, each times its number of draws."""
    log_prior = problem.log_prior(problem.natural(z)) + problem.log_jacobian(z)
    parts = [np.log(_FROM_PRIOR) + log_prior]
    parts += [np.log(_PER_ROUND) + _log_t(z, *proposal) for proposal in proposals]
    return np.asarray(np.logaddexp.reduce(np.stack(parts), axis=0))


def _normalized(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights that sum to 1, and the log of their sum before."""
    top = log_weights.max()
    weights = np.exp(log_weights - top)
    total = weights.sum()
    return weights / total, float(top + np.log(total))


def _moments(z: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and widened covariance, kept positive definite."""
    mean = weights @ z
    centred = z - mean
    covariance = (centred * weights[:, None]).T @ centred
    floor = 1e-12 + 1e-6 * np.diag(covariance)
    return mean, _WIDEN * covariance + np.diag(floor)


def find_map(
    problem: Problem, draws: Draws
) -> tuple[Float[np.ndarray, " five"], float, bool]:
    """Posterior mode in natural units, from the best of the draws.

    Rates are climbed as squares: a mode at rate 0 is then a smooth maximum and is
    reported as exactly 0.

    Parameters
    ----------
    problem : Problem
    draws : Draws

    Returns
    -------
    theta : array of shape (5,)
        The mode, columns as in `NATURAL`.
    log_density : float
        Unnormalized log posterior density there.
    converged : bool
    """
    density = np.where(draws.weights > 0, problem.log_posterior(draws.theta), -np.inf)
    start = draws.theta[int(density.argmax())][problem.free_columns]
    start[1] = np.log(start[1])
    start[2:] = np.sqrt(start[2:])
    scale = np.full(problem.n_free, 0.05)
    scale[0] = 0.01 * (problem.prior.high - problem.prior.low)
    mode, _, converged = climb(
        lambda v: problem.log_posterior(problem.rooted(v)), start, scale
    )
    theta = problem.rooted(mode[None])[0]
    theta[2:][theta[2:] < _ZERO] = 0.0
    return theta, float(problem.log_posterior(theta[None])[0]), converged
