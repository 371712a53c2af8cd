"""Files that cannot be read or written; nothing half-written stays behind."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from _refusals import FEW, decode, refused
from _systems import network, recording

import marr
from marr.cli import main
from marr.errors import FileError, MarrError, OptionError


@pytest.fixture(scope="module")
def animal():
    return recording()


@pytest.fixture(scope="module")
def net():
    return network()


@pytest.fixture(scope="module")
def finding(animal):
    return decode(animal, "side", over="site", **FEW)


# -- files -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A small NWB file, written without pynwb."""
    path = tmp_path_factory.mktemp("nwb") / "session.nwb"
    rng = np.random.default_rng(0)
    trains = [np.sort(rng.uniform(0, 20, 60)) for _ in range(3)]
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        units = file.create_group("units")
        units["id"] = np.arange(3)
        units["spike_times"] = np.concatenate(trains)
        units["spike_times_index"] = np.cumsum([len(t) for t in trains])
        units["location"] = np.array(["V1", "V1", "CA1"], dtype=h5py.string_dtype())
        trials = file.create_group("intervals/trials")
        trials["id"] = np.arange(9)
        trials["start_time"] = np.arange(9) * 2.0
        trials["stop_time"] = np.arange(9) * 2.0 + 1.5
        trials["contrast"] = np.tile([0.0, 0.5, 1.0], 3)
    return path


WINDOW = {"window": (0.0, 1.0), "bin_width": 0.25}


def test_the_session_is_read(session):
    system = marr.read_nwb(session, **WINDOW)
    assert system.activity("V1").shape == (9, 4, 2)


def test_truncated_and_foreign_files(session, tmp_path):
    whole = session.read_bytes()
    for share in (0.1, 0.5, 0.95):
        cut = tmp_path / f"cut{share}.nwb"
        cut.write_bytes(whole[: int(share * len(whole))])
        refused(
            lambda cut=cut: marr.read_nwb(cut, **WINDOW), "path", "cut", error=FileError
        )
    text = tmp_path / "notes.nwb"
    text.write_text("no session")
    refused(
        lambda: marr.read_nwb(text, **WINDOW),
        "path",
        "cannot be read as NWB",
        error=FileError,
    )
    plain = tmp_path / "plain.h5"
    with h5py.File(plain, "w") as file:
        file["x"] = np.arange(3)
    refused(
        lambda: marr.read_nwb(plain, **WINDOW),
        "not NWB",
        "from_arrays",
        error=FileError,
    )
    refused(
        lambda: marr.read_nwb(tmp_path / "none.nwb", **WINDOW),
        "there is no file",
        error=FileError,
    )
    refused(
        lambda: marr.read_nwb(session, align="contrst", **WINDOW), "align", "contrast"
    )
    refused(
        lambda: marr.read_nwb(session, sites=["V2"], **WINDOW), "sites", "Did you mean 'V1'",
        error=OptionError,
    )  # fmt: skip


def test_damaged_stores_and_reports(animal, finding, tmp_path):
    store = Path(animal.save(tmp_path / "store"))
    chunk = max(
        (f for f in store.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size
    )
    chunk.write_bytes(chunk.read_bytes()[:-20])
    refused(
        lambda: marr.open(store),
        "path",
        "not complete",
        "[Ss]ave it anew",
        error=FileError,
    )
    refused(lambda: marr.open(tmp_path), "path", "not a store", error=FileError)
    refused(lambda: marr.open(tmp_path / "none"), "path", "nothing at", error=FileError)
    page = marr.Report("Q").add(finding).save(tmp_path / "page.html")
    whole = page.read_text(encoding="utf-8")
    page.write_text(whole[: len(whole) // 3], encoding="utf-8")
    refused(lambda: marr.Report.open(page), "path|report", error=MarrError)
    record = finding.to_dict()
    for damaged in (
        {},
        [],
        {"marr_finding": 2},
        {k: v for k, v in record.items() if k != "estimate"},
        {**record, "estimate": {}},
        {**record, "notes": [{"tone": 1}]},
        {**record, "figures": [{"kind": "pie"}]},
    ):
        refused(lambda damaged=damaged: marr.Finding.from_dict(damaged), "finding|kind")


def unwritable(folder: Path) -> dict[str, Path]:
    """Paths that nobody can write, not even an administrator."""
    file = folder / "file"
    file.write_text("kept")
    (folder / "folder").mkdir(exist_ok=True)
    (folder / "folder" / "mine.txt").write_text("kept")
    os.mkfifo(folder / "pipe")
    return {
        "below a file": file / "out.html",
        "no such folder": folder / "none" / "out.html",
        "a folder": folder / "folder",
        "a pipe": folder / "pipe",
        "too long a name": folder / ("x" * 300),
    }


def contents(folder: Path) -> dict[str, str | None]:
    return {
        str(p.relative_to(folder)): p.read_text() if p.is_file() else None
        for p in folder.rglob("*")
    }


WAYS = ("below a file", "no such folder", "a folder", "a pipe", "too long a name")


@pytest.mark.parametrize("way", WAYS)
def test_unwritable_paths(animal, finding, tmp_path, way, capsys):
    paths = unwritable(tmp_path)
    source = tmp_path / "finding.json"
    source.write_text(json.dumps(finding.to_dict()))
    before = contents(tmp_path)
    report = marr.Report("Q").add(finding)
    refused(
        lambda: report.save(paths[way]),
        "path",
        re.escape(paths[way].name[:200]),
        error=FileError,
    )
    assert contents(tmp_path) == before
    refused(lambda: animal.save(paths[way]), "path", error=FileError)
    assert contents(tmp_path) == before
    assert main(["report", str(source), "-o", str(paths[way])]) == 2
    assert capsys.readouterr().err.startswith("marr report: ")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("way", WAYS[:4])
def test_a_demo_that_could_not_be_written_does_not_start(tmp_path, way, capsys):
    paths = unwritable(tmp_path)
    before = contents(tmp_path)
    assert main(["demo", "--out", str(paths[way]), "--no-open", "--quiet"]) == 2
    assert "--out" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_text_that_no_file_can_hold(finding, tmp_path):
    report = marr.Report("half a character \ud800").add(finding)
    refused(lambda: report.save(tmp_path / "page.html"), error=MarrError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "fault", [OSError(28, "No space left on device"), KeyboardInterrupt()]
)
def test_a_fault_in_the_middle_leaves_what_was_there(
    animal, finding, tmp_path, monkeypatch, fault
):
    """The disk is full, or the user stops: the old file stays whole, no part is left."""
    report = marr.Report("Q").add(finding)
    page, store = tmp_path / "page.html", tmp_path / "store"
    report.save(page)
    animal.save(store)
    before = {str(p): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def fails(*_: Any, **__: Any) -> Any:
        raise fault

    expected = FileError if isinstance(fault, OSError) else KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        with pytest.raises(expected):
            report.add(finding).save(page)
    with monkeypatch.context() as patch:
        patch.setattr("marr.systems._store.write_recording", fails)
        with pytest.raises(expected):
            animal.select("stimulus > 0").save(store)
    assert {
        str(p): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()
    } == before


def test_a_link_to_a_file_keeps_being_one(finding, tmp_path):
    """Saving over a symbolic link writes what it points to."""
    target, name = tmp_path / "real.html", tmp_path / "latest.html"
    marr.Report("old").save(target)
    name.symlink_to(target)
    marr.Report("new").add(finding).save(name)
    assert name.is_symlink()
    assert marr.Report.open(target).title == "new"


def test_what_findings_of_models_are_not_saved_as(net, animal, tmp_path):
    refused(
        lambda: net.save(tmp_path / "net"),
        "only a Recording can be saved",
        "from_arrays",
    )
    lesion = animal.perturb(marr.Ablate("early", units=["u0"]))
    refused(
        lambda: lesion.save(tmp_path / "lesion"), "perturbed recording is not saved"
    )
    assert list(tmp_path.iterdir()) == []
