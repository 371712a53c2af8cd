"""Labels of a hooked model: units, times, trials; and what provenance says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from marr.systems._arrays import labelled_activity
from marr.systems._perturbations import Patch, Perturbation, Steer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from marr.systems._hooked_engine import Engine
    from marr.systems._hooked_readout import Readout

__all__ = ["Labels"]


class Labels:
    """Turns arrays of an engine into labelled activity.

    Parameters
    ----------
    engine : Engine
        What runs.
    units : mapping of site to ids or DataFrame
        Labels that the user gave.
    time : array of shape (n_times,) or None
        Time coordinates that the user gave.
    time_unit : str
        Unit of time.
    """

    def __init__(
        self, engine: Engine, units: Mapping[str, Any], time: Any, time_unit: str
    ) -> None:
        self.engine, self.units, self.time = engine, units, time
        self.time_unit = time_unit
        self._templates: dict[str, xr.DataArray] = {}

    def n_times(self, site: str) -> int | None:
        """Return the times of a site, None without a time axis."""
        seen = self.engine.info(site).n_times
        if seen is None or self.engine.layout.plain:
            return seen
        return self.engine.inputs.n_times

    def site_template(self, site: str) -> xr.DataArray:
        """Return labelled zeros of one trial: the units and times of a site."""
        if site not in self._templates:
            axes = self.engine.info(site).axes
            n_times = self.n_times(site)
            shape = (1, axes.n_units) if n_times is None else (1, n_times, axes.n_units)
            self._templates[site] = labelled_activity(
                site,
                np.zeros(shape, dtype=np.float32),
                time=self.time if n_times is not None else None,
                units=_merged(axes.unit_table(), self.units.get(site)),
                time_unit=self.time_unit,
            )
        return self._templates[site]

    def template(self, perturbation: Perturbation) -> xr.DataArray | None:
        """Return the template if a perturbation names units or times, and it is known.

        A perturbation of all units needs no look at the model; and a site that does not
        fire is left to the first run, which says so.
        """
        whole = (
            perturbation.units is None
            and perturbation.subspace is None
            and perturbation.time is None
            and not isinstance(perturbation, Steer)
            and not (
                isinstance(perturbation, Patch) and np.ndim(perturbation.source) > 1
            )
        )
        site = perturbation.site
        if whole or self.engine.seen()[site] is None:
            return None
        return self.site_template(site)

    def labelled(
        self,
        site: str,
        values: NDArray[Any],
        valid: NDArray[np.bool_] | None,
        trials: pd.Index,
    ) -> xr.DataArray:
        """Return activity with its labels."""
        template = self.site_template(site)
        coords: dict[str, Any] = {str(k): v for k, v in template.coords.items()}
        coords["trial"] = ("trial", trials.to_numpy())
        if valid is not None:
            coords["valid"] = (("trial", "time"), valid)
        return xr.DataArray(
            values,
            dims=template.dims,
            coords=coords,
            attrs=template.attrs,
            name=site,
        )

    def valid(
        self, values: NDArray[Any], rows: NDArray[np.intp]
    ) -> NDArray[np.bool_] | None:
        """Return which times of which trials exist, None if all do."""
        inputs = self.engine.inputs
        if values.ndim != 3:
            return None
        if inputs.valid is not None and inputs.valid.shape[1] == values.shape[1]:
            return inputs.valid[rows]
        if inputs.ragged and inputs.lengths is not None:
            return np.arange(values.shape[1]) < inputs.lengths[rows, None]
        return None

    def bytes_of(self, site: str, n_trials: int) -> int:
        """Return the memory that activity of a site takes."""
        info = self.engine.seen()[site]
        if info is None:
            return 0
        return 4 * n_trials * (self.n_times(site) or 1) * info.axes.n_units

    def fingerprint(
        self,
        task: pd.DataFrame,
        variables: Mapping[str, xr.DataArray],
        readout: Readout | None,
    ) -> str:
        """Return a SHA-256 of weights, inputs, trials, variables, sites and readout."""
        engine = self.engine
        digest = hashlib.sha256()
        digest.update(engine.weights.digest.encode())
        digest.update(engine.inputs.digest())
        digest.update(pd.util.hash_pandas_object(task).to_numpy().tobytes())
        digest.update("|".join(map(str, task.columns)).encode())
        for name, array in sorted(variables.items()):
            digest.update(f"{name}{array.shape}{array.dtype}".encode())
            digest.update(np.ascontiguousarray(array.values).tobytes())
        digest.update("|".join(engine.taps).encode())
        digest.update((readout.name if readout else "").encode())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return what provenance says about model and sites."""
        engine = self.engine
        sites: dict[str, dict[str, int] | None] = {}
        for site, info in engine.seen().items():
            if info is None:
                sites[site] = None
                continue
            shape = self.site_template(site).sizes
            sites[site] = {str(d): int(n) for d, n in shape.items() if d != "trial"}
        return {
            "class": type(engine.adapter.model).__name__,
            "n_parameters": engine.weights.n_parameters,
            "weights_hash": engine.weights.digest,
            "time_unit": self.time_unit,
            "sites": sites,
            **(
                {"features": {k: v.describe() for k, v in engine.views.items()}}
                if engine.views
                else {}
            ),
        }


def _merged(table: pd.DataFrame, given: Any) -> pd.DataFrame | Any:
    """Return unit ids and coordinates of the adapter with those of the user."""
    if given is None:
        return table
    if not isinstance(given, pd.DataFrame):
        if isinstance(given, str) or not isinstance(given, Iterable):
            return given  # refused where activity is labelled
        names = [str(i) for i in given]
        if len(names) != len(table):
            return names
        return table.set_axis(pd.Index(names), axis=0)
    if len(given) != len(table):
        return given
    ids = pd.Index(given["unit_id"]) if "unit_id" in given else given.index
    extra = given.drop(columns=["unit_id", "site"], errors="ignore")
    kept = table[[c for c in table if c not in extra]].set_axis(ids, axis=0)
    return pd.concat([kept, extra.set_axis(ids, axis=0)], axis=1)
