"""One reference: who, when, what, where."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Citation"]


@dataclass(frozen=True)
class Citation:
    """A reference: authors, year, title, where; DOI where there is one."""

    authors: str
    year: int
    title: str
    venue: str
    doi: str = ""

    def text(self) -> str:
        """Return the reference as one line."""
        link = f" https://doi.org/{self.doi}" if self.doi else ""
        return f"{self.authors} ({self.year}). {self.title}. {self.venue}.{link}"

    def bibtex(self, key: str) -> str:
        """Return the reference as a BibTeX entry."""
        doi = f",\n  doi = {{{self.doi}}}" if self.doi else ""
        return (
            f"@misc{{{key},\n  author = {{{self.authors}}},\n  year = {{{self.year}}},\n"
            f"  title = {{{self.title}}},\n  howpublished = {{{self.venue}}}{doi}\n}}"
        )
