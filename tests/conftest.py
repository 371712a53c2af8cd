"""Shape checks on kernels, one thread, and shared small systems."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from jaxtyping import install_import_hook

ROOT = Path(__file__).parents[1]
KERNELS = [
    ".".join(p.relative_to(ROOT).with_suffix("").parts)
    for p in sorted((ROOT / "marr").rglob("_*kernel.py"))
]
install_import_hook(KERNELS, "beartype.beartype")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
