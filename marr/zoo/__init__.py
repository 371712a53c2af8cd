"""Reference systems: trained networks for real tasks, and planted known answers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marr.zoo._catalog import list_systems
    from marr.zoo._decision_ideal import ideal_decisions
    from marr.zoo._decision_network import DecisionNetwork, train_decision
    from marr.zoo._decision_task import decision_inputs
    from marr.zoo._heading_network import HeadingNetwork, train_heading
    from marr.zoo._heading_task import heading_inputs
    from marr.zoo._planted import planted_network, planted_recording
    from marr.zoo._pretrained import image_network, language_model, sentence_encoder
    from marr.zoo._weights import decision_networks, heading_networks

__all__ = [
    "DecisionNetwork",
    "HeadingNetwork",
    "decision_inputs",
    "decision_networks",
    "heading_inputs",
    "heading_networks",
    "ideal_decisions",
    "image_network",
    "language_model",
    "list_systems",
    "planted_network",
    "planted_recording",
    "sentence_encoder",
    "train_decision",
    "train_heading",
]

_HOMES = {
    "DecisionNetwork": "_decision_network",
    "HeadingNetwork": "_heading_network",
    "decision_inputs": "_decision_task",
    "decision_networks": "_weights",
    "heading_inputs": "_heading_task",
    "heading_networks": "_weights",
    "ideal_decisions": "_decision_ideal",
    "image_network": "_pretrained",
    "language_model": "_pretrained",
    "list_systems": "_catalog",
    "planted_network": "_planted",
    "planted_recording": "_planted",
    "sentence_encoder": "_pretrained",
    "train_decision": "_decision_network",
    "train_heading": "_heading_network",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'marr.zoo' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"marr.zoo.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
