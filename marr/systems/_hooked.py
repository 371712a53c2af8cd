"""Make a system of any torch model: `marr.hook`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import nn

from marr.errors import (
    ContractError,
    HookError,
    OptionError,
    check_known,
    check_option,
)
from marr.systems._adapter import Adapter, ModuleAdapter, Tap, check_one_name
from marr.systems._adapter_bridge import BridgeAdapter, is_bridge
from marr.systems._hooked_engine import Engine
from marr.systems._hooked_inputs import Inputs, checked_inputs
from marr.systems._hooked_labels import Labels
from marr.systems._hooked_layout import sequence_rows
from marr.systems._hooked_model import HookedModel
from marr.systems._hooked_readout import checked_readout
from marr.systems._system import renamed_behavior
from marr.systems._validate import (
    BEHAVIOR_COLUMNS,
    TIME_UNITS,
    check_mapping,
    checked_trials,
    checked_variables,
    describe_difference,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["HookedModel", "hook"]


def hook(
    model: Any,
    inputs: Any,
    trials: pd.DataFrame | None = None,
    *,
    sites: Sequence[str] | Mapping[str, Sequence[str] | None],
    readout: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
    variables: Mapping[str, Any] | None = None,
    sequences: str | None = None,
    name: str | None = None,
    batch_size: int | None = None,
    units: Mapping[str, Any] | None = None,
    time: Any = None,
    time_unit: str | None = None,
) -> HookedModel:
    """Make a system of a torch model and its inputs.

    Nothing runs yet; names and shapes are checked.

    Parameters
    ----------
    model : torch.nn.Module
        Any module that takes and returns trials on the first axis, or a
        TransformerLens bridge. It is run in the mode and on the device it is in.
        Of a tuple the first tensor counts as output, of a mapping "logits".
    inputs : array of shape (n_trials, ...), tuple, dict or list
        One array; a tuple of arrays (positional arguments); a dict of arrays (keyword
        arguments; `attention_mask` also marks which tokens are valid); a list with one
        array of shape (n_times, ...) a trial, which may differ in length; or, for
        models with a tokenizer, a list of strings.
    trials : DataFrame, optional
        Task variables, one row a trial. Behavior of whoever produced the table is
        kept as `reference_*`.
    sites : sequence of str, or mapping of str to dims
        Names of submodules (or hook names of a bridge). `name.c` is the second tensor
        of an output (cell state), `name.l1` the second layer of a stacked recurrent
        module (`name` is the last), `name#2` the second call in a run, "model" the
        whole model. A mapping declares the axes of a site where they cannot be known:
        `{"conv": ("trial", "channel", "x")}`.
    readout : callable or sequence of callables, optional
        From outputs and trial table to behavior columns, each trial by itself; see
        `marr.readouts`.
    variables : mapping of name to array of shape (n_trials, n_times), optional
        Continuous variables.
    sequences : str, optional
        Column of `trials`: trials of one value are joined along time, in table order,
        and run as one sequence, so that state carries over.
    name : str, optional
        Name shown in findings; the class of the model by default.
    batch_size : int, optional
        Trials that run together; chosen by memory by default.
    units : mapping of site to ids or DataFrame, optional
        Unit ids, or a table with one row a unit whose columns become coordinates.
    time : array of shape (n_times,), optional
        Time coordinates; 0, 1, 2, ... by default.
    time_unit : {"step", "token", "s"}, optional
        "token" for bridges, else "step".

    Returns
    -------
    HookedModel

    Raises
    ------
    MarrError
        If a site is unknown, two names mean one hook, an attention pattern is asked for,
        inputs and trials disagree, or values are NaN. At the first run: if the model
        changes its output between runs, a hook does not fire, or a write does not land.

    Notes
    -----
    Maps of convolutions become units with `channel`, `y`, `x` coordinates, heads of
    transformers units with a `head` coordinate. nn.RNN, nn.GRU and nn.LSTM that are
    sites run as a loop over steps (equal to the fused kernel to 1e-6), so that a
    perturbed state is what the next step starts from.

    Examples
    --------
    >>> import torch, marr
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh())
    >>> system = marr.hook(net, torch.ones(5, 3), sites=["1"])
    >>> system.activity("1").shape
    (5, 8)
    """
    adapter = _adapter(model)
    checked = checked_inputs(inputs, model)
    name = name or type(model).__name__
    table = _task_table(trials, checked)
    taps = _taps(adapter, sites)
    if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
        msg = f"batch_size must be a positive whole number; got {batch_size!r}."
        raise OptionError(msg)
    if time_unit is not None:
        check_option("time_unit", time_unit, TIME_UNITS)
    check_mapping("units", units, "{'rnn': ids}")
    for site in units or {}:
        check_known("units", site, taps, what="site")
    rows = sequence_rows(table, sequences)
    engine = Engine(adapter, checked, taps, rows, name=name, batch_size=batch_size)
    labels = Labels(engine, units or {}, time, time_unit or adapter.time_unit)
    return HookedModel(
        engine,
        labels,
        table,
        _with_time(checked_variables(variables, table), time),
        readout=checked_readout(readout),
        sequences=sequences,
    )


def _with_time(
    variables: dict[str, xr.DataArray], time: Any
) -> dict[str, xr.DataArray]:
    """Give variables without a time axis of their own that of the activity."""
    for name, array in variables.items():
        if "time" not in array.coords:
            n_times = array.sizes["time"]
            fits = time is not None and np.shape(time) == (n_times,)
            values = np.asarray(time) if fits else np.arange(n_times)
            variables[name] = array.assign_coords(time=values)
    return variables


def _adapter(model: Any) -> Adapter:
    """Return the adapter for a kind of model."""
    if not isinstance(model, nn.Module):
        msg = (
            f"model must be a torch.nn.Module; got {type(model).__name__}. Wrap other code "
            "in a module whose forward calls it."
        )
        raise HookError(msg)
    return BridgeAdapter(model) if is_bridge(model) else ModuleAdapter(model)


def _taps(adapter: Adapter, sites: Any) -> dict[str, Tap]:
    """Return where the sites are, refusing unknown ones and two names of one hook."""
    if isinstance(sites, str):
        sites = [sites]
    if not isinstance(sites, (Mapping, Sequence)):
        msg = f"sites must be a list of names of modules; got {sites!r:.60}."
        raise OptionError(msg)
    dims = sites if isinstance(sites, Mapping) else dict.fromkeys(sites)
    if len(dims) != len(sites) or not all(isinstance(s, str) for s in dims):
        msg = f"sites must be different names of modules; got {sites!r}."
        raise OptionError(msg)
    if not dims:
        msg = "sites is empty; name at least one submodule, or 'model' for all of it."
        raise OptionError(msg)
    taps = {site: adapter.tap(site, declared) for site, declared in dims.items()}
    check_one_name(list(taps.values()))
    return taps


def _task_table(trials: pd.DataFrame | None, inputs: Inputs) -> pd.DataFrame:
    """Return the trial table without behavior of this system: `reference_*` instead."""
    if trials is None and inputs.labels is not None:
        return pd.DataFrame(index=inputs.labels.rename("trial"))
    if isinstance(trials, pd.DataFrame) and len(trials) != inputs.n_trials:
        msg = (
            f"trials must have one row for each row of inputs ({inputs.n_trials}); got "
            f"{len(trials)} rows. Drop the same trials from both."
        )
        raise ContractError(msg)
    table = checked_trials(trials, inputs.n_trials)
    if inputs.labels is not None and not inputs.labels.equals(table.index):
        msg = (
            "trials and inputs have other trial labels: "
            f"{describe_difference(table.index, inputs.labels)}. Align them by label: "
            "trials.loc[inputs['trial'].values]."
        )
        raise ContractError(msg)
    both = [
        c for c in BEHAVIOR_COLUMNS if c in table and f"reference_{c}" in table.columns
    ]
    if both:
        msg = (
            f"trials has both {both[0]!r} and {'reference_' + both[0]!r}; behavior in a "
            "table given to marr.hook is renamed reference_*, so drop one of them."
        )
        raise ContractError(msg)
    return renamed_behavior(table, "reference")
