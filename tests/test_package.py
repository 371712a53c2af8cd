"""The package as a whole: quick to import, in layers, one version everywhere."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import marr

ROOT = Path(__file__).parents[1]
FLOORS = {
    "errors": 0,
    "stats": 1,
    "findings": 2,
    "systems": 2,
    "_cohort_findings": 3,
    "_analysis": 3,
    "_option_types": 1,
    "readouts": 3,
    "measures": 3,
    "datasets": 3,
    "behavior": 4,
    "representation": 4,
    "implementation": 4,
    "links": 5,
    "zoo": 5,
    "report": 5,
    "demo": 6,
    "cli": 7,
    "__main__": 8,
}
LEVELS = ("behavior", "representation", "implementation")
MODULES = sorted((ROOT / "marr").rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the first name below marr of every import in a file, wherever it stands."""
    names = set()
    package = list(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level] if node.level else []
            head = ".".join([*base, *([node.module] if node.module else [])])
            names |= (
                {f"{head}.{a.name}" for a in node.names} if head == "marr" else {head}
            )
    return {n.split(".")[1] for n in names if n.startswith("marr.")}


def test_import_is_light():
    """Importing marr loads nothing heavy; its public names are still listed."""
    code = (
        "import sys, marr; assert 'hook' in dir(marr); "
        "heavy = {'numpy', 'pandas', 'xarray', 'torch', 'transformers', 'sklearn', "
        "'transformer_lens', 'plotly', 'scipy'} & set(sys.modules); "
        "sys.exit(','.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_recordings_do_without_torch():
    code = (
        "import sys, numpy as np, marr; s = marr.from_arrays({'a': np.zeros((4, 2))}); "
        "s.activity('a'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downward(path):
    parts = path.relative_to(ROOT / "marr").with_suffix("").parts
    own = parts[0]
    if own == "__init__":
        return
    assert own in FLOORS, f"{own} has no floor; add it to the layering"
    for other in imported(path):
        if other in (own, "__version__") or other not in FLOORS:
            continue
        assert FLOORS[other] <= FLOORS[own], f"{own} imports {other} from above"
        assert not (own in LEVELS and other in LEVELS), (
            f"{own} imports the level {other}"
        )


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_are_small(path):
    assert path.read_text(encoding="utf-8").count("\n") <= 400


def test_one_version_everywhere():
    cff = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(rf"^version: {re.escape(marr.__version__)}$", cff, re.MULTILINE)
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {marr.__version__}" in changes


def test_constraints_cover_every_dependency_and_keep_the_bounds():
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {
        re.sub(r"[-_.]+", "-", line.split("==")[0]).lower(): line.split("==")[
            1
        ].split()[0]
        for line in lines
        if "==" in line and not line.startswith("#")
    }
    needed = project["dependencies"] + project["optional-dependencies"]["test"]
    for requirement in map(Requirement, needed):
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert name in pins, f"constraints.txt lacks {name}"
        assert requirement.specifier.contains(pins[name]), f"{name} {pins[name]}"


def test_public_names_exist():
    for name in marr.__all__:
        assert getattr(marr, name) is not None


def test_unknown_public_name_raises():
    with pytest.raises(AttributeError, match="no attribute 'psychometrics'"):
        _ = marr.psychometrics
