"""Spike counts from an NWB file: marr, the usual loop, pynwb and pynapple.

    python benchmarks/bench_read_nwb.py [--units 400] [--trials 800]

Writes a file of one hour with overlapping trials, then times each route in a process of
its own (CPU seconds without imports, peak resident memory) and prints ratios. Slow routes run on a part
of the units and are scaled up; that is said. Counts are compared with those of marr.
Routes whose package is missing are skipped.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

HOUR = 3600.0
WINDOW, BIN = (-0.5, 1.5), 0.02
N_BINS = 100


def write_file(path: Path, n_units: int, n_trials: int) -> None:
    """Write units of 6 Hz and trials that overlap (one every 1.5 s, or denser)."""
    from pynwb import NWBHDF5IO, NWBFile

    rng = np.random.default_rng(0)
    nwb = NWBFile(
        session_description="benchmark",
        identifier="b",
        session_start_time=datetime(2020, 1, 1, tzinfo=UTC),
    )
    for _ in range(n_units):
        train = np.sort(rng.uniform(0, HOUR, rng.poisson(6.1 * HOUR)))
        nwb.add_unit(spike_times=np.unique(np.round(train * 30_000)) / 30_000)
    nwb.add_trial_column("stimulus_on", "event")
    events = np.sort(rng.uniform(10, HOUR - 10, n_trials))
    for event in events:
        nwb.add_trial(start_time=event - 0.5, stop_time=event + 1.5, stimulus_on=event)
    with NWBHDF5IO(str(path), "w") as io:
        io.write(nwb)


def by_marr(path: Path, n_units: int) -> tuple[np.ndarray, float]:
    import marr

    system = marr.read_nwb(path, align="stimulus_on", window=WINDOW, bin_width=BIN)
    return system.activity("units").values[..., :n_units], 1.0


def by_histogram(path: Path, n_units: int) -> tuple[np.ndarray, float]:
    """Mask and histogram, per unit and trial: what users write."""
    import h5py

    part = max(1, n_units // 20)
    with h5py.File(path) as file:
        spikes = file["units/spike_times"][()]
        ends = file["units/spike_times_index"][()].astype(int)
        events = file["intervals/trials/stimulus_on"][()]
    trains = np.split(spikes, ends[:-1])[:part]
    counts = np.zeros((len(events), N_BINS, part))
    for u, train in enumerate(trains):
        for t, event in enumerate(events):
            inside = train[(train >= event + WINDOW[0]) & (train < event + WINDOW[1])]
            edges = event + WINDOW[0] + np.arange(N_BINS + 1) * BIN
            counts[t, :, u] = np.histogram(inside, edges)[0]
    return counts, n_units / part


def by_pynwb(path: Path, n_units: int) -> tuple[np.ndarray, float]:
    """`get_unit_spike_times(..., in_interval=...)`, per unit and trial."""
    from pynwb import NWBHDF5IO

    part = max(1, n_units // 100)
    with NWBHDF5IO(str(path), "r") as io:
        nwb = io.read()
        events = nwb.trials["stimulus_on"][:]
        counts = np.zeros((len(events), N_BINS, part))
        for u in range(part):
            for t, event in enumerate(events):
                span = (event + WINDOW[0], event + WINDOW[1])
                inside = nwb.units.get_unit_spike_times(u, in_interval=span)
                edges = event + WINDOW[0] + np.arange(N_BINS + 1) * BIN
                counts[t, :, u] = np.histogram(inside, edges)[0]
    return counts, n_units / part


def by_pynapple(path: Path, n_units: int) -> tuple[np.ndarray, float]:
    """Only trials that do not overlap: pynapple merges the others away."""
    import h5py
    import pynapple as nap

    with h5py.File(path) as file:
        events = file["intervals/trials/stimulus_on"][()]
    keep = [events[0]]
    for event in events[1:]:
        if event - keep[-1] > WINDOW[1] - WINDOW[0]:
            keep.append(event)
    kept = np.array(keep)
    units = nap.load_file(str(path))["units"]
    epochs = nap.IntervalSet(kept + WINDOW[0], kept + WINDOW[1])
    tensor = nap.build_tensor(units, epochs, bin_size=BIN)
    counts = np.full((len(events), N_BINS, n_units), np.nan)
    counts[np.isin(events, kept)] = np.moveaxis(tensor, 0, -1)[:, :N_BINS]
    return counts, 1.0


ROUTES = {
    "marr": by_marr,
    "mask and histogram": by_histogram,
    "pynwb in_interval": by_pynwb,
    "pynapple": by_pynapple,
}


PACKAGES = {
    "marr": "marr.systems._nwb",
    "mask and histogram": "h5py",
    "pynwb in_interval": "pynwb",
    "pynapple": "pynapple",
}


def peak_mb() -> float:
    """Peak resident memory of this process (Linux), nan elsewhere."""
    status = Path("/proc/self/status")
    found = status.exists() and re.search(r"VmHWM:\s+(\d+)", status.read_text())
    return int(found[1]) / 1024 if found else float("nan")


def measure(route: str, path: Path, n_units: int, out: Path) -> None:
    importlib.import_module(PACKAGES[route])
    start = time.process_time()
    counts, scale = ROUTES[route](path, n_units)
    seconds = (time.process_time() - start) * scale
    peak = peak_mb()
    np.save(out, counts)
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "scale": scale}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=400)
    parser.add_argument("--trials", type=int, default=800)
    parser.add_argument("--route", choices=ROUTES)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.route:
        measure(options.route, options.file, options.units, options.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), options.units, options.trials)


def compare(folder: Path, n_units: int, n_trials: int) -> None:
    path = folder / "benchmark.nwb"
    write_file(path, n_units, n_trials)
    print(f"{path.stat().st_size / 1e6:.0f} MB, {n_units} units, {n_trials} trials")
    reference, base = None, 0.0
    for route in ROUTES:
        if route == "pynapple" and importlib.util.find_spec("pynapple") is None:
            print("pynapple: not installed, skipped")
            continue
        out = folder / "counts.npy"
        command = [sys.executable, __file__, "--route", route, "--file", str(path)]
        command += ["--out", str(out), "--units", str(n_units)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        result = json.loads(done.stdout.splitlines()[-1])
        counts = np.load(out)
        if reference is None:
            reference, base = counts, result["seconds"]
        seen = ~np.isnan(counts)
        different = np.sum(counts[seen] != reference[..., : counts.shape[2]][seen])
        note = f", scaled x{result['scale']:.0f}" if result["scale"] > 1 else ""
        print(
            f"{route:20s} {result['seconds']:8.2f} s CPU{note}  "
            f"{result['peak_mb']:6.0f} MB peak  x{result['seconds'] / base:.1f}  "
            f"{seen[..., 0].all(axis=1).sum()} trials, {different} of {seen.sum()} "
            "counts differ"
        )


if __name__ == "__main__":
    main()
