"""Blocks inside the page: gzip in base64, and JSON that cannot end its script."""

from __future__ import annotations

import base64
import gzip
import json
import math
from functools import cache
from typing import Any

__all__ = ["compress", "plotly_block", "rounded", "script_json"]


def compress(text: str) -> str:
    """Return text as base64 of gzip; the same text gives the same bytes."""
    return base64.b64encode(gzip.compress(text.encode("utf-8"), 9, mtime=0)).decode(
        "ascii"
    )


@cache
def plotly_block() -> str:
    """Return plotly.js, as it comes with the installed plotly.py, compressed."""
    from plotly.offline import get_plotlyjs

    return compress(get_plotlyjs())


def script_json(value: Any) -> str:
    """Return JSON for a script block: no "<" in it can end or nest the script."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def rounded(value: Any, digits: int = 6) -> Any:
    """Return figure data with numbers at drawing precision, to keep the page small."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: rounded(v, digits) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v, digits) for v in value]
    return value
