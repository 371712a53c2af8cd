"""What every registered analysis owes its user, on a recording and on a network.

The calls are in `_cases`; an analysis without one fails here.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from _cases import (
    ANSWERED,
    CASES,
    KINDS,
    NO_FIGURE,
    NO_INTERVAL,
    PER_MEMBER,
    REFUSED,
    SIDE,
    UNTIDY,
    canonical,
    first_case,
    found,
    system_of,
)
from _systems import MAKERS, SITES, cohort

import marr
from marr._analysis import ANALYSES
from marr.errors import EvidenceError
from marr.findings import (
    CITATIONS,
    EVIDENCE_GRADES,
    LEVELS,
    VERBS,
    Finding,
    canonical_hash,
)
from marr.systems import from_arrays

if TYPE_CHECKING:
    import xarray as xr


# -- the registry --------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ANALYSES))
def test_every_analysis_has_a_case(name):
    assert first_case(name).analysis == name


@pytest.mark.parametrize("name", sorted(ANALYSES))
def test_signature(name):
    """A system first, all else by keyword, a seed, documented."""
    entry = ANALYSES[name]
    first, *others = inspect.signature(entry.function).parameters.values()
    assert first.name == "system"
    for option in others:
        assert option.annotation is not inspect.Parameter.empty, option
        needed = option.default is option.empty or option.name == "b"
        assert option.kind is option.KEYWORD_ONLY or needed, option
    assert inspect.signature(entry.function).parameters["seed"].default == 0
    assert name.split(".")[0] == entry.level
    assert entry.level in LEVELS
    public = getattr(getattr(marr, entry.level), name.split(".")[1])
    assert public is entry.function
    text = inspect.getdoc(entry.function)
    for heading in ("Parameters", "Returns", "Raises"):
        assert f"\n{heading}\n---" in text, heading
    for option in others:
        assert re.search(rf"^{option.name}( :|,)", text, re.MULTILINE), option.name


# -- the same call -------------------------------------------------------------------


@pytest.mark.parametrize(("case", "kind"), ANSWERED)
def test_same_call(case, kind):
    finding = found(case, kind)
    assert finding.level == CASES[case].analysis.split(".")[0]
    assert finding.evidence == CASES[case].grades.get(kind, "descriptive")
    assert finding.evidence in EVIDENCE_GRADES
    names = [system_of(kind).name, *CASES[case].others]
    assert finding.system == " and ".join(names)
    assert finding.question.endswith("?")
    for text in (finding.summary, finding.methods):
        assert text.rstrip().endswith((".", ")")), text
        assert not UNTIDY.search(text), text
    assert finding.citations
    assert set(finding.citations) <= set(CITATIONS)
    assert set(ANALYSES[CASES[case].analysis].citations) <= set(finding.citations)
    for note in finding.notes:
        assert note.text
        assert not UNTIDY.search(f"{note.text} {note.advice}"), note
    assert finding.generalizes_over
    assert finding.estimate["estimate"].attrs["long_name"]
    assert "units" in finding.estimate["estimate"].attrs
    assert np.isfinite(finding.estimate["estimate"].values).any()
    assert len(finding.to_frame()) == max(finding.estimate["estimate"].size, 1)
    assert finding.question in repr(finding)
    assert finding.question.replace("'", "&#x27;") in finding._repr_html_()


@pytest.mark.parametrize(("case", "kind"), ANSWERED)
def test_provenance(case, kind):
    finding, system = found(case, kind), system_of(kind)
    record = finding.provenance
    assert record["seed"] == 0
    names = [system.name, *CASES[case].others]
    assert [s["name"] for s in record["systems"]] == names
    assert record["systems"][0]["n_trials"] == 60
    assert {"numpy", "torch", "marr-toolkit"} <= set(record["packages"])
    assert len(np.unique(finding.trial_hashes)) == 60 * len(names)
    given = CASES[case].options
    assert set(given) <= set(finding.parameters)
    for name, value in given.items():
        if isinstance(value, (str, int, float)):
            assert finding.parameters[name] == value


@pytest.mark.parametrize(("case", "kind"), REFUSED)
def test_declared_exemptions_give_their_reason(case, kind):
    with pytest.raises(EvidenceError, match=CASES[case].refuses[kind]):
        CASES[case](system_of(kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_cohort_of_three(case, kind):
    group = _cohort(kind)
    if kind in CASES[case].refuses:
        with pytest.raises(EvidenceError):
            CASES[case](group)
        return
    finding, single = CASES[case](group), found(case, kind)
    if ANALYSES[CASES[case].analysis].whole_cohort:
        assert finding.system.split(" and ")[0] == group.name
        assert finding.dims == single.dims
        members = [s["name"] for s in finding.provenance["systems"]]
        assert {m.name for m in group} <= set(members)
        assert not UNTIDY.search(finding.summary), finding.summary
        _check_intervals(finding)
        _check_words(finding)
        return
    assert finding.system == group.name
    assert finding.level == single.level
    assert finding.evidence == single.evidence
    assert group.member_kind in finding.generalizes_over
    assert finding.dims == single.dims
    n_systems = 3 * (1 + len(CASES[case].others))
    assert len(finding.provenance["systems"]) == n_systems
    assert len(finding.trial_hashes) == 60 * n_systems
    own = set(PER_MEMBER) & set(finding.dims)
    per_member = bool(own)
    for axis in own:
        assert finding.estimate.sizes[axis] == 3 * single.estimate.sizes[axis]
    for name, part in single.tables.items():
        for axis in set(PER_MEMBER) & set(part.dims):
            assert finding.tables[name].sizes[axis] == 3 * part.sizes[axis], name
            assert len(np.unique(finding.tables[name]["member"].values)) == 3
    assert ("member" in finding.tables) != per_member
    if not per_member:
        assert finding.tables["member"].sizes["member"] == 3
        assert group.member_kind in finding.summary
    assert not UNTIDY.search(finding.summary), finding.summary
    _check_intervals(finding)
    _check_words(finding)
    again = Finding.from_dict(json.loads(json.dumps(finding.to_dict())))
    assert again.id == finding.id
    assert again.to_dict() == finding.to_dict()
    for i in range(len(finding.figures)):
        assert finding.figure(i).data


@cache
def _cohort(kind: str) -> Any:
    return cohort(kind)


@pytest.mark.parametrize(("case", "kind"), ANSWERED)
def test_a_perturbed_system_is_analyzed_by_the_same_call(case, kind):
    lesion = system_of(kind).perturb(marr.Ablate("late", units=["u0"]))
    if kind == "recording" and CASES[case].perturbed:
        with pytest.raises(EvidenceError, match=CASES[case].perturbed):
            CASES[case](lesion)
        return
    finding = CASES[case](lesion)
    assert finding.evidence == CASES[case].grades.get(kind, "descriptive")
    assert finding.provenance["systems"][0]["perturbations"]
    assert finding.id != found(case, kind).id
    _check_words(finding)


@pytest.mark.parametrize("case", CASES)
def test_a_table_alone_answers_or_says_why_not(case):
    whole = system_of("recording")
    observer = from_arrays({}, whole.trials, whole.variables, name="animal")
    if CASES[case].analysis.startswith("behavior"):
        assert CASES[case](observer).level == "behavior"
        return
    with pytest.raises(marr.MarrError, match=r"behavior only|nobody saw 'animal' act"):
        CASES[case](observer)


# -- what a finding is ---------------------------------------------------------------


@pytest.mark.parametrize(("case", "kind"), ANSWERED)
def test_json_round_trip(case, kind):
    finding = found(case, kind)
    again = Finding.from_dict(json.loads(json.dumps(finding.to_dict())))
    assert again.id == finding.id
    assert again == finding
    assert again.to_dict() == finding.to_dict()
    assert again.estimate.identical(finding.estimate)
    for name, table in finding.tables.items():
        assert again.tables[name].identical(table), name
    assert np.array_equal(again.trial_hashes, finding.trial_hashes)


@pytest.mark.parametrize(("case", "kind"), ANSWERED)
def test_intervals_hold_the_estimate(case, kind):
    finding = found(case, kind)
    _check_intervals(finding)
    for name, table in finding.tables.items():
        if {"ci_low", "ci_high", "estimate"} <= set(table):
            _check_order(table, name)


def _check_intervals(finding: Finding) -> None:
    data = finding.estimate
    if finding.analysis in NO_INTERVAL:
        assert "ci_low" not in data, f"take {finding.analysis} out of NO_INTERVAL"
        return
    assert {"ci_low", "ci_high"} <= set(data), finding.analysis
    assert np.isfinite(data["ci_low"].values).any()
    assert np.isfinite(data["ci_high"].values).any()
    _check_order(data, "estimate")
    for name in ("p_value", "p_corrected"):
        if name in data:
            p = data[name].values[np.isfinite(data[name].values)]
            assert ((p > 0) & (p <= 1)).all(), name
    if {"p_value", "p_corrected"} <= set(data):
        p, corrected = data["p_value"].values, data["p_corrected"].values
        both = np.isfinite(p) & np.isfinite(corrected)
        assert (corrected[both] >= p[both] - 1e-9).all() or "cluster" in finding.methods


def _check_order(table: xr.Dataset, name: str) -> None:
    low, value, high = (
        table[k].broadcast_like(table["estimate"]).values.astype(float)
        for k in ("ci_low", "estimate", "ci_high")
    )
    known = np.isfinite(low) & np.isfinite(value) & np.isfinite(high)
    assert (low[known] <= value[known] + 1e-9).all(), name
    assert (value[known] <= high[known] + 1e-9).all(), name


@pytest.mark.parametrize(("case", "kind"), ANSWERED)
def test_no_sentence_says_more_than_its_evidence(case, kind):
    _check_words(found(case, kind))


def _check_words(finding: Finding) -> None:
    """Causal verbs only in causal findings; each verb of its own grade otherwise."""
    if finding.evidence == "causal":
        return
    texts = [finding.question, finding.summary, finding.methods]
    texts += [f"{spec.caption} {spec.description}" for spec in finding.figures]
    texts += [note.text for note in finding.notes]
    for table in finding.tables.values():
        labels = [c.values for c in table.coords.values() if c.dtype.kind in "OU"]
        texts += [str(v) for values in labels for v in np.unique(values.astype(str))]
    causal = {word for phrase in VERBS["causal"].values() for word in phrase.split()}
    causal |= {
        "need",
        "needed",
        "drive",
        "driven",
        "caused",
        "causes",
        "lesion",
        "lesions",
    }
    causal -= {"does", "not"}
    for text in texts:
        said = set(re.findall(r"[a-z]+", text.lower()))
        assert not said & causal, f"{sorted(said & causal)} in {text!r}"


@pytest.mark.parametrize(("case", "kind"), ANSWERED)
def test_figures_draw(case, kind):
    finding = found(case, kind)
    if case in NO_FIGURE:
        with pytest.raises(marr.MarrError, match=r"has no figure; see to_frame\(\)"):
            finding.figure()
        return
    assert finding.figures
    for i, spec in enumerate(finding.figures):
        assert spec.caption.endswith((".", ")")), spec
        assert spec.description
        assert not UNTIDY.search(spec.caption), spec.caption
        figure = finding.figure(i)
        assert figure.data
        json.loads(figure.to_json())
    with pytest.raises(marr.MarrError, match="which must be 0 to"):
        finding.figure(len(finding.figures))


@pytest.mark.parametrize(("case", "kind"), ANSWERED)
def test_tables_by_axis(case, kind):
    finding = found(case, kind)
    for axis in finding.axes:
        if "estimate" in finding.per(axis).estimate if axis in finding.dims else False:
            assert finding.per(axis).id != finding.id
    with pytest.raises(marr.MarrError, match="no table over 'nowhere'; there is"):
        finding.per("nowhere")
    if "unit" in finding.tables:
        units = finding.tables["unit"]
        labels = [f"{site}:u{i}" for site, n in SITES.items() for i in range(n)]
        assert sorted(set(units["unit"].values.tolist())) == sorted(labels)
        assert {"site", "unit_id"} <= set(units.coords)
        assert "half_estimate" in units
        assert units["half_estimate"].dims[0] == "half"


# -- determinism ---------------------------------------------------------------------


@pytest.mark.parametrize(("case", "kind"), ANSWERED)
def test_same_seed_same_bytes_and_nothing_else_changes(case, kind):
    """A new system gives the same bytes; system and global random state stay as they were."""
    system = MAKERS[kind]()
    table = system.trials
    activity = {site: system.activity(site).copy(deep=True) for site in system.sites}
    given = {k: v.copy(deep=True) for k, v in system.variables.items()}
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    before = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    finding = CASES[case](system)
    after = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    assert finding.id == found(case, kind).id
    assert canonical(finding) == canonical(found(case, kind))
    assert np.array_equal(before[0][1], after[0][1])
    assert before[0][2:] == after[0][2:]
    assert torch.equal(before[1], after[1])
    pd.testing.assert_frame_equal(system.trials, table)
    for site, values in activity.items():
        assert system.activity(site).identical(values)
    for name, values in given.items():
        assert system.variables[name].identical(values)
    assert system.perturbations == ()


@pytest.mark.parametrize(("case", "kind"), ANSWERED)
def test_the_seed_is_part_of_the_id(case, kind):
    other = CASES[case](system_of(kind), seed=1)
    assert other.id != found(case, kind).id
    assert other.provenance["seed"] == 1


def test_same_bytes_in_another_process():
    """Order of sets and hashes of strings differ between processes; findings do not."""
    once = {CASES[case].analysis: (case, kind) for case, kind in reversed(ANSWERED)}
    pairs = list(once.values())
    code = (
        f"import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]\n"
        "import torch; torch.set_num_threads(1)\n"
        "import test_contracts as t\n"
        f"for case, kind in {pairs!r}:\n"
        "    print(t.canonical_hash(t.canonical(t.found(case, kind))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONHASHSEED": "11"},
    )
    assert done.returncode == 0, done.stderr
    expected = [canonical_hash(canonical(found(case, kind))) for case, kind in pairs]
    different = [
        pair
        for pair, a, b in zip(pairs, done.stdout.split(), expected, strict=True)
        if a != b
    ]
    assert different == []


# -- order of units ------------------------------------------------------------------


@pytest.mark.parametrize(("case", "kind"), ANSWERED)
def test_order_of_units_does_not_matter(case, kind):
    """Units that come in another order, with their ids, have the same results."""
    other = MAKERS[kind](
        order={"early": np.array([2, 0, 3, 1]), "late": np.array([1, 2, 0])}
    )
    assert other.unit_table("early")["unit_id"].tolist() == ["u2", "u0", "u3", "u1"]
    finding, expected = CASES[case](other), found(case, kind)
    _check_equal(finding.estimate, expected.estimate, CASES[case].not_aligned)
    if "unit" in expected.tables:
        _check_equal(
            finding.tables["unit"], expected.tables["unit"], CASES[case].not_aligned
        )


def _check_equal(a: xr.Dataset, b: xr.Dataset, left_out: tuple[str, ...]) -> None:
    """Compare numbers by label."""
    assert set(a.data_vars) == set(b.data_vars)
    if "unit" in b.dims:
        assert set(a["unit"].values) == set(b["unit"].values)
        a = a.sel(unit=b["unit"].values)
    for name in set(b.data_vars) - set(left_out):
        x, y = a[name].values, b[name].values
        if y.dtype.kind in "fiub":
            np.testing.assert_allclose(
                x.astype(float),
                y.astype(float),
                rtol=1e-6,
                atol=1e-8,
                err_msg=str(name),
            )
        else:
            assert x.tolist() == y.tolist(), name


# -- real perturbations, and findings of findings --------------------------------------


def stimulated(assignment: str) -> Any:
    """Return the recording with a column of real perturbations, assigned as stated."""
    whole = system_of("recording")
    table = whole.trials
    by_trial = np.random.default_rng(0).integers(0, 2, len(table))
    lit = table["block"] % 2 if assignment == "blocked" else by_trial
    table["perturbation"] = np.where(lit == 1, "light", "none")
    activity = {site: whole.activity(site) for site in whole.sites}
    return from_arrays(activity, table, whole.variables, name="animal")


@pytest.mark.parametrize(
    "measure", [marr.measures.accuracy(), SIDE], ids=lambda m: m.name
)
@pytest.mark.parametrize(
    ("assignment", "grade"),
    [("randomized", "causal"), ("blocked", "causal"), ("observed", "descriptive")],
)
def test_real_perturbations_have_the_grade_of_their_assignment(
    assignment, grade, measure
):
    call = {"measure": measure, "over": "perturbation", "n_permutations": 99}
    system = stimulated(assignment)
    finding = marr.implementation.ablate(system, assignment=assignment, **call)
    assert finding.evidence == grade
    assert finding.estimate["perturbation"].values.tolist() == ["light"]
    check_whole(finding)
    again = marr.implementation.ablate(
        stimulated(assignment), assignment=assignment, **call
    )
    assert canonical(again) == canonical(finding)
    with pytest.raises(marr.MarrError, match="assignment must say how"):
        marr.implementation.ablate(system, **call)


@pytest.mark.parametrize("control", [None, "angular"])
def test_comparison_of_geometries(control):
    """`compare_rdms` takes findings; it owes the same as an analysis of a system."""
    options = {
        "on": "heading",
        "bins": 6,
        "distance": "euclidean",
        "n_permutations": 20,
    }
    a, b = (marr.representation.rdm(system_of(kind), **options) for kind in KINDS)
    call = {"control": control, "n_permutations": 50, "n_resamples": 50}
    finding = marr.representation.compare_rdms(a, b, **call)
    assert finding.level == "representation"
    assert finding.evidence == "descriptive"
    assert finding.system == "animal and network"
    assert len(finding.provenance["systems"]) == 2
    assert len(finding.trial_hashes) == 120
    check_whole(finding)
    again = marr.representation.compare_rdms(a, b, **call)
    assert canonical(again) == canonical(finding)
    assert marr.representation.compare_rdms(a, b, **call, seed=1).id != finding.id
    other = marr.representation.rdm(system_of("network"), **{**options, "bins": 5})
    with pytest.raises(marr.MarrError, match="condition"):
        marr.representation.compare_rdms(a, other, **call)
    with pytest.raises(marr.MarrError, match=r"must be a finding.*got Recording"):
        marr.representation.compare_rdms(system_of("recording"), b, **call)


def check_whole(finding: Finding) -> None:
    """Check what does not depend on the system that a finding comes from."""
    assert finding.question.endswith("?")
    for text in (finding.summary, finding.methods, *(n.text for n in finding.notes)):
        assert not UNTIDY.search(text), text
    assert finding.citations
    assert set(finding.citations) <= set(CITATIONS)
    _check_intervals(finding)
    _check_words(finding)
    again = Finding.from_dict(json.loads(json.dumps(finding.to_dict())))
    assert again.id == finding.id
    assert again.to_dict() == finding.to_dict()
    assert finding.figures
    for i in range(len(finding.figures)):
        assert finding.figure(i).data


def test_the_checks_can_fail():
    """A finding that breaks a promise does not pass."""
    finding = found("ablate a readout", "recording")
    with pytest.raises(AssertionError, match="needs"):
        _check_words(replace(finding, summary="The animal needs unit 3."))
    broken = finding.estimate.assign(ci_low=finding.estimate["estimate"] + 1)
    with pytest.raises(AssertionError):
        _check_intervals(replace(finding, estimate=broken))
    other = finding.estimate.assign(estimate=finding.estimate["estimate"] + 1e-4)
    with pytest.raises(AssertionError):
        _check_equal(other, finding.estimate, ())
