"""All systems with all: the matrix, its map and its tree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import silhouette_score

import marr
from marr.errors import MarrError
from marr.representation import ALIGNMENT_MEASURES, align, alignment_matrix
from marr.representation._alignment import _embedding_kernel as maps
from marr.systems import Cohort

FEW = {"n_permutations": 40, "n_resamples": 8}


def system(x, name, **columns):
    sites = x if isinstance(x, dict) else {"s": x}
    n = len(next(iter(sites.values())))
    table = pd.DataFrame(columns, index=pd.RangeIndex(n, name="trial"))
    return marr.from_arrays(sites, table, name=name)


@pytest.fixture
def families(rng):
    """Two families of three systems, each around its own representation."""
    made = []
    for family in "xy":
        base = rng.normal(size=(40, 6))
        made += [
            system(base + 0.4 * rng.normal(size=base.shape), f"{family}{i}")
            for i in range(3)
        ]
    return [made[i] for i in (0, 3, 1, 4, 2, 5)]


@pytest.mark.parametrize("measure", ["cka", "procrustes", "mutual_knn", "predictivity"])
def test_families_are_found(families, measure):
    found = alignment_matrix(families[0], others=families[1:], measure=measure, **FEW)
    item = found.tables["item"]
    kind = np.array([v[0] for v in item["item"].values])
    cluster = item["cluster"].values
    assert len(set(zip(kind, cluster, strict=True))) == 2
    assert item.attrs["n_clusters"] == 2
    assert item.attrs["silhouette"] > 0.25
    assert "2 clusters" in found.summary
    assert kind.tolist() in (list("xxxyyy"), list("yyyxxx"))  # the order of the tree
    merge = found.tables["merge"]
    halves = merge.isel(merge=merge["size"].values == 3)
    assert (halves["support"] == 1).all()
    position = np.stack([item["position_1"], item["position_2"]], axis=1)
    apart = squareform(pdist(position))
    assert apart[:3, :3].max() < apart[:3, 3:].min()
    same = kind[:, None] == kind
    p = found.estimate["p_corrected"].values
    assert (p[same & ~np.eye(6, dtype=bool)] < 0.05).all()
    assert (p[~same] > 0.05).mean() > 0.7


@pytest.mark.parametrize("measure", ["cka", "procrustes", "shape_permutation", "pwcca"])
def test_cells_are_those_of_align(families, measure):
    found = alignment_matrix(families[0], others=families[1:], measure=measure, **FEW)
    pair = align(families[2], families[5], measure=measure, **FEW)
    names = families[2].name, families[5].name
    cell = found.estimate.sel(item_a=names[0], item_b=names[1])
    assert float(cell["estimate"]) == pytest.approx(
        pair.estimate["estimate"].item(), abs=1e-9
    )
    for end in ("ci_low", "ci_high"):
        assert float(cell[end]) == pytest.approx(pair.estimate[end].item(), abs=1e-9)
    values = found.estimate["estimate"].values
    symmetric = ALIGNMENT_MEASURES[measure].symmetric
    assert np.allclose(values, values.T) == symmetric


def test_sites_of_many_systems(rng):
    base = rng.normal(size=(30, 5))
    made = [
        system({"early": base, "late": base**3 + rng.normal(size=base.shape)}, f"m{i}")
        for i in range(3)
    ]
    group = Cohort(made, name="three nets", member_kind="seeds")
    found = alignment_matrix(group, **FEW)
    assert found.system == "three nets"
    assert "3 seeds" in found.summary
    assert found.estimate.sizes == {"item_a": 6, "item_b": 6}
    assert set(found.estimate["site_a"].values) == {"early", "late"}
    assert found.tables["member"]["member"].values.tolist() == ["m0", "m1", "m2"]
    early = found.estimate.sel(item_a="m0: early", item_b="m1: early")
    assert float(early["estimate"]) == pytest.approx(1.0)
    one = alignment_matrix(group, sites="early", **FEW)
    assert sorted(one.estimate["item_a"].values) == ["m0", "m1", "m2"]
    more = alignment_matrix(
        group, others=[system({"early": base}, "x")], sites="early", **FEW
    )
    assert more.system == "three nets and x"
    assert len(more.provenance["systems"]) == 4
    for i in range(2):
        assert more.figure(i).data


def test_asymmetric_measures_are_averaged_for_the_map(rng):
    base = rng.normal(size=(60, 4))
    wide = np.hstack([base, rng.normal(size=(60, 10))])
    made = [system(v, f"s{i}") for i, v in enumerate((base, wide, base + 0.1))]
    found = alignment_matrix(made[0], others=made[1:], measure="predictivity", **FEW)
    table = found.estimate["estimate"]
    forward = float(table.sel(item_a="s1", item_b="s0"))
    back = float(table.sel(item_a="s0", item_b="s1"))
    assert forward > 0.8
    assert back < 0.5
    height = found.tables["merge"]["height"].values
    assert height[0] == pytest.approx(0.0, abs=0.1)


def test_bad_input(families, rng):
    first, *rest = families
    with pytest.raises(MarrError, match="different names; got"):
        alignment_matrix(first, others=[first])
    with pytest.raises(MarrError, match="others must hold systems or cohorts; got int"):
        alignment_matrix(first, others=[3])
    with pytest.raises(MarrError, match="at least two sites; got"):
        alignment_matrix(first)
    with pytest.raises(MarrError, match="measure must be one measure"):
        alignment_matrix(first, others=rest, measure=["cka", "cca"])
    with pytest.raises(MarrError, match="linkage must be one of"):
        alignment_matrix(first, others=rest, linkage="ward")
    with pytest.raises(MarrError, match="time='keep' is for align"):
        alignment_matrix(first, others=rest, time="keep")
    other = system(rng.normal(size=(40, 6)), "z", stimulus=np.arange(40).astype(str))
    with pytest.raises(MarrError, match="on"):
        alignment_matrix(first, others=[other], on="stimulus")
    odd = system(rng.normal(size=(40, 9)), "z")
    with pytest.raises(MarrError, match="same number of them; got 6 and 9"):
        alignment_matrix(first, others=[odd], measure="unit_angle")


# -- map and tree ------------------------------------------------------------------------


def test_scaling_finds_points_again(rng):
    x = rng.normal(size=(12, 2))
    d = squareform(pdist(x))
    start, share = maps.classical_scaling(d, 2)
    assert share < 1e-10
    np.testing.assert_allclose(squareform(pdist(start)), d, atol=1e-10)
    moved, stress = maps.metric_scaling(d, start)
    assert stress < 1e-6
    np.testing.assert_allclose(squareform(pdist(moved)), d, atol=1e-5)


def test_majorization_lowers_stress(rng):
    d = squareform(pdist(rng.normal(size=(15, 6))))
    start, _ = maps.classical_scaling(d, 2)
    _, before = maps.metric_scaling(d, start, n_steps=1)
    _, after = maps.metric_scaling(d, start)
    assert after < before
    short = maps.classical_scaling(np.array([[0, 1.0], [1, 0]]), 3)[0]
    assert short.shape == (2, 3)


def test_distances_of_no_plane_say_so():
    """Four points at distance 1 with a fifth at 0.5 from all are in no Euclidean space."""
    d = np.ones((5, 5)) - np.eye(5)
    d[4, :4] = d[:4, 4] = 0.5
    assert maps.classical_scaling(d, 2)[1] > 0.02


def test_silhouette_is_the_usual_one(rng):
    x = np.concatenate([rng.normal(size=(6, 2)), rng.normal([6, 0], size=(7, 2))])
    d = squareform(pdist(x))
    labels = np.repeat([0, 1], [6, 7])
    expected = silhouette_score(d, labels, metric="precomputed")
    assert maps.silhouette(d, labels) == pytest.approx(expected)
    found, width = maps.clusters(d, maps.tree(d, "average"))
    assert width == pytest.approx(expected)
    assert len(np.unique(found)) == 2


def test_clades():
    d = np.array([[0, 1, 5, 6], [1, 0, 5, 6], [5, 5, 0, 2], [6, 6, 2, 0]], float)
    found = maps.clades(maps.tree(d, "average"))
    assert found == [{0, 1}, {2, 3}, {0, 1, 2, 3}]
