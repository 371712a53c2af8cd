"""The fMRI sample, against what is known of it."""

from __future__ import annotations

import numpy as np
import pytest

import marr
from marr.representation import decode


@pytest.fixture(scope="module")
def brain():
    return marr.datasets.category_fmri()


def test_each_run_shows_each_category_once(brain):
    table = brain.trials
    assert len(table) == 96
    assert (table.groupby(["run", "condition"]).size() == 1).all()
    assert table["condition"].nunique() == 8
    assert brain.group_column == "session"
    assert (table["start_time"] >= 15).all()


def test_units_have_places(brain):
    units = brain.unit_table("visual")
    assert len(units) == 530
    assert len(set(zip(units["x"], units["y"], strict=True))) == 530
    np.testing.assert_allclose(units["x"], 3.1 * units["voxel_i"], atol=1e-4)


def test_categories_are_decoded_from_held_out_runs(brain):
    """Known: ridge classifiers reach .69 (5 s later) of chance .125 on these voxels."""
    found = decode(brain, "condition", n_folds=12, n_permutations=20)
    assert 0.75 < float(found.estimate["estimate"].squeeze()) < 0.92


def test_blocks_are_where_the_response_is():
    brain = marr.datasets.category_fmri(time="keep")
    array = brain.activity("visual")
    assert array.dims == ("trial", "time", "unit")
    assert array.attrs["time_unit"] == "s"
    course = np.abs(array.mean("trial")).mean("unit")
    inside = (array["time"] >= 0) & (array["time"] <= 20)
    assert float(course[inside].min()) > 1.5 * float(course[~inside].max())
    plain = marr.datasets.category_fmri().activity("visual").values
    np.testing.assert_allclose(array[:, inside.values].mean("time").values, plain)


def test_the_terms_of_the_data_are_named():
    text = marr.datasets.attribution("category_fmri")
    assert "ShareAlike" in text
    assert "Haxby" in text
