"""Array types that recur in the statistics floor."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
AnyArray: TypeAlias = npt.NDArray[Any]


class Interval(NamedTuple):
    """Lower and upper end of an interval, each of the shape of the estimate."""

    low: FloatArray
    high: FloatArray
