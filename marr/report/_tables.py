"""A finding's numbers as tables on the page and as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.report._text import format_cell

if TYPE_CHECKING:
    import xarray as xr

    from marr.findings import Finding

__all__ = ["MAX_ROWS", "dataset_frame", "finding_tables", "table_view"]

MAX_ROWS = 100
"""Rows of a table that the page shows; the CSV has all."""

_NAMES = {
    "ci_low": "95 % low",
    "ci_high": "95 % high",
    "p_value": "p",
    "p_corrected": "corrected p",
    "null_mean": "mean under null",
}


def dataset_frame(table: xr.Dataset) -> pd.DataFrame:
    """Return a labelled table as rows: the variables that share the main axes."""
    main = table.get("estimate", max(table.data_vars.values(), key=lambda v: v.ndim))
    keep = [str(k) for k, v in table.data_vars.items() if set(v.dims) <= set(main.dims)]
    part = table[keep]
    if not main.dims:
        return pd.DataFrame([{k: part[k].values.item() for k in keep}])
    return part.to_dataframe(dim_order=[str(d) for d in main.dims]).reset_index()


def finding_tables(finding: Finding) -> dict[str, pd.DataFrame]:
    """Return the tables of a finding by name, the estimate first, none twice.

    Draws of a null (the table "null") are for links, not for readers: they stay in the
    report's JSON and out of its tables and CSV files.
    """
    frames = {"estimate": dataset_frame(finding.estimate)}
    for name, table in finding.tables.items():
        if name == "null" or not table.data_vars or table.identical(finding.estimate):
            continue
        frames[name] = dataset_frame(table)
    return frames


def table_view(frame: pd.DataFrame, caption: str, name: str) -> dict[str, Any]:
    """Return a table for a template: heads, rows of text, and what was left out.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a cell of the table.
    caption : str
        What the rows are.
    name : str
        Name of the CSV in the page's store, and of the file it is saved as.
    """
    shown = frame.iloc[:MAX_ROWS]
    numeric = [
        np.issubdtype(dtype, np.number) if isinstance(dtype, np.dtype) else False
        for dtype in frame.dtypes
    ]
    left_out = len(frame) - len(shown)
    note = (
        f" The first {len(shown)} of {len(frame):,} rows; the CSV has all."
        if left_out
        else ""
    )
    return {
        "name": name,
        "caption": caption + note,
        "heads": [
            {"text": _NAMES.get(str(c), str(c).replace("_", " ")), "number": n}
            for c, n in zip(frame.columns, numeric, strict=True)
        ],
        "rows": [
            [format_cell(v) for v in row]
            for row in shown.itertuples(index=False, name=None)
        ],
    }
