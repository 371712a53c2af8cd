"""A hooked model as a system: lazily run, perturbed by running it anew."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import ContractError, check_option
from marr.stats import halves
from marr.systems._apply import mean_over_trials
from marr.systems._feature_op import add_write, model_with_view
from marr.systems._hooked_readout import Readout, last_valid
from marr.systems._hooked_writes import (
    Write,
    check_perturbation,
    inert_units,
    write_of,
)
from marr.systems._perturbations import Perturbation
from marr.systems._system import System, group_codes, group_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from marr.systems._features import FeatureView
    from marr.systems._hooked_engine import Engine
    from marr.systems._hooked_labels import Labels

__all__ = ["HookedModel"]

READ_ALL = 1_000_000_000
"""Bytes up to which one run reads all sites instead of the one asked for."""

OUTPUT = "#output"
"""Key of the outputs among what a run leaves; no site can have this name."""

KEEP_OUTPUTS = 64_000_000
"""Bytes of model outputs up to which every run keeps them."""


class HookedModel(System):
    """A model with hooks, made by `marr.hook`.

    Activity and behavior are computed when they are asked for and kept for as long as
    the system is. `perturb` and `select` return other systems on the same model.
    """

    runs = True

    def __init__(
        self,
        engine: Engine,
        labels: Labels,
        task: pd.DataFrame,
        variables: dict[str, xr.DataArray],
        *,
        readout: Readout | None,
        sequences: str | None,
    ) -> None:
        self.engine, self._labels = engine, labels
        self.name = engine.name
        self.task = task
        self.variables = variables
        self._readout, self._sequences = readout, sequences
        self._rows: NDArray[np.intp] = np.arange(len(task))
        self._root: HookedModel | None = None
        self._parent: HookedModel | None = None
        self._whole: HookedModel | None = None
        self._cut: NDArray[np.intp] | None = None
        self._store: dict[str, NDArray[Any]] = {}
        self._behavior: pd.DataFrame | None = None
        self._means: dict[str, NDArray[Any]] = {}

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites."""
        return (*self.engine.taps, *self.engine.views)

    @property
    def views(self) -> dict[str, FeatureView]:
        """Sites made of features."""
        return self.engine.views

    def _with_view(self, view: FeatureView) -> HookedModel:
        return model_with_view(self, view)

    @property
    def model(self) -> Any:
        """The torch module."""
        return self.engine.adapter.model

    @property
    def root(self) -> HookedModel:
        """The system before any selection and perturbation."""
        return self if self._root is None else self._root

    @property
    def parent(self) -> HookedModel | None:
        """The system that was perturbed to make this one, if any."""
        return self._parent

    @cached_property
    def trial_index(self) -> pd.Index:
        """Labels of the trials (nothing runs)."""
        return self.task.index

    @property
    def group_column(self) -> str | None:
        """Column that names groups of dependent trials; that of `sequences` first."""
        column = self._sequences
        if column is not None and self.task[column].nunique() > 1:
            return column
        return group_column(self.task)

    def groups(self) -> NDArray[np.intp] | None:
        """Return an integer code of the group of each trial, or None."""
        column = self.group_column
        return None if column is None else group_codes(self, self.task[column])

    def was_given(self, name: str) -> bool:
        """Tell whether a column or variable came with the inputs."""
        return name in self.task.columns or name in self.variables

    @cached_property
    def _half_series(self) -> pd.Series:
        codes = self.groups()
        return pd.Series(halves(len(self.task), groups=codes), index=self.trial_index)

    @property
    def trials(self) -> pd.DataFrame:
        """Task variables and, with a readout, the behavior of this very system."""
        if self._readout is None:
            return self.task.copy()
        if self._known_behavior() is None:
            self._run(())
        else:
            self._check_weights()
        return pd.concat([self.task, self._behavior], axis=1)

    def activity(self, site: str) -> xr.DataArray:
        """Return activity of a site, dims (trial, time, unit) or (trial, unit).

        Ragged trials carry a `valid` coordinate and are NaN after their end.
        """
        self.check_site(site)
        values, valid = self._values(site)
        return self._labels.labelled(site, values.copy(), valid, self.trial_index)

    def _values(self, site: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Return activity without labels, not to be written to, and valid times."""
        if self._kept(site) is None:
            self._run(self._read_with(site))
        else:
            self._check_weights()
        values = self._kept(site)
        assert values is not None
        return values, self._labels.valid(values, self._rows)

    def outputs(self, at: str = "all") -> NDArray[Any]:
        """Return the model's outputs, trials first.

        Parameters
        ----------
        at : {"all", "last"}
            "last" keeps only the last valid time of each trial, which saves memory
            where outputs are logits over a vocabulary.

        Returns
        -------
        array of shape (n_trials, ...)
            NaN after the end of short trials.
        """
        check_option("at", at, ("all", "last"))
        kept = self._kept(OUTPUT)
        if kept is None:
            found = self._run((), at)
            assert found is not None
            return found
        self._check_weights()
        return kept.copy() if at == "all" else last_valid(kept)

    def perturb(self, *perturbations: Perturbation) -> HookedModel:
        """Return the perturbed system; it runs when its activity is asked for.

        Several perturbations act together, at one site in the order given. Names are
        checked now: where units or times are named, three trials run once to see them.
        """
        if not perturbations:
            msg = "perturb needs at least one marr.Ablate, marr.Patch or marr.Steer."
            raise ContractError(msg)
        for perturbation in perturbations:
            if not isinstance(perturbation, Perturbation):
                msg = (
                    "perturb takes marr.Ablate, marr.Patch or marr.Steer; got "
                    f"{perturbation!r}."
                )
                raise ContractError(msg)
            self.check_site(perturbation.site)
            template = self._labels.template(perturbation)
            check_perturbation(perturbation, self.root, self.trial_index, template)
        child = self._like(self.task, self.variables, self._rows)
        child.perturbations = (*self.perturbations, *perturbations)
        child._parent = self
        return child

    @property
    def inert(self) -> dict[Perturbation, NDArray[np.bool_]]:
        """Which units were already at the value that a perturbation gives them.

        For each perturbation one bool for each of its units (in the order in which
        they were named; all units without `units`; dimensions of a subspace),
        compared with the activity of the parent.
        """
        return inert_units(self)

    def fingerprint(self) -> str:
        """Return a SHA-256 of weights, inputs, trials, sites and readout."""
        return self.root._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        return self._labels.fingerprint(self.task, self.variables, self._readout)

    def describe(self) -> dict[str, Any]:
        """Return what provenance says about this model."""
        return {
            "kind": "model",
            "name": self.name,
            "n_trials": len(self.task),
            **self._labels.describe(),
            **({"readout": self._readout.name} if self._readout else {}),
            **({"sequences": self._sequences} if self._sequences else {}),
            "perturbations": [p.describe() for p in self.perturbations],
            "data_hash": self.fingerprint(),
        }

    def intact_mean(self, site: str) -> NDArray[Any]:
        """Return the mean over all trials of the root at each time."""
        root = self.root
        if site not in root._means:
            root._means[site] = mean_over_trials(*root._values(site))
        return root._means[site]

    def _write(self, perturbation: Perturbation) -> Write:
        site = perturbation.site
        return write_of(perturbation, self.root, self._labels.site_template(site))

    def _run(self, read: Sequence[str], at: str | None = None) -> NDArray[Any] | None:
        """Run the model once; keep sites, behavior and, if small, outputs.

        Returns the outputs if they were asked for ("all" or "last").
        """
        writes: dict[str, list[Any]] = {}
        for perturbation in self.perturbations:
            site, write = perturbation.site, self._write(perturbation)
            add_write(writes, self.engine.views.get(site), site, write)
        behavior: list[pd.DataFrame] = []
        ran: list[NDArray[np.intp]] = []
        outputs: list[NDArray[Any]] = []
        small = self.engine.output_bytes(len(self._rows)) <= KEEP_OUTPUTS

        def take(trials: NDArray[np.intp], values: NDArray[Any]) -> None:
            ran.append(trials)
            if self._readout is not None and self._known_behavior() is None:
                behavior.append(self.root._read_out(trials, values))
            if small or at is not None:
                outputs.append(values if small or at == "all" else last_valid(values))

        found = self.engine.run(self._rows, read=read, writes=writes, sink=take)
        self._store.update(found)
        if behavior:
            self._behavior = pd.concat(behavior).loc[self.trial_index]
        if not outputs:
            return None
        values = self._in_order(np.concatenate(ran), np.concatenate(outputs))
        if not small:
            return values
        self._store[OUTPUT] = values
        return last_valid(values) if at == "last" else values.copy()

    def _read_out(
        self, trials: NDArray[np.intp], outputs: NDArray[Any]
    ) -> pd.DataFrame:
        """Return behavior of some trials (positions on the root)."""
        assert self._readout is not None
        variables = {k: v.values[trials] for k, v in self.variables.items()}
        return self._readout(outputs, self.task.iloc[trials], variables)

    def _read_with(self, site: str) -> list[str]:
        """Return which sites one run reads: all that are missing, if they are small."""
        seen = self.engine.seen()
        own = [s for s in self.sites if s == site or s in self.engine.taps]
        missing = [s for s in own if self._kept(s) is None and seen[s]]
        if site not in missing:
            return [site]
        size = sum(self._labels.bytes_of(s, len(self._rows)) for s in missing)
        return missing if size <= READ_ALL else [site]

    def _in_order(self, trials: NDArray[np.intp], values: NDArray[Any]) -> NDArray[Any]:
        """Return values of `trials` in the order of this system."""
        order = np.empty(len(self.root.task), dtype=np.intp)
        order[trials] = np.arange(len(trials))
        return np.asarray(values[order[self._rows]])

    def _kept(self, key: str) -> NDArray[Any] | None:
        """Return what an earlier run of this system, or of the whole of it, gave."""
        if key not in self._store and self._whole is not None:
            whole = self._whole._kept(key)
            if whole is not None:
                self._store[key] = whole[self._cut]
        return self._store.get(key)

    def _known_behavior(self) -> pd.DataFrame | None:
        """Return behavior from an earlier run of this system or of the whole of it."""
        if self._behavior is None and self._whole is not None:
            assert self._cut is not None
            whole = self._whole._known_behavior()
            if whole is not None:
                self._behavior = whole.iloc[self._cut]
        return self._behavior

    def _check_weights(self) -> None:
        self.engine.weights.check(self.name, cached=True)

    def _selected(self, rows: NDArray[np.intp]) -> HookedModel:
        variables = {k: v.isel(trial=rows) for k, v in self.variables.items()}
        child = self._like(self.task.iloc[rows], variables, self._rows[rows])
        child.perturbations = self.perturbations
        child._whole, child._cut = self, rows
        child._parent = None if self._parent is None else self._parent._selected(rows)
        return child

    def _like(
        self,
        task: pd.DataFrame,
        variables: dict[str, xr.DataArray],
        rows: NDArray[np.intp],
    ) -> HookedModel:
        child = HookedModel(
            self.engine,
            self._labels,
            task,
            variables,
            readout=self._readout,
            sequences=self._sequences,
        )
        child._rows, child._root = rows, self.root
        return child
