"""References that methods cite, by key."""

from __future__ import annotations

from marr.findings import _references_a_g, _references_h_m, _references_n_z
from marr.findings._citation import Citation

__all__ = ["CITATIONS", "Citation"]

CITATIONS: dict[str, Citation] = {
    **_references_a_g.REFERENCES,
    **_references_h_m.REFERENCES,
    **_references_n_z.REFERENCES,
}
"""Every reference that an analysis, link or data set may cite."""
