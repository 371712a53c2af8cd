"""The page, read as HTML without a browser."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from marr import Report
from marr.errors import FileError, OptionError
from marr.findings import Note
from marr.report import _render, render
from marr.report._headline import headline

VOID = {"meta", "br", "img", "link", "input", "hr", "rect", "line", "circle", "path"}


class Reader(HTMLParser):
    """Collects ids, links and text; complains about tags that do not match."""

    def __init__(self):
        super().__init__()
        self.ids, self.targets, self.open, self.text, self.heads = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if "id" in found:
            self.ids.append(found["id"])
        for key in ("aria-labelledby",):
            self.targets += (found.get(key) or "").split()
        if (found.get("href") or "").startswith("#"):
            self.targets.append(found["href"][1:])
        if re.fullmatch(r"h[1-6]", tag):
            self.heads.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def block(page, name):
    packed = re.search(rf'id="marr-{name}">(.*?)</script>', page, re.DOTALL).group(1)
    return gzip.decompress(base64.b64decode(packed)).decode()


def words(page):
    return re.sub(r"\s+", " ", " ".join(read(page).text))


def test_tags_match_ids_are_unique_and_every_anchor_leads_somewhere(page):
    reader = read(page)
    assert len(set(reader.ids)) == len(reader.ids)
    assert set(reader.targets) <= set(reader.ids)


def test_headings_go_down_one_step_at_a_time(page):
    heads = read(page).heads
    assert heads[0] == 1
    assert heads.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(heads))


def test_nothing_points_outside_but_references(page):
    page = re.sub(
        r'<script type="(text/plain|application/json)".*?</script>',
        "",
        page,
        flags=re.DOTALL,
    )
    outside = re.findall(r'(?:src|href|url\()[=("\s]*(https?:[^"\s)]+)', page)
    assert all(url.startswith("https://doi.org/") for url in outside)
    assert "@import" not in page
    assert "default-src &#39;none&#39;" in page
    assert "unsafe-eval" not in page


def test_same_report_same_bytes(report, page):
    assert render(report) == page
    assert render(Report.from_dict(report.to_dict())) == page


def test_order_of_the_page(page):
    ids = ["summary", "map", "behavior", "representation", "implementation", "links",
           "methods", "provenance", "marr-report"]  # fmt: skip
    places = [page.index(f'id="{name}"') for name in ids]
    assert places == sorted(places)


def test_summary_has_a_row_a_question_and_a_column_a_level(report, page):
    tables = re.findall(r'<table class="glance">.*?</table>', page, re.DOTALL)
    assert len(tables) == 2
    rows = [row for t in tables for row in re.findall(r"<tr id=.*?</tr>", t, re.DOTALL)]
    assert len(rows) == len(report.questions)
    assert all(row.count("<td ") == 3 for row in rows)
    first = rows[0]
    assert "Yes, in both" in first
    assert "no neurons were recorded" in first
    assert "0.81</p>" in first or "0.81 <span" in first
    assert "[0.78, 0.84]" in first
    assert first.count("Not measured.") == 2


def test_an_empty_cell_says_not_measured_and_nothing_else(samples):
    page = render(Report("T").add(samples.accuracy()))
    row = re.search(r"<tr id=.*?</tr>", page, re.DOTALL).group(0)
    cells = re.findall(r"<td .*?</td>", row, re.DOTALL)
    assert ["Not measured." in c for c in cells] == [False, True, True]


def test_grade_verdict_and_interval_stand_in_words(page):
    text = words(page)
    for word in ("causal", "predictive", "descriptive", "supported", "no link seen",
                 "generalizes over networks (n = 5)", "Minimum detectable", "Holm over 1"):  # fmt: skip
        assert word in text
    assert "the ends are descriptive and causal" in text


def test_caveats_methods_and_references_are_printed(page):
    text = words(page)
    assert "2 units were already at the ablation value." in text
    assert "implementation.ablate as in the text." in text
    assert "The psychometric function: I." in text
    assert "Marr, D. (1982)" in text
    assert "@misc{wichmann2001" in text


def test_both_ends_show_their_link(page):
    for anchor in ("representation-decode-networks", "implementation-ablate-networks"):
        card = re.search(
            rf'<article id="{anchor}".*?</article>', page, re.DOTALL
        ).group(0)
        assert 'href="#link-1"' in card


def test_untested_links_are_listed_with_their_call(samples):
    page = render(Report("T").add(samples.decoding(), samples.ablation()))
    assert "Not yet tested" in page
    assert "report.findings[0].per(&#34;unit&#34;)" in page


def test_figures_are_stored_once_and_compressed(report, page):
    stored = json.loads(block(page, "figures"))
    n = sum(len(f.figures) for f in report.findings) + len(report.links)
    assert len(stored["figures"]) == n
    assert (
        len(re.findall(r'data-figure="[a-z]', page)) == 3 * n
    )  # the plot and its two buttons
    assert stored["themes"]["#ffffff"] != "#ffffff"
    assert '"template"' not in json.dumps(stored["figures"])
    assert len(page) < 3_000_000
    assert "Plotly" in block(page, "plotly")


def test_csv_holds_all_rows_and_the_table_says_what_it_leaves_out(page):
    stored = json.loads(block(page, "csv"))
    assert len(stored["representation-pairwise-correlations-mouse"].splitlines()) == 401
    assert "The first 100 of 400 rows; the CSV has all." in page


def test_page_without_findings(tmp_path):
    page = render(Report("Empty"))
    read(page)
    assert "Nothing has been added yet." in page
    assert len(page) < 100_000  # no plotly where nothing is drawn


NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \"quotes' <!--<script>"


def test_everything_from_users_is_escaped(samples):
    unit = samples.ablation()
    table = unit.estimate.assign_coords(unit=[f"{NASTY}{i}" for i in range(24)])
    finding = replace(
        unit, system=NASTY, question=NASTY, summary=NASTY, methods=NASTY, estimate=table,
        tables={"unit": table, NASTY: table.isel(unit=[0, 1])},
        notes=(Note(NASTY, NASTY, NASTY),), generalizes_over=NASTY,
        parameters={NASTY: NASTY, "target": NASTY},
        figures=tuple(replace(s, caption=NASTY, x_label=NASTY, description=NASTY + "!")
                      for s in unit.figures),
    )  # fmt: skip
    report = Report(NASTY, abstract=NASTY).study(NASTY, NASTY).add(finding)
    report.answer(NASTY, NASTY).not_measured(
        question=NASTY, level="behavior", text=NASTY
    )
    page = render(report)
    read(page)
    assert "<img" not in page
    assert "alert(1)</script>" not in page
    data = re.search(r'id="marr-report">(.*?)</script>', page, re.DOTALL).group(1)
    assert Report.from_dict(json.loads(data)).findings == report.findings


def test_answer_to_an_unknown_question_is_refused_with_the_nearest(samples):
    report = Report("T").add(samples.accuracy(), question="How often is it right?")
    report.answer("How often is it rihgt?", "Often.")
    with pytest.raises(OptionError, match="How often is it right"):
        render(report)


def test_size_budget_warns_then_refuses_and_names_the_heaviest(
    samples, monkeypatch, tmp_path
):
    report = Report("T").add(samples.accuracy(), samples.pairs())
    monkeypatch.setattr(_render, "WARN_BYTES", 1_000_000)
    with pytest.warns(UserWarning, match="representation-pairwise-correlations-mouse"):
        render(report)
    monkeypatch.setattr(_render, "REFUSE_BYTES", 2_000_000)
    with pytest.raises(FileError, match="allow_large=True"):
        report.save(tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []
    with pytest.warns(UserWarning, match="slow to open"):
        report.save(tmp_path / "r.html", allow_large=True)


def test_headline_is_the_only_number_or_the_most_extreme(samples):
    only = headline(samples.accuracy())
    assert (only.value, only.interval, only.chance) == ("0.81", "[0.78, 0.84]", 0.5)
    many = headline(samples.decoding())
    assert "largest of 40" in many.quantity
    assert many.numbers[0] == pytest.approx(
        float(samples.decoding().estimate["estimate"].max())
    )


@pytest.mark.parametrize("name", ["psychometric", "geometry", "pairs"])
def test_no_headline_where_a_largest_value_means_nothing(samples, name):
    assert headline(samples.SAMPLES[name]()) is None


def test_headline_of_a_quantity_that_is_better_low(samples):
    finding = samples.ablation()
    table = finding.estimate.copy(deep=True)
    table["estimate"].attrs["better"] = "lower"
    assert "largest of 24" in headline(replace(finding, estimate=table)).quantity
    shown = headline(
        replace(finding, estimate=table, figures=())
    )  # no reference: the best
    assert "smallest of 24" in shown.quantity
    assert shown.numbers[0] == float(np.min(table["estimate"].values))


def test_finding_with_nan_and_infinite_values_renders(samples):
    finding = samples.accuracy()
    table = finding.estimate.copy(deep=True)
    table["ci_high"] = np.inf
    table["p_value"] = np.nan
    read(render(Report("T").add(replace(finding, estimate=table))))


def test_every_verdict_has_a_style_and_a_place_in_the_list():
    from marr.links import VERDICTS
    from marr.report._cards import STYLES
    from marr.report._render import _ordered

    assert set(STYLES) == set(VERDICTS)
    listed = _ordered([{"verdict": v, "number": 1} for v in VERDICTS])
    assert listed[0]["verdict"] == "reversed"
    assert listed[-1]["verdict"] == "too few"


def test_methods_that_findings_share_are_printed_once(samples):
    both = "Probes were linear. The penalty was chosen inside the folds."
    findings = [
        replace(samples.decoding(name), methods=f"{both} Seen in {name}.")
        for name in ("a", "b")
    ]
    page = render(Report("T").add(*findings))
    section = page[
        page.index('<section id="methods"') : page.index('<section id="provenance"')
    ]
    assert section.count("Probes were linear.") == 1
    assert "Seen in a." in section
    assert "Seen in b." in section
