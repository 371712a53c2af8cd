"""Study 1: a mouse that decides, and networks trained to be correct on its task."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import marr
from marr.demo._words import number, signed_interval

if TYPE_CHECKING:
    from marr.demo._progress import Steps
    from marr.findings import Finding
    from marr.links import Link
    from marr.report import Report
    from marr.systems import Cohort

__all__ = ["decision_study", "decision_systems"]

N_NETWORKS = 5
COMBINE = "Do mouse and networks combine evidence with the block prior alike?"
CARRY = "Where and when do the networks carry stimulus and prior?"
NEED = "Which units does the use of the prior need, and are they those that carry it?"
NO_NEURONS = "Mouse: not measured - this data set has behavior only, no neurons."


def decision_systems(*, train: bool = False) -> tuple[Cohort, Cohort]:
    """Return the mouse, session by session, and networks that see the same trials.

    Sessions differ in side bias more than trials do, so each is a member. Networks are trained on generated sequences only, so every session of the mouse is
    held out.
    """
    from marr.zoo import decision_inputs, decision_networks, train_decision

    mouse = marr.datasets.mouse_decision(protocol="biased")
    inputs, trials = decision_inputs(mouse.trials, seed=0)
    models = (
        [train_decision(seed) for seed in range(N_NETWORKS)]
        if train
        else decision_networks(n=N_NETWORKS)
    )
    readout = partial(marr.readouts.choice, labels=[-1, 1])
    networks = [
        marr.hook(
            model,
            inputs,
            trials,
            sites=["recurrent"],
            readout=readout,
            sequences="sequence",
            name=f"network {seed}",
        ).select("not burn_in")
        for seed, model in enumerate(models)
    ]
    sessions = [
        marr.from_arrays({}, rows, name=f"session {date}", info=mouse.info)
        for date, rows in mouse.trials.groupby("session")
    ]
    return (
        marr.Cohort(sessions, name="mouse", member_kind="sessions of one mouse"),
        marr.Cohort(networks, name="decision networks", member_kind="seeds"),
    )


def decision_study(report: Report, step: Steps, *, train: bool) -> None:
    """Add the study to the report."""
    step("decision: networks" + (" (training)" if train else ""))
    mouse, networks = decision_systems(train=train)
    n_trials = sum(len(session.trials) for session in mouse)
    report.study(
        "Decision",
        f"One mouse, {n_trials:,} trials in {len(mouse)} sessions of a visual "
        "two-choice task (International Brain Laboratory): a grating of some contrast on "
        "the left or right; in blocks, one side is four times as likely. "
        f"{N_NETWORKS} recurrent networks (seeds) were trained to be correct on generated "
        "sequences of this task and then met the mouse's own trials, none of which "
        "they had seen, with frozen noise on their input.",
    )
    behavior = _behavior(report, step, mouse, networks)
    carried = _representation(report, step, networks)
    needed, link = _implementation(report, step, networks, carried)
    _answers(report, behavior, carried, needed, link)


def _behavior(
    report: Report, step: Steps, mouse: Cohort, networks: Cohort
) -> dict[str, Finding]:
    by_block = partial(
        marr.behavior.psychometric,
        stimulus="contrast",
        choice="choice",
        by="probability_left",
    )
    step("decision: psychometric curves of the mouse")
    animal = by_block(mouse)
    step("decision: psychometric curves of the networks")
    models = by_block(networks)
    report.add(animal, models, question=COMBINE)
    for level in ("representation", "implementation"):
        report.not_measured(question=COMBINE, level=level, text=NO_NEURONS)
    return {"mouse": animal, "networks": models}


def _representation(
    report: Report, step: Steps, networks: Cohort
) -> dict[str, Finding]:
    step("decision: decoding the prior over time")
    blocks = networks.select("probability_left != 0.5")
    prior = marr.representation.decode(
        blocks, "block_side", over=("time",), n_permutations=200
    )
    step("decision: decoding the stimulus over time")
    stimulus = marr.representation.decode(
        networks, "contrast", over=("time",), n_permutations=200
    )
    accuracy = marr.behavior.accuracy(networks)
    report.add(accuracy, prior, stimulus, question=CARRY)
    report.not_measured(
        question=CARRY,
        level="implementation",
        text="Decoding perturbs nothing; see the next row for what is needed.",
    )
    return {"prior": prior, "stimulus": stimulus}


def _implementation(
    report: Report, step: Steps, networks: Cohort, carried: dict[str, Finding]
) -> tuple[Finding, Link]:
    step("decision: lesions of single units")
    blocks = networks.select("probability_left != 0.5")
    needed = marr.implementation.ablate(
        blocks,
        over="unit",
        measure=marr.measures.choice_follows("block_side", where="contrast == 0"),
        control_measure=marr.measures.accuracy(where="abs_contrast >= 0.25"),
        n_random=30,
    )
    report.add(carried["prior"], needed, question=NEED)
    step("decision: link between code and need")
    report.link(
        carried["prior"].per("unit"),
        needed,
        kind="used",
        question=NEED,
        family="confirmatory",
    )
    used = report.links[-1]
    report.link(
        carried["prior"].per("unit"),
        needed,
        kind="used",
        control=["spread"],
        question=NEED,
    )
    report.not_measured(question=NEED, level="behavior", text="See the first row.")
    return needed, used


def _answers(
    report: Report,
    behavior: dict[str, Finding],
    carried: dict[str, Finding],
    needed: Finding,
    link: Link,
) -> None:
    mouse, nets = (_shift(behavior[k]) for k in ("mouse", "networks"))
    both = mouse[1] > 0 and nets[1] > 0
    apart = mouse[2] < nets[1] or nets[2] < mouse[1]
    report.answer(
        COMBINE,
        ("In kind, yes" if both else "Not shown")
        + ": at zero contrast the share of choices to the right falls from right- to "
        f"left-favoring blocks, in the mouse by {signed_interval(mouse)}, in the networks "
        f"by {signed_interval(nets)}. "
        + (
            "In size, no: the intervals are apart. A network that is only trained to be "
            "correct leans on the prior more than this mouse does."
            if apart and nets[0] > mouse[0]
            else "In size they are not told apart."
        ),
    )
    before = float(carried["prior"].estimate["estimate"].sel(time=0))
    stimulus = carried["stimulus"].estimate["estimate"]
    report.answer(
        CARRY,
        f"The prior is there before the stimulus (balanced accuracy {number(before)} at "
        "the first step, chance 0.50) and stays through the trial; the stimulus can "
        f"be read once it is shown (R² {number(float(stimulus.sel(time=2)))} before, as the prior "
        "predicts the side, and "
        f"{number(float(stimulus.max()))} at most).",
    )
    costly = (needed.estimate["p_corrected"] < 0.05) & (needed.estimate["estimate"] > 0)
    total = needed.estimate.sizes["unit"]
    report.answer(
        NEED,
        f"{int(costly.sum())} of {total} units (all seeds) cost the networks some use of "
        f"the prior when ablated alone, {int(needed.estimate['needed'].sum())} of them "
        "more than a random direction does. Whether they are the units from which the "
        f"prior can be decoded: {_in_words(link)} ({link.statistic_name} "
        f"{signed_interval((link.statistic, *link.ci))} over seeds).",
    )


def _in_words(link: Link) -> str:
    return {
        "supported": "yes, on average over seeds",
        "reversed": "no, rather the others",
        "no link seen": "not shown - shuffled labels give as much",
        "mixed": "not in general - the seeds disagree",
    }.get(link.verdict, link.verdict)


def _shift(finding: Finding) -> tuple[float, float, float]:
    """Return how far choices at zero contrast shift to the side the block favors."""
    row = finding.tables["contrast"].sel(comparison="0.8 - 0.2", parameter="bias")
    # the table is block 0.8 (left) minus block 0.2 (right); turned around
    return (
        -float(row["estimate"]),
        -float(row["ci_high"]),
        -float(row["ci_low"]),
    )
