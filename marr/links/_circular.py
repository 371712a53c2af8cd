"""Refuse links that would be true by construction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marr.errors import EvidenceError

if TYPE_CHECKING:
    from marr.findings import Finding

__all__ = ["effect_end", "refuse_circular"]

_INTERVENTIONS = ("implementation.ablate",)
_READOUTS = ("representation.decode",)


def _reads_decoder(finding: Finding) -> bool:
    return (
        finding.analysis in _INTERVENTIONS
        and finding.parameters.get("measure_kind") == "readout"
    )


def refuse_circular(a: Finding, b: Finding) -> None:
    """Raise EvidenceError for a decoder's weights against an effect read through it."""
    if a.id == b.id:
        msg = "a and b are one finding; a link needs two."
        raise EvidenceError(msg)
    for reader, effect in ((a, b), (b, a)):
        if reader.analysis in _READOUTS and _reads_decoder(effect):
            msg = (
                f"the effect in {effect.analysis} of {effect.system!r} was read through a "
                f"decoder ({effect.parameters.get('measure')}), so it is a function of the "
                "decoder's weights and correlates with them even on shuffled labels. Use "
                "a behavioral measure of a system that runs, e.g. "
                "marr.implementation.ablate(model, measure=marr.measures.accuracy())."
            )
            raise EvidenceError(msg)


def effect_end(a: Finding, b: Finding) -> tuple[Finding, Finding]:
    """Return (readout, effect) for a link of kind "used", or say what is missing."""
    effects = [f for f in (a, b) if f.analysis in _INTERVENTIONS]
    others = [f for f in (a, b) if f.analysis not in _INTERVENTIONS]
    if len(effects) != 1 or len(others) != 1:
        msg = (
            "kind='used' joins a representation (decode) with the behavioral effect of "
            f"a perturbation (ablate); got {a.analysis} and {b.analysis}."
        )
        raise EvidenceError(msg)
    effect, readout = effects[0], others[0]
    if effect.parameters.get("measure_kind") != "behavior":
        msg = (
            "kind='used' takes only behavioral effects; the measure "
            f"{effect.parameters.get('measure')!r} is of kind "
            f"{effect.parameters.get('measure_kind')!r}. Measure behavior "
            "(marr.measures.accuracy, choice_follows, column); a function of your own is "
            "declared as behavior with marr.measures.wrap(function, kind='behavior')."
        )
        raise EvidenceError(msg)
    if effect.evidence != "causal":
        msg = (
            "kind='used' needs a causal effect (a model that was perturbed and run, or "
            f"randomized perturbation trials); {effect.analysis} of {effect.system!r} is "
            f"{effect.evidence}."
        )
        raise EvidenceError(msg)
    return readout, effect
