"""What ships with marr: sources, terms and references of each data set."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from marr.errors import check_known
from marr.findings import CITATIONS

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    import pandas as pd

__all__ = [
    "DATASETS",
    "Dataset",
    "attribution",
    "citations",
    "data_file",
    "list_datasets",
]


@dataclass(frozen=True)
class Dataset:
    """A data set that ships with marr.

    Attributes
    ----------
    name : str
        Name of its loader in `marr.datasets`.
    title : str
        What was recorded, in one line.
    file : str
        Data file.
    source : str
        Package the data were taken from.
    license : str
        Terms of the data, or of that package where they carry none of their own.
    citations : tuple of str
        Keys of the references to cite.
    """

    name: str
    title: str
    file: str
    source: str
    license: str
    citations: tuple[str, ...]


DATASETS = {
    "category_fmri": Dataset(
        name="category_fmri",
        title="one person, 12 runs of pictures of eight categories, fMRI of 530 voxels "
        "of one slice",
        file="category_fmri.npz",
        source="pymvpa2 2.6.5",
        license="CC BY-SA 3.0 (the data file)",
        citations=("haxby2001",),
    ),
    "mouse_decision": Dataset(
        name="mouse_decision",
        title="one mouse, 11 sessions of a visual two-choice task with a block prior",
        file="mouse_decision.csv.gz",
        source="ibllib 4.1.0",
        license="MIT",
        citations=("ibl2021",),
    ),
    "mouse_heading": Dataset(
        name="mouse_heading",
        title="one mouse, 7 anterodorsal thalamic and 8 CA1 units, sleep and wake, "
        "with tracked head direction",
        file="mouse_heading.npz",
        source="pynapple 0.8.4",
        license="MIT",
        citations=("viejo2023",),
    ),
}


def data_file(name: str) -> Traversable:
    """Return a file of the folder of bundled data."""
    return resources.files("marr.datasets") / "data" / name


def list_datasets() -> pd.DataFrame:
    """Return a table of the data sets that ship with marr, one row each.

    Examples
    --------
    >>> import marr
    >>> list(marr.datasets.list_datasets().index)
    ['category_fmri', 'mouse_decision', 'mouse_heading']
    """
    import pandas as pd

    rows = {
        name: {
            "title": dataset.title,
            "source": dataset.source,
            "license": dataset.license,
            "cite": "; ".join(citations(name)),
        }
        for name, dataset in DATASETS.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis("name")


def citations(name: str) -> tuple[str, ...]:
    """Return the references to cite when a data set is used."""
    check_known("name", name, DATASETS, what="data set")
    return tuple(CITATIONS[key].text() for key in DATASETS[name].citations)


def attribution(name: str) -> str:
    """Return source, authors, license text and changes of a data set."""
    check_known("name", name, DATASETS, what="data set")
    return data_file(f"{name}.md").read_text(encoding="utf-8")
