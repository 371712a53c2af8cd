"""Known answers on the mouse's heading session that ships with marr."""

from __future__ import annotations

import numpy as np
import pytest

import marr
from marr.representation import decode, pairwise_correlations, rdm


@pytest.fixture(scope="module")
def wake():
    return marr.datasets.mouse_heading()


def test_heading_is_decoded_from_thalamus_and_hardly_from_hippocampus(wake):
    found = decode(wake, "heading", over="site", n_permutations=60)
    adn, ca1 = (found.estimate.sel(site=s) for s in ("adn", "ca1"))
    assert 8 < float(adn["median_error"]) < 14
    assert 55 < float(ca1["median_error"]) < 85
    assert float(adn["p_corrected"]) < 0.05
    assert found.parameters["null"] == "shift"


def test_pairs_keep_their_correlation_in_sleep(wake):
    sleep = marr.datasets.mouse_heading(state="sleep")
    r = [
        pairwise_correlations(s, site="adn", n_null=20).estimate["estimate"]
        for s in (wake, sleep)
    ]
    assert 0.8 < np.corrcoef(*r)[0, 1] < 0.95


def test_geometry_of_thalamus_is_a_reliable_ring(wake):
    found = rdm(wake, on="heading", bins=12, sites="adn", n_permutations=0)
    assert float(found.tables["reliability"]["estimate"][0]) > 0.8
    d = found.estimate["estimate"].values[0]
    apart = [np.mean([d[i, (i + k) % 12] for i in range(12)]) for k in range(1, 7)]
    assert apart[0] < apart[1] < apart[3]
