"""Study 2: a mouse that turns its head, and networks that keep track of heading."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING


import marr
from marr.demo._words import number

if TYPE_CHECKING:
    from marr.demo._progress import Steps
    from marr.findings import Finding
    from marr.links import Link
    from marr.report import Report
    from marr.systems import Cohort, Recording

__all__ = ["heading_study", "heading_systems"]

N_NETWORKS = 5
N_BINS = 12
CARRY = "How well is heading carried, and where?"
GEOMETRY = "Do the geometries of heading match beyond what any ring would share?"
NEED = "Which units is heading read from, and which does keeping track of it need?"
SLEEP = "Is the pairwise structure of wake kept in sleep?"
NO_REPORT = (
    "Mouse: its turning was measured; any report of heading was not - it had no task."
)


def heading_systems(
    *, train: bool = False
) -> tuple[Recording, Recording, Cohort, Cohort]:
    """Return the mouse awake and asleep, the networks, and untrained networks.

    The networks get the mouse's turning and its heading at the start of each epoch; they
    were trained on generated turning only.
    """
    from marr.zoo import heading_inputs, heading_networks, train_heading

    wake = marr.datasets.mouse_heading(state="wake")
    sleep = marr.datasets.mouse_heading(state="sleep")
    trained = (
        [train_heading(seed) for seed in range(N_NETWORKS)]
        if train
        else heading_networks(n=N_NETWORKS)
    )
    untrained = heading_networks(n=N_NETWORKS, trained=False)
    inputs = heading_inputs(wake)
    heading = wake.variables["heading"]
    # the networks' time runs in steps of 0.1 s, the mouse's in seconds
    variables = {"heading": heading.drop_vars("time")}
    trials = wake.trials.assign(final_heading=heading.isel(time=-1).to_numpy())

    def cohort(models: list[marr.zoo.HeadingNetwork], name: str) -> Cohort:
        members = [
            marr.hook(
                model,
                inputs,
                trials,
                sites=["recurrent"],
                readout=partial(marr.readouts.heading, target="heading"),
                variables=variables,
                name=f"{name} {seed}",
            )
            for seed, model in enumerate(models)
        ]
        return marr.Cohort(members, name=f"{name}s", member_kind="seeds")

    return (
        wake,
        sleep,
        cohort(trained, "heading network"),
        cohort(untrained, "untrained network"),
    )


def heading_study(report: Report, step: Steps, *, train: bool) -> None:
    """Add the study to the report."""
    step("heading: networks" + (" (training)" if train else ""))
    wake, sleep, networks, untrained = heading_systems(train=train)
    report.study(
        "Heading",
        f"One session of one mouse: {len(wake.unit_table())} neurons of the anterodorsal "
        "thalamus (adn) and hippocampal CA1 while it explored and slept (example data of "
        f"pynapple), cut into epochs of 5 s. {N_NETWORKS} recurrent networks were trained "
        "on generated turning to report heading, given where they started; then they met "
        "the mouse's own turning. The same networks before training are the control.",
    )
    decoded = _carry(report, step, wake, networks, untrained)
    _geometry(report, step, wake, networks)
    _need(report, step, wake, networks, decoded)
    _sleep(report, step, wake, sleep)


def _carry(
    report: Report, step: Steps, wake: Recording, networks: Cohort, untrained: Cohort
) -> dict[str, Finding]:
    step("heading: decoding the mouse")
    mouse = marr.representation.decode(wake, "heading", over=("site",))
    step("heading: decoding the networks")
    models = marr.representation.decode(networks, "heading", over=("site",))
    control = marr.representation.decode(untrained, "heading", over=("site",))
    step("heading: behavior")
    turning = marr.behavior.movement(wake, variable="angular_velocity")
    errors = [
        marr.behavior.estimation_error(c, estimate="heading_estimate", target="final_heading")
        for c in (networks, untrained)
    ]
    report.add(turning, *errors, mouse, models, control, question=CARRY)
    report.not_measured(question=CARRY, level="behavior", text=NO_REPORT)
    report.not_measured(
        question=CARRY,
        level="implementation",
        text="Decoding perturbs nothing; see below for what is needed.",
    )
    return {"mouse": mouse, "networks": models}


def _geometry(report: Report, step: Steps, wake: Recording, networks: Cohort) -> None:
    step("heading: geometries")
    geometry = partial(marr.representation.rdm, on="heading", bins=N_BINS)
    model = geometry(networks, sites=["recurrent"])
    compared = {}
    for site in wake.sites:
        animal = geometry(wake, sites=[site])
        compared[site] = marr.representation.compare_rdms(
            animal, model, control="angular"
        )
        report.add(animal, question=GEOMETRY)
    report.add(model, *compared.values(), question=GEOMETRY)
    for level in ("behavior", "implementation"):
        report.not_measured(question=GEOMETRY, level=level, text="Not asked here.")
    shown = "; ".join(
        f"{site}: partial correlation {number(float(c.estimate['estimate']))}, "
        f"p = {float(c.estimate['p_value']):.2g}"
        for site, c in compared.items()
    )
    report.answer(GEOMETRY, f"Angular distance partialled out, {shown}.")


def _need(
    report: Report,
    step: Steps,
    wake: Recording,
    networks: Cohort,
    decoded: dict[str, Finding],
) -> None:
    readout = marr.measures.decoded("heading")
    step("heading: readout dependence in the mouse, fixed")
    fixed = marr.implementation.ablate(wake, over="unit", measure=readout)
    step("heading: readout dependence in the mouse, refitted")
    refit = marr.implementation.ablate(
        wake, over="unit", measure=readout, readout="refit"
    )
    step("heading: lesions of the networks")
    needed = marr.implementation.ablate(
        networks,
        over="unit",
        measure=marr.measures.column("heading_error", better="lower", units="rad"),
        n_random=20,
    )
    report.add(fixed, refit, needed, question=NEED)
    report.link(
        decoded["networks"].per("unit"),
        needed,
        kind="used",
        control=["spread"],
        question=NEED,
        family="confirmatory",
    )
    report.not_measured(question=NEED, level="behavior", text=NO_REPORT)


def _sleep(report: Report, step: Steps, wake: Recording, sleep: Recording) -> None:
    step("heading: pairs in wake and sleep")
    pairs = partial(marr.representation.pairwise_correlations, site="adn")
    awake, asleep = pairs(wake), pairs(sleep)
    report.add(awake, asleep, question=SLEEP)
    report.link(
        awake,
        asleep,
        along="pair",
        same_units=True,
        question=SLEEP,
        family="confirmatory",
    )
    link: Link = report.links[-1]
    for level in ("behavior", "implementation"):
        report.not_measured(question=SLEEP, level=level, text="Not asked here.")
    report.answer(
        SLEEP,
        f"{link.verdict.capitalize()}: {link.sentence}",
    )


