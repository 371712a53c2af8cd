"""The NWB reader on files written with pynwb."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import h5py
import numpy as np
import pytest

import marr
from marr.errors import ContractError, FileError, OptionError
from marr.systems._nwb import BinnedSpikes

pynwb = pytest.importorskip("pynwb")


def empty_session():
    return pynwb.NWBFile(
        session_description="",
        identifier="toy",
        session_start_time=datetime(2020, 1, 1, tzinfo=UTC),
    )


def write(nwb, path):
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(nwb)
    return path


def toy_spikes(n_units=5, seconds=60):
    """Spikes on a 20 kHz clock, half of them exactly on multiples of 50 ms."""
    rng = np.random.default_rng(0)
    trains = []
    for _ in range(n_units):
        ticks = rng.choice(seconds * 20, size=seconds * 5, replace=False) * 1000
        ticks[::2] += rng.integers(0, 1000, len(ticks[::2]))
        trains.append(np.unique(ticks) / 20_000)
    return trains


def toy_trials(n=12):
    starts = 2.0 + 2.0 * np.arange(n)
    return {
        "start_time": starts,
        "stop_time": starts + 5.0,
        "stimulus_on": starts + 0.5,
        "contrast": np.tile([-1.0, 0.25, 1.0], n)[:n],
        "side": np.tile(["left", "right"], n)[:n],
        "rewarded": np.tile([True, False, True], n)[:n],
    }


def toy_session(path, *, observed=None, trials=None):
    """Five units in two regions, overlapping trials, head direction and place."""
    from pynwb.behavior import CompassDirection, Position, SpatialSeries

    nwb = empty_session()
    nwb.add_unit_column("location", "region")
    nwb.add_unit_column("quality", "isolation")
    for i, train in enumerate(toy_spikes()):
        extra = {} if observed is None else {"obs_intervals": observed[i]}
        nwb.add_unit(
            spike_times=train,
            location="V1" if i < 3 else "CA1",
            quality=float(i),
            id=10 + i,
            **extra,
        )
    columns = toy_trials() if trials is None else trials
    for name in columns:
        if name not in ("start_time", "stop_time"):
            nwb.add_trial_column(name, name)
    for row in zip(*columns.values(), strict=True):
        nwb.add_trial(**dict(zip(columns, row, strict=True)))
    for name, start, stop in (("sleep", 0.0, 20.0), ("wake", 20.0, 60.0)):
        nwb.add_epoch(start, stop, [name])
    times = np.arange(0, 50, 0.02)
    behavior = nwb.create_processing_module("behavior", "tracking")
    heading = SpatialSeries(
        name="head_direction",
        data=np.mod(2.0 * times, 2 * np.pi),
        reference_frame="room",
        unit="radians",
        timestamps=times,
    )
    place = SpatialSeries(
        name="place",
        data=np.column_stack([times, -2 * times]),
        reference_frame="room",
        unit="meters",
        rate=50.0,
        starting_time=0.0,
    )
    behavior.add(CompassDirection(spatial_series=heading))
    behavior.add(Position(spatial_series=place))
    running = pynwb.TimeSeries(
        name="running", data=np.ones(100), unit="cm/s", rate=1.0, starting_time=0.0
    )
    nwb.add_acquisition(running)
    return write(nwb, path)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return toy_session(tmp_path_factory.mktemp("nwb") / "toy.nwb")


ALIGNED = {"align": "stimulus_on", "window": (-0.5, 2.5), "bin_width": 0.05}


def test_trials_are_counted_as_by_hand(toy):
    system = marr.read_nwb(toy, **ALIGNED)
    assert system.sites == ("V1", "CA1")
    assert system.name == "toy"
    trials = toy_trials()
    for site, units in (("V1", [0, 1, 2]), ("CA1", [3, 4])):
        activity = system.activity(site)
        assert activity.dims == ("trial", "time", "unit")
        assert activity.shape == (12, 60, len(units))
        assert activity.dtype == np.int16
        for column, unit in enumerate(units):
            ticks = np.round(toy_spikes()[unit] * 20_000).astype(int)
            for row, event in enumerate(trials["stimulus_on"]):
                since = ticks - round((event - 0.5) * 20_000)
                inside = since[(since >= 0) & (since < 60_000)] // 1000
                expected = np.bincount(inside, minlength=60)
                assert np.array_equal(activity[row, :, column], expected)


def test_labels_of_trials_units_and_time(toy):
    system = marr.read_nwb(toy, **ALIGNED)
    table, expected = system.trials, toy_trials()
    assert list(table.columns) == list(expected)
    for name, values in expected.items():
        assert table[name].tolist() == values.tolist()
    assert table["rewarded"].dtype == bool
    activity = system.activity("CA1")
    assert activity["unit"].values.tolist() == ["CA1:13", "CA1:14"]
    assert activity["quality"].values.tolist() == [3.0, 4.0]
    assert activity["time"].values[:2].tolist() == [-0.475, -0.425]
    assert activity.attrs["time_unit"] == "s"
    assert activity["valid"].dtype == bool
    assert system.select("side == 'left'").activity("CA1").sizes["trial"] == 6


def test_nothing_is_counted_before_it_is_looked_at(toy, monkeypatch):
    blocks = []
    original = BinnedSpikes.block

    def block(self, rows):
        blocks.append([len(r) for r in rows])
        return original(self, rows)

    monkeypatch.setattr(BinnedSpikes, "block", block)
    system = marr.read_nwb(toy, **ALIGNED)
    part = system.select([0, 3]).activity("V1")
    assert blocks == []
    part.values  # noqa: B018
    assert blocks == [[2, 60, 3]]
    whole = system.activity("V1").values
    assert np.array_equal(part.values, whole[[0, 3]])
    assert system.activity("V1").values is not None
    assert len(blocks) == 2  # kept after the first look


def test_lazy_parts_equal_the_whole(toy):
    system = marr.read_nwb(toy, **ALIGNED)
    whole = system.activity("V1").copy(deep=True).load()

    def fresh():
        return marr.read_nwb(toy, **ALIGNED).activity("V1")

    assert fresh()[3].equals(whole[3])
    assert fresh()[:, 5:9, [2, 0]].equals(whole[:, 5:9, [2, 0]])
    assert fresh()[-1, ::-1, 1].equals(whole[-1, ::-1, 1])
    assert (
        fresh()
        .isel(trial=[5, 5, 2], time=7)
        .equals(whole.isel(trial=[5, 5, 2], time=7))
    )
    assert fresh().sel(time=0.025).equals(whole.sel(time=0.025))


def test_lazy_activity_can_be_sent_to_a_worker(toy):
    system = marr.read_nwb(toy, **ALIGNED)
    sent = pickle.dumps(system.activity("V1"))
    assert len(sent) < 20_000
    assert pickle.loads(sent).equals(system.activity("V1"))


def test_a_session_is_saved_and_opened(toy, tmp_path):
    system = marr.read_nwb(toy, **ALIGNED)
    again = marr.open(system.save(tmp_path / "store"))
    assert again.fingerprint() == system.fingerprint()
    assert again.activity("V1").identical(system.activity("V1"))
    assert again.trials.equals(system.trials)
    assert again.variables["place_x"].identical(system.variables["place_x"])


def test_a_column_named_like_the_index_is_renamed(tmp_path):
    trials = toy_trials(3) | {"trial": np.array([7, 8, 9])}
    system = marr.read_nwb(toy_session(tmp_path / "t.nwb", trials=trials), **ALIGNED)
    assert system.trials["trial_"].tolist() == [7, 8, 9]
    assert len(system.select("trial_ > 7").trials) == 2


def test_align_forms_agree(toy):
    options = {"window": (0.0, 1.0), "bin_width": 0.1}
    column = marr.read_nwb(toy, align="stimulus_on", **options)
    times = marr.read_nwb(toy, align=toy_trials()["stimulus_on"], **options)
    dotted = marr.read_nwb(toy, align="trials.stimulus_on", **options)
    shifted = marr.read_nwb(toy, window=(0.5, 1.5), bin_width=0.1)  # from start_time
    for other in (times, dotted, shifted):
        assert np.array_equal(other.activity("V1"), column.activity("V1"))
    assert times.trials["event_time"].tolist() == toy_trials()["stimulus_on"].tolist()
    of_epochs = marr.read_nwb(toy, align="epochs.start_time", **options)
    assert of_epochs.trials["tags"].tolist() == ["sleep", "wake"]


def test_trials_without_the_event_are_left_out_with_a_warning(tmp_path):
    trials = toy_trials()
    trials["stimulus_on"][[1, 4]] = np.nan
    path = toy_session(tmp_path / "nan.nwb", trials=trials)
    with pytest.warns(UserWarning, match="2 of 12 trials have no 'stimulus_on' time"):
        system = marr.read_nwb(path, **ALIGNED)
    assert list(system.trial_index) == [0, 2, 3, 5, 6, 7, 8, 9, 10, 11]


def test_bins_outside_observed_intervals_are_not_valid(tmp_path):
    observed = [[[0.0, 5.0], [6.0, 60.0]]] * 3 + [[[0.0, 60.0]]] * 2
    path = toy_session(tmp_path / "observed.nwb", observed=observed)
    system = marr.read_nwb(path, align=[4.0], window=(0.0, 3.0), bin_width=0.5)
    expected = [[True, True, False, False, True, True]]
    for site in system.sites:  # every unit that was read must have been observed
        assert system.activity(site)["valid"].values.tolist() == expected
    alone = marr.read_nwb(
        path, align=[4.0], window=(0.0, 3.0), bin_width=0.5, sites="CA1"
    )
    assert alone.activity("CA1")["valid"].all()
    assert system.info["bins_not_observed"] == 2


def test_without_observed_intervals_the_recording_ends_at_its_last_event(toy):
    system = marr.read_nwb(toy, align=[59.0], window=(0.0, 2.0), bin_width=0.5)
    assert system.activity("V1")["valid"].values.tolist() == [
        [True, True, False, False]
    ]


def test_units_never_observed_together_are_refused(tmp_path):
    observed = [[[0.0, 10.0]]] * 3 + [[[20.0, 60.0]]] * 2
    path = toy_session(tmp_path / "apart.nwb", observed=observed)
    with pytest.raises(ContractError, match="no observed time in common"):
        marr.read_nwb(path, **ALIGNED)
    assert marr.read_nwb(path, sites="V1", **ALIGNED).sites == ("V1",)


def test_epochs_of_one_length(toy):
    whole = marr.read_nwb(toy, epochs=4.0, bin_width=0.5)
    assert whole.trials["start_time"].tolist() == [4.0 * k for k in range(15)]
    assert whole.trials["epoch"].tolist() == ["sleep"] * 5 + ["wake"] * 10
    assert whole.activity("V1").dtype == np.int32
    spikes = sum(len(t) for t in toy_spikes()[:3])
    assert int(whole.activity("V1").sum()) == spikes
    wake = marr.read_nwb(toy, epochs=(4.0, "wake"), bin_width=0.5)
    assert np.array_equal(wake.activity("V1"), whole.activity("V1")[5:])
    pairs = marr.read_nwb(toy, epochs=(4.0, [(20.0, 59.0)]), bin_width=0.5)
    assert np.array_equal(pairs.activity("V1"), wake.activity("V1")[:9])
    table = marr.read_nwb(
        toy, epochs=(4.0, "trials"), bin_width=0.5
    )  # merged: 2 to 29 s
    assert table.trials["start_time"].tolist() == [2.0 + 4 * k for k in range(6)]


def test_intervals_as_epochs_may_differ_in_length(toy):
    system = marr.read_nwb(toy, epochs=[(0.0, 1.0), (10.0, 10.75)], bin_width=0.25)
    valid = system.activity("CA1")["valid"].values
    assert valid.tolist() == [[True] * 4, [True] * 3 + [False]]
    heading = system.variables["head_direction"].values
    assert np.array_equal(np.isnan(heading), ~valid)
    by_name = marr.read_nwb(toy, epochs="trials", bin_width=0.5)
    assert by_name.trials["side"].tolist() == toy_trials()["side"].tolist()
    assert by_name.activity("V1").shape == (12, 10, 3)
    by_label = marr.read_nwb(toy, epochs="wake", bin_width=0.5)
    assert by_label.activity("V1").shape == (1, 80, 3)


def test_tracked_behavior_is_averaged_in_bins(toy):
    system = marr.read_nwb(toy, align=[10.0, 48.0], window=(0, 4), bin_width=0.5)
    assert set(system.variables) == {"head_direction", "place_x", "place_y"}
    heading = system.variables["head_direction"]
    assert heading.attrs["circular"] is True
    assert heading.attrs["unit"] == "rad"
    # 25 samples a bin, from its left edge on: their middle is 0.24 s later
    centers = 10.0 + np.arange(8) * 0.5 + 0.24
    assert heading.values[0] == pytest.approx(np.mod(2 * centers, 2 * np.pi))
    assert np.isnan(heading.values[1, 4:]).all()  # tracking ended at 50 s
    assert heading.attrs["missing_bins"] == 4
    place = system.variables["place_y"]
    assert place.attrs["circular"] is False
    assert place.values[0] == pytest.approx(-2 * centers)


def test_variables_are_chosen_renamed_and_left_out(toy):
    options = {"align": [10.0], "window": (0, 4), "bin_width": 0.5}
    assert marr.read_nwb(toy, variables=(), **options).variables == {}
    named = marr.read_nwb(toy, variables={"run": "running", "x": "place_x"}, **options)
    assert set(named.variables) == {"run", "x"}
    assert (named.variables["run"] == 1).all()
    one = marr.read_nwb(toy, variables="CompassDirection/head_direction", **options)
    assert set(one.variables) == {"CompassDirection/head_direction"}
    assert set(
        marr.read_nwb(toy, variables=["CompassDirection"], **options).variables
    ) == {"CompassDirection"}
    with pytest.raises(OptionError, match="Did you mean 'head_direction'"):
        marr.read_nwb(toy, variables=["head_dirction"], **options)
    with pytest.raises(OptionError, match="fits several series"):
        marr.read_nwb(toy, variables=["Position"], **options)
    late = {**options, "align": [55.0]}
    assert marr.read_nwb(toy, **late).variables == {}
    with pytest.warns(UserWarning, match="was not measured in any bin"):
        kept = marr.read_nwb(toy, variables=["place_x"], **late)
    assert np.isnan(kept.variables["place_x"]).all()


def electrode_session(path, *, location, group_location, per_unit=True):
    nwb = empty_session()
    device = nwb.create_device(name="probe")
    groups = [
        nwb.create_electrode_group(
            name=f"shank{k}", description="", location=group_location[k], device=device
        )
        for k in range(2)
    ]
    for k in range(4):
        nwb.add_electrode(group=groups[k // 2], location=location[k // 2])
    for i, train in enumerate(toy_spikes(4)):
        nwb.add_unit(
            spike_times=train,
            electrode_group=groups[i // 2],
            **({"electrodes": [i, (i + 1) % 4]} if per_unit else {}),
        )
    return write(nwb, path)


@pytest.mark.parametrize(
    ("location", "group_location", "per_unit", "expected"),
    [
        (("MOs", "CA3"), ("a", "b"), True, ("MOs", "CA3")),
        (("unknown", " "), ("a", "b"), True, ("a", "b")),
        (("MOs", "CA3"), ("a", "b"), False, ("a", "b")),
        (("none", "n/a"), (" ", "unknown"), True, ("shank0", "shank1")),
        (("MOs", "nan"), ("a", "b"), True, ("MOs", "unknown")),
    ],
)
def test_sites_without_a_region_column(
    tmp_path, location, group_location, per_unit, expected
):
    path = electrode_session(
        tmp_path / "e.nwb",
        location=location,
        group_location=group_location,
        per_unit=per_unit,
    )
    system = marr.read_nwb(path, epochs=5.0, bin_width=0.5)
    assert system.sites == expected
    assert system.activity(expected[0]).sizes["unit"] == 2


def test_units_without_any_place_form_one_site(tmp_path):
    nwb = empty_session()
    for train in toy_spikes(2):
        nwb.add_unit(spike_times=train)
    nwb.add_unit(spike_times=np.empty(0))  # a silent unit is a unit
    system = marr.read_nwb(write(nwb, tmp_path / "u.nwb"), epochs=5.0, bin_width=0.5)
    assert system.sites == ("units",)
    counts = system.activity("units")
    assert int(counts[..., 2].sum()) == 0
    assert counts.sizes["unit"] == 3


def test_unsorted_spikes_are_counted_right_and_reported(tmp_path):
    nwb = empty_session()
    train = toy_spikes(1)[0]
    nwb.add_unit(spike_times=train[::-1].copy())
    nwb.add_unit(spike_times=train)
    system = marr.read_nwb(write(nwb, tmp_path / "r.nwb"), epochs=5.0, bin_width=0.5)
    with pytest.warns(UserWarning, match="of 1 units .* not in order"):
        counts = system.activity("units").values
    assert np.array_equal(counts[..., 0], counts[..., 1])


def test_degrees_of_a_compass_become_radians(tmp_path):
    from pynwb.behavior import CompassDirection, SpatialSeries

    nwb = empty_session()
    nwb.add_unit(spike_times=toy_spikes(1)[0])
    compass = SpatialSeries(
        name="angle",
        data=np.full(600, 90.0),
        reference_frame="room",
        unit="degrees",
        rate=10.0,
        starting_time=0.0,
    )
    nwb.add_acquisition(CompassDirection(spatial_series=compass))
    system = marr.read_nwb(write(nwb, tmp_path / "d.nwb"), epochs=5.0, bin_width=0.5)
    assert system.variables["angle"].attrs["circular"] is True
    assert system.variables["angle"].values == pytest.approx(np.pi / 2)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"align": "stimulus_onn"}, OptionError, "Did you mean 'stimulus_on'"),
        ({"align": "side"}, OptionError, "holds no times in seconds"),
        ({"align": "trils.start_time"}, OptionError, "Did you mean 'trials'"),
        ({"align": [[1.0]]}, OptionError, "a list of numbers"),
        ({"align": [1.0, np.nan]}, OptionError, "finite times"),
        ({"window": (0.5, 0.5)}, OptionError, "stop after start"),
        ({"window": None}, OptionError, "window must be"),
        ({"window": (0.0, 1.0), "bin_width": 0.3}, OptionError, "not a whole number"),
        ({"bin_width": 0.0}, OptionError, "bin_width must be a positive number"),
        ({"bin_width": "fast"}, OptionError, "got 'fast'"),
        ({"window": (0.0, 0.01), "bin_width": 0.05}, OptionError, "not a whole number"),
        ({"sites": "V2"}, OptionError, "Did you mean 'V1'"),
        ({"sites": []}, OptionError, "at least one site"),
        ({"variables": 3}, OptionError, "got 3"),
        ({"epochs": 5.0}, OptionError, "neither align nor window"),
        ({"align": [1e6]}, ContractError, "no bin of any trial was observed"),
    ],
)
def test_bad_options_name_the_argument_and_the_way_out(toy, options, error, message):
    with pytest.raises(error, match=message):
        marr.read_nwb(toy, **(ALIGNED | options))


@pytest.mark.parametrize(
    ("epochs", "error", "message"),
    [
        (-1.0, OptionError, "positive number"),
        (True, OptionError, "epochs must be a length"),
        ((5.0, 6.0), OptionError, "epochs must be a length"),
        ((5.0, "wke"), OptionError, "Did you mean 'wake'"),
        ("trails", OptionError, "Did you mean 'trials'"),
        (500.0, ContractError, "no epoch of 500 s fits"),
        ([(3.0, 1.0)], ContractError, "stop after they start"),
        ([(0.0, 1.0), (2.0, 2.1)], ContractError, "shorter than one bin"),
        ([], OptionError, "epochs must be a length"),
        (5.25, OptionError, "not a whole number"),
    ],
)
def test_bad_epochs(toy, epochs, error, message):
    with pytest.raises(error, match=message):
        marr.read_nwb(toy, epochs=epochs, bin_width=0.5)


def test_missing_truncated_and_foreign_files(toy, tmp_path):
    with pytest.raises(FileError, match="there is no file"):
        marr.read_nwb(tmp_path / "none.nwb", **ALIGNED)
    with pytest.raises(FileError, match="is a folder"):
        marr.read_nwb(tmp_path, **ALIGNED)
    cut = tmp_path / "cut.nwb"
    whole = toy.read_bytes()
    for share in (0.9, 0.5, 0.01):
        cut.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(FileError, match="cannot be read as NWB"):
            marr.read_nwb(cut, **ALIGNED)
    text = tmp_path / "text.nwb"
    text.write_text("not HDF5")
    with pytest.raises(FileError, match="cannot be read as NWB"):
        marr.read_nwb(text, **ALIGNED)
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["x"] = np.arange(3)
    with pytest.raises(FileError, match="HDF5 but not NWB"):
        marr.read_nwb(tmp_path / "plain.h5", **ALIGNED)


def test_files_without_units_or_trials(tmp_path):
    nwb = empty_session()
    nwb.add_trial(start_time=0.0, stop_time=1.0)
    path = write(nwb, tmp_path / "behavior.nwb")
    with pytest.raises(ContractError, match="no units table"):
        marr.read_nwb(path, **ALIGNED)
    nwb = empty_session()
    nwb.add_unit(spike_times=toy_spikes(1)[0])
    path = write(nwb, tmp_path / "continuous.nwb")
    with pytest.raises(OptionError, match=r"no trials table.*epochs="):
        marr.read_nwb(path, **ALIGNED)


def test_a_file_that_changes_after_reading_is_refused(tmp_path):
    path = toy_session(tmp_path / "toy.nwb")
    system = marr.read_nwb(path, **ALIGNED)
    toy_session(path, trials={k: v[:3] for k, v in toy_trials().items()})
    with pytest.raises(FileError, match="changed after its labels were read"):
        system.activity("V1").values  # noqa: B018
    path.unlink()
    with pytest.raises(FileError, match="there is no file"):
        system.activity("CA1").values  # noqa: B018


def test_damaged_indexes_are_a_fault_of_the_file(toy, tmp_path):
    path = tmp_path / "bad.nwb"
    path.write_bytes(toy.read_bytes())
    with h5py.File(path, "a") as file:
        file["units/spike_times_index"][-1] = 250
    with pytest.raises(FileError, match="does not fit spike_times"):
        marr.read_nwb(path, **ALIGNED)
