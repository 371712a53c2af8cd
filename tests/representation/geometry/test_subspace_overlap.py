"""Overlap of subspaces: same, orthogonal, in between; noise does not look like overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import marr
from marr.errors import ContractError, MarrError, OptionError, StatisticsError
from marr.representation import subspace_overlap
from marr.representation._geometry import _subspace_kernel as kernel

FEW = {"n_permutations": 39, "n_splits": 6}
N, UNITS = 240, 40
IDS = [f"n{i}" for i in range(UNITS)]


@pytest.fixture(scope="module")
def system():
    """Conditions in one subspace early, in another late; variables in known directions."""
    rng = np.random.default_rng(0)
    ways = np.linalg.qr(rng.normal(size=(UNITS, 12)))[0]
    condition, side, color = (rng.integers(0, k, N) for k in (6, 2, 3))
    means = 2 * rng.normal(size=(6, 3))
    x = np.zeros((N, 8, UNITS))
    x[:, :4] = (means @ ways[:, :3].T)[condition][:, None]
    x[:, 4:] = (means @ ways[:, 3:6].T)[condition][:, None]
    signs = 2.0 * side - 1
    colors = 2 * np.array([[1, 0], [-0.5, 0.87], [-0.5, -0.87]])
    apart = 2 * np.outer(signs, ways[:, 6]) + (colors @ ways[:, 7:9].T)[color]  # fmt: skip
    tied = 2 * np.outer(signs, ways[:, 7]) + (colors @ ways[:, 7:9].T)[color]  # fmt: skip

    def noisy(values):
        return values + rng.normal(size=values.shape)

    late = np.repeat(apart[:, None], 8, axis=1), np.repeat(tied[:, None], 8, axis=1)
    sites = {
        "A": noisy(x),
        "B": noisy(x),
        "apart": noisy(late[0]),
        "tied": noisy(late[1]),
        "other": noisy(x)[..., :30],
    }
    table = pd.DataFrame(
        {
            "condition": condition,
            "side": np.array(["left", "right"])[side],
            "color": np.array(["r", "g", "b"])[color],
            "size": signs + rng.normal(size=N),
            "once": np.arange(N),
        }
    )
    units = dict.fromkeys(sites, IDS) | {"other": IDS[:30]}
    return marr.from_arrays(sites, table, units=units)


def row(found, comparison=0, site=0):
    cell = found.estimate.isel(site=site, comparison=comparison)
    return {k: float(v) for k, v in cell.data_vars.items()}


def test_same_subspace_reaches_its_ceiling_and_another_none(system):
    found = subspace_overlap(system, of=[(0, 2), (2, 4), (4, 8)], on="condition", n_dimensions=3, sites="A", **FEW)  # fmt: skip
    same, other = row(found, 0), row(found, 1)
    assert same["estimate"] == pytest.approx(same["ceiling"], abs=0.05)
    assert same["corrected"] == pytest.approx(1, abs=0.05)
    assert same["p_corrected"] < 0.1
    assert same["chance"] == pytest.approx(3 / 40)
    assert other["estimate"] < 0.05
    assert other["estimate"] < other["null_mean"]
    angles = found.tables["angle"].sel(site="A")["estimate"]
    assert (angles[0, :2] < 45).all()
    assert (angles[1] > 70).all()


def test_variables_in_orthogonal_and_in_shared_directions(system):
    found = subspace_overlap(system, of=["side", "color"], sites=["apart", "tied"], **FEW)  # fmt: skip
    apart, tied = row(found, site=0), row(found, site=1)
    assert found.tables["dimensions"]["n_dimensions"].values.tolist() == [[1, 2], [1, 2]]  # fmt: skip
    assert apart["estimate"] < 0.1
    assert tied["corrected"] == pytest.approx(1, abs=0.2)
    assert tied["p_corrected"] < 0.1
    assert "joint regression" in found.methods


def test_correlated_variables_do_not_overlap_for_that(system):
    """Directions of a joint regression: `size` follows `side` but codes nothing."""
    found = row(subspace_overlap(system, of=["side", "size"], sites="apart", **FEW))
    assert found["estimate"] < 0.25


def test_noise_that_both_halves_would_share_does_not_look_like_overlap():
    """Windows without any code: noise is the same in both, and it is not overlap."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(100, 1, 30)) + 0.1 * rng.normal(size=(100, 4, 30))
    table = pd.DataFrame({"condition": np.tile(np.arange(5), 20)})
    system = marr.from_arrays({"A": noise}, table)
    found = subspace_overlap(system, of=[(0, 2), (2, 4)], on="condition", n_dimensions=3, **FEW)  # fmt: skip
    cell = row(found)
    assert cell["estimate"] < 0.25
    assert cell["ceiling"] < 0.25
    x = [noise[:, :2].mean(axis=1), noise[:, 2:].mean(axis=1)]
    design = np.eye(5)[table["condition"]]
    naive = [kernel.subspaces(v, design, np.eye(5) - 0.2, np.ones((1, 100)), 3) for v in x]  # fmt: skip
    assert kernel.overlap(*naive)[0] > 0.8  # what the same trials in both would say


def test_sets_of_trials_and_sites(system):
    found = subspace_overlap(system, of=[{"side": "left"}, {"side": "right"}], on="condition", sites="A", n_dimensions=2, **FEW)  # fmt: skip
    assert row(found)["corrected"] == pytest.approx(1, abs=0.2)
    assert found.estimate["comparison"].values.tolist() == ["side=left and side=right"]
    found = subspace_overlap(system, of=["A", "B"], on="condition", n_dimensions=3, **FEW)  # fmt: skip
    assert row(found)["corrected"] == pytest.approx(1, abs=0.1)
    assert found.estimate["site"].values.tolist() == ["A and B"]


def test_every_time_bin_makes_a_square(system):
    found = subspace_overlap(system, of="time", on="condition", sites="A", n_dimensions=2, **FEW)  # fmt: skip
    matrix = found.tables["matrix"]["estimate"].sel(site="A").values
    assert matrix.shape == (8, 8)
    np.testing.assert_allclose(matrix, matrix.T)
    assert matrix[:4, :4].min() > 0.4
    assert matrix[:4, 4:].max() < 0.2
    assert found.figures[0].kind == "matrix"


def test_dimensions_are_chosen_by_what_repeats(system):
    found = subspace_overlap(system, of=[(0, 4), (4, 8)], on="condition", sites="A", **FEW)  # fmt: skip
    chosen = found.tables["dimensions"]["n_dimensions"].values.ravel().tolist()
    assert chosen in ([2, 2], [3, 3])
    assert "stringer2019" in found.citations


def test_kernels():
    rng = np.random.default_rng(2)
    a = np.linalg.qr(rng.normal(size=(10, 3)))[0][None]
    turned = a @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert kernel.overlap(a, turned)[0] == pytest.approx(1)
    assert kernel.angles(a, turned).max() < 1e-5
    full = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    b, c = full[None, :, :3], full[None, :, 3:7]
    assert kernel.overlap(b, c)[0] == pytest.approx(0)
    assert kernel.overlap(b, full[None, :, :7])[0] == pytest.approx(1)
    drawn = kernel.random_overlaps(
        rng.normal(size=(400, 20)), rng.normal(size=(400, 20)), (3, 5), 400, rng
    )
    assert drawn.mean() == pytest.approx(5 / 20, abs=0.02)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"of": "side"}, OptionError, "two or more things of one kind"),
        ({"of": ["side"]}, OptionError, "two or more things"),
        ({"of": ["side", "side"]}, OptionError, "names one twice"),
        ({"of": ["side", "A"]}, OptionError, "mixes sites with"),
        ({"of": ["side", (0, 2)]}, OptionError, "mixes kinds"),
        ({"of": [(2, 0), (0, 2)], "on": "condition"}, OptionError, "of must be"),
        ({"of": [(0, 2), (2, 4)]}, OptionError, "on='condition'"),
        ({"of": ["side", "color"], "on": "condition"}, OptionError, "Leave them out"),
        ({"of": ["A", "other"], "on": "condition"}, ContractError, "must have the same units"),
        ({"of": ["A", "B"], "on": "condition", "sites": "A"}, OptionError, "leave it out"),
        ({"of": [(0, 2), (2, 4)], "on": "condition", "time": (0, 1)}, OptionError, "leave it out"),
        ({"of": ["side", "color"], "n_dimensions": 2}, OptionError, "more than 'side' has: 1"),
        ({"of": [{"side": "up"}, {"side": "left"}], "on": "condition"}, StatisticsError, "takes left, right"),
        ({"of": [(0, 2), (2, 4)], "on": "once"}, MarrError, "at least 4 trials"),
    ],
)  # fmt: skip
def test_bad_input(system, options, error, match):
    where = {} if options["of"] in (["A", "other"], ["A", "B"]) else {"sites": "A"}
    with pytest.raises(error, match=match):
        subspace_overlap(system, **{**FEW, **where, **options})


def test_variables_that_determine_each_other():
    rng = np.random.default_rng(3)
    a = rng.integers(0, 2, 60)
    table = pd.DataFrame({"a": a, "b": np.where(a > 0, "x", "y")})
    system = marr.from_arrays({"A": rng.normal(size=(60, 5))}, table)
    with pytest.raises(StatisticsError, match="determine each other"):
        subspace_overlap(system, of=["a", "b"], **FEW)
