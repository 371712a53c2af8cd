"""Features of a site as a site of its own: what a dictionary finds, usable as units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError
from marr.systems._dictionary import Dictionary
from marr.systems._lazy import LazyArray, lazy_dataarray

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from marr.systems._recording import Recording
    from marr.systems._system import System

__all__ = [
    "FeatureView",
    "encoded",
    "feature_view",
    "perturbed_activity",
    "recording_with_view",
]


@dataclass(frozen=True, eq=False)
class FeatureView:
    """A site that is made of another one by a dictionary.

    Attributes
    ----------
    name : str
        Name of the site of features.
    site : str
        The site whose activity is encoded.
    dictionary : Dictionary
        With its units in the order of the site.
    """

    name: str
    site: str
    dictionary: Dictionary

    @property
    def unit_ids(self) -> list[str]:
        """Ids of the features: their positions."""
        return [str(i) for i in range(self.dictionary.n_features)]

    def describe(self) -> dict[str, Any]:
        """Return plain values for provenance."""
        return {"site": self.site, **self.dictionary.describe()}


def feature_view(
    system: System, dictionary: Any, site: str | None, name: str | None
) -> FeatureView:
    """Return a view after all names and units were checked.

    Parameters
    ----------
    system : System
        Which gets the site of features.
    dictionary : Dictionary
        How activity becomes features.
    site : str or None
        Site that is encoded; that of the dictionary by default.
    name : str or None
        Name of the new site; "<site>.features" by default.
    """
    if not isinstance(dictionary, Dictionary):
        msg = (
            "dictionary must be a Dictionary (marr.representation.train_dictionary or "
            f"load_dictionary make one); got {type(dictionary).__name__}."
        )
        raise ContractError(msg)
    if site is None and not dictionary.site:
        msg = (
            f"dictionary {dictionary.name!r} does not say which site it is for; name it: "
            f"site=... ({', '.join(map(repr, system.sites))})."
        )
        raise OptionError(msg)
    base = dictionary.site if site is None else site
    system.check_site(base)
    if base in system.derived:
        msg = f"site: {base!r} is itself made of features; name a recorded or hooked site."
        raise OptionError(msg)
    new = f"{base}.features" if name is None else name
    if not isinstance(new, str) or not new or new in system.sites:
        msg = (
            f"name must be a new name for the site of features; got {new!r}, and there "
            f"is {list(system.sites)}."
        )
        raise OptionError(msg)
    units = system.unit_table(base)["unit_id"].astype(str).tolist()
    return FeatureView(new, base, dictionary.aligned(units, site=base))


class EncodedArray(LazyArray):
    """Features of an array of activity, encoded when they are looked at."""

    def __init__(self, base: xr.DataArray, dictionary: Dictionary) -> None:
        self.base, self.dictionary = base, dictionary
        self.shape = (*base.shape[:-1], dictionary.n_features)
        self.dtype = np.dtype(np.float32 if base.dtype == np.float32 else np.float64)

    def block(self, rows: tuple[NDArray[Any], ...]) -> NDArray[Any]:
        """Return features of some trials and times."""
        part = self.base.isel(dict(zip(self.base.dims[:-1], rows[:-1], strict=True)))
        return self.dictionary.encode(part.values)[..., rows[-1]]


def encoded(view: FeatureView, base: xr.DataArray) -> xr.DataArray:
    """Return labelled features of labelled activity; nothing is computed yet."""
    ids = np.array(view.unit_ids)
    coords: dict[Any, Any] = {
        key: coord for key, coord in base.coords.items() if "unit" not in coord.dims
    }
    coords["unit"] = ("unit", np.array([f"{view.name}:{i}" for i in ids]))
    coords["unit_id"] = ("unit", ids)
    coords["site"] = ("unit", np.array([view.name] * len(ids)))
    kept = {k: v for k, v in base.attrs.items() if k == "time_unit"}
    array = EncodedArray(base, view.dictionary)
    dims = [str(d) for d in base.dims]
    return lazy_dataarray(array, dims, coords, kept, name=view.name)


def recording_with_view(recording: Recording, view: FeatureView) -> Recording:
    """Return a recording with a site of features; its root and parents get it too."""
    made: dict[int, Recording] = {}
    root = recording.root

    def viewed(system: Recording) -> Recording:
        if id(system) in made:
            return made[id(system)]
        if system is root:
            array = encoded(view, system._activity[view.site])
        else:
            rows = root.trial_index.get_indexer(system.trial_index)
            array = viewed(root)._activity[view.name].isel(trial=rows)
        child = system._copy(
            system._trials, {**system._activity, view.name: array}, system.variables
        )
        child._views = {**system._views, view.name: view}
        child._root = None if system is root else viewed(root)
        child.perturbations = system.perturbations
        made[id(system)] = child
        child._parent = None if system._parent is None else viewed(system._parent)
        return child

    return viewed(recording)


def perturbed_activity(recording: Recording, site: str) -> xr.DataArray:
    """Return activity of a site that has features, or of its features, as perturbed.

    A perturbation of features changes the activity that they were made of by what the
    change of the features adds to it, and features are what was put in; a perturbation
    of the site itself is encoded anew.
    """
    derived, views = recording.derived, recording._views
    base = derived.get(site, site)
    done = [p for p in recording.perturbations if derived.get(p.site, p.site) == base]
    x, features = recording._activity[base], {}
    for name, view in views.items():
        if view.site == base:
            features[name] = recording._activity[name]
    for perturbation in done:
        where = perturbation.site
        if where == base:
            x = recording._applied(perturbation, x)
        else:
            before = features.get(where)
            before = encoded(views[where], x) if before is None else before
            after = recording._applied(perturbation, before)
            delta = after.values - before.values
            added = views[where].dictionary.change(delta, x.values)
            x = x.copy(data=x.values + added)
        features = {} if where == base else {where: after}
    if site == base:
        return x
    found = features.get(site)
    return encoded(views[site], x) if found is None else found
