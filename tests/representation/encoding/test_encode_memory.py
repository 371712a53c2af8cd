"""Targets are read a few units at a time: memory follows the rows, not the units."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pytest

import marr
from marr.representation import encode
from marr.representation._encoding import _reader, _site_scores


def peak_of(function):
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("method", ["ridge", "banded_ridge"])
def test_twice_the_units_take_no_more_memory_than_their_results(monkeypatch, method):
    monkeypatch.setattr(_reader, "CHUNK", 20_000)
    monkeypatch.setattr(_site_scores, "MOST", 50)
    monkeypatch.setattr(_reader.Reader.parts, "__kwdefaults__", {"floats": 20_000})
    rng = np.random.default_rng(0)
    peaks = []
    features = rng.normal(size=(50, 60))
    for n_units in (2_500, 5_000):
        brain = marr.from_arrays({"V1": rng.normal(size=(50, n_units))})
        options = {"method": method, "n_mixtures": 3, "n_permutations": 0}
        peaks.append(
            peak_of(lambda b=brain, o=options: encode(b, features, ceiling="none", **o))
        )
    assert peaks[1] - peaks[0] < 0.6 * 50 * 2_500 * 8


def test_parts_of_units_have_the_scores_of_all(monkeypatch):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 8))
    y = x @ rng.normal(size=(8, 37)) + 3 * rng.normal(size=(60, 37))
    brain = marr.from_arrays({"V1": y})
    whole = encode(brain, x, n_permutations=19)
    monkeypatch.setattr(_reader.Reader.parts, "__kwdefaults__", {"floats": 60 * 5})
    monkeypatch.setattr(_site_scores, "BUDGET", 600)
    parts = encode(brain, x, n_permutations=19)
    for name in whole.estimate.data_vars:
        np.testing.assert_allclose(
            parts.estimate[name].values, whole.estimate[name].values, atol=1e-10
        )


def test_few_resamples_are_kept_of_many_units(monkeypatch):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 3))
    y = x @ rng.normal(size=(3, 300)) + rng.normal(size=(60, 300))
    brain = marr.from_arrays({"V1": y})
    whole = encode(brain, x, n_permutations=0).tables["site"]
    monkeypatch.setattr(_site_scores, "MOST", 100)
    part = encode(brain, x, n_permutations=0).tables["site"]
    assert part["estimate"].item() == whole["estimate"].item()
    for name in ("ci_low", "ci_high"):
        assert part[name].item() == pytest.approx(whole[name].item(), abs=0.03)


CAPPED = """
import resource, sys
import numpy as np
import marr
from marr.representation import encode
system = marr.open(sys.argv[1])
features = np.random.default_rng(0).normal(size=(96, 100))
warm = marr.from_arrays({"warm": np.random.default_rng(0).normal(size=(96, 30))})
encode(warm, features, n_permutations=2)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = size + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
found = encode(system, features, n_permutations=4)
try:
    system.activity("big").values.sum()
except MemoryError:
    print("too large to load")
print(found.estimate.sizes["unit"])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs limits of Linux")
def test_a_site_larger_than_memory(tmp_path):
    """A store of 880 MB under a cap that does not hold it."""
    rng = np.random.default_rng(3)
    x = np.tile(rng.normal(size=(96, 32, 900)).astype(np.float32), (1, 1, 80))
    marr.from_arrays({"big": x}).save(tmp_path / "store")
    del x
    run = subprocess.run(
        [sys.executable, "-c", CAPPED, str(tmp_path / "store"), str(750_000_000)],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.split() == [*["too", "large", "to", "load"], "72000"]


@pytest.mark.slow
def test_features_of_many_units_are_read_in_parts(tmp_path):
    """Gram matrices take up the parts of another system's site."""
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"stimulus": np.arange(40)})
    wide = rng.normal(size=(40, 200_000)).astype(np.float32)
    marr.from_arrays({"layer": wide}, table, name="net").save(tmp_path / "net")
    y = wide[:, :50] @ rng.normal(size=(50, 3))
    brain = marr.from_arrays({"V1": y}, table, name="brain")
    net = marr.open(tmp_path / "net")
    del wide
    peak = peak_of(lambda: encode(brain, net, on="stimulus", n_permutations=0))
    assert peak < 40 * 200_000 * 8 * 4
