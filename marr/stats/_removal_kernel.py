"""Closed-form removal of units from a ridge fit.

Shapes: ``n`` training trials, ``m`` test trials, ``p`` units, ``t`` targets.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Removal", "prepare", "without_each", "without_set"]


class Removal:
    """A fitted fold from which units can be taken out.

    With ``A = (X'X + penalty I)^-1`` and ``w = A X'y``, the fit without the units J is
    ``w - A[:, J] A[J, J]^-1 w[J]``. For fewer trials than units A is never formed:
    ``A = (I - X'(XX' + penalty I)^-1 X) / penalty``.
    """

    def __init__(
        self,
        x: Float[Tensor, "n p"],
        y: Float[Tensor, "n t"],
        x_test: Float[Tensor, "m p"],
        penalty: float,
    ) -> None:
        n, p = x.shape
        eye = torch.eye(min(n, p), dtype=x.dtype, device=x.device)
        self.dual = p > n
        self.penalty = penalty
        if self.dual:
            root = torch.linalg.cholesky(x @ x.mT + penalty * eye)
            self.x, self.smooth = x, torch.cholesky_solve(x, root)
            self.weights = self.smooth.mT @ y
            self.reach = (x_test - (x_test @ x.mT) @ self.smooth) / penalty  # X_test A
            self.diagonal = (1 - (x * self.smooth).sum(0)) / penalty
        else:
            root = torch.linalg.cholesky(x.mT @ x + penalty * eye)
            self.inverse = torch.cholesky_inverse(root)
            self.weights = self.inverse @ (x.mT @ y)
            self.reach = x_test @ self.inverse
            self.diagonal = self.inverse.diagonal()
        self.full = x_test @ self.weights

    def block(self, units: Int[Tensor, " j"]) -> Float[Tensor, "j j"]:
        """Rows and columns of A."""
        if not self.dual:
            return self.inverse[units][:, units]
        eye = torch.eye(len(units), dtype=self.x.dtype, device=self.x.device)
        return (eye - self.x[:, units].mT @ self.smooth[:, units]) / self.penalty


def prepare(
    x: Float[Tensor, "n p"],
    y: Float[Tensor, "n t"],
    x_test: Float[Tensor, "m p"],
    penalty: float,
) -> Removal:
    """Factorize one fold; x, y and x_test are centered by training."""
    return Removal(x, y, x_test, penalty)


def without_each(fold: Removal) -> Float[Tensor, "p m t"]:
    """Test predictions without each unit in turn."""
    drop = fold.weights / fold.diagonal[:, None]
    return fold.full - fold.reach.mT[:, :, None] * drop[:, None, :]


def without_set(fold: Removal, units: Int[Tensor, " j"]) -> Float[Tensor, "m t"]:
    """Test predictions without a set of units."""
    drop = torch.linalg.solve(fold.block(units), fold.weights[units])
    return fold.full - fold.reach[:, units] @ drop
