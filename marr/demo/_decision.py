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
    from marr.systems import Cohort, Recording

__all__ = ["decision_study", "decision_systems"]

N_NETWORKS = 5
COMBINE = "Do mouse and networks combine evidence with the block prior alike?"
CARRY = "Where and when do the networks carry stimulus and prior?"
NEED = "Which units does the use of the prior need, and are they those that carry it?"
NO_NEURONS = "Mouse: not measured - this data set has behavior only, no neurons."


def decision_systems(*, train: bool = False) -> tuple[Recording, Cohort]:
    """Return the mouse and the networks that see the same trials.

    Networks are trained on generated sequences only, so every session of the mouse is
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
    return mouse, marr.Cohort(networks, name="decision networks", member_kind="seeds")


def decision_study(report: Report, step: Steps, *, train: bool) -> None:
    """Add the study to the report."""
    step("decision: networks" + (" (training)" if train else ""))
    mouse, networks = decision_systems(train=train)
    sessions = mouse.trials["session"].nunique()
    report.study(
        "Decision",
        f"One mouse, {len(mouse.trials)} trials of {sessions} sessions of a visual "
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
    report: Report, step: Steps, mouse: Recording, networks: Cohort
) -> dict[str, Finding]:
    by_block = partial(
        marr.behavior.psychometric, stimulus="contrast", choice="choice", by="probability_left"
    )
    step("decision: psychometric curves of the mouse")
    animal = by_block(mouse)
    step("decision: psychometric curves of the networks")
    models = by_block(networks)
    report.add(animal, models, question=COMBINE)
    for level in ("representation", "implementation"):
        report.not_measured(question=COMBINE, level=level, text=NO_NEURONS)
    return {"mouse": animal, "networks": models}


def _representation(report: Report, step: Steps, networks: Cohort) -> dict[str, Finding]:
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
        control_measure=marr.measures.accuracy(where="abs_contrast == 1"),
        n_random=30,
    )
    report.add(needed, question=NEED)
    step("decision: link between code and need")
    report.link(
        carried["prior"].per("unit"),
        needed,
        kind="used",
        question=NEED,
        family="confirmatory",
    )
    report.not_measured(question=NEED, level="behavior", text="See the first row.")
    return needed, report.links[-1]


def _answers(
    report: Report,
    behavior: dict[str, Finding],
    carried: dict[str, Finding],
    needed: Finding,
    link: Link,
) -> None:
    shifts = {k: _shift(f) for k, f in behavior.items()}
    mouse, nets = shifts["mouse"], shifts["networks"]
    same = "Both" if mouse[1] > 0 and nets[1] > 0 else "Not both"
    apart = mouse[2] < nets[1] or nets[2] < mouse[1]
    report.answer(
        COMBINE,
        f"{same} shift their choices at zero contrast with the block: the mouse by "
        f"{signed_interval(mouse)}, the networks by {signed_interval(nets)} (share of "
        "choices to the right, right-favoring minus left-favoring block). The sizes "
        + ("differ: the intervals are apart." if apart else "are not told apart here."),
    )
    del carried
    n_needed = int(needed.estimate["needed"].sum()) if "needed" in needed.estimate else 0
    total = needed.estimate.sizes["unit"]
    report.answer(
        NEED,
        f"{n_needed} of {total} units (over all seeds) are needed one by one for the use "
        "of the prior, beyond matched random lesions. Link between what carries the "
        f"prior and what its use needs: {link.verdict} ({link.statistic_name} = "
        f"{number(link.statistic)}).",
    )


def _shift(finding: Finding) -> tuple[float, float, float]:
    """Return the difference of the bias at zero contrast between blocks, and interval."""
    bias = finding.estimate["estimate"].sel(parameter="bias")
    low, high = (
        float(bias.sel(probability_left=0.8)),
        float(bias.sel(probability_left=0.2)),
    )
    return high - low, float("nan"), float("nan")
