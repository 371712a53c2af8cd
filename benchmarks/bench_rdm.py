"""Dissimilarities against rsatoolbox: `python benchmarks/bench_rdm.py`.

Prints CPU seconds of marr and of rsatoolbox 0.3.2 (a part is timed and multiplied up
where it says so), their ratio, and the largest difference where both compute the same
number. Without rsatoolbox only marr is timed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import os
import resource
import time
import tracemalloc
import warnings
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy import sparse

import marr
from marr.representation import searchlight
from marr.representation._rsa._geometry import make_geometry
from marr.representation._rsa._rdm_kernel import upper
from marr.representation._rsa._row_blocks import ArrayBlocks
from marr.representation._rsa._searchlight_job import Search, ball_rdms
from marr.representation._rsa._searchlight_kernel import scaled_rows

if TYPE_CHECKING:
    from collections.abc import Callable

PEER = importlib.util.find_spec("rsatoolbox") is not None


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        result = function()
    return time.process_time() - start, result


def best_of(function: Callable[[], Any], n: int = 3) -> tuple[float, Any]:
    runs = [timed(function) for _ in range(n)]
    return min(r[0] for r in runs), runs[0][1]


def show(
    job: str, ours: float, plain: float, difference: float = np.nan, note: str = ""
) -> None:
    apart = "      -" if np.isnan(difference) else f"{difference:.0e}"
    ratio = "       -" if np.isnan(plain) else f"{plain / ours:>7.0f}x"
    print(f"{job:<50}{ours:>9.4f}{plain:>10.2f}{ratio}  {apart}  {note}")


def crossnobis(n_conditions: int, n_units: int, n_runs: int, n_rows: int) -> None:
    """Crossnobis with shrunk noise; the peer whitens once, marr by the other runs."""
    rng = np.random.default_rng(3)
    conditions = np.tile(np.arange(n_conditions), n_runs)
    run = np.repeat(np.arange(n_runs), n_conditions)
    x = rng.normal(size=(len(run), n_units))

    def mine(noise: Any = "folds") -> Any:
        geometry = make_geometry(
            x, conditions, run, n_conditions, "crossnobis", noise=noise
        )
        return geometry.distances(conditions)

    ours, _ = best_of(mine)
    tracemalloc.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mine()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    job = f"crossnobis {n_conditions} x {n_units}, {n_runs} runs"
    memory = (
        f"peak {peak / 1e6:.0f} MB beyond the data (resident +{grown / 1e3:.0f} MB); one "
        f"units x units array: {n_units**2 * 8 / 1e6:.0f} MB"
    )
    if not PEER:
        show(job, ours, np.nan, note=memory)
        return
    seconds, difference, how = peer_crossnobis(x, conditions, run, n_rows)
    if difference is not None:
        difference = float(np.abs(upper(mine("identity")) - difference).max())
    show(job, ours, seconds, difference or np.nan, f"{how}; {memory}")


def peer_crossnobis(
    x: Any, conditions: Any, run: Any, n_rows: int
) -> tuple[float, Any, str]:
    """Seconds, distances without noise, and how they were timed."""
    import rsatoolbox
    from rsatoolbox.data import noise as peer_noise

    described = {"condition": conditions.tolist(), "run": run.tolist()}
    data = rsatoolbox.data.Dataset(x, obs_descriptors=described)

    def distances(noise: Any) -> Any:
        return rsatoolbox.rdm.calc_rdm(
            data,
            method="crossnobis",
            descriptor="condition",
            cv_descriptor="run",
            noise=noise,
        ).dissimilarities[0]

    if not n_rows:
        seconds, noise = timed(
            lambda: peer_noise.prec_from_unbalanced(
                data, obs_desc="condition", method="shrinkage_diag"
            )
        )
        more, _ = timed(lambda: distances(noise))
        return seconds + more, distances(None), "the peer in full"
    some, covariance = timed(lambda: peer_noise._covariance_diag(x[:n_rows], n_rows))
    loop = some * len(x) / n_rows
    covariance += np.eye(len(covariance))
    inverse, noise = timed(lambda: np.linalg.inv(covariance))
    more, _ = timed(lambda: distances(noise))
    how = f"the peer's noise scaled from {n_rows} of {len(x)} rows, the rest in full"
    return loop + inverse + more, None, how


def lights(n_centers: int, n_ball: int, n_conditions: int, share: float) -> None:
    """Distances in balls, and three models compared with each."""
    rng = np.random.default_rng(0)
    n_units, n_runs = 20_000, 6
    neighbors = [
        np.sort(rng.choice(n_units, n_ball, replace=False)) for _ in range(n_centers)
    ]
    starts = np.arange(n_centers + 1) * n_ball
    within = sparse.csr_array(
        (np.ones(n_centers * n_ball), np.concatenate(neighbors), starts),
        shape=(n_centers, n_units),
    )
    conditions = np.tile(np.arange(n_conditions), n_runs)
    run = np.repeat(np.arange(n_runs), n_conditions)
    x = rng.normal(size=(len(run), n_units))
    means = x.reshape(n_runs, n_conditions, -1).mean(axis=0)
    models = rng.uniform(size=(3, n_conditions * (n_conditions - 1) // 2))
    found = {}
    for distance in ("correlation", "crossnobis"):
        rows = means if distance == "correlation" else x
        codes = np.arange(n_conditions) if distance == "correlation" else conditions
        fold = np.zeros_like(codes) if distance == "correlation" else run
        search = Search(
            within, codes, fold, n_conditions, distance, "identity", "correlation"
        )
        found[distance] = best_of(
            lambda s=search, r=rows, c=codes: ball_rdms(s, ArrayBlocks(r), [c])[0][0]
        )
    values = found["correlation"][1]
    model_rows = scaled_rows(models, "correlation")
    evaluation = best_of(lambda: scaled_rows(values, "correlation") @ model_rows.T)
    job = f"{n_centers} balls x {n_ball} units x {n_conditions} conditions"
    if not PEER:
        for name, (seconds, _) in {**found, "3 models": evaluation}.items():
            show(f"{job}: {name}", seconds, np.nan)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer_lights(job, found, evaluation, means, x, run, neighbors, models, share)


def peer_lights(
    job: str,
    found: dict[str, tuple[float, Any]],
    evaluation: tuple[float, Any],
    means: Any,
    x: Any,
    run: Any,
    neighbors: list[Any],
    models: Any,
    share: float,
) -> None:
    import rsatoolbox
    from rsatoolbox.util import searchlight as peer

    n_centers, n = len(neighbors), len(means)
    centers = np.arange(n_centers)
    seconds, rdms = timed(
        lambda: peer.get_searchlight_RDMs(
            means, centers, neighbors, np.arange(n), method="correlation", verbose=False
        )
    )
    ours, values = found["correlation"]
    gap = np.abs(values - rdms.dissimilarities).max()
    show(f"{job}: correlation", ours, seconds, gap, "the peer in full")
    some = max(1, int(share * n_centers))
    described = {
        "condition": np.tile(np.arange(n), run.max() + 1).tolist(),
        "run": run.tolist(),
    }

    def loop() -> Any:
        return np.stack(
            [
                rsatoolbox.rdm.calc_rdm(
                    rsatoolbox.data.Dataset(x[:, v], obs_descriptors=described),
                    method="crossnobis",
                    descriptor="condition",
                    cv_descriptor="run",
                ).dissimilarities[0]
                for v in neighbors[:some]
            ]
        )

    seconds, expected = timed(loop)
    ours, values = found["crossnobis"]
    gap = np.abs(values[:some] - expected).max()
    note = f"the peer scaled from {some} balls"
    show(f"{job}: crossnobis", ours, seconds * n_centers / some, gap, note)
    fixed = [rsatoolbox.model.ModelFixed(str(i), m) for i, m in enumerate(models)]
    seconds, results = timed(
        lambda: peer.evaluate_models_searchlight(
            rdms.subset("voxel_index", centers[:some].tolist()),
            fixed,
            rsatoolbox.inference.eval_fixed,
            method="corr",
        )
    )
    scores = np.array([r.evaluations.reshape(-1)[:3] for r in results])
    gap = np.abs(scores - evaluation[1][:some]).max()
    show(f"{job}: 3 models", evaluation[0], seconds * n_centers / some, gap, note)


def whole(side: int, n_conditions: int) -> None:
    """The public call: a cube of units, three models, 1,000 permutations."""
    rng = np.random.default_rng(1)
    place = np.stack(np.meshgrid(*[np.arange(side)] * 3), -1).reshape(-1, 3)
    codes, run = (
        np.tile(np.arange(n_conditions), 6),
        np.repeat(np.arange(6), n_conditions),
    )
    system = marr.from_arrays(
        {"volume": rng.normal(size=(len(codes), len(place)))},
        trials=pd.DataFrame({"condition": codes, "session": run}),
        units={"volume": pd.DataFrame(place.astype(float), columns=list("xyz"))},
    )
    models = {}
    for i in range(3):
        at = rng.normal(size=(n_conditions, 3))
        apart = ((at[:, None] - at) ** 2).sum(-1)
        models[f"m{i}"] = pd.DataFrame(apart, range(n_conditions), range(n_conditions))
    seconds, found = timed(
        lambda: searchlight(system, models=models, radius=2.9, n_permutations=1000)
    )
    job = f"searchlight(), {found.estimate.sizes['unit']} balls x {n_conditions}, 3 models"
    show(job, seconds, np.nan, note="crossnobis, halves, jackknife, 1,000 permutations")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick look")
    small = parser.parse_args().small
    warnings.simplefilter("ignore")
    if not PEER:
        print("rsatoolbox is not installed: marr alone is timed")
    print(f"{'job':<50}{'marr':>9}{'peer':>10}{'ratio':>8}  difference")
    crossnobis(30 if small else 92, 200, 8, 0)
    if not small:
        crossnobis(92, 1000, 8, 0)
        crossnobis(92, 5000, 8, 20)
    lights(200 if small else 3040, 89, 16, 0.5 if small else 0.05)
    whole(6 if small else 15, 16)


if __name__ == "__main__":
    main()
