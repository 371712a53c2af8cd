"""The command line."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import types
from pathlib import Path

import pytest

import marr
from marr.cli import main


@pytest.fixture(scope="module")
def samples():
    path = Path(__file__).parent / "report" / "_samples.py"
    spec = importlib.util.spec_from_file_location("marr_report_samples", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")
    return str(path)


def test_report_from_a_report(samples, tmp_path, capsys):
    report = marr.Report("T").add(samples.accuracy())
    source, page = report.save(tmp_path / "r.json"), tmp_path / "r.html"
    assert main(["report", str(source), "-o", str(page)]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert marr.Report.open(page).findings == report.findings


def test_report_from_findings(samples, tmp_path):
    one = write(tmp_path / "one.json", samples.accuracy().to_dict())
    many = write(
        tmp_path / "many.json", [samples.readout().to_dict(), samples.pairs().to_dict()]
    )
    page = tmp_path / "page.html"
    assert main(["report", one, many, "-o", str(page), "--title", "Mine"]) == 0
    report = marr.Report.open(page)
    assert report.title == "Mine"
    assert [f.analysis.split(".")[1] for f in report.findings] == [
        "accuracy", "ablate", "pairwise_correlations",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        '{"a": 1}',
        "[]",
        "{",
        "not json",
        '[{"analysis": "x"}]',
        '{"marr_report": 1}',
        '{"marr_finding": 1}',
    ],
)
def test_bad_files_give_one_clean_line(tmp_path, capsys, content):
    source = tmp_path / "x.json"
    source.write_text(content, encoding="utf-8")
    assert main(["report", str(source), "-o", str(tmp_path / "page.html")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("marr report: ")
    assert captured.err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_unwritable_output_is_refused_before_the_work(tmp_path, capsys, monkeypatch):
    fake = types.ModuleType("marr.demo")
    fake.run = lambda *_args, **_options: pytest.fail("the work began")
    monkeypatch.setitem(sys.modules, "marr.demo", fake)
    monkeypatch.setattr(marr, "demo", fake, raising=False)
    assert main(["demo", "--out", str(tmp_path / "no" / "x.html")]) == 2
    assert "--out" in capsys.readouterr().err


def test_demo_prints_the_page_and_passes_its_options(tmp_path, capsys, monkeypatch):
    calls = []

    def run(out, *, train=False, progress=True):
        calls.append((out, train, progress))
        return out

    fake = types.ModuleType("marr.demo")
    fake.run = run
    monkeypatch.setitem(sys.modules, "marr.demo", fake)
    monkeypatch.setattr(marr, "demo", fake, raising=False)
    page = tmp_path / "x.html"
    assert main(["demo", "--out", str(page), "--train", "--no-open", "--quiet"]) == 0
    assert calls == [(page, True, False)]
    assert capsys.readouterr().out == f"{page}\n"


def test_info_lists_versions(capsys):
    assert main(["info"]) == 0
    lines = dict(
        line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()
    )
    assert lines["marr"] == marr.__version__
    assert {"python", "platform", "numpy", "torch"} <= set(lines)


def test_bad_usage_exits_with_two(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["reprot"])
    assert stopped.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_help_needs_no_numpy_and_module_runs():
    code = (
        "import sys\nfrom marr.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit('numpy' in sys.modules or 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "marr", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == f"marr {marr.__version__}"
