"""Time alignment of many systems: `python benchmarks/bench_alignment.py`.

Prints CPU seconds of marr, of the plain way, their ratio, and the largest difference.
netrep is not on the package index, so its published mathematics is written out here in
numpy: CKA from the Gram matrices of each pair; shape distances by partial whitening of raw
data, a full singular value decomposition of each pair, rotated data and the angle between
them. The topology divergence is timed against ripser on the auxiliary graph of 2n points,
where ripser is installed. Parts are timed and multiplied up where it says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tracemalloc
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from _timing import timed

import marr
from marr.representation import ALIGNMENT_MEASURES, alignment_matrix
from marr.representation._alignment._gram_kernel import gram, squared_distances
from marr.representation._alignment._sample import Sample
from marr.representation._alignment._topology_kernel import scaled_distances


def show(
    job: str, ours: float, plain: float, difference: float, note: str = ""
) -> None:
    apart = "      -" if np.isnan(difference) else f"{difference:.0e}"
    print(f"{job:<52}{ours:>8.3f}{plain:>10.2f}{plain / ours:>8.1f}x  {apart}  {note}")


def samples(data: list[np.ndarray]) -> list[Sample]:
    fold = np.arange(len(data[0])) % 5
    return [Sample(str(i), x, fold, None, x.shape[1]) for i, x in enumerate(data)]


def matrix(name: str, data: list[np.ndarray], *, half: bool, **options: Any) -> Any:
    """All pairs, as `alignment_matrix` computes them."""
    entry = ALIGNMENT_MEASURES[name]
    engine = (entry.configured(**options) if options else entry).engine()
    ready = [engine.prepare(s) for s in samples(data)]
    if not half:
        return engine.compare(ready, ready)
    n = len(ready)
    out = np.zeros((n, n))
    for i in range(n - 1):
        out[i, i + 1 :] = engine.compare(ready[i : i + 1], ready[i + 1 :])[0]
    return out + out.T


# -- the plain way -------------------------------------------------------------------


def plain_angle(x: np.ndarray, y: np.ndarray) -> float:
    size = np.linalg.norm(x.ravel()) * np.linalg.norm(y.ravel())
    return float(np.arccos(np.clip(x.ravel() @ y.ravel() / size, -1.0, 1.0)))


def plain_cka(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return plain_angle(x @ x.T, y @ y.T)


def plain_whitening(x: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    if alpha > 1 - 1e-7:
        return x, np.eye(x.shape[1])
    lam, v = np.linalg.eigh(x.T @ x)
    lam = np.maximum(lam, 1e-7)
    d = alpha + (1 - alpha) / np.sqrt(lam)
    new = (
        alpha**2 * lam + 2 * alpha * (1 - alpha) * np.sqrt(lam) + (1 - alpha) ** 2
    ).sum()
    z = (v * (d * np.sqrt(lam.sum() / new))) @ v.T
    return x @ z, z


def plain_shape(x: np.ndarray, y: np.ndarray, alpha: float) -> float:
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    white_x, zx = plain_whitening(x - mean_x, alpha)
    white_y, zy = plain_whitening(y - mean_y, alpha)
    u, _, vt = np.linalg.svd(white_x.T @ white_y)
    return plain_angle((x - mean_x) @ (zx @ u), (y - mean_y) @ (zy @ vt.T))


# -- jobs ----------------------------------------------------------------------------


def cka(n_layers: int, n: int, p: int) -> None:
    """All layers with all, of one network and of two."""
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(n, p)) for _ in range(n_layers)]
    other = [x + rng.normal(size=(n, p)) for x in data]

    def ours(name: str, side: list[np.ndarray]) -> Any:
        engine = ALIGNMENT_MEASURES[name].engine()
        a = [engine.prepare(s) for s in samples(data)]
        b = a if side is data else [engine.prepare(s) for s in samples(side)]
        return engine.compare(a, b)

    for side, words in ((data, "one network"), (other, "two networks")):
        slow, expected = timed(
            lambda s=side: np.array([[plain_cka(x, y) for y in s] for x in data])
        )
        fast, found = timed(lambda s=side: ours("cka_angular", s))
        off = ~np.eye(n_layers, dtype=bool)  # angles near 0 are rounding
        apart = float(np.abs(found - expected)[off].max())
        show(f"CKA {n_layers} x {n_layers}, {n} x {p}, {words}", fast, slow, apart)
        fast, _ = timed(lambda s=side: ours("cka", s))
        show("  the same, debiased", fast, slow, np.nan, "the peer has the biased one")


def shapes(n_systems: int, n: int, p: int, alpha: float, few: int) -> None:
    """Shape distances of all pairs; the plain way timed on `few` systems."""
    rng = np.random.default_rng(1)
    base = rng.normal(size=(n, p))
    data = [base + rng.normal(size=(n, p)) for _ in range(n_systems)]
    option = {"alpha": alpha}
    fast, found = timed(lambda: matrix("shape_partial", data, half=True, **option))
    pairs = [(i, j) for i in range(few) for j in range(i + 1, few)]
    slow, expected = timed(
        lambda: [plain_shape(data[i], data[j], alpha) for i, j in pairs]
    )
    slow *= n_systems * (n_systems - 1) / 2 / len(pairs)
    apart = max(abs(found[i, j] - v) for (i, j), v in zip(pairs, expected, strict=True))
    note = "" if few == n_systems else f"plain way scaled from {len(pairs)} pairs"
    show(
        f"shape {n_systems} systems, {n} x {p}, alpha {alpha:g}",
        fast,
        slow,
        apart,
        note,
    )


def topology(n: int, p: int) -> None:
    """The divergence of one pair, exact."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(n, p))
    y = x + rng.normal(size=(n, p))
    fast, found = timed(lambda: ALIGNMENT_MEASURES["rtd"](x, y))
    if importlib.util.find_spec("ripser") is None:
        print(
            f"{f'topology divergence, {n} x {p}':<52}{fast:>8.3f}  (ripser is not installed)"
        )
        return
    from ripser import ripser

    def one(w: np.ndarray, v: np.ndarray) -> float:
        d = np.zeros((2 * n, 2 * n))
        d[n:, :n], d[:n, n:], d[n:, n:] = w, w.T, np.minimum(w, v)
        bars = ripser(d.astype(np.float32), distance_matrix=True, maxdim=1)["dgms"][1]
        return float((bars[:, 1] - bars[:, 0]).sum())

    def plain() -> float:
        w, v = (scaled_distances(squared_distances(gram(s)), 0.9) for s in (x, y))
        return (one(w, v) + one(v, w)) / 2

    slow, expected = timed(plain)
    show(f"topology divergence, {n} x {p}", fast, slow, abs(found - expected))


def whole(n_systems: int, n: int, p: int) -> None:
    """The whole analysis: null, interval, map and tree."""
    rng = np.random.default_rng(3)
    base = rng.normal(size=(n, p))
    made = [
        marr.from_arrays({"s": base + rng.normal(size=(n, p))}, name=f"system {i}")
        for i in range(n_systems)
    ]
    for measure in ("cka", "procrustes"):
        seconds, _ = timed(
            lambda m=measure: alignment_matrix(made[0], others=made[1:], measure=m)
        )
        job = f"alignment_matrix, {measure}, {n_systems} x {n} x {p}"
        print(f"{job:<52}{seconds:>8.2f}  100 orders, 20 parts left out, map and tree")


def memory(n: int, p: int) -> None:
    """Peak memory of a wide site, read in parts; twice the units, the same peak."""
    from marr.representation._alignment import _patterns

    rng = np.random.default_rng(4)
    peaks = []
    for units in (p, 2 * p):
        x = rng.normal(size=(n, units)).astype(np.float32)
        system = marr.from_arrays({"s": x}, name="wide")
        tracemalloc.start()
        _patterns.WHOLE = n * 2000
        _patterns.load_site(system, "s", np.arange(n), n, time="mean", whole=False)
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    print(f"peak memory beyond the data, {n} x {p:,} and twice the units: "
          f"{peaks[0]:.1f} and {peaks[1]:.1f} MB (one copy: {n * p * 8 / 1e6:.0f} MB)")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick look")
    small = parser.parse_args().small
    torch.set_num_threads(1)
    print(f"{'job':<52}{'marr':>8}{'plain':>10}{'ratio':>9}  difference")
    cka(4 if small else 12, 300 if small else 1000, 200 if small else 768)
    shapes(6 if small else 20, 1000, 100, 1.0, 6 if small else 20)
    shapes(6 if small else 20, 1000, 100, 0.5, 6 if small else 20)
    if not small:
        shapes(20, 500, 2000, 1.0, 2)
        shapes(20, 500, 2000, 0.5, 2)
    topology(60 if small else 150, 10)
    whole(6 if small else 20, 200, 50)
    memory(100, 20_000)


if __name__ == "__main__":
    main()
