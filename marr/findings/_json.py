"""Plain JSON values of labelled arrays, exact: dtypes, NaN, infinities, dates, order."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from marr.errors import ContractError

__all__ = [
    "array_from_json",
    "array_to_json",
    "canonical_hash",
    "dataset_from_json",
    "dataset_to_json",
    "value_from_json",
    "value_to_json",
]

_READABLE = 64  # numeric arrays of at most this size are written as lists


def array_to_json(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return dtype, shape and data of an array as JSON values."""
    array = np.asarray(values)
    head = {"dtype": array.dtype.str, "shape": list(array.shape)}
    if array.dtype.kind in "OUT":
        flat = [value_to_json(v) for v in array.ravel().tolist()]
        head["dtype"] = "object" if array.dtype.kind == "O" else "str"
        return {**head, "data": flat}
    if array.dtype.kind in "fiub" and array.size <= _READABLE:
        return {**head, "data": [value_to_json(v) for v in array.ravel().tolist()]}
    if array.dtype.kind not in "fiubcmM":
        msg = f"cannot write an array of dtype {array.dtype} to JSON."
        raise ContractError(msg)
    raw = np.ascontiguousarray(array).tobytes()
    return {**head, "base64": base64.b64encode(raw).decode("ascii")}


def array_from_json(record: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Return the array that `array_to_json` wrote."""
    shape = tuple(record["shape"])
    if record["dtype"] in ("object", "str"):
        items = [value_from_json(v) for v in record["data"]]
        if record["dtype"] == "str":
            return np.array(items, dtype=str).reshape(shape)
        flat = np.empty(len(items), dtype=object)
        flat[:] = items
        return flat.reshape(shape)
    dtype = np.dtype(record["dtype"])
    if "base64" in record:
        raw = base64.b64decode(record["base64"])
        return np.frombuffer(raw, dtype=dtype).reshape(shape).copy()
    items = [value_from_json(v) for v in record["data"]]
    return np.array(items, dtype=dtype).reshape(shape)


def value_to_json(value: Any) -> Any:
    """Return a JSON value; numbers JSON cannot hold become {"$": ...}."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.generic) and not isinstance(
        value, (np.datetime64, np.timedelta64)
    ):
        return value_to_json(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return {"$float": repr(value)}
    if isinstance(value, (pd.Timestamp, np.datetime64)):
        return {"$date": pd.Timestamp(value).isoformat()}
    if isinstance(value, np.ndarray):
        return {"$array": array_to_json(value)}
    if isinstance(value, (list, tuple)):
        return [value_to_json(v) for v in value]
    if isinstance(value, dict):
        return {str(k): value_to_json(v) for k, v in value.items()}
    return str(value)


def value_from_json(value: Any) -> Any:
    """Return the value that `value_to_json` wrote (tuples come back as lists)."""
    if isinstance(value, list):
        return [value_from_json(v) for v in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"$float"}:
        return float(value["$float"])
    if set(value) == {"$date"}:
        return pd.Timestamp(value["$date"])
    if set(value) == {"$array"}:
        return array_from_json(value["$array"])
    return {k: value_from_json(v) for k, v in value.items()}


def _variable_to_json(variable: xr.Variable) -> dict[str, Any]:
    record: dict[str, Any] = {"dims": [str(d) for d in variable.dims]}
    record.update(array_to_json(variable.values))
    if variable.attrs:
        record["attrs"] = value_to_json(dict(variable.attrs))
    return record


def dataset_to_json(dataset: xr.Dataset) -> dict[str, Any]:
    """Return a dataset as JSON values, its variables in order."""
    return {
        "variables": [
            [str(n), _variable_to_json(v.variable)]
            for n, v in dataset.data_vars.items()
        ],
        "coords": [
            [str(n), _variable_to_json(v.variable)] for n, v in dataset.coords.items()
        ],
        "attrs": value_to_json(dict(dataset.attrs)),
    }


def dataset_from_json(record: dict[str, Any]) -> xr.Dataset:
    """Return the dataset that `dataset_to_json` wrote."""

    def read(pairs: list[Any]) -> dict[str, Any]:
        return {
            name: (r["dims"], array_from_json(r), value_from_json(r.get("attrs", {})))
            for name, r in pairs
        }

    return xr.Dataset(
        read(record["variables"]),
        coords=read(record["coords"]),
        attrs=value_from_json(record["attrs"]),
    )


def canonical_hash(value: Any) -> str:
    """Return the SHA-256 of JSON values written in one fixed way."""
    text = json.dumps(value_to_json(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
