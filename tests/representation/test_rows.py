"""Rows that systems share, and the mean activity of each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import marr
from marr.errors import ContractError
from marr.representation import _rows
from marr.representation._rows import match_rows, site_patterns


def system(labels, conditions, seed=0, n_times=None, name="a", **columns):
    rng = np.random.default_rng(seed)
    shape = (len(labels), 3) if n_times is None else (len(labels), n_times, 3)
    table = pd.DataFrame(
        {"condition": conditions, **columns}, index=pd.Index(labels, name="trial")
    )
    return marr.from_arrays({"s": rng.normal(size=shape)}, table, name=name)


def test_conditions_are_joined_by_label_not_by_position():
    a = system(range(6), list("abcdef"))
    b = system(range(8), list("fedcbaxx"), name="b")
    match = match_rows([a, b], on="condition")
    assert match.labels.tolist() == list("abcdef")
    mean = site_patterns(b, "s", match.codes[1], 6)
    np.testing.assert_allclose(mean, b.activity("s").values[5::-1])
    assert "'x'" in match.notes[0].text
    assert match.counts(1).tolist() == [1] * 6


def test_trials_are_joined_by_label():
    a = system([10, 11, 12, 13, 14], list("abcde"))
    b = system([14, 13, 12, 11, 10], list("edcba"), name="b")
    match = match_rows([a, b])
    mean = site_patterns(b, "s", match.codes[1], 5)
    np.testing.assert_allclose(mean, b.activity("s").values[::-1])


def test_trials_of_other_stimuli_are_not_the_same_trials():
    a, b = system(range(5), list("abcde")), system(range(5), list("abcdf"), name="b")
    with pytest.raises(ContractError, match=r"1 of 5 trials.*another 'condition'"):
        match_rows([a, b])


def test_too_few_shared_rows_are_named_on_each_side():
    a, b = system(range(5), list("abcde")), system(range(5), list("vwxyz"), name="b")
    with pytest.raises(ContractError, match=r"share 0 rows.*'a': 'a'.*'b': 'v'"):
        match_rows([a, b], on="condition")


@pytest.mark.parametrize("chunk", [1, 7, 10**9])
def test_means_do_not_depend_on_how_much_is_read_at_once(monkeypatch, chunk):
    monkeypatch.setattr(_rows, "CHUNK", chunk)
    a = system(range(12), list("abcd") * 3, n_times=4)
    match = match_rows([a], on="condition")
    values = a.activity("s").values
    kept = site_patterns(a, "s", match.codes[0], 4, time="keep")
    np.testing.assert_allclose(kept, values.reshape(3, 4, 4, 3).mean(0))
    mean = site_patterns(a, "s", match.codes[0], 4)
    np.testing.assert_allclose(mean, kept.mean(1))
    half = np.arange(12) < 4
    first = site_patterns(a, "s", match.codes[0], 4, use=half)
    np.testing.assert_allclose(first, values[:4].mean(1))
    window = site_patterns(a, "s", match.codes[0], 4, time=(1.0, 3.0))
    np.testing.assert_allclose(window, kept[:, 1:3].mean(1))


def test_bins_of_a_variable_are_rows_of_their_own():
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False).reshape(8, 5)
    values = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    import xarray as xr

    heading = xr.DataArray(angle, dims=("trial", "time"), attrs={"circular": True})
    a = marr.from_arrays({"s": values}, variables={"heading": heading})
    match = match_rows([a], on="heading", bins=4)
    mean = site_patterns(a, "s", match.codes[0], 4)
    found = np.arctan2(mean[:, 1], mean[:, 0]) % (2 * np.pi)
    np.testing.assert_allclose(found, match.labels, atol=0.1)
    assert match.circular


def test_infinite_activity_of_a_model_is_refused():
    class Log(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Identity()

        def forward(self, x):
            return self.layer(torch.log(x))

    table = pd.DataFrame({"condition": list("abcd")})
    a = marr.hook(Log(), torch.eye(4), table, sites=["layer"])
    codes = match_rows([a]).codes[0]
    with pytest.raises(ContractError, match="NaN or infinite"):
        site_patterns(a, "layer", codes, 4)
