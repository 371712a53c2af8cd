"""The psychometric analysis: what it recovers, refuses and says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from planted import CONTRASTS, answers, logistic, subject

import marr
from marr.errors import ContractError, EvidenceError, OptionError, StatisticsError

psychometric = marr.behavior.psychometric


def codes(finding):
    return {note.code for note in finding.notes}


def value(finding, parameter, which="estimate", **at):
    return float(finding.estimate[which].sel(parameter=parameter, **at))


def test_planted_parameters_are_recovered():
    truth = {"threshold": 0.08, "width": 0.6, "low": 0.04, "high": 0.09}
    f = psychometric(subject(n=20_000, seed=1, **truth), stimulus="contrast")
    slope = 2 * np.log(19) / 0.6 / 4
    bias = float(logistic(0.0, **truth))
    expected = dict(zip(
        ("threshold", "width", "lapse_low", "lapse_high"), truth.values(), strict=True
    )) | {"slope": slope, "bias": bias}  # fmt: skip
    assert set(f.estimate.parameter.values) == set(expected)
    for name, planted in expected.items():
        low, high = value(f, name, "ci_low"), value(f, name, "ci_high")
        assert low < planted < high, name
        assert low < value(f, name, "map") < high, name
        assert high - low < 0.35 * max(abs(planted), 0.1), name
    assert value(f, "threshold", "p_value") < 0.001
    assert float(f.tables["fit"].deviance_p) > 0.01
    assert f.level == "behavior"
    assert f.evidence == "descriptive"


@pytest.mark.parametrize("link", ["gaussian", "weibull"])
def test_other_links_recover_their_own_curve(link, rng):
    x = np.round(np.geomspace(0.05, 2, 9), 4)[rng.integers(0, 9, 6000)]
    if link == "gaussian":
        from scipy.stats import norm

        p = 0.03 + 0.94 * norm.cdf((x - 0.5) / (0.8 / (2 * norm.ppf(0.95))))
    else:
        c = np.log(-np.log(0.05)) - np.log(-np.log(0.95))
        p = 0.03 + 0.94 * (1 - np.exp(-np.log(2) * np.exp(c * np.log(x / 0.5) / 0.8)))
    table = pd.DataFrame({"x": x, "choice": (rng.random(6000) < p).astype(int)})
    f = psychometric(subject(table), stimulus="x", link=link)
    for name, planted in (("threshold", 0.5), ("width", 0.8)):
        assert value(f, name, "ci_low") < planted < value(f, name, "ci_high")
    assert "bias" not in f.estimate.parameter.values
    curve = f.tables["curve"]
    assert float(curve.stimulus.min()) >= 0.05
    assert float(curve.stimulus.max()) <= 2


def test_conditions_and_their_contrast():
    parts = [
        answers(2500, seed=s, threshold=t, width=0.6, low=0.03, high=0.03).assign(
            prior=b
        )
        for s, (b, t) in enumerate([(0.2, 0.12), (0.8, -0.12)])
    ]
    table = pd.concat(parts, ignore_index=True)
    f = psychometric(subject(table), stimulus="contrast", by="prior")
    assert f.estimate["estimate"].dims == ("prior", "parameter")
    truth = logistic(0, -0.12, 0.6, 0.03, 0.03) - logistic(0, 0.12, 0.6, 0.03, 0.03)
    c = f.tables["contrast"]
    assert c.comparison.values.tolist() == ["0.8 - 0.2"]
    row = c.sel(comparison="0.8 - 0.2", parameter="bias")
    assert float(row.ci_low) < truth < float(row.ci_high)
    assert float(row.p_corrected) < 0.01
    row = c.sel(comparison="0.8 - 0.2", parameter="threshold")
    assert float(row.ci_low) < -0.24 < float(row.ci_high)
    assert float(c.p_value.sel(parameter="slope").squeeze()) > 0.001
    assert "varies with prior" in f.summary
    assert float(f.tables["data"].n.sum()) == 5000
    assert f.tables["curve"]["estimate"].dims == ("prior", "stimulus")


def test_conditions_without_difference_are_not_called_different():
    table = answers(3000, seed=5, width=0.7).assign(
        side=lambda t: np.arange(len(t)) % 2
    )
    f = psychometric(subject(table), stimulus="contrast", by="side")
    assert "is not shown to vary with side" in f.summary


def test_falling_curves_get_a_negative_slope():
    table = answers(3000, seed=2, threshold=0.1, width=0.6, low=0.02, high=0.1)
    mirrored = table.assign(choice=-table.choice)
    up = psychometric(subject(table), stimulus="contrast")
    down = psychometric(subject(mirrored), stimulus="contrast")
    assert "falling" in codes(down)
    assert "falling" not in codes(up)
    pairs = {"threshold": 1, "width": 1, "slope": -1}
    for name, sign in pairs.items():
        assert value(down, name) == pytest.approx(sign * value(up, name))
    assert value(down, "bias") == pytest.approx(1 - value(up, "bias"))
    assert value(down, "lapse_low") == pytest.approx(value(up, "lapse_high"))
    counted = psychometric(subject(mirrored), stimulus="contrast", positive=-1)
    assert value(counted, "slope") == pytest.approx(value(up, "slope"))


@pytest.mark.parametrize(
    ("pair", "positive"),
    [
        ((0, 1), None),
        ((False, True), None),
        (("no", "yes"), "yes"),
        ((2, 5), 5),
        ((0.0, 1.0), None),
    ],
)
def test_every_coding_of_two_answers_gives_the_same_curve(pair, positive):
    table = answers(800, seed=3, threshold=0.05, width=0.8)
    coded = table.assign(choice=[pair[1] if c > 0 else pair[0] for c in table.choice])
    plain = psychometric(subject(table), stimulus="contrast")
    other = psychometric(subject(coded), stimulus="contrast", positive=positive)
    np.testing.assert_array_equal(plain.estimate.estimate, other.estimate.estimate)


def test_lapse_options():
    s = subject(n=3000, seed=4, width=0.6, low=0.05, high=0.05)
    equal = psychometric(s, stimulus="contrast", lapses="equal")
    assert value(equal, "lapse_low") == value(equal, "lapse_high")
    assert (
        value(equal, "lapse_low", "ci_low")
        < 0.05
        < value(equal, "lapse_low", "ci_high")
    )
    fixed = psychometric(
        s, stimulus="contrast", lapses="fixed", lapse_rates=(0.05, 0.02)
    )
    assert value(fixed, "lapse_low") == pytest.approx(0.05)
    assert value(fixed, "lapse_high", "ci_high") == pytest.approx(0.02)


def test_lapses_at_zero_are_listed_and_their_interval_starts_there():
    f = psychometric(subject(n=3000, seed=0, width=0.3), stimulus="contrast")
    assert "boundary" in codes(f)
    assert value(f, "lapse_low", "map") == 0
    assert value(f, "lapse_low", "ci_low") == 0


def in_sessions(seed=0, n_sessions=8, per_session=500, shift=0.3):
    rng = np.random.default_rng(seed)
    n = n_sessions * per_session
    table = answers(n, seed=seed + 1, width=0.7, low=0.03, high=0.03)
    session = np.arange(n) // per_session
    off = rng.normal(0, shift, n_sessions)[session]
    p = logistic(table.contrast.to_numpy() + off, 0.0, 0.7, 0.03, 0.03)
    table["choice"] = np.where(rng.random(n) < p, 1, -1)
    return table.assign(session=session)


def width(finding, parameter="bias"):
    return value(finding, parameter, "ci_high") - value(finding, parameter, "ci_low")


def test_sessions_widen_the_interval_and_are_told():
    clustered = in_sessions()
    plain = psychometric(
        subject(clustered.drop(columns="session")), stimulus="contrast"
    )
    f = psychometric(subject(clustered), stimulus="contrast")
    assert width(f) > 3 * width(plain)
    assert value(f, "bias") == value(plain, "bias")
    assert value(f, "bias", "p_value") > value(plain, "bias", "p_value")
    band = [g.tables["curve"].ci_high - g.tables["curve"].ci_low for g in (plain, f)]
    assert float(band[1].max()) > 2 * float(band[0].max())
    assert "clustered" in codes(f)
    assert "giordano2023" in f.citations
    assert f.generalizes_over == "sessions (n = 8)"
    assert "few_clusters" in codes(
        psychometric(subject(clustered[clustered.session < 3]), stimulus="contrast")
    )


def test_sessions_that_do_not_differ_cost_little():
    clustered = in_sessions(shift=0.0, n_sessions=40, per_session=100)
    plain = psychometric(
        subject(clustered.drop(columns="session")), stimulus="contrast"
    )
    f = psychometric(subject(clustered), stimulus="contrast")
    assert 1 <= width(f) / width(plain) < 1.4


def test_conditions_inside_sessions_are_compared_inside_them():
    clustered = in_sessions(seed=3)
    clustered["side"] = np.random.default_rng(0).integers(0, 2, len(clustered))
    f = psychometric(subject(clustered), stimulus="contrast", by="side")
    row = f.tables["contrast"].squeeze("comparison").sel(parameter="bias")
    alone = f.estimate.sel(parameter="bias")
    assert float(row.ci_high - row.ci_low) < 0.7 * float(
        (alone.ci_high - alone.ci_low).min()
    )


def test_overdispersion_is_an_option():
    f = psychometric(subject(in_sessions()), stimulus="contrast", overdispersion=True)
    assert 0 < value(f, "overdispersion", "ci_low") < value(f, "overdispersion") < 1
    assert "beta-binomial" in f.methods


def test_same_seed_same_finding_and_json_round_trip():
    s = subject(n=600, seed=7, width=0.8)
    a, b = (psychometric(s, stimulus="contrast", seed=3) for _ in range(2))
    assert a == b
    assert marr.Finding.from_dict(a.to_dict()) == a
    assert psychometric(s, stimulus="contrast", seed=4) != a
    order = np.random.default_rng(0).permutation(600)
    shuffled = answers(600, seed=7, width=0.8).iloc[order]
    again = psychometric(subject(shuffled), stimulus="contrast", seed=3)
    np.testing.assert_array_equal(again.estimate.estimate, a.estimate.estimate)


def test_figures_draw_with_and_without_conditions():
    table = answers(600, seed=1, width=0.8).assign(side=np.arange(600) % 2)
    for by in (None, "side"):
        f = psychometric(subject(table), stimulus="contrast", by=by)
        assert len(f.figure().data) >= 2
        assert f.figures[0].kind == "curve"


def test_continuous_stimuli_are_fitted(rng):
    x = np.round(rng.normal(0, 0.5, 1500), 6)
    y = rng.random(1500) < logistic(x, 0.1, 0.9, 0.02, 0.02)
    table = pd.DataFrame({"x": x, "choice": y})
    f = psychometric(subject(table), stimulus="x")
    assert value(f, "threshold", "ci_low") < 0.1 < value(f, "threshold", "ci_high")
    assert "rounded" in codes(f)
    assert f.tables["data"].sizes["stimulus"] <= 25
    assert int(f.tables["data"].n.sum()) == 1500


def test_a_cohort_generalizes_over_its_members():
    members = [
        subject(
            pd.concat([
                answers(900, seed=10 * s + k, threshold=t, width=0.6).assign(prior=b)
                for k, (b, t) in enumerate([(0.2, 0.1), (0.8, -0.1)])
            ], ignore_index=True),
            name=f"seed {s}",
        )
        for s in range(5)
    ]  # fmt: skip
    cohort = marr.Cohort(members, name="networks", member_kind="seeds")
    f = psychometric(cohort, stimulus="contrast", by="prior")
    assert f.generalizes_over == "seeds (n = 5)"
    assert f.tables["member"].sizes["member"] == 5
    c = f.tables["contrast"].sel(comparison="0.8 - 0.2", parameter="bias")
    own = [
        float(
            psychometric(m, stimulus="contrast", by="prior")
            .tables["contrast"].estimate.sel(comparison="0.8 - 0.2", parameter="bias")
        )
        for m in members
    ]  # fmt: skip
    assert float(c.estimate) == pytest.approx(np.mean(own))
    assert float(c.p_value) < 0.01
    assert f"{np.mean(own):.3g} [" in f.summary


def test_notes_tell_what_the_data_cannot_hold():
    flat = psychometric(subject(n=500, seed=0, width=100.0), stimulus="contrast")
    assert {"flat"} <= codes(flat)
    steep = psychometric(subject(n=800, seed=0, width=0.01), stimulus="contrast")
    assert "steep" in codes(steep)
    outside = psychometric(
        subject(n=800, seed=0, threshold=1.5, width=1.0), stimulus="contrast"
    )
    assert "threshold_outside" in codes(outside)
    few = psychometric(subject(n=60, seed=0, width=0.6), stimulus="contrast")
    assert "too_few_trials" in codes(few)
    two = psychometric(
        subject(n=400, seed=0, levels=[-0.2, 0.2], width=1.0), stimulus="contrast"
    )
    assert "few_levels" in codes(two)


def test_misfit_is_told(rng):
    x = rng.choice(CONTRASTS, 4000)
    p = np.where(np.abs(x) == 0.25, 1 - logistic(x, 0, 0.5), logistic(x, 0, 0.5))
    table = pd.DataFrame({"contrast": x, "choice": rng.random(4000) < p})
    assert "misfit" in codes(psychometric(subject(table), stimulus="contrast"))


def test_missing_answers_are_left_out_and_counted():
    table = answers(600, seed=1, width=0.6)
    holes = pd.concat([table, table.assign(choice=np.nan).head(50)], ignore_index=True)
    a = psychometric(subject(table), stimulus="contrast")
    b = psychometric(subject(holes), stimulus="contrast")
    np.testing.assert_array_equal(a.estimate.estimate, b.estimate.estimate)
    assert "50 of 650" in next(n.text for n in b.notes if n.code == "missing")


def test_a_condition_that_cannot_be_fitted_is_a_named_gap():
    table = answers(600, seed=1, width=0.6).assign(day=np.arange(600) % 2)
    extra = pd.DataFrame({"contrast": [0.5] * 30, "choice": [1] * 30, "day": [2] * 30})
    f = psychometric(subject(pd.concat([table, extra])
                             .reset_index(drop=True)), stimulus="contrast", by="day")  # fmt: skip
    assert "not_fitted" in codes(f)
    assert np.isnan(f.estimate.estimate.sel(day=2)).all()
    assert np.isfinite(f.estimate.estimate.sel(day=0)).all()
    assert f.tables["contrast"].comparison.values.tolist() == ["1 - 0"]


BAD = {
    "unknown stimulus": ({"stimulus": "contrat"}, OptionError, "contrast"),
    "unknown choice": ({"choice": "choise"}, OptionError, "choice"),
    "unknown by": ({"by": "blok"}, OptionError, "block"),
    "text stimulus": ({"stimulus": "side"}, ContractError, "must hold numbers"),
    "three choices": ({"choice": "three"}, ContractError, "two values"),
    "labels": ({"choice": "word"}, OptionError, "positive="),
    "unknown label": ({"choice": "word", "positive": "up"}, OptionError, "up"),
    "one choice": ({"choice": "always"}, StatisticsError, "two values"),
    "one level": ({"stimulus": "flat"}, StatisticsError, "one level"),
    "infinite": ({"stimulus": "infinite"}, ContractError, "infinite"),
    "mostly missing": ({"choice": "rare"}, StatisticsError, "at least 10"),
    "weibull": ({"link": "weibull"}, ContractError, "above 0"),
    "link": ({"link": "logit"}, OptionError, "logistic"),
    "lapses": ({"lapses": "fre"}, OptionError, "free"),
    "rates": ({"lapse_rates": (0.1, 0.1)}, OptionError, "fixed"),
    "big rates": ({"lapses": "fixed", "lapse_rates": (0.6, 0.6)}, OptionError, "less than 1"),
    "by stimulus": ({"by": "contrast"}, OptionError, "another column"),
    "by many": ({"by": "number"}, OptionError, "at most 24"),
    "reference": ({"choice": "reference_choice"}, EvidenceError, "whoever produced"),
    "intact": ({"choice": "intact_choice"}, EvidenceError, "intact system"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_the_way_out(case):
    options, error, words = BAD[case]
    table = answers(200, seed=0, width=0.6)
    table = table.assign(
        side=np.where(table.contrast < 0, "L", "R"),
        three=np.arange(200) % 3,
        word=np.where(table.choice > 0, "right", "left"),
        always=1,
        flat=0.5,
        infinite=np.where(np.arange(200) == 3, np.inf, table.contrast),
        rare=np.where(np.arange(200) < 8, table.choice, np.nan),
        number=np.arange(200),
        block=np.arange(200) // 100,
        reference_choice=table.choice,
        intact_choice=table.choice,
    )
    with pytest.raises(error, match=words):
        psychometric(subject(table), **({"stimulus": "contrast"} | options))


def test_behavior_of_a_perturbed_recording_is_refused(rng):
    table = answers(200, seed=0, width=0.6)
    recording = marr.from_arrays({"V1": rng.normal(size=(200, 5))}, table, name="mouse")
    with pytest.raises(EvidenceError, match="intact"):
        psychometric(recording.perturb(marr.Ablate("V1")), stimulus="contrast")


def test_not_a_system():
    with pytest.raises(ContractError, match="System"):
        psychometric(answers(100), stimulus="contrast")
