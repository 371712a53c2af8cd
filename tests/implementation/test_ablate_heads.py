"""Heads of a transformer are units with a head coordinate: the same call ablates them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import marr
from marr.measures import logit_difference


@pytest.mark.lens
@pytest.mark.slow
def test_heads_of_a_bridge_are_ablated_by_coordinate():
    import torch
    from transformer_lens.model_bridge import TransformerBridge

    torch.manual_seed(0)
    settings = {
        "n_layers": 2,
        "d_model": 16,
        "n_heads": 4,
        "d_head": 4,
        "d_vocab": 11,
        "n_ctx": 8,
        "attn_only": True,
    }
    bridge = TransformerBridge.boot_native(settings).eval()
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 11, size=(24, 6))
    trials = pd.DataFrame({"right": tokens[:, 0], "wrong": (tokens[:, 0] + 1) % 11})
    site = "blocks.1.attn.hook_z"
    system = marr.hook(bridge, torch.tensor(tokens), trials, sites=[site])
    finding = marr.implementation.ablate(
        system, over="head", measure=logit_difference("right", "wrong"), n_random=5
    )
    assert finding.evidence == "causal"
    assert finding.estimate["head"].values.tolist() == [f"{site}:{i}" for i in range(4)]
    units = system.unit_table(site)
    lesion = system.perturb(
        marr.Ablate(site, units=units.index[units["head"] == 2].tolist())
    )
    measured = logit_difference("right", "wrong").fit(system)
    loss = (measured(system) - measured(lesion)).mean()
    assert float(finding.estimate["estimate"][2]) == pytest.approx(loss)
    assert finding.tables["joint"]["dose"].values.tolist() == [1, 2, 4]
