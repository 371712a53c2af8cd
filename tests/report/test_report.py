"""The Report: what it keeps, corrects, saves and reads back."""

from __future__ import annotations

import json
import stat

import numpy as np
import pytest

from marr import Report
from marr.errors import ContractError, EvidenceError, FileError, MarrError, OptionError
from marr.report._records import LinkRecord, correct_families
from marr.stats import fdr, holm


def test_calls_chain_and_findings_keep_their_order(samples):
    a, b = samples.accuracy(), samples.decoding()
    report = Report("T").add(a, b, a).add(b, question="Again?")
    assert report.findings == (a, b)
    assert report.questions == (a.question, b.question, "Again?")


def test_add_refuses_what_is_no_finding():
    with pytest.raises(ContractError, match=r"Report\.link"):
        Report("T").add("text")


def test_link_adds_its_ends_and_knows_views(samples):
    whole, effect = samples.decoding(), samples.ablation()
    report = Report("T").add(whole)
    report.link(whole.per("unit"), effect.per("unit"), kind="used", n_permutations=200)
    assert [f.analysis for f in report.findings] == [
        "representation.decode", "implementation.ablate",
    ]  # fmt: skip
    (link,) = report.links
    assert link.verdict == "supported"
    assert report._records[0].a == 0
    assert report._records[0].b == 1


def test_used_finds_its_ends_in_either_order(samples):
    whole, effect = samples.decoding(), samples.ablation()
    report = Report("T").add(whole, effect)
    report.link(effect.per("unit"), whole.per("unit"), kind="used", n_permutations=200)
    record = report._records[0]
    assert (record.a, record.b) == (0, 1)
    assert record.link.a == whole.per("unit").id


def test_a_repeated_link_is_kept_once(samples):
    whole, effect = samples.decoding(), samples.ablation()
    report = Report("T").add(whole, effect)
    for _ in range(2):
        report.link(
            whole.per("unit"), effect.per("unit"), kind="used", n_permutations=200
        )
    assert len(report.links) == 1


def test_a_failed_link_leaves_the_report_as_it_was(samples):
    report = Report("T")
    with pytest.raises(EvidenceError):
        report.link(samples.decoding(), samples.decoding())
    assert report.findings == ()
    assert report.links == ()


def test_link_stands_in_the_row_of_both_ends(samples):
    whole, effect = samples.decoding(), samples.ablation()
    report = Report("T").add(whole).add(effect).add(whole, effect, question="Both?")
    report.link(whole.per("unit"), effect.per("unit"), kind="used", n_permutations=200)
    assert report._records[0].question == "Both?"


def records(link, ps, families):
    from dataclasses import replace

    return [
        LinkRecord(replace(link, p_value=p), 0, 1, "q", "", family)
        for p, family in zip(ps, families, strict=True)
    ]


def test_families_are_corrected_apart(report):
    link = report._records[0].link
    ps = [0.01, 0.04, 0.03, 0.02, 0.045]
    families = ["confirmatory"] * 2 + ["exploratory"] * 3
    corrected = correct_families(records(link, ps, families))
    np.testing.assert_allclose([v.p_corrected for v in corrected[:2]], holm(ps[:2]))
    np.testing.assert_allclose([v.p_corrected for v in corrected[2:]], fdr(ps[2:]))
    alone = correct_families(records(link, ps[:2], families[:2]))
    assert [v.verdict for v in alone] == [v.verdict for v in corrected[:2]]
    assert corrected[0].correction == "Holm over 2 confirmatory links"


def test_correction_can_take_a_verdict_away(report):
    link = report._records[0].link
    corrected = correct_families(
        records(link, [0.04, 0.04, 0.04], ["confirmatory"] * 3)
    )
    assert {v.verdict for v in corrected} == {"no link seen"}


def test_links_without_verdict_are_in_no_family(report):
    from dataclasses import replace

    link = report._records[0].link
    few = replace(link, n=5, verdict="too few", p_value=0.2)
    made = [LinkRecord(v, 0, 1, "q", "", "confirmatory") for v in (few, link)]
    corrected = correct_families(made)
    assert corrected[0].p_corrected is None
    assert corrected[1].correction == "Holm over 1 confirmatory link"


def test_untested_names_the_call_that_would_test(samples):
    report = Report("T").add(samples.decoding(), samples.ablation())
    (item,) = report.untested()
    assert (item["kind"], item["along"], item["n_shared"]) == ("used", "unit", 24)
    eval(item["call"])
    assert len(report.links) == 1
    assert report.untested() == []


def test_untested_offers_no_circular_link(samples):
    from dataclasses import replace

    effect = samples.ablation()
    readout = replace(
        effect, parameters={**effect.parameters, "measure_kind": "readout"}
    )
    assert Report("T").add(samples.decoding(), readout).untested() == []


def test_untested_does_not_join_units_of_other_systems(samples):
    report = Report("T").add(samples.decoding("a"), samples.ablation("b"))
    assert report.untested() == []


@pytest.mark.parametrize("name", ["r.json", "r.html"])
def test_save_and_open_give_the_same_report(report, tmp_path, name):
    path = report.save(tmp_path / name)
    again = Report.open(path)
    assert again.findings == report.findings
    assert again.links == report.links
    assert [v.verdict for v in again.links] == [v.verdict for v in report.links]
    assert again.to_dict() == report.to_dict()
    copy = again.save(tmp_path / f"copy-{name}")
    assert copy.read_bytes() == path.read_bytes()


def test_saved_file_has_ordinary_permissions_and_nothing_is_left(report, tmp_path):
    path = report.save(tmp_path / "r.html")
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRUSR
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_failed_save_leaves_nothing_and_keeps_the_old_page(
    report, tmp_path, monkeypatch
):
    with pytest.raises(FileError, match="cannot write"):
        report.save(tmp_path / "missing" / "r.html")
    folder = tmp_path / "page.html"
    folder.mkdir()
    with pytest.raises(FileError, match="cannot write"):
        report.save(folder)
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<html>nothing</html>", "holds no report"),
        ('{"marr_report": 1, "title"', "cut short"),
        ("[1, 2]", "not a report"),
        ('{"a": 1}', "not a report"),
    ],
)
def test_files_that_hold_no_report_are_refused(tmp_path, content, words):
    path = tmp_path / "x.html"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(MarrError, match=words):
        Report.open(path)
    with pytest.raises(FileError, match="cannot read"):
        Report.open(tmp_path / "absent.html")


def test_truncated_page_is_refused(report, tmp_path):
    path = report.save(tmp_path / "r.html")
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: len(text) * 99 // 100], encoding="utf-8")
    with pytest.raises(FileError):
        Report.open(path)


def test_bad_level_and_family_are_refused(samples):
    with pytest.raises(OptionError, match="behavior"):
        Report("T").not_measured(question="q", level="behaviour", text="x")
    with pytest.raises(OptionError, match="exploratory"):
        Report("T").link(samples.decoding(), samples.ablation(), family="exploratry")


def test_json_of_a_report_is_strict(report):
    json.dumps(report.to_dict(), allow_nan=False)
