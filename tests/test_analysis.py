"""The decorator: findings from drafts, cohorts, content ids."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import marr
from marr._analysis import ANALYSES, Draft, analysis
from marr.findings import FigureSpec, Finding, Note
from marr.systems import Cohort, from_arrays


@pytest.fixture
def mean_rate():
    @analysis(level="representation", citations=("marr1982",))
    def mean_rate(system, *, site="a", seed=0):
        values = system.activity(site).mean(["trial", "time"])
        estimate = xr.Dataset(
            {"estimate": ((), float(values.mean())), "n": ((), len(system.trials))}
        )
        estimate["estimate"].attrs.update(long_name="mean rate", units="1", null=0.0)
        units = xr.Dataset({"estimate": values})
        return Draft(
            estimate,
            summary=lambda e: f"mean rate {float(e['estimate']):.2f}.",
            question="How active?",
            methods="Mean.",
            tables={"unit": units},
            figures=(FigureSpec("points", table="unit", x="unit"),),
            notes=(
                Note("small", "few trials"),
                Note("rate", f"The rate is {float(values.mean()):.6f}."),
                Note("coarse_null", "Few shuffles.", "Record more."),
            ),
        )

    yield mean_rate
    ANALYSES.pop("test_analysis.mean_rate", None)
    for key in [k for k in ANALYSES if k.endswith("mean_rate")]:
        ANALYSES.pop(key)


def recording(seed, name):
    rng = np.random.default_rng(seed)
    return from_arrays(
        {"a": rng.normal(1, 1, size=(20, 4, 3))},
        pd.DataFrame({"choice": rng.integers(0, 2, 20)}),
        name=name,
    )


def test_finding_carries_provenance_and_survives_json(mean_rate):
    finding = mean_rate(recording(0, "x"), seed=3)
    assert finding.level == "representation"
    assert finding.provenance["seed"] == 3
    assert finding.provenance["systems"][0]["n_trials"] == 20
    assert len(np.unique(finding.trial_hashes)) == 20
    again = Finding.from_dict(json.loads(json.dumps(finding.to_dict())))
    assert again == finding
    assert again.to_dict() == finding.to_dict()
    assert again.per("unit").dims == ("unit",)


def test_clocks_do_not_change_the_id_but_numbers_do(mean_rate):
    system = recording(0, "x")
    assert mean_rate(system).id == mean_rate(system).id
    assert mean_rate(system).id != mean_rate(recording(1, "x")).id
    assert mean_rate(system, seed=1).id != mean_rate(system, seed=2).id


def test_cohort_interval_is_students_t_over_members(mean_rate):
    members = [recording(i, f"m{i}") for i in range(6)]
    finding = mean_rate(Cohort(members, name="group", member_kind="animals"))
    single = np.array([float(mean_rate(m).estimate["estimate"]) for m in members])
    from scipy import stats

    low, high = stats.t.interval(
        0.95, 5, loc=single.mean(), scale=single.std(ddof=1) / np.sqrt(6)
    )
    assert float(finding.estimate["ci_low"]) == pytest.approx(low)
    assert float(finding.estimate["ci_high"]) == pytest.approx(high)
    assert float(finding.estimate["p_value"]) == pytest.approx(
        stats.ttest_1samp(single, 0).pvalue
    )
    assert finding.generalizes_over == "animals (n = 6)"
    assert finding.tables["member"].sizes["member"] == 6
    units = finding.per("unit")
    assert units.estimate.sizes["unit"] == 18
    assert set(units.estimate["member"].values) == {f"m{i}" for i in range(6)}
    assert "6 animals: mean rate" in finding.summary


def test_notes_of_members_do_not_pass_for_notes_of_all(mean_rate):
    members = [recording(i, f"m{i}") for i in range(6)]
    finding = mean_rate(Cohort(members, name="group", member_kind="animals"))
    notes = {note.code: note for note in finding.notes}
    assert notes["small"].text == "few trials (6 of 6 members)"
    rate = float(mean_rate(members[0]).estimate["estimate"])
    assert notes["rate"].text == (
        f"The rate is {rate:.6f}. (said of 'm0'; 6 of 6 members, with other numbers)"
    )
    assert "t tests over members" in notes["coarse_null"].advice
    assert "Record more." in [n.advice for n in mean_rate(members[0]).notes]


def test_unknown_and_missing_arguments_name_the_analysis(mean_rate):
    with pytest.raises(
        TypeError, match=r"mean_rate: got an unexpected.*'sits'.*mean 'site'\?"
    ):
        mean_rate(recording(0, "x"), sits="a")
    with pytest.raises(
        TypeError, match=r"^representation\.decode: missing .* Its options: target,"
    ):
        marr.representation.decode(recording(0, "x"))


def test_first_argument_is_checked(mean_rate):
    with pytest.raises(
        marr.MarrError, match="must be a System or a Cohort; got ndarray"
    ):
        mean_rate(np.zeros(3))


def test_unknown_axis_lists_what_there_is(mean_rate):
    with pytest.raises(marr.MarrError, match="there is \\['unit'\\]"):
        mean_rate(recording(0, "x")).per("time")


def test_unknown_citation_is_refused():
    with pytest.raises(marr.MarrError, match="Did you mean 'marr1982'"):
        Finding(
            "a.b",
            "behavior",
            "descriptive",
            "s",
            "q",
            "a",
            xr.Dataset({"estimate": 1.0}),
            citations=("marr1992",),
        )
