"""What is in the zoo."""

from __future__ import annotations

import pandas as pd

__all__ = ["list_systems"]

SYSTEMS = (
    (
        "decision networks",
        "marr.zoo.decision_networks()",
        "trained",
        (
            "Vanilla recurrent networks (32 units, 8 seeds) trained to be correct on "
            "generated sequences of the mouse's two-choice task: they combine evidence "
            "with a block prior that they infer."
        ),
        "An ideal observer (ideal_decisions) bounds accuracy and the use of the prior.",
        15.0,
    ),
    (
        "heading networks",
        "marr.zoo.heading_networks()",
        "trained",
        (
            "Vanilla recurrent networks (64 rectified units, 5 seeds) trained to report "
            "heading from turning: a ring of tuned units that is needed."
        ),
        "The true heading; holding the start heading is the error without integration.",
        15.0,
    ),
    (
        "planted recording",
        "marr.zoo.planted_recording()",
        "simulated",
        (
            "An animal and two regions: which unit carries choice, block, stimulus or "
            "movement is known, as are threshold, spread and lapses."
        ),
        "Coordinate `planted` of the units; movement mimics choice until controlled.",
        0.0,
    ),
    (
        "planted network",
        "marr.zoo.planted_network()",
        "built by hand",
        (
            "Twelve units: three are read out, five hold copies of them that are decodable "
            "and not needed."
        ),
        "`units` of the result.",
        0.0,
    ),
)


def list_systems() -> pd.DataFrame:
    """List the reference systems, what each shows, and what each costs.

    Returns
    -------
    DataFrame
        One row a system (index `name`): `call`, `kind`, `demonstrates`,
        `known_answer`, and `training_s`, about how many seconds on one core a network
        takes to train anew.

    Examples
    --------
    >>> list_systems().index[0]
    'decision networks'
    """
    columns = ["name", "call", "kind", "demonstrates", "known_answer", "training_s"]
    return pd.DataFrame(SYSTEMS, columns=columns).set_index("name")
