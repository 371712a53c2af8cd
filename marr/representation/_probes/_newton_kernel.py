"""Logistic and support vector probes, many problems at once, along a path of penalties.

Each problem minimizes, in the standardized units z of its training rows::

    sum_i weight_i loss(f_i) + penalty / 2 ||w||^2,    f_i = z_i w + intercept

with weights that sum to one and an intercept that is not penalized. Problems are the
splits and draws of each time. They share the activity, so that all of them cost one matrix
product a step, and the curvature of the loss averaged over them, factorized once for each
penalty: it preconditions a quasi-Newton descent (L-BFGS), which learns what is particular
to a problem. Penalties run from strong to weak and each starts where the last one ended.

Shapes: times T, rows N, units P, splits S, draws D, outputs O coupled by the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from marr.representation._probes._loss_kernel import Loss
from marr.representation._probes._moments_kernel import Problem, Standard

__all__ = ["Margins", "State", "descend", "raw_weights", "start"]

MEMORY = 6
"""Steps that the quasi-Newton descent remembers."""


class Margins(NamedTuple):
    """What every step of the descent shares."""

    full: Tensor  # (T, N, P + nuisances)
    y: Tensor  # (1 or T, N, 1, D, O)
    weight: Tensor  # (1 or T, N, S, D), 0 for rows outside of training
    mean: Tensor  # (T, P, S)
    unscale: Tensor  # (T, P, S)
    design_mean: Tensor | None  # (T, nuisances, S)
    coef: Tensor | None  # (T, nuisances, P, S)


class State(NamedTuple):
    """Where the descent is: weights and intercept, outputs, objective and its gradient."""

    phi: Tensor  # (T, P + 1, S, D, O)
    f: Tensor  # (T, N, S, D, O)
    value: Tensor  # (T, S, D)
    grad: Tensor  # (T, P + 1, S, D, O)


def start(
    problem: Problem, y: Tensor, weight: Tensor, standards: list[Standard]
) -> Margins:
    """Arrange a problem; targets `y` and weights as in `Margins`."""
    full, design_mean, coef = problem.x, None, None
    if problem.design is not None:
        design = problem.design.expand(len(full), -1, -1)
        full = torch.cat([full, design], dim=2)
        effects = [s.design for s in standards if s.design is not None]
        wide = [e.mean.expand(len(full), -1, -1) for e in effects]
        design_mean = torch.stack([m[:, 0] for m in wide], dim=-1)
        coef = torch.stack([e.coef for e in effects], dim=-1)
    mean = torch.stack([s.mean[:, 0] for s in standards], dim=-1)
    unscale = torch.stack([s.unscale[:, 0] for s in standards], dim=-1)
    return Margins(full, y, weight, mean, unscale, design_mean, coef)


def logits(at: Margins, phi: Tensor) -> Tensor:
    """Return the outputs (T, N, S, D, O) of weights and intercepts."""
    raw, bias = raw_weights(at, phi)
    flat = at.full @ raw.flatten(2)
    return flat.reshape(*flat.shape[:2], *phi.shape[2:]) + bias[:, None]


def raw_weights(at: Margins, phi: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights on activity (and nuisances) as given, and the intercept."""
    raw = phi[:, :-1] * at.unscale[..., None, None]
    bias = phi[:, -1] - (at.mean[..., None, None] * raw).sum(dim=1)
    if at.coef is not None and at.design_mean is not None:
        moved = -torch.einsum("tqps,tpsdo->tqsdo", at.coef, raw)
        bias = bias - (at.design_mean[..., None, None] * moved).sum(dim=1)
        raw = torch.cat([raw, moved], dim=1)
    return raw, bias


def _back(at: Margins, r: Tensor) -> Tensor:
    """Return the gradient in weights and intercept of a slope in outputs."""
    flat = at.full.mT @ r.flatten(2)
    back = flat.reshape(*flat.shape[:2], *r.shape[2:])
    total = r.sum(dim=1, keepdim=True)
    n_units = at.mean.shape[1]
    inside = back[:, :n_units] - at.mean[..., None, None] * total
    if at.coef is not None and at.design_mean is not None:
        effect = back[:, n_units:] - at.design_mean[..., None, None] * total
        inside = inside - torch.einsum("tqps,tqsdo->tpsdo", at.coef, effect)
    return torch.cat([inside * at.unscale[..., None, None], total], dim=1)


def evaluate(at: Margins, loss: Loss, penalty: float, phi: Tensor, f: Tensor) -> State:
    """Return the objective and its gradient."""
    value, slope = loss.slope(f, at.y)
    grad = _back(at, at.weight[..., None] * slope)
    grad[:, :-1] += penalty * phi[:, :-1]
    return State(phi, f, _value(at, penalty, phi, value), grad)


def _value(at: Margins, penalty: float, phi: Tensor, value: Tensor) -> Tensor:
    size = phi[:, :-1].square().sum(dim=(1, 4))
    return (at.weight * value).sum(dim=1) + 0.5 * penalty * size


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(1, 4))


def _over(values: Tensor) -> Tensor:
    """Bring (T, S, D) over weights (T, P + 1, S, D, O)."""
    return values[:, None, :, :, None]


def descend(
    at: Margins,
    loss: Loss,
    penalty: float,
    phi: Tensor,
    f: Tensor,
    *,
    live: Tensor | None = None,
    tolerance: float = 1e-8,
    max_steps: int = 60,
    renew: int = 20,
) -> tuple[State, Bool[Tensor, "times splits draws"]]:
    """Minimize the objective from where `phi`, with outputs `f`, is.

    Parameters
    ----------
    at, loss : Margins, Loss
        The problems.
    penalty : float
        Penalty, the same for all problems.
    phi, f : tensors
        Start, see `State`.
    live : bool tensor of shape (n_times, n_splits, n_draws), optional
        Problems that are wanted; the others stay where they are.
    tolerance : float
        Gap to the minimum, relative to the objective, at which a problem rests; judged
        by the quadratic model of the step.
    max_steps : int
        Steps of the quasi-Newton descent.
    renew : int
        Steps after which the curvature is renewed. With 1 it is that of the point itself:
        Newton's method. Problems that do not settle otherwise get it, each alone.

    Returns
    -------
    state, converged : State, bool tensor of shape (n_times, n_splits, n_draws)
    """
    state = evaluate(at, loss, penalty, phi, f)
    active = torch.ones_like(state.value, dtype=torch.bool)
    for step in range(max_steps):
        if step % renew == 0:
            newton = curvature(at, loss, penalty, state, exact=renew == 1)
            memory: list[tuple[Tensor, Tensor, Tensor]] = []
        direction = _direction(state.grad, memory, newton)
        slope = _dot(state.grad, direction)
        active = -0.5 * slope > tolerance * state.value.clamp(min=1e-12)
        active = active if live is None else active & live
        if not active.any():
            break
        direction = direction * _over(active)
        moved, new = _search(at, loss, penalty, state, direction, slope * active)
        change = new.grad - state.grad
        product = _dot(moved, change)
        useful = product > 1e-12 * _dot(change, change).sqrt() * _dot(
            moved, moved
        ).sqrt().clamp(min=1e-300)
        inverse = torch.where(useful, 1.0 / product.clamp(min=1e-300), 0.0)
        memory = [*memory[-(MEMORY - 1) :], (moved, change, inverse)]
        stuck = (new.value >= state.value) & active
        state = new
        if bool((stuck | ~active).all()):
            break
    if renew > 1 and bool(active.any()):
        return _alone(at, loss, penalty, state, active, tolerance)
    return state, ~active


def _alone(
    at: Margins,
    loss: Loss,
    penalty: float,
    state: State,
    active: Bool[Tensor, "times splits draws"],
    tolerance: float,
) -> tuple[State, Bool[Tensor, "times splits draws"]]:
    """Finish problems that do not settle together by Newton's method, one by one."""
    settled = ~active
    for t, s, d in active.nonzero().tolist():
        when, split, draw = (slice(k, k + 1) for k in (t, s, d))
        one = Margins(
            at.full[when],
            (at.y if len(at.y) == 1 else at.y[when])[:, :, :, draw],
            (at.weight if len(at.weight) == 1 else at.weight[when])[..., split, draw],
            at.mean[when][..., split],
            at.unscale[when][..., split],
            None if at.design_mean is None else at.design_mean[when][..., split],
            None if at.coef is None else at.coef[when][..., split],
        )
        place = (when, slice(None), split, draw)
        phi, f = state.phi[place], state.f[place]
        found, done = descend(
            one, loss, penalty, phi, f, tolerance=tolerance, max_steps=200, renew=1
        )
        state.phi[place], state.f[place] = found.phi, found.f
        state.value[when, split, draw] = found.value
        state.grad[place] = found.grad
        settled[t, s, d] = bool(done)
    return state, settled


def _direction(
    grad: Tensor,
    memory: list[tuple[Tensor, Tensor, Tensor]],
    newton: Callable[[Tensor], Tensor],
) -> Tensor:
    """Two-loop recursion around the shared curvature."""
    q, shares = grad, []
    for moved, change, inverse in reversed(memory):
        share = _over(inverse * _dot(moved, q))
        q = q - share * change
        shares.append(share)
    q = newton(q)
    for (moved, change, inverse), share in zip(memory, reversed(shares), strict=True):
        q = q + (share - _over(inverse * _dot(change, q))) * moved
    return -q


def _search(
    at: Margins,
    loss: Loss,
    penalty: float,
    state: State,
    direction: Tensor,
    slope: Tensor,
) -> tuple[Tensor, State]:
    """Halve the step of each problem until its objective falls enough."""
    moved_f = logits(at, direction)
    size = torch.ones_like(slope)
    slack = 1e-14 * state.value.abs()
    for _ in range(30):
        phi = state.phi + _over(size) * direction
        f = state.f + _over(size) * moved_f
        value, outputs = loss.slope(f, at.y)
        total = _value(at, penalty, phi, value)
        good = total <= state.value + 1e-4 * size * slope.clamp(max=0.0) + slack
        if good.all():
            break
        size = torch.where(good, size, size / 2)
    size = torch.where(good, size, 0.0)
    if not good.all():
        phi = state.phi + _over(size) * direction
        f = state.f + _over(size) * moved_f
        value, outputs = loss.slope(f, at.y)
        total = _value(at, penalty, phi, value)
    grad = _back(at, at.weight[..., None] * outputs)
    grad[:, :-1] += penalty * phi[:, :-1]
    return _over(size) * direction, State(phi, f, total, grad)


def curvature(
    at: Margins, loss: Loss, penalty: float, state: State, *, exact: bool
) -> Callable[[Tensor], Tensor]:
    """Return the inverse of the curvature averaged over problems, as a function."""
    each = at.weight[..., None] * loss.curvature(state.f, at.y, exact)
    kappa = each.mean(dim=(2, 3))
    z = _shared_rows(at)
    outputs = range(kappa.shape[-1])
    factors = [_factor(z, kappa[..., o], penalty) for o in outputs]

    def newton(grad: Tensor) -> Tensor:
        solved = [
            factor(grad[..., o]) for o, factor in zip(outputs, factors, strict=True)
        ]
        return torch.stack(solved, dim=-1)

    return newton


def _shared_rows(at: Margins) -> Float[Tensor, "T N P"]:
    """Return rows standardized as the average problem does."""
    n_units = at.mean.shape[1]
    z = at.full[..., :n_units]
    if at.coef is not None:
        z = z - at.full[..., n_units:] @ at.coef.mean(dim=-1)
    return (z - at.mean.mean(dim=-1)[:, None]) * at.unscale.mean(dim=-1)[:, None]


def _factor(z: Tensor, kappa: Tensor, penalty: float) -> Callable[[Tensor], Tensor]:
    """Factorize ``z' diag(kappa) z + penalty`` with its free intercept eliminated."""
    n_rows, n_units = z.shape[1:]
    total = kappa.sum(dim=1).clamp(min=1e-12)[:, None, None]
    center = kappa[:, None] @ z / total  # (T, 1, P)
    weighed = (z - center) * kappa.sqrt()[..., None]
    if n_units <= n_rows:
        eye = torch.eye(n_units, dtype=z.dtype, device=z.device)
        root = torch.linalg.cholesky(weighed.mT @ weighed + penalty * eye)
    else:
        eye = torch.eye(n_rows, dtype=z.dtype, device=z.device)
        root = torch.linalg.cholesky(weighed @ weighed.mT + penalty * eye)

    def solve(grad: Tensor) -> Tensor:
        flat = grad.flatten(2)  # (T, P + 1, problems)
        last = flat[:, -1:]
        inside = flat[:, :-1] - center.mT * last
        if n_units <= n_rows:
            w = torch.cholesky_solve(inside, root)
        else:
            w = inside - weighed.mT @ torch.cholesky_solve(weighed @ inside, root)
            w = w / penalty
        b = last / total - center @ w
        return torch.cat([w, b], dim=1).reshape(grad.shape)

    return solve
