"""Every bundled data set says where it comes from."""

from __future__ import annotations

import pytest

from marr import datasets
from marr.datasets._registry import data_file
from marr.errors import OptionError


@pytest.mark.parametrize("name", datasets.DATASETS)
def test_each_data_set_is_attributed(name):
    text = datasets.attribution(name)
    for part in (
        "**Source.**",
        "**Authors.**",
        "**Paper.**",
        "**Changed.**",
        "**License",
    ):
        assert part in text
    assert all("doi.org" in c for c in datasets.citations(name))
    assert data_file(datasets.DATASETS[name].file).is_file()
    system = getattr(datasets, name)()
    assert system.info["license"] == datasets.DATASETS[name].license
    assert system.describe()["info"]["citations"]


def test_every_bundled_file_belongs_to_a_data_set():
    known = {d.file for d in datasets.DATASETS.values()}
    known |= {f"{name}.md" for name in datasets.DATASETS}
    assert {f.name for f in data_file(".").iterdir()} == known


def test_listing():
    table = datasets.list_datasets()
    assert list(table.index) == list(datasets.DATASETS)
    assert table["cite"].str.contains(r"\(20\d\d\)").all()
    with pytest.raises(OptionError, match="Did you mean 'mouse_heading'"):
        datasets.citations("mouse_heding")
