"""Multinomial logistic regression, many problems at once, by Newton's method.

Shapes: ``n`` trials, ``p`` units, ``c`` classes, ``q`` problems that share the units
(folds, label shuffles); problems come last, so that every product is one matrix product
over all of them and sums over classes run along memory. Minimizes
``sum(weight * cross-entropy) + ridge / 2 ||w||^2`` with unpenalized intercepts. Newton
steps come from conjugate gradients, preconditioned by a curvature that all problems share.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["fit"]

_Apply = Callable[[Tensor], Tensor]


def fit(
    x: Float[Tensor, "n p"],
    y: Float[Tensor, "n c q"],
    weight: Float[Tensor, "n q"],
    ridge: Float[Tensor, "p q"],
    tolerance: float,
    max_iterations: int,
) -> tuple[Float[Tensor, "p c q"], Float[Tensor, "c q"], Bool[Tensor, " q"]]:
    """Weights, intercepts, and whether each problem converged.

    Parameters are the one-hot classes `y`, the weight of each trial (0 when held out)
    and the penalty of each unit. Converged means that the gradient fell below
    `tolerance` times its size at the start, or to rounding.
    """
    mean = x.mean(0, keepdim=True)
    x = x - mean
    theta = x.new_zeros(x.shape[1] + 1, *y.shape[1:])
    precondition = _preconditioner(x, weight, ridge, y.shape[1])
    state = _objective(x, y, weight, ridge, theta)
    goal = tolerance * _norm(state[1]).clamp(min=1e-300)
    for _ in range(max_iterations):
        active = _norm(state[1]) > goal
        if not active.any():
            break
        step = _newton_step(x, weight, ridge, state, precondition, active)
        theta, state, moved = _line_search(
            x, y, weight, ridge, theta, step, state, active
        )
        if not moved.any():
            break
    done = _norm(state[1]) <= torch.maximum(goal, 1e-9 * weight.sum(0))
    w, b = theta[:-1], theta[-1] - theta[-1].mean(0)
    return w, b - torch.tensordot(mean[0], w, 1), done


def _logits(
    x: Float[Tensor, "n p"], theta: Float[Tensor, "p1 c q"]
) -> Float[Tensor, "n c q"]:
    return torch.tensordot(x, theta[:-1], 1).add_(theta[-1])


def _back(
    x: Float[Tensor, "n p"], r: Float[Tensor, "n c q"]
) -> Float[Tensor, "p1 c q"]:
    return torch.cat([torch.tensordot(x.mT, r, 1), r.sum(0, keepdim=True)])


def _objective(
    x: Float[Tensor, "n p"],
    y: Float[Tensor, "n c q"],
    weight: Float[Tensor, "n q"],
    ridge: Float[Tensor, "p q"],
    theta: Float[Tensor, "p1 c q"],
) -> tuple[Float[Tensor, " q"], Float[Tensor, "p1 c q"], Float[Tensor, "n c q"]]:
    """Loss, gradient and class probabilities."""
    logits = _logits(x, theta)
    logits = logits - logits.amax(1, keepdim=True)
    prob = logits.exp()
    total = prob.sum(1, keepdim=True)
    prob = prob / total
    chosen = (y * logits).sum(1) - total[:, 0].log()
    w = theta[:-1]
    loss = 0.5 * (ridge * w.square().sum(1)).sum(0) - (weight * chosen).sum(0)
    grad = _back(x, weight[:, None] * (prob - y))
    grad[:-1] += ridge[:, None] * w
    return loss, grad, prob


def _newton_step(
    x: Float[Tensor, "n p"],
    weight: Float[Tensor, "n q"],
    ridge: Float[Tensor, "p q"],
    state: tuple[Tensor, Tensor, Tensor],
    precondition: _Apply,
    active: Bool[Tensor, " q"],
) -> Float[Tensor, "p1 c q"]:
    """Solve ``H d = -g`` by preconditioned conjugate gradients, all problems at once."""
    _, grad, prob = state
    weighted = weight[:, None] * prob
    damp = 1e-12 * weight.sum(0)

    def hessian(d: Tensor) -> Tensor:
        move = _logits(x, d)
        move = move - (prob * move).sum(1, keepdim=True)
        out = _back(x, weighted * move) + damp * d
        out[:-1] += ridge[:, None] * d[:-1]
        return out

    d = torch.zeros_like(grad)
    r = -grad * active
    z = precondition(r)
    s, rz = z, (r * z).sum((0, 1))
    first = _norm(r)
    goal = first * torch.clamp(first / weight.sum(0), 1e-8, 0.1)
    for _ in range(min(200, grad[..., 0].numel())):
        hs = hessian(s)
        curve = (s * hs).sum((0, 1))
        go = (_norm(r) > goal) & (curve > 0)
        if not go.any():
            break
        alpha = torch.where(go, rz / curve.clamp(min=1e-300), 0)
        d, r = d + alpha * s, r - alpha * hs
        z = precondition(r)
        new = (r * z).sum((0, 1))
        s = z + torch.where(go, new / rz.clamp(min=1e-300), 0) * s
        rz = new
    return d


def _line_search(
    x: Float[Tensor, "n p"],
    y: Float[Tensor, "n c q"],
    weight: Float[Tensor, "n q"],
    ridge: Float[Tensor, "p q"],
    theta: Float[Tensor, "p1 c q"],
    step: Float[Tensor, "p1 c q"],
    state: tuple[Tensor, Tensor, Tensor],
    active: Bool[Tensor, " q"],
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor], Bool[Tensor, " q"]]:
    """Halve the step of each problem until its loss falls enough."""
    loss, grad, _ = state
    slope = (grad * step).sum((0, 1))
    size = active.to(theta.dtype)
    for _ in range(40):
        trial = theta + size * step
        found = _objective(x, y, weight, ridge, trial)
        good = found[0] <= loss + 1e-4 * size * slope + 1e-13 * loss.abs()
        if good.all():
            break
        size = torch.where(good, size, size / 2)
    keep = good & active
    loss, grad, prob = (
        torch.where(keep, new, old) for new, old in zip(found, state, strict=True)
    )
    return torch.where(keep, trial, theta), (loss, grad, prob), keep


def _preconditioner(
    x: Float[Tensor, "n p"],
    weight: Float[Tensor, "n q"],
    ridge: Float[Tensor, "p q"],
    n_classes: int,
) -> _Apply:
    """Apply the inverse of ``s X'X + ridge``, s a typical curvature of the softmax."""
    n, p = x.shape
    share = float(weight.mean()) / n_classes
    floor = 1e-10 * float(x.square().sum(0).mean()) + 1e-300
    typical = ridge.mean(1).clamp(min=floor)
    if p <= n:
        root = torch.linalg.cholesky(share * x.mT @ x + typical.diag())

        def solve(flat: Tensor) -> Tensor:
            return torch.cholesky_solve(flat, root)
    else:  # Woodbury: n by n
        inner = x / typical
        eye = torch.eye(n, dtype=x.dtype, device=x.device)
        root = torch.linalg.cholesky(eye / share + inner @ x.mT)

        def solve(flat: Tensor) -> Tensor:
            thin = torch.cholesky_solve(inner @ flat, root)
            return flat / typical[:, None] - inner.mT @ thin

    def apply(r: Tensor) -> Tensor:
        w = solve(r[:-1].reshape(p, -1)).reshape(p, *r.shape[1:])
        return torch.cat([w, r[-1:] / (share * n)])

    return apply


def _norm(grad: Float[Tensor, "p1 c q"]) -> Float[Tensor, " q"]:
    return grad.square().sum((0, 1)).sqrt()
