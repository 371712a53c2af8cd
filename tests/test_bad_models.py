"""Models that cannot be studied as they are: changed, noisy, silent, misnamed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

from _refusals import FEW, Mlp, ablate, behavior, decode, hooked, rdm, refused, table

import marr
from marr.measures import accuracy

# -- models ----------------------------------------------------------------------------


def test_weights_changed_after_hooking():
    """Stale activity is never served, whether or not it was looked at before."""
    for look_first in (False, True):
        model = Mlp()
        system = hooked(model)
        if look_first:
            decode(system, "side", over="site", **FEW)
        with torch.no_grad():
            model.first.weight[0, 0] += 0.5
        for call in (
            lambda system=system: decode(system, "side", **FEW),
            lambda system=system: ablate(system, measure=accuracy(), n_random=2, **FEW),
            lambda system=system: behavior.accuracy(system),
            lambda system=system: rdm(system, on="side", **FEW),
        ):
            refused(call, "changed since marr.hook", "[Hh]ook")


def test_two_names_of_one_hook():
    refused(
        lambda: hooked(sites=("first", "again")), "sites", "'first'", "'again'", "one"
    )


def test_a_model_that_changes_its_output_between_runs():
    model = Mlp(p=0.5).train()
    system = hooked(model)
    for call in (
        lambda: decode(system, "side", **FEW),
        lambda: ablate(system, measure=accuracy(), n_random=2, **FEW),
        lambda: behavior.accuracy(system),
    ):
        refused(
            call, "changes its output between runs", r"\['drop'\]", r"model\.eval\(\)"
        )
    assert model.training
    assert not any(m._forward_hooks for m in model.modules())


def test_a_perturbation_on_a_site_that_never_fires():
    model = Mlp()
    system = hooked(model, sites=("first", "idle"))
    refused(
        lambda: ablate(system, measure=accuracy(), over={"a": {"idle": [0, 1]}}, n_random=2, **FEW),
        "'idle'", "never fired",
    )  # fmt: skip
    refused(lambda: system.perturb(marr.Ablate("idle")).trials, "'idle'", "never fired")
    refused(
        lambda: decode(system, "side", sites="idle", **FEW), "'idle'", "never fired"
    )
    assert not any(m._forward_hooks for m in model.modules())
    assert decode(system, "side", sites="first", **FEW).level == "representation"


def test_an_attention_pattern_asked_for_as_units():
    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.attn(x, x, x, average_attn_weights=False)[0]

    x = torch.randn(40, 5, 4, generator=torch.Generator().manual_seed(0))
    system = marr.hook(Attends(), x, table(), sites=["attn.c"])
    refused(
        lambda: decode(system, "side", **FEW),
        "'attn.c'",
        "attention pattern",
        "not time",
    )


@pytest.mark.lens
def test_names_of_a_transformer_bridge(tmp_path, monkeypatch):
    """Two names of one hook, and an attention pattern, of a TransformerLens model."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    lens = pytest.importorskip("transformer_lens.model_bridge")
    config = transformers.GPT2Config(
        n_layer=1, n_embd=8, n_head=2, vocab_size=20, n_positions=8, bos_token_id=0,
        eos_token_id=0,
    )  # fmt: skip
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    bridge = lens.TransformerBridge.boot_transformers(str(tmp_path), device="cpu")
    tokens = torch.randint(0, 20, (40, 5), generator=torch.Generator().manual_seed(0))
    names = ["blocks.0.hook_resid_post", "blocks.0.hook_out"]
    refused(
        lambda: marr.hook(bridge, tokens, sites=names),
        "two names of one hook",
        *map(re.escape, names),
    )
    for pattern in ("hook_pattern", "hook_attn_scores"):
        refused(
            lambda pattern=pattern: marr.hook(
                bridge, tokens, sites=[f"blocks.0.attn.{pattern}"]
            ),
            "sites", "attention pattern", r"blocks\.0\.attn\.hook_z",
        )  # fmt: skip
    system = marr.hook(bridge, tokens, table(), sites=["blocks.0.attn.hook_z"])
    assert decode(system, "side", over="site", **FEW).level == "representation"
