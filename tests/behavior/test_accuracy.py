"""Proportion correct, its bar, and what clusters do to it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from planted import subject
from scipy import stats

import marr
from marr.behavior._proportion_kernel import against, held_out_rule, proportion
from marr.errors import ContractError, EvidenceError, OptionError, StatisticsError

accuracy = marr.behavior.accuracy


def scored(n=400, rate=0.8, seed=0, share=0.5, **columns):
    rng = np.random.default_rng(seed)
    right = (rng.random(n) < share).astype(int)
    correct = rng.random(n) < rate
    table = pd.DataFrame(
        {"correct": correct, "choice": np.where(correct, right, 1 - right)}
    )
    return table.assign(**columns)


def test_interval_is_wilsons():
    f = accuracy(subject(scored()), chance=0.5)
    k, n = int(scored().correct.sum()), 400
    wilson = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert float(f.estimate.estimate) == k / n
    assert float(f.estimate.ci_low) == pytest.approx(wilson.low, abs=1e-9)
    assert float(f.estimate.ci_high) == pytest.approx(wilson.high, abs=1e-9)
    assert float(f.estimate.p_value) == pytest.approx(stats.binomtest(k, n, 0.5).pvalue)


def test_the_bar_is_the_best_shortcut_not_one_over_the_answers():
    f = accuracy(subject(scored(n=2000, rate=0.72, share=0.75)))
    assert f.tables["baseline"].estimate.sel(baseline="equal guessing") == 0.5
    assert float(f.estimate.null_mean) == pytest.approx(0.75, abs=0.02)
    assert "not_above_bar" in {n.code for n in f.notes}
    assert "commonest answer" in f.summary
    high = accuracy(subject(scored(n=2000, rate=0.9, share=0.75)))
    assert float(high.estimate.p_value) < 0.001
    assert "not_above_bar" not in {n.code for n in high.notes}


def test_a_partial_cue_and_the_past_make_shortcuts(rng):
    n = 3000
    cue = rng.integers(0, 4, n)
    right = np.where(rng.random(n) < 0.85, cue % 2, rng.integers(0, 2, n))
    correct = rng.random(n) < 0.9
    table = pd.DataFrame(
        {"cue": cue, "correct": correct, "choice": np.where(correct, right, 1 - right)}
    )
    f = accuracy(subject(table), shortcuts=["cue"])
    bars = f.tables["baseline"].estimate
    assert float(bars.sel(baseline="cue alone")) == pytest.approx(0.925, abs=0.02)
    assert float(bars.sel(baseline="previous right answer")) == pytest.approx(
        0.5, abs=0.03
    )
    blocks = np.repeat(rng.integers(0, 2, n // 30), 30)
    table = table.assign(choice=np.where(correct, blocks, 1 - blocks))
    f = accuracy(subject(table))
    assert (
        float(f.tables["baseline"].estimate.sel(baseline="previous right answer")) > 0.9
    )


def test_more_than_two_answers_need_the_right_one(rng):
    right = rng.integers(0, 4, 500)
    choice = np.where(rng.random(500) < 0.6, right, rng.integers(0, 4, 500))
    table = pd.DataFrame({"right": right, "choice": choice, "correct": choice == right})
    f = accuracy(subject(table))
    assert "no_shortcuts" in {n.code for n in f.notes}
    assert float(f.estimate.null_mean) == 0.25
    f = accuracy(subject(table), answer="right")
    assert "no_shortcuts" not in {n.code for n in f.notes}
    assert float(f.estimate.null_mean) >= 0.25


def test_a_column_without_answers_has_no_bar():
    f = accuracy(subject(scored().drop(columns="choice")))
    assert np.isnan(float(f.estimate.null_mean))
    assert "no_shortcuts" in {n.code for n in f.notes}


def test_clusters_are_resampled_whole(rng):
    session = np.repeat(np.arange(8), 100)
    rate = np.clip(rng.normal(0.7, 0.12, 8), 0.4, 0.95)[session]
    table = scored(n=800).assign(correct=rng.random(800) < rate)
    plain = accuracy(subject(table), chance=0.5)
    f = accuracy(subject(table.assign(session=session)), chance=0.5)
    width = [float(g.estimate.ci_high - g.estimate.ci_low) for g in (plain, f)]
    assert width[1] > 2 * width[0]
    assert float(f.estimate.p_value) == pytest.approx(2 / 2**8)
    assert f.generalizes_over == "trials of these sessions"


def test_levels_are_corrected_and_drawn():
    table = scored(n=600, seed=3).assign(day=np.arange(600) % 3)
    f = accuracy(subject(table), by="day", chance=0.75)
    assert f.estimate.estimate.dims == ("day",)
    assert (f.estimate.p_corrected >= f.estimate.p_value).all()
    assert f.figure() is not None
    assert f.estimate.n.values.tolist() == [200, 200, 200]


def test_a_cohort_is_combined():
    cohort = marr.Cohort(
        [subject(scored(seed=s), name=f"s{s}") for s in range(6)],
        name="c",
        member_kind="seeds",
    )
    f = accuracy(cohort)
    assert float(f.estimate.estimate) == pytest.approx(0.8, abs=0.03)
    assert float(f.estimate.p_value) < 0.001
    assert f.summary.startswith("6 seeds: Correct on")


@pytest.mark.parametrize(
    ("table", "options", "error", "words"),
    [
        (scored(), {"column": "corect"}, OptionError, "correct"),
        (scored().assign(correct=2), {}, ContractError, "0 and 1"),
        (scored().assign(correct="yes"), {}, ContractError, "0 and 1"),
        (
            scored().assign(correct=np.nan),
            {},
            StatisticsError,
            "missing on every trial",
        ),
        (scored(), {"chance": 1.5}, OptionError, "between 0 and 1"),
        (scored(), {"by": "correct"}, OptionError, "another column"),
        (scored(), {"shortcuts": ["stimlus"]}, OptionError, "shortcuts"),
        (
            scored().assign(intact_correct=1),
            {"column": "intact_correct"},
            EvidenceError,
            "intact",
        ),
    ],
)
def test_bad_input(table, options, error, words):
    with pytest.raises(error, match=words):
        accuracy(subject(table), **options)


def test_held_out_rule_equals_a_loop(rng):
    cue, right, groups = (
        rng.integers(0, 3, 60),
        rng.integers(0, 3, 60),
        rng.integers(0, 5, 60),
    )
    got = held_out_rule(cue, right, groups)
    for i in range(60):
        seen = right[(cue == cue[i]) & (groups != groups[i])]
        counts = np.bincount(seen, minlength=3)
        best = np.flatnonzero(counts == counts.max())
        assert got[i] == pytest.approx((right[i] in best) / len(best))


def test_tests_hold_their_level(rng):
    p = {"flip": [], "sign": []}
    for _ in range(400):
        correct = (rng.random(90) < 0.5).astype(float)
        bar = (rng.random(90) < 0.5).astype(float)
        clusters = np.arange(90) // 10
        p["flip"].append(against(correct, np.full(90, 0.5), clusters, 0))
        p["sign"].append(against(correct, bar, None, 0))
    for name, values in p.items():
        share = np.mean(np.array(values) <= 0.05)
        assert share < stats.binom.ppf(0.9999, 400, 0.05) / 400, name
        assert share > 0.005, name


def test_clustered_interval_covers(rng):
    hits = 0
    for i in range(200):
        rates = np.clip(rng.normal(0.7, 0.1, 12), 0, 1)
        correct = (rng.random((12, 40)) < rates[:, None]).astype(float).ravel()
        _, low, high = proportion(correct, np.repeat(np.arange(12), 40), i)
        hits += low <= 0.7 <= high
    assert hits >= stats.binom.ppf(0.001, 200, 0.95)
