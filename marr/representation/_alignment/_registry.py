"""Every alignment measure, with its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marr.errors import OptionError, check_known
from marr.representation._alignment._map_measures import MAP_MEASURES
from marr.representation._alignment._measure import AlignmentMeasure
from marr.representation._alignment._pair_measures import PAIR_MEASURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

__all__ = ["ALIGNMENT_MEASURES", "alignment_measures", "metadata", "resolve_measures"]

ALIGNMENT_MEASURES: dict[str, AlignmentMeasure] = {
    m.name: m for m in (*PAIR_MEASURES, *MAP_MEASURES)
}
"""Every alignment measure by name; tests read the metadata of each and check it."""

_COLUMNS = (
    "long_name",
    "family",
    "kind",
    "low",
    "high",
    "symmetric",
    "metric",
    "invariances",
    "paired_rows",
    "equal_units",
    "biased",
    "differentiable",
    "cross_validated",
    "uses_time",
    "estimator",
    "convention",
    "cost",
    "identity",
)


def alignment_measures() -> pd.DataFrame:
    """Return all alignment measures with their metadata, one row a measure.

    Examples
    --------
    >>> from marr.representation import alignment_measures
    >>> bool(alignment_measures().loc["cka_biased", "biased"])
    True
    """
    import pandas as pd

    rows = {m.name: metadata(m) for m in ALIGNMENT_MEASURES.values()}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis("measure")


def metadata(measure: AlignmentMeasure) -> dict[str, Any]:
    """Return what a finding tells of a measure."""
    found = {k: getattr(measure, k) for k in _COLUMNS}
    found["invariances"] = ", ".join(sorted(measure.invariances)) or "none"
    return found


def resolve_measures(
    measure: str | AlignmentMeasure | Sequence[str | AlignmentMeasure],
) -> tuple[tuple[AlignmentMeasure, ...], bool]:
    """Return the measures asked for, and whether there may be several."""
    several = not isinstance(measure, (str, AlignmentMeasure))
    given = list(measure) if isinstance(measure, (list, tuple)) else [measure]
    if not given:
        msg = (
            "measure must name at least one of marr.representation.ALIGNMENT_MEASURES."
        )
        raise OptionError(msg)
    found = []
    for item in given:
        if isinstance(item, AlignmentMeasure):
            found.append(item)
            continue
        check_known("measure", item, ALIGNMENT_MEASURES, what="alignment measure")
        found.append(ALIGNMENT_MEASURES[str(item)])
    names = [m.name for m in found]
    if len(set(names)) < len(names):
        msg = f"measure names a measure twice: {names}."
        raise OptionError(msg)
    return tuple(found), several
