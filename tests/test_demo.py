"""The demo: its systems, its words, and training anew."""

from __future__ import annotations

import numpy as np
import pytest

import marr
from marr.demo._decision import decision_systems
from marr.demo._heading import heading_systems
from marr.demo._progress import Steps


def test_the_mouses_choices_are_never_the_networks():
    mouse, networks = decision_systems()
    for network in networks:
        assert "reference_choice" in network.trials
        agree = network.trials["choice"] == network.trials["reference_choice"]
        assert 0.5 < agree.mean() < 0.95
    assert sum(len(session.trials) for session in mouse) == 4752
    assert mouse.member_kind == "sessions of one mouse"


def test_the_networks_meet_the_mouses_turning():
    wake, sleep, networks, untrained = heading_systems()
    error = [np.median(n.trials["heading_error"]) for n in networks]
    control = [np.median(n.trials["heading_error"]) for n in untrained]
    assert max(error) < 0.2 < min(control)
    assert set(sleep.unit_table().index) == set(wake.unit_table().index)


@pytest.mark.slow
def test_training_anew_ends_at_the_same_answers(tmp_path):
    from marr.demo import run

    shipped = marr.Report.open(run(tmp_path / "a.html", progress=False))
    anew = marr.Report.open(run(tmp_path / "b.html", train=True, progress=False))
    assert [f.analysis for f in anew.findings] == [f.analysis for f in shipped.findings]
    for a, b in zip(shipped.findings, anew.findings, strict=True):
        if "unit" in a.dims or a.estimate["estimate"].dtype.kind != "f":
            continue
        x, y = a.estimate["estimate"].values, b.estimate["estimate"].values
        spread = np.nanmax(np.abs(x)) + 1e-9
        assert np.nanmax(np.abs(x - y)) < 0.1 * spread, (a.analysis, a.system)
    for a, b in zip(shipped.links, anew.links, strict=True):
        assert a.verdict == b.verdict
        assert abs(a.statistic - b.statistic) < 0.1


@pytest.mark.slow
def test_two_runs_give_the_same_findings(tmp_path):
    from marr.demo import run

    first, second = (
        marr.Report.open(run(tmp_path / name, progress=False))
        for name in ("a.json", "b.json")
    )
    assert [f.id for f in first.findings] == [f.id for f in second.findings]
    assert [k.id for k in first.links] == [k.id for k in second.links]


def test_progress_names_the_step(capsys):
    with Steps(2, shown=True) as step:
        step("first")
        step("second")
    shown = capsys.readouterr().err
    assert "0/2 [00:00], first" in shown
    assert "2/2 [00:00], second" in shown
