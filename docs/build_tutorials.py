"""Run the py:percent tutorials and write Markdown with their output and figures."""

from __future__ import annotations

import ast
import contextlib
import html
import io
import json
import os
import re
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(ROOT))


def cells(text: str) -> list[tuple[bool, str]]:
    """Return (is it prose?, body) for each cell of a script."""
    found = []
    for part in re.split(r"(?m)^# %%", text)[1:]:
        head, _, body = part.partition("\n")
        found.append(("[markdown]" in head, body.strip("\n")))
    return found


def run(code: str, scope: dict[str, Any], where: str) -> tuple[str, Any]:
    """Execute a cell; return what it printed or warned, and the value of its last line."""
    tree, last, printed = ast.parse(code), None, io.StringIO()
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = tree.body.pop().value
    with (
        contextlib.redirect_stdout(printed),
        warnings.catch_warnings(record=True) as told,
    ):
        warnings.simplefilter("always")
        exec(compile(tree, where, "exec"), scope)  # noqa: S102
        value = _value(last, scope, where) if last else None
    warned = [f"{w.category.__name__}: {w.message}\n" for w in told]
    return (printed.getvalue() + "".join(warned)).rstrip(), value


def _value(node: ast.expr, scope: dict[str, Any], where: str) -> Any:
    """Evaluate a cell's last line; a finding's figure keeps its caption and both layouts."""

    def evaluated(part: ast.expr) -> Any:
        return eval(compile(ast.Expression(part), where, "eval"), scope)

    if not (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "figure"
    ):
        return evaluated(node)
    which = evaluated(node.args[0]) if node.args else 0
    return Drawn(evaluated(node.func.value), which)


class Drawn:
    """A figure of a finding as plotly's JSON, laid out for wide and for narrow screens."""

    def __init__(self, finding: Any, which: int) -> None:
        from marr.findings._figures import figure_spec
        from marr.findings._plotly import to_plotly

        finding.figure(which)
        plain = figure_spec(finding, finding.figures[which])
        self.record = to_plotly(plain)
        self.record["narrow"] = to_plotly(plain, narrow=True)["layout"]
        self.caption = str(plain["caption"])
        self.description = str(plain["description"])

    def html(self, name: str) -> str:
        """Return the box in which figures.js draws, and its data."""
        data = json.dumps(self.record, separators=(",", ":")).replace("</", "<\\/")
        caption = html.escape(self.caption)
        label = html.escape(self.description, quote=True)
        return (
            f'<figure class="marr-figure"><div class="marr-fig" data-src="{name}" role="img" '
            f'aria-label="{label}" style="height: {self.record["layout"]["height"]}px"></div>'
            f"<figcaption>{caption}</figcaption></figure>\n"
            f'<script type="application/json" id="{name}">{data}</script>'
        )


def shown(value: Any, name: str) -> str:
    """Return the Markdown of a cell's value: figure, card, table or text."""
    if isinstance(value, Drawn):
        return value.html(name)
    if hasattr(value, "_repr_html_") and hasattr(value, "evidence"):
        return f'<div class="marr-card">{value._repr_html_()}</div>'
    if type(value).__name__ == "DataFrame":
        named = value.index.names != [None]
        plain = value.reset_index() if named else value
        table = plain.to_html(index=not named, border=0, float_format="%.3g")
        return re.sub(r"<table[^>]*>", "<table>", table)
    return written(repr(value))


def written(text: str) -> str:
    """Return printed text as a block that wraps on narrow screens."""
    return f'<pre class="marr-out">{html.escape(text)}</pre>'


def render(path: Path) -> str:
    """Return a tutorial as Markdown, its code run and its output in place."""
    from marr.findings._palette import theme_map

    scope: dict[str, Any] = {"__name__": "__main__"}
    out: list[str] = []
    for number, (prose, body) in enumerate(cells(path.read_text(encoding="utf-8"))):
        if prose:
            out.append(re.sub(r"(?m)^# ?", "", body))
            continue
        try:
            printed, value = run(body, scope, f"{path.name}, cell {number}")
        except Exception:
            print(f"{path.name}: cell {number} failed:\n{body}", file=sys.stderr)
            raise
        out.append(f"```python\n{body}\n```")
        if printed:
            out.append(written(printed))
        if value is not None:
            out.append(shown(value, f"fig{number}"))
    theme = json.dumps(theme_map())
    out.append(f'<script type="application/json" id="marr-theme">{theme}</script>')
    return "\n\n".join(out) + "\n"


def main() -> None:
    """Write docs/tutorials/*.md and the plotly script that the pages use."""
    from plotly.offline import get_plotlyjs

    (DOCS / "assets" / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    (DOCS / "tutorials").mkdir(exist_ok=True)
    for path in sorted((ROOT / "tutorials").glob("[0-9]*.py")):
        started = time.perf_counter()
        (DOCS / "tutorials" / f"{path.stem}.md").write_text(
            render(path), encoding="utf-8"
        )
        print(f"{path.stem}: {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
