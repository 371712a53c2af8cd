"""TransformerLens bridges: hook names as sites, heads as units, tokens as time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import marr
from marr import Ablate, Patch, Steer
from marr.errors import HookError, OptionError

pytestmark = pytest.mark.lens

Z = "blocks.0.attn.hook_z"
RESID = "blocks.0.hook_resid_post"


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    """A random GPT-2 with two layers of four heads, opened from a local folder."""
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    lens = pytest.importorskip("transformer_lens.model_bridge")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        n_layer=2, n_embd=32, n_head=4, vocab_size=50, n_positions=16,
        bos_token_id=0, eos_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("gpt2")
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    yield lens.TransformerBridge.boot_transformers(str(folder), device="cpu")
    monkeypatch.undo()


@pytest.fixture
def tokens():
    return torch.randint(0, 50, (6, 7), generator=torch.Generator().manual_seed(1))


def lens_run(bridge, tokens, hooks=(), names=()):
    """What TransformerLens itself gives: logits and activity under its own hooks."""
    kept = {}

    def keep(tensor, hook):
        kept[hook.name] = tensor.clone()

    looks = [(name, keep) for name in names]
    with torch.no_grad():
        logits = bridge.run_with_hooks(tokens, fwd_hooks=[*hooks, *looks])
    return logits.numpy(), kept


def test_activity_and_outputs_equal_those_of_the_lens(bridge, tokens):
    sites = [Z, RESID, "blocks.0.hook_mlp_out", "blocks.1.mlp.hook_post", "hook_embed"]
    system = marr.hook(bridge, tokens, sites=sites, batch_size=2)
    with torch.no_grad():
        logits, cache = bridge.run_with_cache(tokens)
    assert np.abs(system.outputs() - logits.numpy()).max() < 1e-6
    for site in sites:
        activity = system.activity(site)
        assert activity.dims == ("trial", "time", "unit")
        assert activity.attrs["time_unit"] == "token"
        raw = cache[site].flatten(2).numpy()
        assert np.abs(activity.values - raw).max() < 1e-6


def test_heads_are_units_with_a_coordinate(bridge, tokens):
    system = marr.hook(bridge, tokens, sites=[Z])
    units = system.unit_table(Z)
    assert units["head"].tolist() == np.repeat(np.arange(4), 8).tolist()
    assert units["unit_id"].iloc[9] == "1.1"
    head = units.index[units["head"] == 2]
    lesion = system.perturb(Ablate(Z, units=list(head), mode="zero"))

    def zero(z, hook):
        z[:, :, 2] = 0
        return z

    expected, _ = lens_run(bridge, tokens, [(Z, zero)])
    assert np.abs(lesion.outputs() - expected).max() < 1e-6
    assert np.abs(lesion.outputs() - system.outputs()).max() > 1e-3


@pytest.mark.parametrize(
    "site", [RESID, "blocks.1.hook_resid_pre", "blocks.0.hook_attn_out", "hook_embed",
             "blocks.0.hook_mlp_out", "blocks.0.attn.hook_v", "blocks.1.mlp.hook_post"]
)  # fmt: skip
def test_steering_equals_the_lens(bridge, tokens, site):
    system = marr.hook(bridge, tokens, sites=[site])
    n_units = system.activity(site).sizes["unit"]
    direction = np.linspace(-1, 1, n_units)
    steered = system.perturb(Steer(site, direction, 2.0, time=[3, 4]))

    def add(tensor, hook):
        push = torch.from_numpy(2 * direction).float().reshape(tensor.shape[2:])
        tensor[:, 3:5] = tensor[:, 3:5] + push
        return tensor

    expected, _ = lens_run(bridge, tokens, [(site, add)])
    assert np.abs(steered.outputs() - expected).max() < 1e-5
    assert np.array_equal(steered.outputs()[:, :3], system.outputs()[:, :3])


def test_patching_the_last_residual_gives_the_other_prompt(bridge, tokens):
    site = "blocks.1.hook_resid_post"
    system = marr.hook(bridge, tokens, sites=[site])
    donors = np.arange(6)[::-1]
    patched = system.perturb(Patch(site, source=donors))
    assert np.abs(patched.outputs() - system.outputs()[donors]).max() < 1e-5


def test_ragged_prompts(bridge, tokens):
    lengths = [7, 3, 5, 7, 2, 4]
    prompts = [row[:n] for row, n in zip(tokens, lengths, strict=True)]
    system = marr.hook(bridge, prompts, sites=[Z], readout=marr.readouts.choice)
    outputs = system.outputs()
    valid = system.activity(Z)["valid"].values
    assert valid.sum(1).tolist() == lengths
    for i, prompt in enumerate(prompts):
        alone, _ = lens_run(bridge, prompt[None])
        assert np.abs(outputs[i, : len(prompt)] - alone[0]).max() < 1e-5
        assert system.trials["choice"].iloc[i] == alone[0, -1].argmax()
    lesion = system.perturb(Ablate(Z, units=["1.0"], mode="mean")).outputs("last")
    alone = marr.hook(bridge, prompts[1][None], sites=[Z])
    mean = np.nanmean(system.activity(Z).sel(unit=f"{Z}:1.0").values, axis=0)
    source = alone.activity(Z).values.copy()
    source[0, :, 8] = mean[:3]
    one = alone.perturb(Patch(Z, units=["1.0"], source=source)).outputs("last")
    assert np.abs(lesion[1] - one[0]).max() < 1e-5


def test_left_padding_by_an_attention_mask(bridge, tokens):
    mask = np.ones((6, 7), dtype=int)
    mask[0, :3] = 0
    inputs = {"input_ids": tokens, "attention_mask": mask}
    system = marr.hook(bridge, inputs, sites=[RESID])
    alone, _ = lens_run(bridge, tokens[:1, 3:])
    assert np.abs(system.outputs("last")[0] - alone[0, -1]).max() < 1e-5
    activity = system.activity(RESID)
    assert activity["valid"].values[0].tolist() == [False] * 3 + [True] * 4
    assert np.isnan(activity.values[0, :3]).all()
    assert system.perturb(Ablate(RESID, units=[0])).outputs("last").shape == (6, 50)


def test_two_names_of_one_hook(bridge, tokens):
    for pair in ([RESID, "blocks.0.hook_out"], [Z, "blocks.0.attn.o.hook_in"]):
        with pytest.raises(HookError, match="two names of one hook"):
            marr.hook(bridge, tokens, sites=pair)


@pytest.mark.parametrize("name", ["hook_pattern", "hook_attn_scores"])
def test_attention_patterns_are_refused(bridge, tokens, name):
    with pytest.raises(HookError, match=r"attention pattern.*blocks.0.attn.hook_z"):
        marr.hook(bridge, tokens, sites=[f"blocks.0.attn.{name}"])


def test_unknown_hooks_and_token_ids(bridge, tokens):
    with pytest.raises(OptionError, match=r"Did you mean 'blocks\.0\.attn\.hook_z'"):
        marr.hook(bridge, tokens, sites=["blocks.0.attn.hook_zz"])
    with pytest.raises(HookError, match="token ids"):
        marr.hook(bridge, tokens, sites=["embed.hook_in"]).activity("embed.hook_in")
    with pytest.raises(HookError, match="failed on inputs"):
        marr.hook(bridge, tokens + 50, sites=[Z]).outputs()


def test_a_hook_that_never_fires_names_the_switch(bridge, tokens):
    site = "blocks.0.hook_q_input"
    lesion = marr.hook(bridge, tokens, sites=[site]).perturb(Ablate(site, mode="zero"))
    with pytest.raises(HookError, match=r"never fired.*set_use_split_qkv_input"):
        lesion.outputs()


def test_the_middle_of_the_residual_stream_cannot_be_written(bridge, tokens):
    site = "blocks.0.hook_resid_mid"
    system = marr.hook(bridge, tokens, sites=[site])
    assert system.activity(site).shape == (6, 7, 32)
    with pytest.raises(HookError, match="does not reach the residual stream"):
        system.perturb(Ablate(site, mode="zero")).outputs()


def test_only_our_hooks_are_removed(bridge, tokens):
    seen = []
    handle = bridge.hook_dict[Z].add_hook(lambda t, hook: seen.append(1))
    system = marr.hook(bridge, tokens, sites=[Z, RESID])
    system.perturb(Ablate(Z, mode="zero")).outputs()
    assert seen
    assert len(bridge.hook_dict[Z].fwd_hooks) == 1
    assert not bridge.hook_dict[RESID].fwd_hooks
    handle.hook.remove()
    bridge.hook_dict[Z].fwd_hooks.clear()


def test_behavior_by_tokens(bridge, tokens):
    def prefers(outputs, trials):
        last = outputs[:, -1]
        rows = np.arange(len(last))
        right = last[rows, trials["right"]] - last[rows, trials["wrong"]]
        return {"choice": right > 0, "correct": right > 0}

    table = pd.DataFrame({"right": np.arange(6), "wrong": np.arange(6) + 10})
    system = marr.hook(bridge, tokens, table, sites=[Z], readout=prefers)
    steered = system.perturb(Steer(Z, np.ones(32), 5.0))
    assert len(steered.trials) == 6
    assert steered.group_column is None


def test_features_of_heads_and_residuals_act_as_a_lens_hook_does(bridge, tokens):
    """One feature silenced, written out as a hook: x + decode(f') - decode(f)."""
    rng = np.random.default_rng(0)
    system = marr.hook(bridge, tokens, sites=[Z, RESID], batch_size=4)
    for site in (Z, RESID):
        decoder = rng.normal(size=(60, 32)).astype(np.float32)
        encoder = decoder.T.copy() / 32
        parts = marr.systems.Dictionary(
            kind="topk", k=4, encoder=encoder, decoder=decoder
        )
        view = system.with_features(parts, site=site)
        features = view.activity(f"{site}.features").values
        busy = int(np.argmax((features > 0).sum(axis=(0, 1))))
        done = view.perturb(
            Ablate(f"{site}.features", units=[busy], mode="zero", time=slice(2, 5))
        )

        def silence(tensor, hook, busy=busy, encoder=encoder, decoder=decoder):
            rows = tensor.reshape(*tensor.shape[:2], 32)
            top = (rows @ torch.from_numpy(encoder)).topk(4, dim=-1)
            own = torch.where(top.indices == busy, top.values.relu(), 0.0).sum(dim=-1)
            own[:, :2], own[:, 6:] = 0, 0
            lost = own[..., None] * torch.from_numpy(decoder[busy])
            return (rows - lost).reshape(tensor.shape)

        logits, _ = lens_run(bridge, tokens, [(site, silence)])
        np.testing.assert_allclose(done.outputs(), logits, atol=1e-4)
        assert np.abs(done.outputs() - system.outputs()).max() > 1e-3
