"""What every system offers, whatever it was made of."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Hashable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import ContractError, EvidenceError, OptionError, check_known
from marr.systems._validate import BEHAVIOR_COLUMNS, GROUP_COLUMNS

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from marr.systems._dictionary import Dictionary
    from marr.systems._features import FeatureView
    from marr.systems._perturbations import Perturbation

__all__ = ["System", "group_codes", "group_column", "trial_hashes"]

MADE_BY_READOUT = {
    "choice": "Hook the model with readout=marr.readouts.choice.",
    "correct": "Hook the model with readout=marr.readouts.choice, and put the right "
    "choice of each trial in a column 'target', or name the column that holds it: "
    "readout=functools.partial(marr.readouts.choice, target='column').",
}
"""Behavior that a hooked model has only if its readout makes it, and how to get it."""


class System(ABC):
    """A neural system under study: trials, sites, activity, perturbations.

    Attributes
    ----------
    name : str
        Name shown in findings.
    trials : pandas.DataFrame
        One row a trial (index "trial"): task variables and behavior.
    variables : dict of str to DataArray
        Continuous variables, dims (trial, time).
    sites : tuple of str
        Where activity was recorded or is hooked.
    runs : bool
        True if a perturbation runs the system anew, so that its behavior follows.
    perturbations : tuple of Perturbation
        What was done to it.
    """

    runs: bool = False
    name: str
    variables: dict[str, xr.DataArray]
    perturbations: tuple[Perturbation, ...] = ()

    @property
    @abstractmethod
    def sites(self) -> tuple[str, ...]:
        """Names of the sites."""

    @property
    @abstractmethod
    def trials(self) -> pd.DataFrame:
        """Trial table; a copy, so that changing it changes nothing here."""

    @property
    @abstractmethod
    def root(self) -> System:
        """The system before any selection and perturbation."""

    @property
    def parent(self) -> System | None:
        """The system that was perturbed to make this one, if any."""
        return None

    @abstractmethod
    def activity(self, site: str) -> xr.DataArray:
        """Return activity, dims (trial, time, unit) or (trial, unit)."""

    @abstractmethod
    def perturb(self, *perturbations: Perturbation) -> System:
        """Return this system with the perturbations added."""

    @abstractmethod
    def _selected(self, rows: NDArray[np.intp]) -> System:
        """Return this system with the rows of the trial table at these positions."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a SHA-256 of what the system was made from."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what provenance says about this system."""

    @cached_property
    def trial_index(self) -> pd.Index:
        """Labels of the trials (without computing any behavior)."""
        return self.trials.index

    @property
    def views(self) -> dict[str, FeatureView]:
        """Sites made of features by `with_features`, by name."""
        return {}

    @property
    def derived(self) -> dict[str, str]:
        """Sites made of features, by name: the site that each is made of."""
        return {name: view.site for name, view in self.views.items()}

    def with_features(
        self,
        dictionary: Dictionary,
        *,
        site: str | None = None,
        name: str | None = None,
    ) -> System:
        """Return the system with the features of a site as a site of its own.

        Parameters
        ----------
        dictionary : Dictionary
            From `marr.representation.train_dictionary` or `load_dictionary`.
        site : str, optional
            Site whose activity is encoded; by default that of the dictionary.
        name : str, optional
            Name of the new site, "<site>.features" by default. Its units are the
            features, with their positions ("0", "1", ...) as ids.

        Returns
        -------
        System
            With one site more, which every tool takes like any other.

        Raises
        ------
        MarrError
            Unknown site, a name that is taken, units that the dictionary lacks.

        Notes
        -----
        A perturbation of features acts on the site they are made of: with features f of
        the activity x, and f' after the perturbation, the activity becomes
        ``x + decode(f') - decode(f)``, so that what the dictionary does not explain
        stays. A model then runs on with it (causal); a recording's activity and what is
        read out of it change (predictive). The features of a perturbed system are those
        that were put in; after a perturbation of the site itself they are encoded anew.

        Not for analyses that pool all sites: they would count the site twice. Name
        `sites=`.

        Examples
        --------
        >>> import numpy as np, marr
        >>> from marr.representation import Dictionary
        >>> system = marr.from_arrays({"V1": np.ones((4, 10, 3))})
        >>> parts = Dictionary(kind="relu", encoder=np.eye(3), decoder=np.eye(3))
        >>> system.with_features(parts, site="V1").sites
        ('V1', 'V1.features')
        """
        from marr.systems._features import feature_view

        return self._with_view(feature_view(self, dictionary, site, name))

    def _with_view(self, view: FeatureView) -> System:  # noqa: ARG002
        """Return this system with one more site of features."""
        msg = f"{type(self).__name__} {self.name!r} cannot have sites of features."
        raise ContractError(msg)

    def select(self, trials: Any) -> System:
        """Return the system with some of its trials.

        Parameters
        ----------
        trials : boolean mask, labels, query string or callable
            A mask of length n_trials, a list of trial labels, a query on the trial
            table ("contrast == 0"), or a function of the table that returns a mask.
        """
        from marr.systems._selection import selected_rows

        rows = selected_rows(self, trials)
        if len(rows) == 0:
            msg = f"select: no trial of {self.name!r} is left; got {trials!r}."
            raise ContractError(msg)
        return self._selected(rows)

    def save(self, path: Any) -> Any:
        """Write the system to a zarr store at `path`; nothing half-written stays."""
        from marr.systems._store import save_system

        return save_system(self, path)

    @property
    def halves(self) -> NDArray[np.int8]:
        """Half (0 or 1) of each trial, whole groups together; fixed on the root."""
        series = self.root._half_series
        return series.loc[self.trial_index].to_numpy(dtype=np.int8)

    @cached_property
    def _half_series(self) -> pd.Series:
        from marr.stats import halves

        table = self.trials
        column = group_column(table)
        groups = None if column is None else group_codes(self, table[column])
        return pd.Series(halves(len(table), groups=groups), index=table.index)

    @property
    def group_column(self) -> str | None:
        """Column that names groups of dependent trials, if the table has one."""
        return group_column(self.trials)

    def groups(self) -> NDArray[np.intp] | None:
        """Return an integer code of the group of each trial, or None."""
        column = self.group_column
        return None if column is None else group_codes(self, self.trials[column])

    def column(self, name: str, *, argument: str = "column") -> pd.Series:
        """Return a column of the trial table, or raise with the nearest name.

        Behavior that was renamed because it does not describe this system
        (`intact_*`, `reference_*`) is refused with the reason.
        """
        if not isinstance(name, Hashable):
            msg = f"{argument} must be the name of one column; got {name!r:.60}."
            raise OptionError(msg)
        table = self.trials
        if name not in table.columns and f"intact_{name}" in table.columns:
            msg = (
                f"{argument}: {name!r} was observed on the intact system, not under the "
                f"perturbation of {self.name!r}. Use the intact system, score a readout "
                f"of the perturbed activity (marr.measures.decoded({name!r})), or record "
                "real perturbation trials."
            )
            raise EvidenceError(msg)
        if name not in table.columns and f"reference_{name}" in table.columns:
            msg = (
                f"{argument}: {name!r} in the table belongs to whoever produced it and is "
                f"kept as 'reference_{name}'. Give marr.hook(readout=...) so that "
                f"{self.name!r} makes its own."
            )
            raise EvidenceError(msg)
        if name in MADE_BY_READOUT and name not in table.columns and self.runs:
            columns = ", ".join(repr(c) for c in table.columns) or "none"
            msg = (
                f"{argument}: {self.name!r} makes no {name!r}; there is {columns}. "
                f"{MADE_BY_READOUT[str(name)]}"
            )
            raise OptionError(msg)
        check_known(argument, name, table.columns, what="column of the trial table")
        return table[name]

    def was_given(self, name: str) -> bool:  # noqa: ARG002
        """Tell whether a column or variable came with a model's inputs.

        Such a variable is part of the task: nothing that is done to the model can change
        it, so it is not the model's behavior.
        """
        return False

    def check_site(self, site: str, *, argument: str = "site") -> None:
        """Raise with the nearest name unless the site exists."""
        if not self.sites:
            msg = (
                f"{argument}: {self.name!r} has behavior only, no activity; "
                f"got {site!r}."
            )
            raise EvidenceError(msg)
        check_known(argument, site, self.sites, what=f"site of {self.name!r}")

    def unit_table(self, site: str | None = None) -> pd.DataFrame:
        """Return one row a unit: label "site:unit_id", site, unit_id, coordinates."""
        sites = self.sites if site is None else (site,)
        frames = []
        for name in sites:
            units = self.activity(name)["unit"]
            columns = {
                str(key): coord.values
                for key, coord in units.coords.items()
                if coord.dims == ("unit",) and key != "unit"
            }
            frames.append(
                pd.DataFrame(columns, index=pd.Index(units.values, name="unit"))
            )
        return pd.concat(frames) if frames else pd.DataFrame()

    def __repr__(self) -> str:
        """Show name, size and what was done."""
        n = len(self.trial_index)
        done = (
            f", {len(self.perturbations)} perturbations" if self.perturbations else ""
        )
        return (
            f"<{type(self).__name__} {self.name!r}: {n} trial{'s' * (n != 1)}, "
            f"sites {list(self.sites)}{done}>"
        )


def group_column(table: pd.DataFrame) -> str | None:
    """Return the column that names groups of dependent trials, or None.

    The first of "sequence", "session", "block" that exists and has more than one
    value.
    """
    for name in GROUP_COLUMNS:
        if name in table.columns and table[name].nunique() > 1:
            return name
    return None


def group_codes(system: System, groups: pd.Series) -> NDArray[np.intp]:
    """Return an integer code of the group of each trial; every trial must have one."""
    if groups.isna().any():
        missing = groups.index[groups.isna()][:3].tolist()
        msg = (
            f"column {groups.name!r} groups dependent trials of {system.name!r}, but is "
            f"missing on {int(groups.isna().sum())} of them (e.g. {missing}). Fill it, "
            "drop these trials, or rename the column."
        )
        raise ContractError(msg)
    return np.asarray(pd.factorize(groups)[0], dtype=np.intp)


def trial_hashes(system: System) -> NDArray[np.uint64]:
    """Return one number for each trial, the same wherever the trial turns up again."""
    origin = system.root.fingerprint()
    return np.array(
        [
            int.from_bytes(
                hashlib.blake2b(f"{origin}|{label}".encode(), digest_size=8).digest(),
                "little",
            )
            for label in system.trial_index
        ],
        dtype=np.uint64,
    )


def renamed_behavior(table: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """Return the table with behavior columns renamed to `prefix_*`."""
    names = {c: f"{prefix}_{c}" for c in BEHAVIOR_COLUMNS if c in table.columns}
    return table.rename(columns=names)
