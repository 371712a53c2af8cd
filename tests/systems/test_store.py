"""Stores round-trip exactly, are written at once, and say what is wrong with them."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import marr
from marr.errors import ContractError, FileError
from marr.systems import _store, _store_layout
from marr.systems._store_codec import decode, encode


def rich_table():
    n = 6
    index = pd.Index(list("abcdef"), name="trial")
    table = pd.DataFrame(
        {
            "small": np.arange(n, dtype=np.int8),
            "number": [1.0, np.nan, np.inf, -0.0, 0.1, 1e-300],
            "single": np.linspace(0, 1, n, dtype=np.float32),
            "flag": [True, False] * 3,
            "word": ["left", "é\n", None, "", "NaN", "0"],
            "level": pd.Categorical(
                ["lo", "hi", None, "hi", "lo", "lo"],
                categories=["lo", "hi"],
                ordered=True,
            ),
            "coded": pd.Categorical([3, 1, 3, 1, 1, 3]),
            "day": pd.date_range("2020-01-01", periods=n),
            "zoned": pd.date_range("2020-03-28", periods=n, tz="Europe/Paris"),
            "wait": pd.to_timedelta(np.arange(n), unit="s"),
            "count": pd.array([1, None, 3, 4, 5, 6], dtype="Int64"),
            "maybe": pd.array([True, None, False] * 2, dtype="boolean"),
            "text": pd.array(["q", None] * 3, dtype="string"),
        }
    )
    table["mixed"] = pd.Series([1, "1", None, 2.5, True, np.nan], dtype=object)
    return table.set_index(index)


@pytest.fixture
def recording(rng):
    table = rich_table()
    counts = xr.DataArray(
        rng.poisson(1.0, (6, 5, 3)).astype(np.int16),
        dims=("trial", "time", "unit"),
        coords={
            "trial": table.index.to_numpy(),
            "depth": ("unit", rng.normal(size=3), {"units": "um"}),
            "kind": ("unit", np.array(["fs", "rs", "rs"], object)),
            "good": ("unit", [True, False, True]),
        },
        attrs={"probe": ("A", 1, np.float32(0.5)), "nested": {"gain": [1, None, 2.5]}},
    )
    rates = rng.normal(size=(6, 5, 2))
    valid = rng.random((6, 5)) > 0.2
    rates[~valid] = np.nan
    heading = xr.DataArray(
        rng.random((6, 5)),
        dims=("trial", "time"),
        coords={"time": np.arange(5) * 0.1},
        attrs={"circular": True},
    )
    return marr.from_arrays(
        {"V1": counts, "CA1/left": rates},
        trials=table,
        variables={"heading": heading},
        time=np.arange(5) * 0.1,
        valid=valid,
        name="rich",
        info={"subject": "m1", "ages": [1, 2.0], "weight": np.nan},
    )


def test_round_trip_is_exact(recording, tmp_path):
    path = recording.save(tmp_path / "store")
    again = marr.open(path)
    pd.testing.assert_frame_equal(again.trials, recording.trials)
    assert again.trials.dtypes.equals(recording.trials.dtypes)
    assert again.trials["mixed"].map(type).tolist() == (
        recording.trials["mixed"].map(type).tolist()
    )
    assert np.signbit(again.trials["number"].iloc[3])
    assert again.sites == recording.sites
    for site in recording.sites:
        got, expected = again.activity(site), recording.activity(site)
        xr.testing.assert_identical(got, expected)
        assert got.dtype == expected.dtype
        for name, coord in expected.coords.items():
            assert got[name].dtype == coord.dtype
        assert list(map(repr, got.attrs.values())) == list(
            map(repr, expected.attrs.values())
        )
    xr.testing.assert_identical(
        again.variables["heading"], recording.variables["heading"]
    )
    assert repr(again.info) == repr(recording.info)
    assert again.name == "rich"
    assert again.fingerprint() == recording.fingerprint()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store"]


@pytest.mark.parametrize(
    "index",
    [pd.RangeIndex(3, 9, 2), pd.Index([5, 1, 9]), pd.Index([0.5, 1.5, 2.5])],
    ids=["range", "int", "float"],
)
def test_trial_labels_and_tables_without_columns(tmp_path, index):
    system = marr.from_arrays({"a": np.ones((3, 2))}, trials=pd.DataFrame(index=index))
    again = marr.open(system.save(tmp_path / "s"))
    pd.testing.assert_frame_equal(again.trials, system.trials)
    assert type(again.trial_index) is type(system.trial_index)
    assert again.activity("a").dims == ("trial", "unit")


def test_behavior_alone_is_saved(tmp_path):
    mouse = marr.datasets.mouse_decision()
    again = marr.open(mouse.save(tmp_path / "mouse"))
    pd.testing.assert_frame_equal(again.trials, mouse.trials)
    assert again.sites == ()
    assert again.info == mouse.info


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int64", "float16", "float32", ">f8"]
)
def test_types_of_activity(tmp_path, dtype):
    values = (np.arange(24) % 2).reshape(4, 3, 2).astype(dtype)
    system = marr.from_arrays({"a": values})
    again = marr.open(system.save(tmp_path / "s")).activity("a")
    assert again.dtype == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(again.values, values)


def test_a_selection_keeps_halves_and_hashes(recording, tmp_path):
    part = recording.select(["b", "e", "f"])
    again = marr.open(part.save(tmp_path / "part"))
    assert list(again.trial_index) == ["b", "e", "f"]
    assert again.halves.tolist() == part.halves.tolist()
    assert again.root.fingerprint() == recording.fingerprint()
    hashes = marr.systems.trial_hashes
    assert np.array_equal(hashes(again), hashes(part))


def test_activity_is_read_when_looked_at(recording, tmp_path, monkeypatch):
    path = recording.save(tmp_path / "store")
    seen = []
    original = _store_layout.ZarrActivity.block

    def block(self, rows):
        seen.append([len(r) for r in rows])
        return original(self, rows)

    monkeypatch.setattr(_store_layout.ZarrActivity, "block", block)
    counts = marr.open(path).activity("V1")
    assert seen == [[6, 5]]  # the variable, which is small
    seen.clear()
    part = counts.isel(trial=[4, 1], unit=2)
    assert np.array_equal(part.values, recording.activity("V1").values[[4, 1]][..., 2])
    assert seen == [[2, 5, 1]]
    sent = pickle.dumps(counts)
    assert len(sent) < 20_000
    assert pickle.loads(sent).equals(recording.activity("V1"))


def test_large_activity_is_written_in_blocks(tmp_path, monkeypatch, rng):
    monkeypatch.setattr(_store_layout, "CHUNK_BYTES", 1000)
    values = rng.normal(size=(37, 4, 5))
    system = marr.from_arrays({"a": values})
    again = marr.open(system.save(tmp_path / "s")).activity("a")
    assert np.array_equal(again.values[[36, 0, 17]], values[[36, 0, 17]])
    assert np.array_equal(again.values, values)


def test_saving_again_replaces_only_stores(recording, tmp_path):
    path = recording.save(tmp_path / "store")
    opened = marr.open(path)
    recording.select(["a", "b"]).save(path)
    assert len(marr.open(path).trials) == 2
    assert opened.activity("V1").equals(recording.activity("V1"))  # same root data
    other = marr.from_arrays({"V1": np.zeros((6, 5, 3))})
    stale = marr.open(path).activity("V1")
    other.save(path)
    with pytest.raises(FileError, match="replaced by other data"):
        stale.values  # noqa: B018
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(FileError, match="is not a store of marr"):
        recording.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep me"


def test_a_store_can_be_saved_onto_itself(recording, tmp_path):
    path = recording.save(tmp_path / "store")
    marr.open(path).save(path)
    assert marr.open(path).fingerprint() == recording.fingerprint()


def test_nothing_half_written_stays(recording, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        msg = "No space left on device"
        raise OSError(28, msg)

    path = recording.save(tmp_path / "store")
    monkeypatch.setattr(_store_layout, "_write_array", full)
    for target in (tmp_path / "new", path):
        with pytest.raises(FileError, match="No space left"):
            recording.save(target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store"]
    assert marr.open(path).fingerprint() == recording.fingerprint()


def test_the_old_store_comes_back_when_the_new_one_cannot_be_moved(
    recording, tmp_path, monkeypatch
):
    path = recording.save(tmp_path / "store")
    original = type(path).rename

    def rename(self, target):
        if self.name == "store" and self.parent != tmp_path:
            msg = "Permission denied"
            raise PermissionError(13, msg)
        return original(self, target)

    monkeypatch.setattr(type(path), "rename", rename)
    with pytest.raises(FileError, match="Permission denied"):
        recording.select(["a"]).save(path)
    monkeypatch.undo()
    assert len(marr.open(path).trials) == 6
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store"]


def test_interruption_leaves_nothing(recording, tmp_path, monkeypatch):
    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(_store, "write_recording", interrupt)
    with pytest.raises(KeyboardInterrupt):
        recording.save(tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


def test_unwritable_paths(recording, tmp_path):
    with pytest.raises(FileError, match="there is no folder"):
        recording.save(tmp_path / "no" / "store")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="there is no folder"):
        recording.save(tmp_path / "file" / "store")
    with pytest.raises(FileError, match="is not a store of marr"):
        recording.save(tmp_path / "file")


def test_what_cannot_be_kept_is_refused_by_name(recording, tmp_path):
    perturbed = recording.perturb(marr.Ablate("V1"))
    with pytest.raises(ContractError, match="perturbed recording is not saved"):
        perturbed.save(tmp_path / "p")
    odd = pd.DataFrame({"span": pd.period_range("2020", periods=2, freq="D")})
    with pytest.raises(ContractError, match=r"span.*cannot keep"):
        marr.from_arrays({"a": np.ones((2, 2))}, trials=odd).save(tmp_path / "p")
    things = pd.DataFrame({"thing": pd.Series([object(), 1], dtype=object)})
    with pytest.raises(ContractError, match=r"thing.*holds a object"):
        marr.from_arrays({"a": np.ones((2, 2))}, trials=things).save(tmp_path / "p")
    with pytest.raises(ContractError, match="only a Recording"):
        _store.save_system("recording", tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_missing_foreign_and_damaged_stores(recording, tmp_path):
    with pytest.raises(FileError, match="there is nothing at"):
        marr.open(tmp_path / "none")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="is not a store of marr"):
        marr.open(tmp_path / "folder")
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileError, match="is not a store of marr"):
        marr.open(tmp_path / "file")
    path = recording.save(tmp_path / "store")
    chunk = path / "activity" / "s0" / "data" / "c" / "0" / "0" / "0"
    content = chunk.read_bytes()
    chunk.write_bytes(content[:-3])
    with pytest.raises(FileError, match="is not complete"):
        marr.open(path)
    chunk.unlink()  # zarr alone would read zeros here
    with pytest.raises(FileError, match="is not complete"):
        marr.open(path)
    chunk.write_bytes(bytes(len(content)))
    activity = marr.open(path).activity("V1")
    with pytest.raises(FileError, match="cannot be read"):
        activity.values  # noqa: B018


def test_a_store_of_a_later_version_is_refused(recording, tmp_path):
    path = recording.save(tmp_path / "store")
    header = json.loads((path / "zarr.json").read_text())
    header["attributes"]["marr_store"] = 99
    (path / "zarr.json").write_text(json.dumps(header))
    with pytest.raises(FileError, match="later marr"):
        marr.open(path)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2.5,
        -0.0,
        "text",
        [1, [2, None]],
        (1, (2,)),
        {"a": {"b": 1}},
        {1: "int key", "__tuple__": "reserved"},
        {"__tuple__": [1]},
        np.float32(0.1),
        np.int8(-3),
        np.bool_(True),
        np.str_("x"),
        np.datetime64("2020-01-01", "ns"),
        1 + 2j,
        pd.Timestamp("2020-01-01", tz="UTC"),
        pd.NA,
        pd.NaT,
        float("inf"),
    ],
    ids=repr,
)
def test_attributes_round_trip(value):
    text = json.dumps(encode(value, "here"), allow_nan=False)
    got = decode(json.loads(text))
    assert type(got) is type(value)
    assert repr(got) == repr(value)


def test_arrays_in_attributes_round_trip():
    for array in (np.eye(2, dtype=np.float32), np.array(["a", "bb"]), np.array([])):
        got = decode(json.loads(json.dumps(encode(array, "here"), allow_nan=False)))
        assert got.dtype == array.dtype
        assert np.array_equal(got, array)
    nan = decode(json.loads(json.dumps(encode([float("nan")], "x"), allow_nan=False)))
    assert np.isnan(nan[0])
