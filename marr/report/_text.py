"""Numbers and names as a reader wants them: fitting digits, true minus signs."""

from __future__ import annotations

import math
import re
import unicodedata

import numpy as np
from markupsafe import Markup, escape

__all__ = [
    "emphasis",
    "first_sentence",
    "format_cell",
    "format_estimate",
    "format_p",
    "paragraphs",
    "plain_number",
    "sentences",
    "slug",
]

MINUS = "\N{MINUS SIGN}"


def slug(text: str) -> str:
    """Return `text` as an anchor: lower-case ASCII letters, digits and hyphens."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-") or "x"


def plain_number(value: float, digits: int = 3) -> str:
    """Return a number with `digits` significant digits, without needless zeros.

    Examples
    --------
    >>> plain_number(-0.12345), plain_number(2345.0), plain_number(float("nan"))
    ('−0.123', '2,345', 'not defined')
    """
    if math.isnan(value):
        return "not defined"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if value != 0 and (abs(value) < 1e-4 or abs(value) >= 1e7):
        text = f"{value:.{digits - 1}e}"
    elif abs(value) >= 10 ** (digits - 1):
        text = f"{value:,.0f}"
    else:
        text = f"{value:.{digits}g}"
    return text.replace("-", MINUS)


def format_estimate(
    value: float, low: float = math.nan, high: float = math.nan
) -> tuple[str, str]:
    """Return an estimate and its interval with the digits that the interval supports.

    The half-width keeps one significant digit (two if it starts with 1), the estimate two
    where one more decimal gives them.

    Parameters
    ----------
    value, low, high : float
        The estimate and the ends of its interval (NaN where there is none).

    Returns
    -------
    tuple of str
        The estimate, and "[low, high]" or "".

    Examples
    --------
    >>> format_estimate(0.8123, 0.7811, 0.8429)
    ('0.81', '[0.78, 0.84]')
    """
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        return plain_number(value), ""
    half = (high - low) / 2
    size = math.floor(math.log10(half))
    places = max(0, (1 if half < 2 * 10.0**size else 0) - size)
    if value and abs(value) < 10.0 ** (1 - places):
        places += 1  # one digit of the estimate itself would say too little
    if places > 6 or not math.isfinite(value):
        return plain_number(value), f"[{plain_number(low)}, {plain_number(high)}]"
    shown = [f"{v + 0.0:,.{places}f}".replace("-", MINUS) for v in (value, low, high)]
    return shown[0], f"[{shown[1]}, {shown[2]}]"


def format_p(p: float, name: str = "p") -> str:
    """Return a p-value with its name: "p = 0.013", "p < 0.001", "" if it is unknown."""
    if not math.isfinite(p):
        return ""
    if p < 0.001:
        return f"{name} < 0.001"
    return f"{name} = {p:.2g}" if p < 0.0995 else f"{name} = {p:.2f}"


def format_cell(value: object) -> str:
    """Return a value of a table as text."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{int(value)}".replace("-", MINUS)
    if isinstance(value, (float, np.floating)):
        return "" if math.isnan(value) else plain_number(float(value), 4)
    return str(value)


def first_sentence(text: str) -> str:
    """Return the first sentence of a text (decimal points do not end it)."""
    return sentences(text)[0]


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, each with its final mark."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z(])", text.strip())


def emphasis(text: str) -> Markup:
    """Return escaped text in which `*words*` between asterisks are emphasized."""
    return Markup(re.sub(r"\*(\w[^*\n]*?)\*", r"<em>\1</em>", str(escape(text))))


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text, split at blank lines."""
    parts = (re.sub(r"\s+", " ", part).strip() for part in re.split(r"\n\s*\n", text))
    return [part for part in parts if part]
