"""decode: other probes, ordered categories, several targets at once, what notes say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import marr
from marr.representation import decode
from marr.representation._nuisances import design_matrix
from marr.representation._probes._core import Settings
from marr.representation._probes._decode_job import prepare
from marr.representation._probes._moments_kernel import Problem, Splits
from marr.representation._probes._pattern_kernel import unit_patterns
from marr.representation._probes._unit_null import unit_null


def system_of(x, **columns):
    return marr.from_arrays({"A": x}, trials=pd.DataFrame(columns), name="planted")


def codes(finding):
    return {n.code for n in finding.notes}


def number(finding, name="estimate"):
    return finding.estimate[name].item()


@pytest.fixture
def planted(rng):
    """Two labels in two units, an ordered level in a third, nothing in the others."""
    n = 160
    left, go = rng.integers(0, 2, size=(2, n)).astype(bool)
    level = rng.integers(1, 6, n)
    x = rng.normal(size=(n, 8))
    x[:, 0] += 2 * left
    x[:, 1] += 2 * go
    x[:, 2] += level**2 / 4
    return system_of(x, left=left, go=go, level=level, idle=rng.integers(0, 3, n))


@pytest.mark.parametrize("probe", ["lda", "logistic", "svm", "mlp"])
def test_every_probe_finds_what_is_planted_and_is_named(planted, probe):
    found = decode(planted, "left", probe=probe, n_permutations=39)
    assert number(found) > 0.7
    assert number(found, "p_value") < 0.05
    assert found.parameters["probe"] == probe
    words = {"lda": "discriminant", "logistic": "logistic", "svm": "support vector", "mlp": "hidden layer"}  # fmt: skip
    assert words[probe] in found.methods
    table = found.tables["unit"]
    assert table["estimate"].values.argmax() == 0
    assert np.abs(table["weight"].values).argmax() == 0
    assert (found.tables["null"]["estimate"] <= 1).all()


def test_the_default_is_named(planted):
    found = decode(planted, "left", n_permutations=0)
    assert found.parameters["probe"] == "lda"
    assert found.parameters["n_permutations"] == 0
    assert decode(planted, "level", kind="continuous", n_permutations=0).parameters[
        "probe"
    ] == "ridge"  # fmt: skip
    assert "friedman1989" in found.citations
    assert "cox1958" not in found.citations


def test_networks_get_few_shuffles_and_say_so(planted):
    found = decode(planted, "left", probe="mlp")
    assert found.parameters["n_permutations"] == 39
    assert "few_shuffles" in codes(found)
    more = decode(planted, "left", probe="mlp", n_permutations=19)
    assert "few_shuffles" not in codes(more)
    assert decode(planted, "left").parameters["n_permutations"] == 200


def test_only_a_network_reads_an_exclusive_or(rng):
    a, b = rng.integers(0, 2, size=(2, 300))
    x = 0.3 * rng.normal(size=(300, 5))
    x[:, 0] += a
    x[:, 1] += b
    system = system_of(x, same=a ^ b)
    line = decode(system, "same", probe="logistic", n_permutations=19)
    bent = decode(system, "same", probe="mlp", n_permutations=39)
    assert number(line, "p_value") > 0.05
    assert number(bent) > 0.85
    table = bent.tables["unit"]
    weights = table["weight"].values
    assert weights[:2].min() > 2 * weights[2:].max()  # how outputs change with a unit


def test_ordered_categories(planted):
    found = decode(planted, "level", kind="ordinal", n_permutations=39)
    assert found.parameters["kind"] == "ordinal"
    assert number(found) > 0.7
    assert number(found, "p_value") < 0.05
    assert number(found, "category_error") < 0.9
    assert "Spearman" in found.methods
    assert "categories" in found.summary
    assert found.estimate["estimate"].attrs["chance"] == 0


def test_an_ordered_column_keeps_its_order(planted):
    names = np.array(["none", "weak", "some", "strong", "full"])
    trials = planted.trials.assign(
        named=pd.Categorical(
            names[planted.trials["level"] - 1], categories=names, ordered=True
        )
    )
    named = marr.from_arrays({"A": planted.activity("A").values}, trials=trials)
    by_name = decode(named, "named", kind="ordinal", n_permutations=0)
    by_number = decode(planted, "level", kind="ordinal", n_permutations=0)
    assert number(by_name) == pytest.approx(number(by_number))


def test_a_monotone_change_of_ordered_categories_changes_nothing(planted):
    trials = planted.trials.assign(squared=planted.trials["level"] ** 2)
    other = marr.from_arrays({"A": planted.activity("A").values}, trials=trials)
    a, b = (
        decode(other, name, kind="ordinal", n_permutations=9)
        for name in ("level", "squared")
    )
    np.testing.assert_allclose(a.estimate["estimate"], b.estimate["estimate"])
    np.testing.assert_allclose(a.estimate["null_mean"], b.estimate["null_mean"])


def test_several_targets_are_read_out_together(planted):
    found = decode(planted, ["left", "go", "idle"], n_permutations=99)
    assert found.dims == ("target", "site")
    p = found.estimate["p_corrected"].sel(site="A")
    assert (p.sel(target=["left", "go"]) < 0.05).all()
    assert float(p.sel(target="idle")) > 0.05
    assert "chance" not in found.estimate["estimate"].attrs  # two and three classes
    np.testing.assert_allclose(found.estimate["chance"], [1 / 2, 1 / 2, 1 / 3])
    assert "left and go" in found.summary
    assert "idle" in found.summary
    unit = found.tables["unit"]
    assert unit["estimate"].dims == ("target", "unit")
    assert [int(v) for v in unit["estimate"].argmax("unit")[:2]] == [0, 1]
    assert found.tables["null"]["estimate"].sizes["target"] == 3
    for k in range(len(found.figures)):
        assert len(found.figure(k).data) > 0


@pytest.mark.parametrize("probe", ["lda", "logistic"])
def test_together_is_what_they_are_apart(rng, probe):
    """Folds of neighbors and shifts do not depend on the labels: the same numbers."""
    labels = {k: (np.sin(np.arange(90) / 5 + i) > 0) for i, k in enumerate("ab")}
    x = rng.normal(size=(90, 3, 4)) + labels["a"][:, None, None]
    system = system_of(x, **labels)
    options = {"null": "shift", "n_permutations": 19, "probe": probe, "penalty": 0.1}
    both = decode(system, ["a", "b"], cross_temporal=True, **options)
    for name in "ab":
        alone = decode(system, name, cross_temporal=True, **options)
        for key in ("estimate", "ci_low", "ci_high", "p_value", "null_mean"):
            np.testing.assert_allclose(
                both.estimate[key].sel(target=name), alone.estimate[key], atol=1e-9
            )
        for table in ("time_time", "unit", "null", "baseline", "site", "time"):
            got = both.tables[table]["estimate"].sel(target=name)
            np.testing.assert_allclose(
                got,
                alone.tables[table]["estimate"],
                atol=2e-3 if table == "null" else 1e-6,
            )


def test_a_single_name_in_a_list_keeps_the_axis(planted):
    found = decode(planted, ["left"], n_permutations=0)
    assert found.dims == ("target", "site")
    assert "left" in found.summary or "A" in found.summary


def test_several_numbers_and_a_cohort(rng):
    members = []
    for k in range(3):
        a, b = rng.normal(size=(2, 60))
        x = rng.normal(size=(60, 4)) + np.stack([a, b, 0 * a, 0 * a], axis=1)
        members.append(system_of(x, a=a, b=b))
        members[-1].name = f"seed {k}"
    cohort = marr.Cohort(members, name="nets", member_kind="seeds")
    found = decode(cohort, ["a", "b"], n_permutations=9)
    assert found.dims == ("target", "site")
    assert (found.estimate["estimate"] > 0.2).all()


def test_a_constant_control_is_said_to_do_nothing(planted):
    system = marr.from_arrays(
        {"A": planted.activity("A").values}, trials=planted.trials.assign(lamp="on")
    )
    found = decode(system, "left", control=["lamp", "level"], n_permutations=0)
    note = next(n for n in found.notes if n.code == "constant_control")
    assert "lamp" in note.text
    assert "level" not in note.text
    assert "nonlinearly" in found.methods


def test_labels_that_equal_the_block_are_refused(rng):
    block = np.repeat([0, 1], 40)
    x = 2 * rng.normal(size=(2, 6))[block] + rng.normal(size=(80, 6))
    with pytest.raises(marr.MarrError, match="one group only"):
        decode(system_of(x, rule=block, block=block), "rule")
    with pytest.raises(marr.MarrError, match="one group only"):
        decode(system_of(x, block=block), "block")


def test_labels_that_follow_blocks_come_with_a_caveat_and_at_chance(rng):
    """Drift alone: shuffled folds near 1, one block held out below chance, these not."""
    block = np.repeat(np.arange(8), 20)
    x = 3 * rng.normal(size=(8, 10))[block] + rng.normal(size=(160, 10))
    found = decode(system_of(x, rule=block % 2, block=block), "rule", n_permutations=50)
    note = next(n for n in found.notes if n.code == "labels_follow_groups")
    assert "8" in note.text
    assert found.parameters["null"] == "block"
    assert number(found, "p_value") > 0.05
    leaky = system_of(x, rule=block % 2).select(rng.permutation(160))
    assert number(decode(leaky, "rule", n_permutations=0)) > 0.9


def test_units_and_scores_are_shuffled_in_one_way(rng):
    """Where activity is moved against labels and nuisances, patterns see it moved too."""
    n = 80
    drift = rng.normal(size=(n, 5)).cumsum(axis=0)
    movement = rng.normal(size=n).cumsum()
    choice = (movement + 3 * rng.normal(size=n) > movement.mean()).astype(int)
    system = system_of(drift, choice=choice, movement=movement)
    job = prepare(
        system, "choice", probe=None, sites=None, over=("site", "time"), kind=None,
        control=("movement",), n_folds=5, penalty=0.1, n_permutations=6, null="shift",
        seed=0, device=None,
    )  # fmt: skip
    assert job.draws[0].joint
    table = unit_null(
        job.layout,
        job.draws[0],
        job.design,
        job.plan.folds,
        system.halves,
        job.settings,
    )
    design = design_matrix(system, ("movement",), times=None)
    columns = np.column_stack([np.ones(n), design])
    x = job.layout.cells[0].x[0]
    rest = x - columns @ np.linalg.lstsq(columns, x, rcond=None)[0]
    settings = Settings("categorical", (0.1,), targets_too=False)
    rows = torch.ones((1, n), dtype=torch.bool)
    sets = Splits(rows, rows, torch.zeros(n, dtype=torch.long))
    for draw, order in enumerate(job.draws[0].indices):
        moved = rest[np.argsort(order)]
        y = np.eye(2)[choice][None, :, None]
        problem = Problem(
            *(torch.from_numpy(v) for v in (moved[None], y, design[None]))
        )
        expected = unit_patterns(
            problem, sets, settings.method, torch.tensor([0.1], dtype=torch.double),
            torch.tensor([0]), classes=True,
        ).pattern[0, 0].abs()  # fmt: skip
        np.testing.assert_allclose(table["estimate"][draw], expected, atol=1e-3)


def test_intervals_about_other_training_trials_are_wider(planted):
    narrow, wide = (
        decode(planted, "left", n_permutations=0, interval=k)
        for k in ("probes", "training")
    )
    a, b = (
        [number(f, k) for k in ("ci_low", "estimate", "ci_high")]
        for f in (narrow, wide)
    )
    assert a[1] == b[1]
    assert b[0] == pytest.approx(a[1] - 1.5 * (a[1] - a[0]))  # five folds
    assert b[2] == pytest.approx(min(1, a[1] + 1.5 * (a[2] - a[1])))
    assert "nadeau2003" in wide.citations
    assert "training on other trials" in wide.methods


BAD = {
    "unknown probe": ("left", {"probe": "svn"}, "svm"),
    "probe of numbers": ("left", {"probe": "ridge"}, "lda"),
    "probe of classes": ("level", {"probe": "lda", "kind": "ordinal"}, "ridge"),
    "no target": ([], {}, "at least one|one column or more"),
    "twice": (["left", "left"], {}, "each once"),
    "two kinds": (["left", "speed"], {}, "one kind"),
    "unknown among several": (["left", "goo"], {}, "go"),
    "target as control": (["left", "go"], {"control": "go"}, "target"),
    "text in order": ("word", {"kind": "ordinal"}, "ordered"),
    "too many categories": ("speed", {"kind": "ordinal"}, "continuous"),
    "folds too small to rank": ("level", {"kind": "ordinal", "n_folds": 80}, "ranked"),
    "interval": ("left", {"interval": "folds"}, "training"),
    "negative": ("left", {"n_permutations": -1}, "n_permutations"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(planted, rng, case):
    target, options, words = BAD[case]
    trials = planted.trials.assign(
        speed=rng.normal(size=160), word=np.tile(["a", "b"], 80)
    )
    system = marr.from_arrays({"A": planted.activity("A").values}, trials=trials)
    with pytest.raises(marr.MarrError, match=words):
        decode(system, target, **{"n_permutations": 5, **options})
