"""Cold start: `import marr`, against the packages that it leaves for later."""

from __future__ import annotations

import statistics
import subprocess
import sys

MODULES = ("marr", "numpy", "xarray", "torch", "transformer_lens")
RUNS = 5


def seconds(module: str) -> float:
    """Return the median time of a fresh interpreter's import, without its own start."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        for _ in range(RUNS)
    ]
    return statistics.median(float(r.stdout.split()[-1]) for r in runs)


def main() -> None:
    times = {module: seconds(module) for module in MODULES}
    for module, took in times.items():
        print(f"{module:18s} {took:7.3f} s   {took / times['marr']:8.1f} x marr")


if __name__ == "__main__":
    main()
