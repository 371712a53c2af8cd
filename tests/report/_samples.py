"""Findings made by hand that cover every kind of figure, with numbers that look real."""

from __future__ import annotations

import numpy as np
import xarray as xr

from marr.findings import FigureSpec, Finding, Note

SITES = ("ADN", "CA1")


def _dataset(dims, coords, attrs, **columns):
    data = xr.Dataset(
        {k: (dims, np.asarray(v)) for k, v in columns.items()}, coords=coords
    )
    data["estimate"].attrs.update(attrs)
    return data


def _finding(analysis, system, question, summary, estimate, **more):
    level = analysis.split(".")[0]
    defaults = {
        "level": level, "evidence": "descriptive", "methods": f"{analysis} as in the text.",
        "citations": ("wichmann2001",), "parameters": {"seed": 0, "target": "choice"},
        "provenance": {
            "marr": "0.1.0", "seed": 0, "data_hash": "ab12" * 16, "python": "3.11.9",
            "platform": "Linux", "packages": {"numpy": "2.4.6"},
            "started": "2026-11-24T12:00:00+00:00", "seconds": 1.25,
            "systems": [{"name": system, "kind": "Recording", "n_trials": 640}],
        },
        "trial_hashes": np.arange(640, dtype=np.uint64),
    }  # fmt: skip
    return Finding(
        analysis=analysis, system=system, question=question, summary=summary,
        estimate=estimate, **{**defaults, **more},
    )  # fmt: skip


def psychometric(system="mouse", seed=0, shift=6.0):
    """Psychometric curves by block: kind "curve", two-dimensional estimate."""
    rng = np.random.default_rng(seed)
    block, grid = np.array([0.2, 0.5, 0.8]), np.linspace(-100, 100, 81)
    levels = np.array([-100, -25, -12.5, -6.25, 0, 6.25, 12.5, 25, 100.0])
    center = -shift * (block - 0.5) * 4

    def p(x, c):
        return 0.04 + 0.9 / (1 + np.exp(-(x - c) / 9))

    fitted = np.array([p(grid, c) for c in center])
    seen = np.clip(
        np.array([p(levels, c) for c in center]) + rng.normal(0, 0.02, (3, 9)),
        0.01,
        0.99,
    )
    names = ["bias", "threshold", "lapse_low", "lapse_high"]
    values = np.array([[c, 18 + i, 0.04, 0.06] for i, c in enumerate(center)])
    half = np.array([[1.6, 1.2, 0.015, 0.02]] * 3)
    estimate = _dataset(
        ("block", "parameter"), {"block": block, "parameter": names},
        {"long_name": "fitted parameter"},
        estimate=values, ci_low=values - half, ci_high=values + half,
    )  # fmt: skip
    curve = _dataset(
        ("block", "stimulus"), {"block": block, "stimulus": grid},
        {"long_name": "probability of choosing right"},
        estimate=fitted, ci_low=fitted - 0.025, ci_high=fitted + 0.025,
    )  # fmt: skip
    data = _dataset(
        ("block", "stimulus"), {"block": block, "stimulus": levels}, {},
        estimate=seen, ci_low=seen - 0.04, ci_high=seen + 0.04, n=np.full((3, 9), 71),
    )  # fmt: skip
    return _finding(
        "behavior.psychometric", system,
        "Does the block prior shift the choice when evidence is weak?",
        f"{system.capitalize()}: the bias moves by {2.4 * shift:.1f} % contrast from low to high "
        "prior [11.9, 16.9]; thresholds stay near 19 %. n = 640 trials.",
        estimate, tables={"curve": curve, "data": data},
        figures=(FigureSpec(
            "curve", table="curve", x="stimulus", group="block", data_table="data",
            caption="Choices against signed contrast, one color a block. Dots: data with 95 % "
            "intervals; lines: fitted curves with 95 % bands.",
            x_label="Signed contrast (%)", y_label="P(choose right)", reference=0.5,
            reference_label="no preference", description="Three sigmoid curves, shifted by block.",
        ),),
        notes=(Note("lapse_bound", "The upper lapse rate of block 0.8 is at its bound (0.1).",
                    "Read the threshold of that block with care."),),
    )  # fmt: skip


def accuracy(system="mouse"):
    """One number: 0-d estimate, kind "points"."""
    estimate = xr.Dataset(
        {k: ((), v) for k, v in
         {"estimate": 0.81, "ci_low": 0.78, "ci_high": 0.84, "p_value": 0.001}.items()}
    )  # fmt: skip
    estimate["estimate"].attrs.update(
        long_name="accuracy", chance=0.5, better="higher", units="proportion"
    )
    return _finding(
        "behavior.accuracy", system, "How often is the choice correct?",
        "Correct on 0.81 [0.78, 0.84] of 640 trials; chance is 0.5.", estimate,
        figures=(FigureSpec("points", caption="Accuracy with its 95 % interval.",
                            y_label="Accuracy (proportion)", reference=0.5,
                            reference_label="chance"),),
    )  # fmt: skip


def decoding(system="networks", seed=1, n_units=24):
    """Site by time decoding: kinds "line" and "map"; unit table for links."""
    rng = np.random.default_rng(seed)
    time = np.arange(20) * 1.0
    rise = 0.5 + 0.4 / (1 + np.exp(-(time - 8) / 1.5))
    values = np.stack([rise, 0.5 + (rise - 0.5) * 0.3]) + rng.normal(0, 0.01, (2, 20))
    p = np.where(np.abs(values - 0.5) > 0.06, 0.005, 0.4)
    estimate = _dataset(
        ("site", "time"), {"site": ["recurrent", "input"], "time": time},
        {"long_name": "balanced accuracy", "chance": 0.5, "better": "higher"},
        estimate=values, ci_low=values - 0.03, ci_high=values + 0.03, p_value=p, p_corrected=p,
    )  # fmt: skip
    estimate["time"].attrs["units"] = "step"
    weight = np.abs(rng.normal(0, 1, n_units))
    unit = _units(weight, rng, n_units, "pattern strength")
    return _finding(
        "representation.decode", system, "Where and when is the block prior decodable?",
        "The prior is decodable from the recurrent units: 0.90 [0.87, 0.93] at its peak "
        "(step 17, corrected p = 0.005, chance 0.5; 640 trials).",
        estimate, tables={"unit": unit}, parameters={"target": "prior", "seed": 0},
        figures=(
            FigureSpec("line", x="time", group="site", reference=0.5, reference_label="chance",
                       caption="Balanced accuracy over time, with 95 % bands.",
                       x_label="Time (step)", y_label="Balanced accuracy",
                       description="Accuracy rises from chance to 0.9 in the recurrent site."),
            FigureSpec("map", x="time", y="site", diverging=True, reference=0.5,
                       caption="The same as a map, centered on chance.", x_label="Time (step)",
                       color_label="Balanced accuracy"),
        ),
    )  # fmt: skip


def _units(values, rng, n_units, name, noise=0.15):
    labels = [f"recurrent:{i}" for i in range(n_units)]
    unit = _dataset(
        ("unit",), {"unit": labels, "site": ("unit", ["recurrent"] * n_units),
                    "unit_id": ("unit", [str(i) for i in range(n_units)])},
        {"long_name": name},
        estimate=values, ci_low=values - 0.2, ci_high=values + 0.2,
    )  # fmt: skip
    halves = values + rng.normal(0, noise, (2, n_units))
    return unit.assign(half_estimate=(("half", "unit"), halves))


def ablation(system="networks", seed=2, n_units=24):
    """Loss by unit: kind "points" with many categories, matched random sets, notes."""
    rng = np.random.default_rng(1)
    rng.normal(0, 0.01, (2, 20))
    strength = np.abs(rng.normal(0, 1, n_units))
    rng = np.random.default_rng(seed)
    loss = 0.05 * strength + rng.normal(0, 0.015, n_units)
    unit = _units(loss, rng, n_units, "loss of prior use", 0.01)
    unit["ci_low"], unit["ci_high"] = unit["estimate"] - 0.03, unit["estimate"] + 0.03
    p = np.where(loss > 0.04, 0.01, 0.5)
    unit = unit.assign(
        p_value=("unit", p), p_corrected=("unit", np.minimum(1, 2 * p)),
        random_mean=("unit", np.full(n_units, 0.004)),
        random_high=("unit", np.full(n_units, 0.022)),
    )  # fmt: skip
    unit["estimate"].attrs["better"] = "higher"
    return _finding(
        "implementation.ablate", system, "Which units does the use of the prior need?",
        f"The use of the prior needs {int((p < 0.05).sum())} of {n_units} units (corrected "
        "p < 0.05); the largest loss is "
        f"{loss.max():.3f} [{loss.max() - 0.03:.3f}, {loss.max() + 0.03:.3f}].",
        unit, evidence="causal", tables={"unit": unit}, generalizes_over="networks (n = 5)",
        parameters={"over": "unit", "measure": "choice follows prior", "measure_kind": "behavior",
                    "seed": 0},
        figures=(FigureSpec(
            "points", x="unit", reference=0.0, reference_label="no loss", x_label="Unit",
            y_label="Loss of prior use (intact − ablated)", band_low="random_mean",
            band_high="random_high", caption="Loss when one unit is ablated, with 95 % intervals.",
        ),),
        notes=(Note("inert", "2 units were already at the ablation value.",
                    "Their loss is zero by construction."),),
    )  # fmt: skip


def geometry(system="mouse"):
    """An RDM: kind "matrix"."""
    angles = np.arange(12) * 30
    gap = np.abs(
        np.exp(1j * np.deg2rad(angles))[:, None] - np.exp(1j * np.deg2rad(angles))
    )
    labels = [f"{a}°" for a in angles]
    estimate = _dataset(
        ("condition_a", "condition_b"), {"condition_a": labels, "condition_b": labels},
        {"long_name": "crossnobis distance"}, estimate=gap - 0.02,
    )  # fmt: skip
    return _finding(
        "representation.rdm", system, "What shape has the code of heading?",
        "Distances between headings grow with their angle.", estimate,
        figures=(FigureSpec("matrix", x="condition_b", y="condition_a", x_label="Heading",
                            y_label="Heading", color_label="Crossnobis distance",
                            caption="Distances between heading bins."),),
    )  # fmt: skip


def readout(system="mouse"):
    """Loss by site: kind "points", a forest; one group each for fixed and refit."""
    values = np.array([[0.31, 0.05], [0.12, 0.01]])
    estimate = _dataset(
        ("readout", "site"), {"readout": ["fixed", "refit"], "site": list(SITES)},
        {"long_name": "loss of decoded heading", "units": "cos"},
        estimate=values, ci_low=values - 0.04, ci_high=values + 0.04,
        p_corrected=np.array([[0.004, 0.03], [0.004, 0.6]]),
    )  # fmt: skip
    return _finding(
        "implementation.ablate", system, "On which region does the readout of heading depend?",
        "The recording has a readout that depends on ADN (loss 0.31 [0.27, 0.35]) and less on CA1.",
        estimate, evidence="predictive",
        figures=(FigureSpec("points", x="site", group="readout", reference=0.0,
                            reference_label="no loss", x_label="",
                            y_label="Loss of decoded heading (cos)",
                            caption="Loss when a region is replaced by its mean."),),
    )  # fmt: skip


def pairs(system="mouse", n=400):
    """Pairwise correlations in two states: kind "scatter"."""
    rng = np.random.default_rng(5)
    wake = rng.normal(0, 0.2, n)
    sleep = 0.7 * wake + rng.normal(0, 0.1, n)
    labels = [f"ADN:{i}|ADN:{i + 1}" for i in range(n)]
    table = xr.Dataset(
        {"wake": ("pair", wake), "sleep": ("pair", sleep)},
        coords={
            "pair": labels,
            "site": ("pair", ["ADN"] * (n // 2) + ["CA1"] * (n - n // 2)),
        },
    )
    estimate = _dataset(
        ("pair",), {"pair": labels}, {"long_name": "correlation of activity"},
        estimate=wake, ci_low=wake - 0.1, ci_high=wake + 0.1,
    )  # fmt: skip
    return _finding(
        "representation.pairwise_correlations", system,
        "Is the pairwise structure of wake kept in sleep?",
        "Pairs that fire together in wake do so in sleep.", estimate, tables={"states": table},
        figures=(FigureSpec("scatter", table="states", x="wake", y="sleep", group="site",
                            x_label="Correlation in wake", y_label="Correlation in sleep",
                            caption="Each dot is a pair of units."),),
    )  # fmt: skip


SAMPLES = {
    "psychometric": psychometric,
    "accuracy": accuracy,
    "decoding": decoding,
    "ablation": ablation,
    "geometry": geometry,
    "readout": readout,
    "pairs": pairs,
}


def full_report():
    """A report that holds everything a page can show."""
    from marr import Report

    report = Report(
        "Do mouse and network use the block prior alike?",
        abstract="A mouse and five recurrent networks judged the same sequences of noisy "
        "contrasts, in blocks with a biased prior.\n\nBoth shift their choices with the prior; "
        "in the networks the units that carry it are those that the shift needs.",
    )
    report.study(
        "Decision", "640 trials of one mouse, and five networks trained to be correct."
    )
    shift = "Does the block prior shift the choice when evidence is weak?"
    report.add(
        psychometric(), psychometric("networks", 3, 5.0), accuracy(), question=shift
    )
    report.not_measured(
        question=shift, level="representation", text="Mouse: no neurons were recorded."
    )
    report.answer(shift, "Yes, in both, and by a similar amount; thresholds differ.")
    carried = "Is the prior carried by the units that its use needs?"
    report.add(decoding(), ablation(), decoding(seed=4), question=carried)
    report.link(
        decoding().per("unit"), ablation().per("unit"), kind="used", question=carried,
        family="confirmatory", n_permutations=400,
    )  # fmt: skip
    report.answer(carried, "The same units serve both, in the networks.")
    report.study("Heading", "One session of a mouse that foraged and slept.")
    heading = "How is heading represented, and where is it read from?"
    report.add(geometry(), readout(), pairs(), question=heading)
    report.link(pairs(), geometry_pairs(), question=heading, n_permutations=400)
    return report


def geometry_pairs():
    """A second finding over the same pairs, with no relation to the first."""
    rng = np.random.default_rng(11)
    labels = [f"ADN:{i}|ADN:{i + 1}" for i in range(400)]
    values = rng.normal(0, 1, 400)
    estimate = _dataset(
        ("pair",), {"pair": labels}, {"long_name": "distance"}, estimate=values
    )
    return _finding(
        "implementation.distances", "mouse", "How far apart are the units of a pair?",
        "Distances between units.", estimate,
        figures=(FigureSpec("points", x="pair", x_label="Pair", y_label="Distance (a.u.)",
                            caption="Distance between the units of a pair."),),
    )  # fmt: skip
