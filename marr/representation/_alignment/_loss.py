"""Alignment as a loss: raise (or lower) how alike a layer is to a target, in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marr.errors import ContractError, check_known

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["LOSSES", "alignment_loss"]

LEAST_ROWS = 4


def alignment_loss(x: Tensor, y: Tensor, *, measure: str = "cka") -> Tensor:
    """Return a differentiable loss that falls as two representations become alike.

    Parameters
    ----------
    x, y : Tensor of shape (n_rows, n_units) and (n_rows, n_other_units)
        Activity of a batch in the layer that is trained, and in the target (a recording,
        or another model; detach what must not move). More axes are flattened into units.
    measure : str
        "cka", "cka_biased", "cka_rbf", "cka_rbf_biased", "rsa", "rsa_euclidean", "nbs"
        (loss: 1 minus the score) or "procrustes" (loss: the angle in radians).

    Returns
    -------
    Tensor
        A scalar of the dtype of `x`; the numbers behind it equal those of
        `ALIGNMENT_MEASURES`.

    Raises
    ------
    ContractError
        If rows differ, are fewer than four, or a representation is constant.
    OptionError
        If the measure is unknown or has no useful gradient.

    Notes
    -----
    Score the result on stimuli that were not trained, and behavior beside it: raising the
    alignment of a layer need not make behavior alike. A batch holds few rows, where the
    biased measures reward mere dimension; "cka" does not. Minus the loss lowers alignment.
    The angle of "procrustes" has no gradient at exactly 0.

    Examples
    --------
    >>> import torch
    >>> from marr.representation import alignment_loss
    >>> x = torch.randn(32, 8, generator=torch.Generator().manual_seed(0))
    >>> bool(alignment_loss(x, 2 * x.flip(1) + 1) < 1e-6)
    True
    """
    check_known("measure", measure, LOSSES, what="alignment loss")
    if len(x) != len(y):
        msg = f"x and y must have the same rows; got {len(x)} and {len(y)}."
        raise ContractError(msg)
    if len(x) < LEAST_ROWS:
        msg = (
            f"an alignment loss needs at least {LEAST_ROWS} rows a batch; got {len(x)}."
        )
        raise ContractError(msg)
    x, y = x.flatten(1), y.flatten(1).to(x.dtype)
    for name, values in (("x", x), ("y", y)):
        spread = (values - values.mean(dim=0)).detach().abs().max()
        if not bool(spread > 0):
            msg = f"{name} is the same in all rows of the batch: nothing can be alike to it."
            raise ContractError(msg)
    return LOSSES[measure](x, y)


def _gram(x: Tensor) -> Tensor:
    centered = x - x.mean(dim=0)
    return centered @ centered.T


def _squared_distances(x: Tensor) -> Tensor:
    k = _gram(x)
    own = k.diagonal()
    return (own[:, None] + own - 2 * k).clamp(min=0.0)


def _rbf(x: Tensor) -> Tensor:
    d = _squared_distances(x)
    ordered = d.detach()[d.detach() > 0].sort().values
    middle = (len(ordered) - 1) // 2, len(ordered) // 2
    width = (ordered[middle[0]] + ordered[middle[1]]) / 2
    return (-d / (2 * width)).exp()


def _centered(k: Tensor) -> Tensor:
    mean = k.mean(dim=0)
    return k - mean - mean[:, None] + mean.mean()


def _u_centered(k: Tensor) -> Tensor:
    """Zero the diagonal and center without bias (Song et al. 2012)."""
    n = len(k)
    k = k - k.diagonal().diag()
    rows = k.sum(dim=0) / (n - 2)
    total = k.sum() / ((n - 1) * (n - 2))
    k = k - rows - rows[:, None] + total
    return k - k.diagonal().diag()


def _similarity(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum() / (a.square().sum() * b.square().sum()).sqrt()


def _cka(
    kernel: Callable[[Tensor], Tensor], center: Callable[[Tensor], Tensor]
) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        return 1 - _similarity(center(kernel(x)), center(kernel(y)))

    return loss


def _correlation_distances(x: Tensor) -> Tensor:
    centered = x - x.mean(dim=1, keepdim=True)
    z = centered / centered.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return 1 - z @ z.T


def _rsa(distances: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        import torch

        rows, columns = torch.triu_indices(len(x), len(x), offset=1)
        a, b = (distances(v)[rows, columns] for v in (x, y))
        return 1 - _similarity(a - a.mean(), b - b.mean())

    return loss


def _shape_cosine(x: Tensor, y: Tensor) -> Tensor:
    import torch

    a, b = x - x.mean(dim=0), y - y.mean(dim=0)
    return torch.linalg.svdvals(a.T @ b).sum() / (a.norm() * b.norm())


def _procrustes(x: Tensor, y: Tensor) -> Tensor:
    cosine = _shape_cosine(x, y)
    return (1 - cosine).clamp(min=0).sqrt().mul(0.5**0.5).asin().mul(2)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cka": _cka(_gram, _u_centered),
    "cka_biased": _cka(_gram, _centered),
    "cka_rbf": _cka(_rbf, _u_centered),
    "cka_rbf_biased": _cka(_rbf, _centered),
    "rsa": _rsa(_correlation_distances),
    "rsa_euclidean": _rsa(_squared_distances),
    "nbs": lambda x, y: 1 - _shape_cosine(x, y),
    "procrustes": _procrustes,
}
"""Losses by the name of their alignment measure."""
