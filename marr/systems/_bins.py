"""Bins of time: checked options, centers, and the type that holds counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from marr.errors import OptionError

__all__ = ["bin_centers", "count_dtype", "is_number", "positive_number", "whole_bins"]

FINE_BIN_S = 0.05
"""Up to this bin width counts are int16, beyond it int32."""


def is_number(value: Any) -> bool:
    """Tell whether a value is a real number (and not a truth value)."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(
        value, bool
    )


def positive_number(argument: str, value: Any, example: str) -> float:
    """Return a positive finite number, or raise with an example."""
    if not is_number(value) or not 0 < value < np.inf:
        msg = f"{argument} must be a positive number of {example}; got {value!r}."
        raise OptionError(msg)
    return float(value)


def whole_bins(argument: str, length: float, width: float) -> int:
    """Return the bins in a length of time, or say which widths would fit."""
    ratio = length / width
    n_bins = round(ratio)
    if n_bins >= 1 and abs(ratio - n_bins) < 1e-6:
        return n_bins
    fitting = [length / n for n in {max(1, int(ratio)), int(ratio) + 1}]
    offers = " or ".join(f"{w:.6g}" for w in sorted(fitting))
    msg = (
        f"{argument}: a length of {length:g} s is not a whole number of bins of "
        f"{width:g} s ({ratio:.4g}). Use bin_width={offers}, or another length."
    )
    raise OptionError(msg)


def bin_centers(
    start: float, n_bins: int, width: float
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return centers of bins in seconds, free of rounding below a nanosecond."""
    return np.round(start + (np.arange(n_bins) + 0.5) * width, 9)


def count_dtype(width: float) -> np.dtype[Any]:
    """Return the type of counts: signed, so that differences do not wrap around."""
    return np.dtype(np.int16 if width <= FINE_BIN_S else np.int32)
