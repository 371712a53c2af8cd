"""Study 2: a mouse that turns its head, and networks that keep track of heading."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

import marr
from marr.demo._words import number, signed_interval

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
        marr.behavior.estimation_error(
            c, estimate="heading_estimate", target="final_heading"
        )
        for c in (networks, untrained)
    ]
    report.add(turning, *errors, mouse, models, control, question=CARRY)
    report.not_measured(question=CARRY, level="behavior", text=NO_REPORT)
    report.not_measured(
        question=CARRY,
        level="implementation",
        text="Decoding perturbs nothing; see below for what is needed.",
    )
    errors_of = [np.degrees(float(e.estimate["estimate"][0])) for e in errors]
    report.answer(
        CARRY,
        f"In the mouse, {_median_error(mouse, 'adn')} from adn and "
        f"{_median_error(mouse, 'ca1')} from ca1 (median error; 90° would be chance "
        f"for an even spread); in the networks {_median_error(models, 'recurrent')}, in "
        f"untrained ones {_median_error(control, 'recurrent')}. The networks report "
        f"heading after 5 s with a mean error of {number(errors_of[0], 0)}°, untrained "
        f"ones {number(errors_of[1], 0)}°.",
    )
    return {"mouse": mouse, "networks": models}


def _median_error(finding: Finding, site: str) -> str:
    return f"{number(float(finding.estimate['median_error'].sel(site=site)), 0)}°"


def _geometry(report: Report, step: Steps, wake: Recording, networks: Cohort) -> None:
    step("heading: geometries")
    geometry = partial(marr.representation.rdm, on="heading", bins=N_BINS)
    compare = marr.representation.compare_rdms
    model = geometry(networks, sites=["recurrent"])
    raw, beyond, animals = {}, {}, []
    for site in wake.sites:
        animal = geometry(wake, sites=[site])
        raw[site] = compare(animal, model)
        beyond[site] = compare(animal, model, control="angular")
        report.add(beyond[site], question=GEOMETRY)
        animals.append(animal)
    report.add(*raw.values(), *animals, model, question=GEOMETRY)
    alike = "; ".join(
        f"{site} {'does' if _found(raw[site]) else 'is not shown to'} ({_value(raw[site])})"
        for site in raw
    )
    rest = "; ".join(
        f"{site} {_value(beyond[site])}, p = {float(beyond[site].estimate['p_value']):.2g}"
        for site in beyond
    )
    found = [s for s in beyond if _found(beyond[s])]
    verdict = f"Yes, in {' and '.join(found)}" if found else "Not shown"
    report.answer(
        GEOMETRY,
        f"{verdict}. Does the geometry agree with the networks' as any two rings would? "
        f"By rank correlation, {alike}. With every function of the angle partialled out: "
        f"{rest}.",
    )


def _found(finding: Finding) -> bool:
    return float(finding.estimate["p_value"]) < 0.05


def _value(finding: Finding) -> str:
    row = finding.estimate
    return signed_interval(
        (float(row["estimate"]), float(row["ci_low"]), float(row["ci_high"]))
    )


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
    report.add(decoded["networks"], needed, fixed, refit, question=NEED)
    report.link(
        decoded["networks"].per("unit"),
        needed,
        kind="used",
        control=["spread"],
        question=NEED,
        family="confirmatory",
    )
    report.not_measured(question=NEED, level="behavior", text=NO_REPORT)
    link = report.links[-1]
    costly = [
        int(((f.estimate["p_corrected"] < 0.05) & (f.estimate["estimate"] > 0)).sum())
        for f in (fixed, refit, needed)
    ]
    n_mouse, n_nets = fixed.estimate.sizes["unit"], needed.estimate.sizes["unit"]
    report.answer(
        NEED,
        f"In the mouse the readout loses from {costly[0]} of {n_mouse} units as it stands "
        f"and from {costly[1]} when it may be fitted anew - that is dependence of a "
        f"readout, not need. In the networks {costly[2]} of {n_nets} units (all seeds) "
        "cost accuracy when ablated alone. They are "
        + (
            "those from which heading is decodable, also among units equally active"
            if link.verdict == "supported"
            else "not shown to be those from which heading is decodable, beyond what "
            "shuffled labels give too"
        )
        + f" ({link.statistic_name} {signed_interval((link.statistic, *link.ci))}).",
    )


def _sleep(report: Report, step: Steps, wake: Recording, sleep: Recording) -> None:
    step("heading: pairs in wake and sleep")
    pairs = partial(marr.representation.pairwise_correlations, site="adn", n_null=2000)
    awake, asleep = pairs(wake), pairs(sleep)
    report.add(awake, asleep, question=SLEEP)
    report.link(
        awake,
        asleep,
        along="pair",
        same_units=True,
        statistic="pearson",
        question=SLEEP,
        family="confirmatory",
    )
    link: Link = report.links[-1]
    kept = link.verdict == "supported"
    report.answer(
        SLEEP,
        f"{'Yes' if kept else 'Not shown'}: pairs of thalamic neurons that fire together "
        f"in wake do so in sleep (r = {signed_interval((link.statistic, *link.ci))} over "
        f"{link.n} pairs of one animal; independent recordings, p = {link.p_value:.2g} "
        "against shifted activity and against exchanged units).",
    )
