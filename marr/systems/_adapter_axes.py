"""From a raw tensor of a model to (trial, time, unit) and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

import pandas as pd

from marr.errors import HookError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SITE_DIMS", "Axes", "checked_dims", "trial_axis"]

SITE_DIMS = ("trial", "time", "unit", "head", "channel", "x", "y", "z")
"""Names an axis of a hooked tensor may have; all but trial and time make units."""


@dataclass(frozen=True)
class Axes:
    """Meaning of the axes of one hooked tensor.

    Every axis other than `trial` and `time` is flattened into units, in the order
    of the tensor; its index becomes a coordinate of the unit (`head`, `channel`,
    `x`, ...).

    Parameters
    ----------
    dims : tuple of str
        One name an axis, of `SITE_DIMS`.
    shape : tuple of int
        Shape of a tensor that was seen.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def has_time(self) -> bool:
        """Whether the tensor has a time axis of its own."""
        return "time" in self.dims

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Permutation of axes to trial, time, rest."""
        lead = [d for d in ("trial", "time") if d in self.dims]
        rest = [d for d in self.dims if d not in ("trial", "time")]
        return tuple(self.dims.index(d) for d in [*lead, *rest])

    @cached_property
    def _plain(self) -> bool:
        """Whether the tensor already is (trial, time, unit) or (trial, unit)."""
        n_lead = 1 + self.has_time
        return self.order == tuple(range(len(self.dims))) and (
            len(self.dims) == n_lead + 1
        )

    @cached_property
    def unit_sizes(self) -> dict[str, int]:
        """Size of each axis that makes units."""
        return {
            d: n
            for d, n in zip(self.dims, self.shape, strict=True)
            if d not in ("trial", "time")
        }

    @property
    def n_units(self) -> int:
        """Number of units."""
        count = 1
        for size in self.unit_sizes.values():
            count *= size
        return count

    @property
    def n_times(self) -> int | None:
        """Number of times in the tensor that was seen, None without a time axis."""
        return self.shape[self.dims.index("time")] if self.has_time else None

    def flatten(self, raw: Tensor) -> Tensor:
        """Return the tensor as (trial, time, unit) or (trial, unit)."""
        if self._plain:
            return raw
        moved = raw.permute(self.order)
        return moved.reshape(*moved.shape[: 1 + self.has_time], -1)

    def restore(self, flat: Tensor, like: Tensor) -> Tensor:
        """Undo `flatten`: the tensor has the shape of `like` again."""
        if self._plain:
            return flat
        moved = flat.reshape([like.shape[i] for i in self.order])
        inverse = [self.order.index(i) for i in range(len(self.order))]
        return moved.permute(inverse)

    def unit_table(self) -> pd.DataFrame:
        """Return one row a unit: ids as index, coordinates as columns.

        With one kind of axis the id is its index; with several the indexes are
        joined by dots, e.g. "3.17" for unit 17 of head 3.
        """
        sizes = self.unit_sizes
        if not sizes:
            return pd.DataFrame(index=pd.Index(["0"], name="unit_id"))
        rows = list(product(*(range(n) for n in sizes.values())))
        table = pd.DataFrame(rows, columns=list(sizes))
        table.index = pd.Index([".".join(map(str, r)) for r in rows], name="unit_id")
        return table.drop(columns="unit", errors="ignore")


def checked_dims(site: str, dims: Sequence[str]) -> tuple[str, ...]:
    """Return declared dims of a site, or raise with the names that exist."""
    names = tuple(dims) if isinstance(dims, Sequence) else (dims,)
    wrong = [d for d in names if d not in SITE_DIMS]
    if wrong or "trial" not in names or len(set(names)) != len(names):
        msg = (
            f"sites: dims of {site!r} must be different names out of {SITE_DIMS}, with "
            f"'trial' among them, one for each axis of the tensor; got {names}."
        )
        raise HookError(msg)
    return names


def trial_axis(
    site: str, big: Sequence[int], small: Sequence[int] | None, n_big: int, n_small: int
) -> int:
    """Return which axis runs over trials, from runs with more and with fewer trials.

    Parameters
    ----------
    site : str
        Name, for the message.
    big, small : shapes
        Shapes of the same tensor with `n_big` and `n_small` trials; `small` is None
        when there is one trial only.
    n_big, n_small : int
        Numbers of trials.
    """
    if small is None:
        if len(big) and big[0] == n_big:
            return 0
    elif len(big) == len(small):
        moved = [i for i, (a, b) in enumerate(zip(big, small, strict=True)) if a != b]
        if len(moved) == 1 and (big[moved[0]], small[moved[0]]) == (n_big, n_small):
            return moved[0]
    msg = (
        f"site {site!r} has no axis that runs over trials: its shape is {tuple(big)} with "
        f"{n_big} trials"
        + ("" if small is None else f" and {tuple(small)} with {n_small}")
        + ". Hook a module that sees one row a trial (before a reshape that merges "
        "trials with time, or outside of what is shared by all trials)."
    )
    raise HookError(msg)
