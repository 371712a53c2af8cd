"""Arrays that are read or computed when they are first looked at."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

__all__ = ["LazyArray", "lazy_dataarray"]


class LazyArray(BackendArray):
    """Base of arrays behind a file: shape and dtype now, numbers on demand.

    Subclasses set `shape` and `dtype` and implement `block`. They hold paths and
    plain arrays only, so they can be pickled and sent to worker processes.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @abstractmethod
    def block(self, rows: tuple[np.ndarray[Any, Any], ...]) -> np.ndarray[Any, Any]:
        """Return the values at the outer product of one index array an axis."""

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Return the part that xarray asks for."""
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._outer
        )

    def _outer(self, key: tuple[Any, ...]) -> np.ndarray[Any, Any]:
        rows = tuple(
            np.atleast_1d(np.arange(size)[part])
            for part, size in zip(key, self.shape, strict=True)
        )
        single = tuple(
            i
            for i, part in enumerate(key)
            if np.ndim(part) == 0 and not isinstance(part, slice)
        )
        return self.block(rows).squeeze(axis=single)


def lazy_dataarray(
    array: LazyArray,
    dims: Sequence[str],
    coords: Mapping[Hashable, Any],
    attrs: Mapping[str, Any],
    *,
    name: str,
) -> xr.DataArray:
    """Return a DataArray that reads `array` on first use and then keeps it."""
    lazy: Any = indexing.LazilyIndexedArray(array)
    cache: Any = indexing.MemoryCachedArray
    cached = cache(indexing.CopyOnWriteArray(lazy))
    variable = xr.Variable(tuple(dims), cached, dict(attrs))
    return xr.DataArray(variable, coords=coords, name=name)
