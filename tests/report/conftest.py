"""Findings made by hand, shared by the tests of figures, reports and the browser."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType


def load_samples() -> ModuleType:
    path = Path(__file__).with_name("_samples.py")
    spec = importlib.util.spec_from_file_location("marr_report_samples", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    return load_samples()


@pytest.fixture(scope="session")
def report(samples):
    return samples.full_report()


@pytest.fixture(scope="session")
def page(report) -> str:
    from marr.report import render

    return render(report)
