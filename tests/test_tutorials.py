"""Tutorials run top to bottom, leave nothing behind, and find what their text says."""

from __future__ import annotations

import re
import runpy
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TUTORIALS = sorted((ROOT / "tutorials").glob("[0-9]*.py"))


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Return an empty working directory; temporary files go elsewhere."""
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "here"


def p_of(finding, **where):
    return float(finding.estimate["p_corrected"].sel(**where))


def needed(finding):
    return finding.estimate[finding.dims[0]].values[finding.estimate["needed"] == 1]


def recording_says(scope):
    """Check what 01 tells its reader about the planted animal and the mouse."""
    thresholds = scope["rows"].xs("threshold", level="parameter")
    assert thresholds["inside"].all()
    assert scope["rows"]["inside"].sum() >= 7
    choice, steady, beyond = scope["choice"], scope["steady"], scope["beyond"]
    early, late = {"time": -0.1}, {"time": 0.4}
    assert p_of(choice, site="front", **early) > 0.05
    assert p_of(choice, site="back", **early) < 0.05
    still = scope["still"]
    assert p_of(still, site="back", **early) > 0.05
    assert p_of(still, site="back", **late) < 0.05
    assert p_of(steady, site="back", **late) > 0.05
    for controlled in (still, steady, beyond):
        assert p_of(controlled, site="front", **late) < 0.05
    assert p_of(beyond, site="back", **late) > 0.05
    assert p_of(beyond, site="front", **early) > 0.05
    losses = scope["losses"].groupby(level=0).mean()
    assert (losses.idxmax() == "front: choice").all()
    assert (losses["refit"] < losses["fixed"])[losses["fixed"] > 0.001].all()
    assert list(needed(scope["together"])) == ["front:choice"]
    heading = scope["heading"].estimate
    assert float(heading["estimate"].sel(site="adn")) > 0.8
    assert float(heading["estimate"].sel(site="ca1")) < 0.3
    assert all(str(unit).startswith("adn") for unit in needed(scope["read_from"]))
    assert scope["kept"].verdict == "supported"
    assert float(scope["alike"].estimate["p_value"]) > 0.05


def network_says(scope):
    """Check what 02 tells its reader about networks, trained and planted."""
    mouse, net = scope["shifts"].values()
    assert float(mouse["ci_high"]) < 0
    assert float(net["estimate"]) < float(mouse["estimate"])
    assert (scope["prior"].estimate["p_corrected"] < 0.05).all()
    assert scope["needed"].evidence == "causal"
    assert scope["used"].statistic < 0
    assert list(needed(scope["by_group"])) == ["prior"]
    of_copies = scope["lesions"].estimate["estimate"].values[3:8]
    assert (of_copies == 0).all()
    link = scope["report"].links[0]
    assert link.kind == "used"
    assert link.ci[0] < 0 < link.ci[1]


CLAIMS = {"01_your_recording": recording_says, "02_your_network": network_says}


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda p: p.stem)
def test_tutorial_runs_and_holds(path, workplace):
    scope = runpy.run_path(str(path))
    assert not list(workplace.iterdir())
    assert scope["page"].exists()
    CLAIMS[path.stem](scope)


def test_every_tutorial_is_in_the_docs():
    listed = re.findall(
        r"tutorials/(\w+)\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    )
    assert listed == [path.stem for path in TUTORIALS]


def test_the_tutorials_make_the_same_calls():
    first, second = (
        set(re.findall(r"marr\.(\w+\.\w+)\(", p.read_text("utf-8"))) for p in TUTORIALS
    )
    shared = {
        "behavior.psychometric",
        "behavior.accuracy",
        "representation.decode",
        "implementation.ablate",
        "measures.decoded",
    }
    assert shared <= first & second
