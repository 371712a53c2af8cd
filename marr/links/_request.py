"""What was asked of a link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marr.errors import check_option
from marr.links._link import LINK_KINDS

__all__ = ["STATISTICS", "Request"]

STATISTICS = {"spearman": "Spearman ρ", "pearson": "Pearson r"}
"""Correlations that a link can use."""


@dataclass(frozen=True)
class Request:
    """The options of a call of `link`, checked."""

    kind: str
    control: tuple[str, ...]
    variables: tuple[str, str]
    statistic: str
    same_units: bool
    n_permutations: int
    seed: int

    def __post_init__(self) -> None:
        """Check the options that have a fixed set of values."""
        check_option("kind", self.kind, LINK_KINDS)
        check_option("statistic", self.statistic, STATISTICS)

    @property
    def ranked(self) -> bool:
        """Whether values are ranked first."""
        return self.statistic == "spearman"

    @property
    def correlation(self) -> str:
        """Name of the correlation."""
        return STATISTICS[self.statistic]

    @property
    def statistic_name(self) -> str:
        """Name of the statistic with what was partialled out."""
        if self.control:
            return f"partial {self.correlation} (given {', '.join(self.control)})"
        return self.correlation

    def parameters(self) -> dict[str, Any]:
        """Return plain values for the link's parameters."""
        return {
            "control": list(self.control),
            "variables": list(self.variables),
            "statistic": self.statistic,
            "n_permutations": self.n_permutations,
            "seed": self.seed,
        }
