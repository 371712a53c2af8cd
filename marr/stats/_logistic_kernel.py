"""Multinomial logistic regression, many problems at once, by Newton's method.

Shapes: ``n`` trials, ``p`` units, ``q`` problems that share the units (folds, label
shuffles), ``c`` classes. Minimizes ``sum(weight * cross-entropy) + penalty / 2 ||w||^2``
with unpenalized intercepts. Newton steps come from conjugate gradients, preconditioned
by the bound of the Hessian that all problems share, so that every product is one matrix
product over all problems.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["fit"]


def fit(
    x: Float[Tensor, "n p"],
    y: Float[Tensor, "q n c"],
    weight: Float[Tensor, "q n"],
    ridge: Float[Tensor, "q p"],
    tolerance: float,
    max_iterations: int,
) -> tuple[Float[Tensor, "q p c"], Float[Tensor, "q c"], Bool[Tensor, " q"]]:
    """Weights, intercepts, and whether each problem converged.

    Parameters are the one-hot classes `y`, the weight of each trial (0 when held out)
    and the penalty of each unit. Converged means that the gradient fell below
    `tolerance` times its size at the start.
    """
    mean = x.mean(0, keepdim=True)
    x = x - mean
    theta = x.new_zeros(len(y), x.shape[1] + 1, y.shape[2])
    precondition = _preconditioner(x, weight, ridge, y.shape[2])
    loss, grad, prob = _objective(x, y, weight, ridge, theta)
    goal = tolerance * _norm(grad).clamp(min=1e-300)
    for _ in range(max_iterations):
        size = _norm(grad)
        active = size > goal
        if not active.any():
            break
        step = _newton_step(x, weight, ridge, prob, grad, precondition, active)
        theta, loss, grad, prob, moved = _line_search(
            x, y, weight, ridge, theta, step, loss, grad, prob, active
        )
        if not moved.any():
            break
    done = _norm(grad) <= torch.maximum(goal, 1e-9 * weight.sum(1))
    w, b = theta[:, :-1], theta[:, -1]
    b = b - b.mean(1, keepdim=True)
    return w, b - (mean @ w)[:, 0], done


def _logits(
    x: Float[Tensor, "n p"], theta: Float[Tensor, "q p1 c"]
) -> Float[Tensor, "q n c"]:
    q, p1, c = theta.shape
    flat = theta[:, :-1].transpose(0, 1).reshape(p1 - 1, q * c)
    return (x @ flat).reshape(len(x), q, c).transpose(0, 1) + theta[:, -1:]


def _back(
    x: Float[Tensor, "n p"], r: Float[Tensor, "q n c"]
) -> Float[Tensor, "q p1 c"]:
    q, n, c = r.shape
    flat = x.mT @ r.transpose(0, 1).reshape(n, q * c)
    w = flat.reshape(x.shape[1], q, c).transpose(0, 1)
    return torch.cat([w, r.sum(1, keepdim=True)], 1)


def _objective(
    x: Float[Tensor, "n p"],
    y: Float[Tensor, "q n c"],
    weight: Float[Tensor, "q n"],
    ridge: Float[Tensor, "q p"],
    theta: Float[Tensor, "q p1 c"],
) -> tuple[Float[Tensor, " q"], Float[Tensor, "q p1 c"], Float[Tensor, "q n c"]]:
    logits = _logits(x, theta)
    log_prob = logits - logits.logsumexp(2, keepdim=True)
    w = theta[:, :-1]
    loss = -(weight[..., None] * y * log_prob).sum((1, 2))
    loss = loss + 0.5 * (ridge[..., None] * w.square()).sum((1, 2))
    prob = log_prob.exp()
    grad = _back(x, weight[..., None] * (prob - y))
    grad[:, :-1] += ridge[..., None] * w
    return loss, grad, prob


def _newton_step(
    x: Float[Tensor, "n p"],
    weight: Float[Tensor, "q n"],
    ridge: Float[Tensor, "q p"],
    prob: Float[Tensor, "q n c"],
    grad: Float[Tensor, "q p1 c"],
    precondition: Callable[[Tensor], Tensor],
    active: Bool[Tensor, " q"],
) -> Float[Tensor, "q p1 c"]:
    """Solve ``H d = -g`` by preconditioned conjugate gradients, all problems at once."""
    damp = 1e-12 * weight.sum(1)[:, None, None]

    def hessian(d: Tensor) -> Tensor:
        move = _logits(x, d)
        curve = prob * (move - (prob * move).sum(2, keepdim=True))
        out = _back(x, weight[..., None] * curve) + damp * d
        out[:, :-1] += ridge[..., None] * d[:, :-1]
        return out

    d = torch.zeros_like(grad)
    r = -grad * active[:, None, None]
    z = precondition(r)
    s, rz = z, (r * z).sum((1, 2))
    first = _norm(r)
    goal = first * torch.clamp(first / weight.sum(1), 1e-8, 0.1)
    for _ in range(min(200, grad[0].numel())):
        hs = hessian(s)
        curve = (s * hs).sum((1, 2))
        go = (_norm(r) > goal) & (curve > 0)
        if not go.any():
            break
        alpha = torch.where(go, rz / curve.clamp(min=1e-300), 0)[:, None, None]
        d, r = d + alpha * s, r - alpha * hs
        z = precondition(r)
        new = (r * z).sum((1, 2))
        beta = torch.where(go, new / rz.clamp(min=1e-300), 0)
        s, rz = z + beta[:, None, None] * s, new
    return d


def _line_search(
    x: Tensor,
    y: Tensor,
    weight: Tensor,
    ridge: Tensor,
    theta: Tensor,
    step: Tensor,
    loss: Tensor,
    grad: Tensor,
    prob: Tensor,
    active: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Halve the step of each problem until its loss falls enough."""
    slope = (grad * step).sum((1, 2))
    size = active.to(theta.dtype)
    for _ in range(40):
        trial = theta + size[:, None, None] * step
        new_loss, new_grad, new_prob = _objective(x, y, weight, ridge, trial)
        slack = 1e-13 * loss.abs()
        good = new_loss <= loss + 1e-4 * size * slope + slack
        if good.all():
            break
        size = torch.where(good, size, size / 2)
    keep = (good & active)[:, None, None]
    return (
        torch.where(keep, trial, theta),
        torch.where(good & active, new_loss, loss),
        torch.where(keep, new_grad, grad),
        torch.where(keep, new_prob, prob),
        good & active,
    )


def _preconditioner(
    x: Float[Tensor, "n p"],
    weight: Float[Tensor, "q n"],
    ridge: Float[Tensor, "q p"],
    n_classes: int,
) -> Callable[[Tensor], Tensor]:
    """Apply the inverse of ``s X'X + ridge``, s a typical curvature of the softmax."""
    q, n = weight.shape
    share = float(weight.mean()) / n_classes
    mean_ridge = ridge.mean(0).clamp(
        min=1e-10 * float(x.square().sum(0).mean()) + 1e-300
    )
    inner = x / mean_ridge
    if x.shape[1] <= n:
        root = torch.linalg.cholesky(share * x.mT @ x + mean_ridge.diag())

        def solve(flat: Tensor) -> Tensor:
            return torch.cholesky_solve(flat, root)
    else:  # Woodbury: n by n
        eye = torch.eye(n, dtype=x.dtype, device=x.device)
        root = torch.linalg.cholesky(eye / share + inner @ x.mT)

        def solve(flat: Tensor) -> Tensor:
            thin = torch.cholesky_solve(inner @ flat, root)
            return flat / mean_ridge[:, None] - inner.mT @ thin

    total = share * n

    def apply(r: Tensor) -> Tensor:
        p1, c = r.shape[1:]
        flat = r[:, :-1].transpose(0, 1).reshape(p1 - 1, q * c)
        w = solve(flat).reshape(p1 - 1, q, c).transpose(0, 1)
        return torch.cat([w, r[:, -1:] / total], 1)

    return apply


def _norm(grad: Float[Tensor, "q p1 c"]) -> Float[Tensor, " q"]:
    return grad.square().sum((1, 2)).sqrt()
