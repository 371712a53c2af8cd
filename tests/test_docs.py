"""Docs say what the code does: names, parameters, commands, links, an offline site."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import marr
from marr._analysis import ANALYSES

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
PROSE = [*PAGES, *sorted((ROOT / "tutorials").glob("*.py"))]
HOLDERS = {"report": marr.Report, "net": marr.HookedModel, "mouse": marr.Recording}
OFFLINE = re.compile(
    r"<(?:script|link|img|iframe|source)[^>]*?(?:src|href)=[\"']?(?:https?:)?//"
)


def read(path):
    return path.read_text(encoding="utf-8")


def public_names():
    """Return {dotted public name: object} of marr and its public subpackages."""
    names = {f"marr.{n}": getattr(marr, n) for n in marr.__all__}
    for module in marr._MODULES:
        loaded = importlib.import_module(f"marr.{module}")
        names |= {f"marr.{module}.{n}": getattr(loaded, n) for n in loaded.__all__}
    return {k: v for k, v in names.items() if not inspect.ismodule(v)}


def resolve(dotted):
    """Return the object of a dotted name below marr, or None."""
    found = marr
    for part in dotted.split(".")[1:]:
        found = getattr(found, part, None)
    return found


def entries():
    text = "\n".join(read(p) for p in sorted((ROOT / "docs" / "api").glob("*.md")))
    return re.findall(r"^::: (\S+)", text, re.MULTILINE)


def calls(source):
    """Yield (dotted name, keywords) of each call in a piece of Python.

    In prose `name=` may stand without a value.
    """
    filled = re.sub(r"(\w=)(?=\s*[,)])", r"\1...", source)
    try:
        tree = ast.parse(filled)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if re.fullmatch(r"[\w.]+", name):
                yield name, [k.arg for k in node.keywords if k.arg]


def code_in(path):
    """Return the Python of a page: code blocks and code spans, or the script itself."""
    text = read(path)
    if path.suffix == ".py":
        return [text]
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return blocks + [
        span.replace("\\|", "|") for span in re.findall(r"`([^`]+)`", rest)
    ]


# ---- API pages ----------------------------------------------------------------------


def test_every_public_name_has_an_entry_and_every_entry_a_name():
    names, listed = public_names(), entries()
    assert len(listed) == len(set(listed))
    assert not [e for e in listed if resolve(e) is None]
    shown = [resolve(e) for e in listed]
    missing = [
        name
        for name, thing in names.items()
        if name not in listed and not any(thing is other for other in shown)
    ]
    assert not missing


@pytest.mark.parametrize("name", sorted(public_names()))
def test_every_public_function_and_class_has_a_docstring(name):
    thing = public_names()[name]
    if inspect.isroutine(thing) or inspect.isclass(thing):
        assert len(inspect.getdoc(thing) or "") > 20


def test_choose_a_method_covers_every_analysis():
    text = read(ROOT / "docs" / "choose.md")
    for name in [*ANALYSES, "representation.compare_rdms"]:
        assert f"`marr.{name}(" in text, name


# ---- calls in prose -----------------------------------------------------------------


@pytest.mark.parametrize("path", PROSE, ids=lambda p: p.name)
def test_calls_in_prose_exist_with_these_parameters(path):
    for code in code_in(path):
        for dotted, keywords in calls(code):
            head, _, method = dotted.partition(".")
            if head == "marr":
                called = resolve(dotted)
            elif head in HOLDERS and method.isidentifier():
                called = getattr(HOLDERS[head], method, None)
            else:
                continue
            assert called is not None, f"{dotted} does not exist"
            parameters = inspect.signature(called).parameters.values()
            if any(p.kind is p.VAR_KEYWORD for p in parameters):
                continue
            unknown = set(keywords) - {p.name for p in parameters}
            assert not unknown, f"{dotted} takes no {unknown}"


def test_the_check_above_can_fail():
    found = dict(calls("marr.behavior.psychometric(system, stimulus=, colour=)"))
    assert found == {"marr.behavior.psychometric": ["stimulus", "colour"]}
    assert resolve("marr.behavior.psychometrics") is None


def test_names_of_spans_exist():
    for path in PAGES:
        for code in code_in(path):
            for dotted in re.findall(r"\bmarr(?:\.[A-Za-z]\w*)+", code):
                assert resolve(dotted) is not None, f"{path.name}: {dotted}"


def test_verdicts_and_grades_are_those_of_the_code():
    ideas = read(ROOT / "docs" / "ideas.md")
    for word in (*marr.links.VERDICTS, *marr.findings.EVIDENCE_GRADES):
        assert f"| {word} |" in ideas, word
    choose = read(ROOT / "docs" / "choose.md")
    from marr.representation._plan import NULLS

    for null in set(NULLS) - {"auto"}:
        assert f'| `"{null}"` |' in choose, null


# ---- commands and links -------------------------------------------------------------


def commands(path):
    blocks = re.findall(r"```bash\n(.*?)```", read(path), re.DOTALL)
    return [
        line.split("#")[0].strip() for block in blocks for line in block.splitlines()
    ]


def test_readme_docs_and_ci_run_the_same_commands():
    readme = commands(ROOT / "README.md")
    assert readme == [
        "pip install -c constraints.txt . && marr demo",
        (
            'pip install -c constraints.txt -e ".[test]" && '
            "pip install --no-deps -r tests/data-requirements.txt && pytest"
        ),
    ]
    assert commands(ROOT / "docs" / "install.md") == readme
    assert commands(ROOT / "docs" / "index.md") == readme[:1]
    ci = re.sub(
        r"\bpython -m (?=pip|pytest|marr)| -q\b", "", read(ROOT / ".ci" / "run")
    )
    for part in readme[1].split(" && "):
        assert re.search(rf"^{re.escape(part)}( |$)", ci, re.MULTILINE), part
    assert re.search(r"^marr demo\b", ci, re.MULTILINE)
    docs = "python docs/build_tutorials.py && mkdocs build --strict"
    assert any(line.endswith(docs) for line in commands(ROOT / "CONTRIBUTING.md"))
    for part in docs.split(" && "):
        assert re.search(rf"^{re.escape(part)}( |$)", ci, re.MULTILINE), part


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(path):
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", read(path))
    for target in targets:
        if re.match(r"https?:|mailto:", target):
            continue
        place = path.parent / target
        source = ROOT / "tutorials" / f"{Path(target).stem}.py"
        made = path.parent.name == "docs" and target.startswith("tutorials/")
        assert source.exists() if made else place.exists(), target


# ---- the built site -----------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the docs, with stubs for the tutorials' output."""
    if "MARR_REQUIRE_BROWSER" not in os.environ:
        pytest.importorskip("mkdocs")
        pytest.importorskip("mkdocstrings")
    work = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "docs", work / "docs")
    shutil.copy(ROOT / "mkdocs.yml", work)
    (work / "marr").symlink_to(ROOT / "marr")
    (work / "docs" / "assets" / "report.png").touch()
    (work / "docs" / "tutorials").mkdir(exist_ok=True)
    for script in (ROOT / "tutorials").glob("[0-9]*.py"):
        (work / "docs" / "tutorials" / f"{script.stem}.md").write_text("# stub\n")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],  # --quiet hides warnings
        cwd=work,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return work / "site"


def test_site_shows_every_public_name(site):
    html = "\n".join(read(p) for p in site.rglob("*.html"))
    for entry in entries():
        if not inspect.ismodule(resolve(entry)):
            assert f'id="{entry}"' in html, entry


def test_site_loads_nothing_from_the_network(site):
    for page in site.rglob("*.html"):
        assert not OFFLINE.search(read(page)), page.name
    assert OFFLINE.search('<script src="https://cdn.plot.ly/plotly.js">')
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", read(style)), style.name


# ---- the builder of tutorials -------------------------------------------------------


@pytest.fixture(scope="module")
def builder():
    spec = importlib.util.spec_from_file_location(
        "builder", ROOT / "docs" / "build_tutorials.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_builder_shows_text_tables_cards_and_figures(builder, tmp_path):
    script = tmp_path / "00_sample.py"
    script.write_text(
        "# %% [markdown]\n# # Title\n# text\n"
        "# %%\nimport warnings\nprint('a < b')\nwarnings.warn('careful')\n"
        "# %%\nimport numpy as np, pandas as pd, marr\n"
        "x = np.tile([0.1, 0.2, 0.4], 20)\n"
        "t = pd.DataFrame({'x': x, 'choice': (np.arange(60) % 5 < 3 * x * 4).astype(int)})\n"
        "f = marr.behavior.psychometric(marr.from_arrays({}, t), stimulus='x')\nf.figure()\n"
        "# %%\nf\n# %%\nt.head(1)\n",
        encoding="utf-8",
    )
    text = builder.render(script)
    assert text.startswith("# Title\ntext\n")
    assert '<pre class="marr-out">a &lt; b\nUserWarning: careful</pre>' in text
    assert text.count('class="marr-fig"') == 1
    assert '"narrow":{' in text
    assert text.count('class="marr-card"') == 1
    assert "<table>" in text


def test_builder_names_the_cell_that_fails(builder, tmp_path, capsys):
    script = tmp_path / "00_sample.py"
    script.write_text("# %%\na = 1\n# %%\nb = a / 0\n", encoding="utf-8")
    with pytest.raises(ZeroDivisionError):
        builder.render(script)
    assert "00_sample.py: cell 1 failed:\nb = a / 0" in capsys.readouterr().err
