"""Released formats of sparse autoencoders, written here as their tools write them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from marr.errors import FileError, OptionError
from marr.representation import Dictionary, load_dictionary

N, F = 6, 15


def tensors(seed=0, *, threshold=False):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    found = {
        "W_enc": draw(N, F),
        "b_enc": 0.3 * draw(F),
        "W_dec": draw(F, N),
        "b_dec": draw(N),
    }
    if threshold:
        found["threshold"] = draw(F).abs()
    return found


def rows(seed=1):
    return torch.randn(40, N, generator=torch.Generator().manual_seed(seed)) * 2 + 1


def sae_lens(folder, weights, **settings):
    save_file(weights, folder / "sae_weights.safetensors")
    base = {"d_in": N, "d_sae": F, "dtype": "float32", "normalize_activations": "none"}
    (folder / "cfg.json").write_text(json.dumps({**base, **settings}))
    return folder


def reference(x, w, *, activation, center=True, normalize="none"):
    """Encode and decode as SAELens documents it."""
    shift, scale = 0.0, 1.0
    if normalize == "layer_norm":
        shift = x.mean(dim=-1, keepdim=True)
        x = x - shift
        scale = x.std(dim=-1, keepdim=True)
        x = x / (scale + 1e-5)
    if normalize == "constant_norm_rescale":
        factor = N**0.5 / x.norm(dim=-1, keepdim=True)
        x, scale = x * factor, 1 / factor
    pre = (x - w["b_dec"] * center) @ w["W_enc"] + w["b_enc"]
    features = activation(pre)
    return features, (features @ w["W_dec"] + w["b_dec"]) * scale + shift


def topk(k):
    def activation(pre):
        found = pre.topk(k, dim=-1)
        return torch.zeros_like(pre).scatter_(-1, found.indices, found.values.relu())

    return activation


def check(found, x, expected, *, like=True):
    features, read_back = expected
    np.testing.assert_allclose(found.encode(x.numpy()), features, rtol=1e-4, atol=1e-5)
    decoded = found.decode(features.numpy(), like=x.numpy() if like else None)
    np.testing.assert_allclose(decoded, read_back, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("normalize", ["none", "layer_norm", "constant_norm_rescale"])
def test_sae_lens_standard(tmp_path, center, normalize):
    w = tensors()
    settings = {"apply_b_dec_to_input": center, "normalize_activations": normalize}
    found = load_dictionary(sae_lens(tmp_path, w, architecture="standard", **settings))
    assert found.kind == "relu"
    expected = reference(
        rows(), w, activation=torch.relu, center=center, normalize=normalize
    )
    check(found, rows(), expected)


def test_sae_lens_jumprelu_with_threshold_or_its_logarithm(tmp_path):
    w = tensors(threshold=True)
    expected = reference(
        rows(), w, activation=lambda pre: pre.relu() * (pre > w["threshold"])
    )
    meta = {"metadata": {"model_name": "gpt2", "hook_name": "blocks.8.hook_resid_pre"}}
    place = sae_lens(tmp_path, w, architecture="jumprelu", **meta)
    found = load_dictionary(place, site="resid")
    assert (found.kind, found.site, found.units) == ("jumprelu", "resid", None)
    assert found.info["hook_name"] == "blocks.8.hook_resid_pre"
    check(found, rows(), expected)
    logged = dict(w)
    logged["log_threshold"] = logged.pop("threshold").log()
    check(
        load_dictionary(sae_lens(tmp_path, logged, architecture="jumprelu")),
        rows(),
        expected,
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"architecture": "topk", "k": 4, "sae_lens_version": "6.12.1"},
        {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 4}},
        {
            "architecture": "topk",
            "activation_fn": "topk",
            "activation_fn_kwargs": {"k": 4},
        },
    ],
)
def test_sae_lens_topk_of_all_versions(tmp_path, settings):
    w = tensors()
    found = load_dictionary(sae_lens(tmp_path, w, **settings))
    assert (found.kind, found.k) == ("topk", 4)
    check(found, rows(), reference(rows(), w, activation=topk(4)))


def test_sae_lens_scaling_by_decoder_norms_and_finetuned_factors(tmp_path):
    w = tensors()
    settings = {"architecture": "topk", "k": 3, "rescale_acts_by_decoder_norm": True}
    found = load_dictionary(sae_lens(tmp_path, w, **settings))
    norms = w["W_dec"].norm(dim=-1)
    pre = ((rows() - w["b_dec"]) @ w["W_enc"] + w["b_enc"]) * norms
    features = topk(3)(pre)
    check(found, rows(), (features, (features / norms) @ w["W_dec"] + w["b_dec"]))
    factor = torch.linspace(0.5, 2, F)
    fine = {**w, "scaling_factor": factor}
    found = load_dictionary(sae_lens(tmp_path, fine, finetuning_scaling_factor=True))
    features = torch.relu((rows() - w["b_dec"]) @ w["W_enc"] + w["b_enc"])
    check(found, rows(), (features, (features * factor) @ w["W_dec"] + w["b_dec"]))
    with pytest.raises(FileError, match="scaling factors that its settings do not ask"):
        load_dictionary(sae_lens(tmp_path, fine))


def test_sae_lens_scaled_activity_needs_its_factor(tmp_path):
    w = tensors()
    name = "expected_average_only_in"
    place = sae_lens(tmp_path, w, normalize_activations=name)
    with pytest.raises(OptionError, match=r"scaling_factor: .*mean norm"):
        load_dictionary(place)
    found = load_dictionary(place, scaling_factor=0.25)
    scaled = reference(0.25 * rows(), w, activation=torch.relu)
    check(found, rows(), (scaled[0], scaled[1] / 0.25))
    with pytest.raises(OptionError, match="asks for none"):
        load_dictionary(sae_lens(tmp_path, w), scaling_factor=0.5)


def test_gemma_scope_archive(tmp_path):
    w = tensors(threshold=True)
    file = tmp_path / "params.npz"
    np.savez(file, **{k: v.numpy() for k, v in w.items()})
    expected = reference(
        rows(),
        w,
        activation=lambda pre: pre.relu() * (pre > w["threshold"]),
        center=False,
    )
    for place in (file, tmp_path):
        check(load_dictionary(place), rows(), expected)
    lower = {k.lower(): v for k, v in w.items()}
    save_file(lower, tmp_path / "other.safetensors")
    check(load_dictionary(tmp_path / "other.safetensors"), rows(), expected)


def sparsify(folder, w, **settings):
    weights = {
        "encoder.weight": w["W_enc"].T.contiguous(),
        "encoder.bias": w["b_enc"],
        "W_dec": w["W_dec"],
        "b_dec": w["b_dec"],
    }
    save_file(weights, folder / "sae.safetensors")
    base = {"d_in": N, "num_latents": 0, "expansion_factor": 32, "k": 4}
    (folder / "cfg.json").write_text(json.dumps({**base, **settings}))
    return folder


def test_eleuther_topk(tmp_path):
    w = tensors()
    found = load_dictionary(sparsify(tmp_path, w, activation="topk"))
    assert (found.kind, found.k) == ("topk", 4)
    check(found, rows(), reference(rows(), w, activation=topk(4)))


@pytest.mark.parametrize("activation", ["ReLU", "TopK"])
def test_openai_state_dict(tmp_path, activation):
    w = tensors()
    state = {
        "pre_bias": w["b_dec"],
        "encoder.weight": w["W_enc"].T.contiguous(),
        "latent_bias": w["b_enc"],
        "decoder.weight": w["W_dec"].T.contiguous(),
        "stats_last_nonzero": torch.zeros(F, dtype=torch.long),
        "activation": activation,
        "activation_state_dict": {"k": 4, "postact_fn": "ReLU"}
        if activation == "TopK"
        else {},
    }
    torch.save(state, tmp_path / "7.pt")
    found = load_dictionary(tmp_path / "7.pt")
    expected = reference(
        rows(),
        w,
        activation=topk(4) if activation == "TopK" else torch.relu,
        normalize="layer_norm" if activation == "TopK" else "none",
    )
    check(found, rows(), expected)


def test_half_precision_weights(tmp_path):
    w = {k: v.to(torch.bfloat16) for k, v in tensors().items()}
    found = load_dictionary(sae_lens(tmp_path, w))
    wide = {k: v.float() for k, v in w.items()}
    check(found, rows(), reference(rows(), wide, activation=torch.relu))


def test_what_marr_saved(tmp_path):
    d = Dictionary(kind="topk", k=1, encoder=np.eye(3), decoder=np.eye(3), site="A")
    d.save(tmp_path / "dictionary.safetensors")
    for place in (tmp_path, tmp_path / "dictionary.safetensors"):
        found = load_dictionary(place)
        assert (found.digest, found.site) == (d.digest, "A")
    assert load_dictionary(tmp_path, site="B").site == "B"


# -- what is refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"architecture": "gated"}, "architecture 'gated'; known are"),
        ({"architecture": "transcoder"}, "architecture 'transcoder'"),
        ({"activation_fn_str": "tanh-relu"}, "activation='tanh-relu'"),
        ({"normalize_activations": "l2"}, "normalize_activations='l2'"),
        ({"architecture": "topk"}, "architecture 'topk' but its settings give k=None"),
        ({"d_in": 7}, "settings of another autoencoder: d_in=7 .* have 6"),
        ({"architecture": "jumprelu"}, "without threshold; there is"),
        ({"architecture": "topk", "k": 99}, "k must be a whole number from 1 to 15"),
    ],
)
def test_settings_that_are_not_followed_are_refused(tmp_path, settings, words):
    with pytest.raises(FileError, match=words):
        load_dictionary(sae_lens(tmp_path, tensors(), **settings))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"transcode": True}, "transcode=True"),
        ({"skip_connection": True}, "skip_connection=True"),
        ({"activation": "groupmax"}, "activation='groupmax'"),
        ({"k": None}, "settings without k"),
    ],
)
def test_other_sparse_coders_are_refused(tmp_path, settings, words):
    with pytest.raises(FileError, match=words):
        load_dictionary(sparsify(tmp_path, tensors(), **settings))


def test_missing_and_misshapen_tensors_are_named(tmp_path):
    w = tensors()
    for name in ("W_dec", "b_enc"):
        lacking = {k: v for k, v in w.items() if k != name}
        with pytest.raises(FileError, match=rf"lacks tensors \['{name}'\]; there is"):
            load_dictionary(sae_lens(tmp_path, lacking))
    with pytest.raises(FileError, match=r"W_dec \(6, 15\) instead of \(15, 6\)"):
        load_dictionary(sae_lens(tmp_path, {**w, "W_dec": w["W_dec"].T.contiguous()}))
    broken = {**w, "b_dec": torch.full((N,), torch.nan)}
    with pytest.raises(FileError, match="decoder_bias must hold finite numbers"):
        load_dictionary(sae_lens(tmp_path, broken))


def test_files_that_are_not_there_or_not_whole(tmp_path):
    with pytest.raises(FileError, match="there is nothing at"):
        load_dictionary(tmp_path / "nowhere")
    with pytest.raises(FileError, match="holds none of sae_weights"):
        load_dictionary(tmp_path)
    place = sae_lens(tmp_path, tensors())
    (place / "cfg.json").write_text("{")
    with pytest.raises(FileError, match="cannot be read as JSON"):
        load_dictionary(place)
    file = place / "sae_weights.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    (place / "cfg.json").write_text("{}")
    with pytest.raises(FileError, match="cannot be read"):
        load_dictionary(place)
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(FileError, match=r"must be a \.safetensors, \.npz or \.pt"):
        load_dictionary(tmp_path / "a.txt")
    np.savez(tmp_path / "p.npz", W_enc=np.ones((3, 4)))
    with pytest.raises(FileError, match="lacks tensors"):
        load_dictionary(tmp_path / "p.npz")


class Anything:
    """Something that a state dict has no business to hold."""


def test_no_code_is_run_from_a_pickle(tmp_path):
    torch.save({"pre_bias": Anything()}, tmp_path / "x.pt")
    with pytest.raises(FileError, match="holds more than weights and is not unpickled"):
        load_dictionary(tmp_path / "x.pt")


def test_sparsify_without_settings(tmp_path):
    place = sparsify(tmp_path, tensors())
    (place / "cfg.json").unlink()
    with pytest.raises(FileError, match=r"no cfg\.json beside it"):
        load_dictionary(place)
