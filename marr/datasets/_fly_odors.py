"""Odors in a fly's receptor neurons and in the neurons that they project to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from marr.datasets._packaged import package_file
from marr.errors import check_option
from marr.systems import from_arrays

if TYPE_CHECKING:
    from marr.systems import Recording

__all__ = ["fly_odors"]

PACKAGE = "connectome_interpreter"
FEWEST = 6
"""Odors with fewer measured receptors are left out."""

ALIASES = {
    "methyl salicilate": "methyl salicylate",
    "b-citronellol": "beta-citronellol",
    "2-oxopentanoic acid": "2-oxovaleric acid",
    "propanoic acid": "propionic acid",
    "g-butyrolactone": "gamma-butyrolactone",
    "methanoic acid": "formic acid",
    "phenylethylamine": "2-phenylethylamine",
}
"""Spellings of one odor."""


def fly_odors(*, odors: str = "shared") -> Recording:
    """Load responses to odors of a fly's receptor neurons and projection neurons.

    The data are read from the installed package connectome-interpreter (2.9.5) and are
    not part of marr.

    Parameters
    ----------
    odors : {"shared", "receptor", "projection"}
        Odors that both were tested with, or all odors of one data set (then the only
        site).

    Returns
    -------
    Recording
        One trial an odor (`condition`, its name); sites "receptor" (responses of the
        receptor neurons of each glomerulus, DoOR, scaled to 0 to 1) and "projection"
        (calcium responses of projection neurons by glomerulus). Units are glomeruli.

    Raises
    ------
    FileError
        If the package is not installed.

    Notes
    -----
    Averages over animals: nothing is repeated, so there is no noise ceiling. An
    unmeasured receptor response is 0 in the source; odors with fewer than six measured
    receptors are left out. Concentrations and methods differ between the two data sets.

    References
    ----------
    Münch & Galizia (2016), DoOR 2.0. Scientific Reports 6, 21841.
    Badel, Ohta, Tsuchimoto & Kazama (2016). Neuron 91, 155.
    """
    check_option("odors", odors, ("shared", "receptor", "projection"))
    tables = {"receptor": _receptors(), "projection": _projection_neurons()}
    if odors == "shared":
        both = tables["receptor"].index.intersection(tables["projection"].index)
        names = sorted(both)
    else:
        tables = {odors: tables[odors]}
        names = list(tables[odors].index)
    trials = pd.DataFrame(
        {"condition": np.array(names, dtype=object)},
        index=pd.RangeIndex(len(names), name="trial"),
    )
    activity = {s: t.loc[names].to_numpy(dtype=float) for s, t in tables.items()}
    units = {s: [str(c) for c in t.columns] for s, t in tables.items()}
    info = {
        "source": "connectome-interpreter 2.9.5",
        "license": "of the papers; not part of marr",
        "citations": ["munch2016", "badel2016"],
    }
    return from_arrays(activity, trials, units=units, name="fly olfaction", info=info)


def _receptors() -> pd.DataFrame:
    """Return odors x glomeruli."""
    path = package_file(PACKAGE, "data", "DoOR", "processed_door_adult.csv")
    table = pd.read_csv(path, index_col=0).T
    table.index = pd.Index([_name(str(v).rsplit("_", 1)[0]) for v in table.index])
    table = table[~table.index.duplicated()]
    table = table[(table != 0).sum(axis=1) >= FEWEST].drop("sfr", errors="ignore")
    return table.loc[:, table.std() > 0]


def _projection_neurons() -> pd.DataFrame:
    """Return odors x glomeruli."""
    table = pd.read_csv(package_file(PACKAGE, "data", "Badel2016", "Badel2016.csv"))
    table = table.set_index(table.columns[0]).T
    table.index = pd.Index([_name(str(v)) for v in table.index])
    return table[~table.index.duplicated()]


def _name(odor: str) -> str:
    plain = odor.strip().lower()
    return ALIASES.get(plain, plain)
