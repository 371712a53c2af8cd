"""JSON of labelled arrays is exact."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from marr.findings import (
    EVIDENCE_GRADES,
    VERBS,
    dataset_from_json,
    dataset_to_json,
    value_from_json,
    value_to_json,
    verb,
    weaker_grade,
)


@pytest.mark.parametrize("size", [3, 200])
@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "int64", "int8", "uint64", "bool", "datetime64[ns]"]
)
def test_dataset_round_trip_keeps_dtype_and_order(dtype, size):
    values = np.arange(size).astype(dtype)
    if dtype.startswith("float"):
        values[0], values[1] = np.nan, np.inf
    dataset = xr.Dataset(
        {"zeta": ("x", values), "alpha": ("x", values[::-1])},
        coords={
            "x": [f"unit é {i}" for i in range(size)],
            "flag": ("x", values == values[1]),
        },
        attrs={"chance": -np.inf, "label": "a"},
    )
    dataset["zeta"].attrs["long_name"] = "first"
    back = dataset_from_json(json.loads(json.dumps(dataset_to_json(dataset))))
    xr.testing.assert_identical(back, dataset)
    assert list(back.data_vars) == ["zeta", "alpha"]
    assert back["zeta"].dtype == dataset["zeta"].dtype


def test_object_coordinates_keep_their_types():
    dataset = xr.Dataset(
        {"estimate": ("k", [1.0, 2.0, 3.0])},
        coords={"k": np.array([1, "a", None], dtype=object)},
    )
    back = dataset_from_json(json.loads(json.dumps(dataset_to_json(dataset))))
    assert back["k"].values.tolist() == [1, "a", None]


def test_values_round_trip():
    record = {
        "nan": float("nan"),
        "inf": float("-inf"),
        "date": pd.Timestamp("2020-01-02 03:04"),
        "array": np.array([1.5, 2.5], dtype="float32"),
        "nested": [{"a": None}],
    }
    back = value_from_json(json.loads(json.dumps(value_to_json(record))))
    assert np.isnan(back["nan"])
    assert back["inf"] == -np.inf
    assert back["date"] == record["date"]
    assert back["array"].dtype == np.float32
    assert back["nested"] == [{"a": None}]


def test_each_grade_has_its_own_words():
    for relation in VERBS["causal"]:
        words = [verb(grade, relation) for grade in EVIDENCE_GRADES]
        assert len(set(words)) == len(words)
    for grade in ("predictive", "descriptive", "surrogate", "approximate"):
        assert verb(grade) not in ("needs", "drives")
    assert weaker_grade("causal", "descriptive", "predictive") == "descriptive"
