"""Run the py:percent tutorials and write Markdown with their output and figures."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def cells(text: str) -> list[tuple[bool, str]]:
    """Return (is it prose?, body) for each cell of a script."""
    found = []
    for part in re.split(r"(?m)^# %%", text)[1:]:
        head, _, body = part.partition("\n")
        found.append(("[markdown]" in head, body.strip("\n")))
    return found


def run(code: str, scope: dict[str, Any], where: str) -> tuple[str, Any]:
    """Execute a cell; return what it printed and the value of its last line."""
    tree, last, printed = ast.parse(code), None, io.StringIO()
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, where, "exec"), scope)
        value = eval(compile(last, where, "eval"), scope) if last else None
    return printed.getvalue().rstrip(), value


def shown(value: Any, name: str) -> str:
    """Return the Markdown of a cell's value: figure, card, table or text."""
    if hasattr(value, "to_plotly_json"):
        data = value.to_json().replace("</", "<\\/")
        return (
            f'<div class="marr-fig" data-src="{name}"></div>\n'
            f'<script type="application/json" id="{name}">{data}</script>'
        )
    if hasattr(value, "_repr_html_") and hasattr(value, "evidence"):
        return f'<div class="marr-card">{value._repr_html_()}</div>'
    if type(value).__name__ == "DataFrame":
        return f'<div class="md-typeset__table">{value.to_html(border=0, float_format="%.3g")}</div>'
    return f"```text\n{value!r}\n```"


def render(path: Path) -> str:
    """Return a tutorial as Markdown, its code run and its output in place."""
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
            out.append(f"```text\n{printed}\n```")
        if value is not None:
            out.append(shown(value, f"fig{number}"))
    return "\n\n".join(out) + "\n"


def main() -> None:
    """Write docs/tutorials/*.md and the plotly script that the pages use."""
    from plotly.offline import get_plotlyjs

    (DOCS / "assets" / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    (DOCS / "tutorials").mkdir(exist_ok=True)
    for path in sorted((ROOT / "tutorials").glob("[0-9]*.py")):
        started = time.perf_counter()
        (DOCS / "tutorials" / f"{path.stem}.md").write_text(render(path), encoding="utf-8")
        print(f"{path.stem}: {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
