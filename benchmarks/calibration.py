"""How often each test is wrong: `python benchmarks/calibration.py [name ...] [--studies N]`.

Runs `studies(n, seed)` of every `calibration_*.py` beside this file (or of those named)
and prints its rates: false positives at .05 on simulated nulls, power at planted effects,
coverage of 95 % intervals. A rate of false positives is marked when it lies above .05 by
more than chance has it (one-sided binomial, p < .001), a coverage when it lies below .95.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from scipy.stats import binom

HERE = Path(__file__).parent
ALPHA = 0.05


def load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def verdict(name: str, rate: float, n: int) -> str:
    """Mark rates that break their promise; names begin with what the rate is of."""
    if name.startswith("null") and binom.sf(round(rate * n) - 1, n, ALPHA) < 0.001:
        return "  TOO OFTEN"
    if name.startswith("coverage") and binom.cdf(round(rate * n), n, 0.95) < 0.001:
        return "  TOO NARROW"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="e.g. rsa alignment")
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    paths = sorted(HERE.glob("calibration_*.py"))
    known = {p.stem.removeprefix("calibration_"): p for p in paths}
    unknown = [n for n in options.names if n not in known]
    if unknown:
        parser.error(f"no calibration of {unknown}; there is {sorted(known)}")
    for name in options.names or sorted(known):
        started = time.process_time()
        rates = load(known[name]).studies(options.studies, options.seed)
        seconds = time.process_time() - started
        print(f"\n{name} ({options.studies} studies, {seconds:.0f} CPU s)")
        for key, value in rates.items():
            rate, n = value if isinstance(value, tuple) else (value, options.studies)
            print(f"  {key:<72}{rate:>7.3f}  n {n}{verdict(key, rate, n)}")


if __name__ == "__main__":
    main()
