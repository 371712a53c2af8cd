"""Trained weights: the files that ship with marr, and how they were made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from marr.errors import FileError, OptionError
from marr.zoo._decision_network import DecisionNetwork, new_decision
from marr.zoo._heading_network import HeadingNetwork, new_heading

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

__all__ = ["decision_networks", "heading_networks", "read_weights", "write_weights"]

FOLDER = Path(__file__).parent / "weights"

KINDS: dict[str, Callable[[int], Any]] = {
    "decision": new_decision,
    "heading": new_heading,
}


def decision_networks(*, n: int = 5, trained: bool = True) -> list[DecisionNetwork]:
    """Return the networks that were trained on the decision task.

    Parameters
    ----------
    n : int
        How many: seeds 0 to n - 1. Eight trained ones ship with marr.
    trained : bool
        False gives the same networks as they were before training, as a control.

    Returns
    -------
    list of DecisionNetwork
        In evaluation mode; `network.record` holds seed, steps and loss.

    Raises
    ------
    OptionError
        If more are asked for than ship with marr.

    Examples
    --------
    >>> [network.record["seed"] for network in decision_networks(n=2)]
    [0, 1]
    """
    return _networks("decision", n, trained=trained)


def heading_networks(*, n: int = 5, trained: bool = True) -> list[HeadingNetwork]:
    """Return the networks that were trained to keep track of heading.

    Parameters
    ----------
    n : int
        How many: seeds 0 to n - 1. Five trained ones ship with marr.
    trained : bool
        False gives the same networks as they were before training, as a control.

    Returns
    -------
    list of HeadingNetwork
        In evaluation mode; `network.record` holds seed, steps and loss.

    Raises
    ------
    OptionError
        If more are asked for than ship with marr.
    """
    return _networks("heading", n, trained=trained)


def write_weights(path: str | os.PathLike[str], networks: Sequence[nn.Module]) -> None:
    """Write trained networks of one kind into a safetensors file.

    The header says how each was made: seed, steps, loss, and the version of torch. The
    file appears whole or not at all.
    """
    target = Path(path)
    tensors = {
        f"{i}.{name}": value.detach().contiguous()
        for i, network in enumerate(networks)
        for name, value in network.state_dict().items()
    }
    header = {
        "networks": json.dumps([network.record for network in networks]),
        "torch": torch.__version__,
        "made_by": "marr.zoo: generated sequences only, no recorded data",
    }
    partial = target.with_name(target.name + ".partial")
    try:
        partial.write_bytes(save(tensors, metadata=header))
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        msg = f"cannot write weights to {target}: {error}. Choose a writable path."
        raise FileError(msg) from error


def read_weights(path: str | os.PathLike[str], kind: str) -> list[Any]:
    """Read the networks of a file that `write_weights` wrote.

    Parameters
    ----------
    path : path
        A safetensors file.
    kind : {"decision", "heading"}
        What the file holds.
    """
    source = Path(path)
    try:
        with safe_open(source, framework="pt") as file:
            records = json.loads(file.metadata()["networks"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        msg = (
            f"cannot read weights from {source}: {error}. Install marr-toolkit anew, or "
            "train the networks: marr.zoo.train_decision, marr.zoo.train_heading."
        )
        raise FileError(msg) from error
    networks = []
    for i, record in enumerate(records):
        network = KINDS[kind](record["seed"])
        names = network.state_dict()
        network.load_state_dict({name: tensors[f"{i}.{name}"] for name in names})
        network.record = record
        networks.append(network.eval())
    return networks


def _networks(kind: str, n: int, *, trained: bool) -> list[Any]:
    if n < 1:
        msg = f"n must be at least 1; got {n}."
        raise OptionError(msg)
    if not trained:
        return [KINDS[kind](seed) for seed in range(n)]
    shipped = read_weights(FOLDER / f"{kind}.safetensors", kind)
    if n > len(shipped):
        msg = (
            f"n must be at most {len(shipped)}, the trained {kind} networks that ship "
            f"with marr; got {n}. Train more: marr.zoo.train_{kind}(seed={len(shipped)})."
        )
        raise OptionError(msg)
    return shipped[:n]
