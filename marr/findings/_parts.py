"""Small records inside a finding: notes and figure specifications."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from marr.errors import check_option

__all__ = ["FIGURE_KINDS", "RANDOM_BAND", "FigureSpec", "Note"]

FIGURE_KINDS = ("points", "line", "map", "matrix", "curve", "scatter")

RANDOM_BAND = " The gray band holds 5 to 95 % of matched random sets."
"""End of a caption with a comparison band; goes where the band is taken out."""


@dataclass(frozen=True)
class Note:
    """Something that a reader must know: a caveat, or an expected non-success.

    Parameters
    ----------
    code : str
        Short stable name, e.g. "constant_units", "too_few_trials".
    text : str
        What was seen, with numbers.
    advice : str
        What to do about it, or what it means.
    """

    code: str
    text: str
    advice: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class FigureSpec:
    """What to draw of a finding, without drawing it.

    Parameters
    ----------
    kind : {"points", "line", "map", "matrix", "curve", "scatter"}
        points: dots with intervals over a categorical x; line: numeric x with a
        band, one line a group; map: heat map of x against y; matrix: the same,
        square; curve: data dots and fitted line with band, one color a group;
        scatter: x against y, both variables of the table.
    table : str
        "estimate" or a key of the finding's tables. "curve" reads the fitted line
        from here and the dots from `data_table`.
    x, y : str
        Dimension or variable names. `y` is a variable for points/line/curve/scatter
        (its interval is ci_low, ci_high when y is "estimate") and a dimension for
        map and matrix, whose color is `color`.
    group : str, optional
        Dimension whose members get a line or color each.
    color : str
        Variable shown as color in map and matrix.
    caption : str
        What the figure shows, in one or two sentences.
    x_label, y_label, color_label : str
        Axis titles with units.
    reference : float, optional
        A line to compare with, e.g. chance; `reference_label` names it.
    diverging : bool
        Color scale centered on `reference` (or 0).
    band_low, band_high : str, optional
        Variables that bound a gray comparison band (e.g. matched random sets).
    data_table : str, optional
        Table of the dots of a curve.
    description : str
        Text alternative for those who do not see the figure.
    """

    kind: str
    table: str = "estimate"
    x: str = ""
    y: str = "estimate"
    group: str | None = None
    color: str = "estimate"
    caption: str = ""
    x_label: str = ""
    y_label: str = ""
    color_label: str = ""
    reference: float | None = None
    reference_label: str = ""
    diverging: bool = False
    band_low: str | None = None
    band_high: str | None = None
    data_table: str | None = None
    description: str = ""

    def __post_init__(self) -> None:
        """Check the kind."""
        check_option("kind", self.kind, FIGURE_KINDS)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)
