"""Numbers in the demo's sentences."""

from __future__ import annotations

__all__ = ["number", "signed_interval"]


def number(value: float, digits: int = 2) -> str:
    """Return a number with a fixed count of decimals and a true minus sign."""
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def signed_interval(values: tuple[float, float, float], digits: int = 2) -> str:
    """Return "estimate [low, high]"."""
    estimate, low, high = (number(v, digits) for v in values)
    return f"{estimate} [{low}, {high}]"
