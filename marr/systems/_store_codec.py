"""Exact forms of tables, labels and attributes inside a zarr group.

Numbers are zarr arrays of their own dtype. Text, and columns that mix kinds, are JSON
in an array of bytes, so that they do not depend on how a zarr version spells strings.
Attributes are JSON in which what JSON lacks (NaN, tuples, numpy scalars, dates) is
tagged.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import ContractError

if TYPE_CHECKING:
    import zarr

__all__ = [
    "decode",
    "encode",
    "read_column",
    "read_values",
    "write_column",
    "write_values",
]

_TAGS = (
    "__float__",
    "__numpy__",
    "__array__",
    "__tuple__",
    "__dict__",
    "__time__",
    "__missing__",
)


def encode(value: Any, where: str) -> Any:
    """Return `value` as JSON that `decode` turns back exactly.

    Raises
    ------
    ContractError
        If the value has no exact form; `where` names it in the message.
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if value is pd.NA or value is pd.NaT:
        return {"__missing__": "NA" if value is pd.NA else "NaT"}
    if isinstance(value, pd.Timestamp):
        return {"__time__": value.isoformat()}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufcmMU":
        plain = value.view("i8") if value.dtype.kind in "mM" else value
        data = [encode(v, where) for v in plain.ravel().tolist()]
        return {"__array__": [value.dtype.str, list(value.shape), data]}
    if isinstance(value, np.generic):
        number = value.view("i8") if value.dtype.kind in "mM" else value
        return {"__numpy__": [value.dtype.str, encode(number.item(), where)]}
    if isinstance(value, float):
        return value if np.isfinite(value) else {"__float__": repr(value)}
    if isinstance(value, complex):
        return {"__numpy__": ["complex", [value.real, value.imag]]}
    if isinstance(value, (list, tuple)):
        items = [encode(v, where) for v in value]
        return {"__tuple__": items} if isinstance(value, tuple) else items
    if isinstance(value, dict):
        if all(isinstance(k, str) and k not in _TAGS for k in value):
            return {k: encode(v, where) for k, v in value.items()}
        pairs = [[encode(k, where), encode(v, where)] for k, v in value.items()]
        return {"__dict__": pairs}
    msg = (
        f"{where} holds a {type(value).__name__}, which a store cannot keep exactly. "
        "Use numbers, text, dates, lists and dicts of these, or drop it before saving."
    )
    raise ContractError(msg)


def decode(value: Any) -> Any:
    """Undo `encode`."""
    if isinstance(value, list):
        return [decode(v) for v in value]
    if not isinstance(value, dict):
        return value
    tag = next(iter(value)) if len(value) == 1 else ""
    if tag not in _TAGS:
        return {k: decode(v) for k, v in value.items()}
    body = value[tag]
    if tag == "__numpy__":
        kind, item = body[0], decode(body[1])
        return complex(*item) if kind == "complex" else _from_list([item], kind)[0]
    if tag == "__array__":
        return _from_list(decode(body[2]), body[0]).reshape(body[1])
    if tag == "__missing__":
        return pd.NA if body == "NA" else pd.NaT
    if tag == "__time__":
        return pd.Timestamp(body)
    if tag == "__dict__":
        return {decode(k): decode(v) for k, v in body}
    return float(body) if tag == "__float__" else tuple(decode(v) for v in body)


def _from_list(items: list[Any], kind: str) -> np.ndarray[Any, Any]:
    dtype = np.dtype(kind)
    if dtype.kind in "mM":
        return np.array(items, "i8").view(dtype)
    return np.array(items, dtype)


def write_values(
    group: zarr.Group, key: str, values: Any, where: str
) -> dict[str, Any]:
    """Write an array under `key`; return what `read_values` needs to know."""
    array = np.asarray(values)
    if array.dtype.kind in "biufc":
        _put(group, key, array)
        return {"form": "plain", "dtype": array.dtype.str}
    if array.dtype.kind in "mM":
        _put(group, key, array.view("i8"))
        return {"form": "time", "dtype": array.dtype.str}
    if array.dtype.kind in "UO":
        items = [encode(v, where) for v in array.ravel().tolist()]
        text = json.dumps(items, ensure_ascii=False, allow_nan=False)
        _put(group, key, np.frombuffer(text.encode(), np.uint8))
        return {"form": "json", "dtype": array.dtype.str, "shape": list(array.shape)}
    msg = (
        f"{where} has dtype {array.dtype}, which a store cannot keep. Convert it first."
    )
    raise ContractError(msg)


def read_values(
    group: zarr.Group, key: str, form: dict[str, Any]
) -> np.ndarray[Any, Any]:
    """Read what `write_values` wrote."""
    data = np.asarray(group[key][...])  # type: ignore[index]
    dtype = np.dtype(form["dtype"])
    if form["form"] == "plain":
        return data.astype(dtype, copy=False)
    if form["form"] == "time":
        return data.view(dtype)
    items = [decode(v) for v in json.loads(data.tobytes().decode())]
    array = np.empty(len(items), dtype)
    array[:] = items
    return array.reshape(form["shape"])


def _put(group: zarr.Group, key: str, array: np.ndarray[Any, Any]) -> None:
    """Write a small array as one chunk, zeros included, so that no file is implied."""
    group.create_array(
        key,
        data=np.ascontiguousarray(array) if array.ndim else array,
        chunks=tuple(max(1, n) for n in array.shape),
        config={"write_empty_chunks": True},
    )


def write_column(
    group: zarr.Group, key: str, column: pd.Series | pd.Index, where: str
) -> dict[str, Any]:
    """Write a column or index of a table; return what `read_column` needs to know."""
    dtype = column.dtype
    if isinstance(column, pd.RangeIndex):
        return {"kind": "range", "range": [column.start, column.stop, column.step]}
    if isinstance(dtype, pd.CategoricalDtype):
        codes = pd.Categorical(column).codes
        return {
            "kind": "category",
            "ordered": bool(dtype.ordered),
            "codes": write_values(group, f"{key}.codes", codes, where),
            "categories": write_column(
                group, f"{key}.categories", dtype.categories, where
            ),
        }
    if isinstance(dtype, np.dtype):
        return {
            "kind": "plain",
            "form": write_values(group, key, column.to_numpy(), where),
        }
    if isinstance(dtype, pd.StringDtype):
        missing = np.asarray(column.isna())
        text = column.to_numpy(object).copy()
        text[missing] = None
        form = write_values(group, key, text, where)
        keeps_na = dtype.na_value is pd.NA
        return {"kind": "text", "storage": dtype.storage, "na": keeps_na, "form": form}
    if isinstance(dtype, pd.DatetimeTZDtype):
        instants = pd.DatetimeIndex(column).tz_convert("UTC").tz_localize(None)
        form = write_values(group, key, instants.to_numpy(), where)
        return {"kind": "zoned", "zone": str(dtype.tz), "form": form}
    if hasattr(dtype, "numpy_dtype"):  # nullable numbers and booleans
        missing = np.asarray(column.isna())
        filled = column.fillna(False if dtype.name == "boolean" else 0)
        return {
            "kind": "nullable",
            "dtype": dtype.name,
            "form": write_values(group, key, filled.to_numpy(dtype.numpy_dtype), where),
            "mask": write_values(group, f"{key}.missing", missing, where),
        }
    msg = (
        f"{where} has dtype {dtype}, which a store cannot keep. Convert it first, e.g. "
        "with .astype(str)."
    )
    raise ContractError(msg)


def read_column(group: zarr.Group, key: str, form: dict[str, Any]) -> Any:
    """Read what `write_column` wrote, as an array or index of the same dtype."""
    kind = form["kind"]
    if kind == "range":
        return pd.RangeIndex(*form["range"])
    if kind == "category":
        categories = pd.Index(
            read_column(group, f"{key}.categories", form["categories"])
        )
        codes = read_values(group, f"{key}.codes", form["codes"])
        return pd.Categorical.from_codes(codes, categories, ordered=form["ordered"])
    values = read_values(group, key, form["form"])
    if kind == "text":
        dtype = pd.StringDtype(
            form["storage"], na_value=pd.NA if form["na"] else np.nan
        )
        return pd.array(values, dtype=dtype)
    if kind == "zoned":
        return (
            pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(form["zone"]).array
        )
    if kind == "nullable":
        array = pd.array(values, dtype=form["dtype"])
        array[read_values(group, f"{key}.missing", form["mask"])] = pd.NA
        return array
    return values
