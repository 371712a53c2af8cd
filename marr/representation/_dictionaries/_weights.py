"""From the tensors and settings of released autoencoders to the parts of a dictionary."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Part", "from_encoder_rows", "from_openai", "from_plain", "from_sae_lens"]

NORMALIZE = {
    "none": "none",
    "layer_norm": "layer_norm",
    "constant_norm_rescale": "constant_norm",
    "expected_average_only_in": "none",
}
"""SAELens' names of normalizations, and ours."""

Tensors = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """Parts of a dictionary.

    Attributes
    ----------
    format : str
        Name of the format.
    values : dict
        Arguments of `Dictionary`.
    about : dict
        What else the files say.
    needs_factor : bool
        Whether activity must be multiplied by a factor that is not in the files.
    """

    format: str
    values: dict[str, Any]
    about: dict[str, Any] = field(default_factory=dict)
    needs_factor: bool = False


def _need(tensors: Tensors, names: Sequence[str]) -> None:
    missing = [n for n in names if n not in tensors]
    if missing:
        msg = f"lacks tensors {missing}; there is {sorted(tensors)}."
        raise FileError(msg)


def _fit(tensors: Tensors, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise unless the tensors that are there have these shapes."""
    wrong = [
        f"{name} {tuple(np.shape(tensors[name]))} instead of {shape}"
        for name, shape in shapes.items()
        if name in tensors and tuple(np.shape(tensors[name])) != shape
    ]
    if wrong:
        msg = f"has tensors of other shapes: {'; '.join(wrong)}."
        raise FileError(msg)


def _refuse(settings: Mapping[str, Any], plain: Mapping[str, Any]) -> None:
    """Raise for a setting that changes what features are and is not followed."""
    for name, expected in plain.items():
        got = settings.get(name, expected)
        if got not in (expected, None):
            msg = (
                f"has {name}={got!r}, which is not supported (only {expected!r}). Use a "
                "standard, topk or jumprelu autoencoder of the activity itself."
            )
            raise FileError(msg)


def from_sae_lens(tensors: Tensors, settings: Mapping[str, Any]) -> Part:
    """Return the parts of an autoencoder of SAELens (before and since version 6)."""
    kind, k = _sae_lens_kind(settings, tensors)
    names = ["W_enc", "b_enc", "W_dec", "b_dec"]
    _need(tensors, names)
    n_units, n_features = np.shape(tensors["W_enc"])
    _fit(
        tensors,
        {
            "b_enc": (n_features,),
            "W_dec": (n_features, n_units),
            "b_dec": (n_units,),
            "threshold": (n_features,),
            "log_threshold": (n_features,),
            "scaling_factor": (n_features,),
        },
    )
    _fit_settings(settings, {"d_in": n_units, "d_sae": n_features})
    normalize = settings.get("normalize_activations", "none")
    if isinstance(normalize, bool):
        normalize = "expected_average_only_in" if normalize else "none"
    if normalize not in NORMALIZE:
        msg = f"has normalize_activations={normalize!r}; known are {list(NORMALIZE)}."
        raise FileError(msg)
    values = _plain(tensors)
    values |= {
        "kind": kind,
        "k": k,
        "center": bool(settings.get("apply_b_dec_to_input", True)),
        "normalize": NORMALIZE[normalize],
    }
    if kind == "jumprelu":
        values["threshold"] = _threshold(tensors)
    if kind != "topk":
        _refuse(settings, {"rescale_acts_by_decoder_norm": False})
    if settings.get("rescale_acts_by_decoder_norm"):
        norms = np.linalg.norm(values["decoder"], axis=1)
        values["encoder"] = values["encoder"] * norms
        values["encoder_bias"] = values["encoder_bias"] * norms
        values["decoder"] = values["decoder"] / norms[:, None]
    factor = tensors.get("scaling_factor", tensors.get("finetuning_scaling_factor"))
    if settings.get("finetuning_scaling_factor") and factor is not None:
        values["decoder"] = values["decoder"] * np.asarray(factor)[:, None]
    elif factor is not None and not np.allclose(factor, 1):
        msg = "holds scaling factors that its settings do not ask for."
        raise FileError(msg)
    about = _about(settings)
    return Part("SAELens", values, about, normalize == "expected_average_only_in")


def _sae_lens_kind(
    settings: Mapping[str, Any], tensors: Tensors
) -> tuple[str, int | None]:
    architecture = settings.get("architecture", "standard")
    activation = settings.get(
        "activation_fn_str", settings.get("activation_fn", "relu")
    )
    arguments = settings.get("activation_fn_kwargs") or {}
    if architecture == "standard" and activation == "topk":
        architecture, k = "topk", arguments.get("k")
    else:
        k = settings.get("k", arguments.get("k"))
    known = {"standard": "relu", "topk": "topk", "jumprelu": "jumprelu"}
    if architecture not in known:
        msg = (
            f"has architecture {architecture!r}; known are {list(known)}. Gated "
            "autoencoders and transcoders are not dictionaries of one site."
        )
        raise FileError(msg)
    kind = known[architecture]
    if kind != "topk":
        _refuse({"activation": activation}, {"activation": "relu"})
        return kind, None
    if not isinstance(k, int):
        msg = f"is of architecture 'topk' but its settings give k={k!r}."
        raise FileError(msg)
    del tensors
    return kind, k


def _threshold(tensors: Tensors) -> Any:
    if "threshold" in tensors:
        return tensors["threshold"]
    if "log_threshold" in tensors:
        return np.exp(tensors["log_threshold"])
    msg = f"is a jumprelu autoencoder without threshold; there is {sorted(tensors)}."
    raise FileError(msg)


def _plain(tensors: Tensors) -> dict[str, Any]:
    return {
        "encoder": tensors["W_enc"],
        "encoder_bias": tensors["b_enc"],
        "decoder": tensors["W_dec"],
        "decoder_bias": tensors["b_dec"],
    }


def _fit_settings(settings: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
    wrong = [
        f"{name}={settings[name]!r} where the tensors have {size}"
        for name, size in sizes.items()
        if settings.get(name) not in (None, 0, size)
    ]
    if wrong:
        msg = f"has settings of another autoencoder: {'; '.join(wrong)}."
        raise FileError(msg)


def _about(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return where it belongs, as its settings say."""
    meta = settings.get("metadata") or settings.get("meta") or {}
    both = {**settings, **(meta if isinstance(meta, dict) else {})}
    names = ("model_name", "hook_name", "hook_point", "hook_head_index", "hookpoint")
    return {n: both[n] for n in names if isinstance(both.get(n), (str, int))}


def from_encoder_rows(tensors: Tensors, settings: Mapping[str, Any] | None) -> Part:
    """Return the parts of a TopK autoencoder of EleutherAI's sparsify."""
    if settings is None:
        msg = "has no cfg.json beside it, which says how many features are active (k)."
        raise FileError(msg)
    _need(tensors, ["encoder.weight", "encoder.bias", "W_dec", "b_dec"])
    _refuse(
        settings,
        {
            "activation": "topk",
            "transcode": False,
            "skip_connection": False,
            "embed_skip": False,
            "gram_lookup": False,
            "signed": False,
            "matching_pursuit": False,
        },
    )
    n_features, n_units = np.shape(tensors["encoder.weight"])
    _fit(
        tensors,
        {
            "encoder.bias": (n_features,),
            "W_dec": (n_features, n_units),
            "b_dec": (n_units,),
        },
    )
    _fit_settings(settings, {"d_in": n_units, "num_latents": n_features})
    if not isinstance(settings.get("k"), int):
        msg = f"has settings without k; there is {sorted(settings)}."
        raise FileError(msg)
    values = {
        "kind": "topk",
        "k": settings["k"],
        "encoder": np.ascontiguousarray(tensors["encoder.weight"].T),
        "encoder_bias": tensors["encoder.bias"],
        "decoder": tensors["W_dec"],
        "decoder_bias": tensors["b_dec"],
        "center": True,
    }
    return Part("EleutherAI", values, _about(settings))


def from_openai(tensors: Tensors) -> Part:
    """Return the parts of an autoencoder of OpenAI (rows are normalized with TopK)."""
    _need(tensors, ["pre_bias", "encoder.weight", "latent_bias", "decoder.weight"])
    n_features, n_units = np.shape(tensors["encoder.weight"])
    _fit(
        tensors,
        {
            "pre_bias": (n_units,),
            "latent_bias": (n_features,),
            "decoder.weight": (n_units, n_features),
        },
    )
    activation = tensors.get("activation", "ReLU")
    state = tensors.get("activation_state_dict") or {}
    if activation not in ("ReLU", "TopK"):
        msg = f"has activation {activation!r}; known are 'ReLU' and 'TopK'."
        raise FileError(msg)
    if activation == "TopK":
        _refuse(state, {"postact_fn": "ReLU"})
        if not isinstance(state.get("k"), int):
            msg = "is of activation 'TopK' without k."
            raise FileError(msg)
    values = {
        "kind": "topk" if activation == "TopK" else "relu",
        "k": state.get("k"),
        "encoder": np.ascontiguousarray(tensors["encoder.weight"].T),
        "encoder_bias": tensors["latent_bias"],
        "decoder": np.ascontiguousarray(tensors["decoder.weight"].T),
        "decoder_bias": tensors["pre_bias"],
        "center": True,
        "normalize": "layer_norm" if activation == "TopK" else "none",
    }
    return Part("OpenAI", values)


def from_plain(tensors: Tensors, settings: Mapping[str, Any] | None) -> Part:
    """Return the parts of a JumpReLU autoencoder of Gemma Scope."""
    named = {k.lower(): v for k, v in tensors.items()}
    if "affine_skip_connection" in named:
        msg = "has a skip connection: a transcoder is no dictionary of one site."
        raise FileError(msg)
    renamed = {"w_enc": "W_enc", "w_dec": "W_dec"}
    found = {renamed.get(k, k): v for k, v in named.items()}
    _need(found, ["W_enc", "b_enc", "W_dec", "b_dec", "threshold"])
    n_units, n_features = np.shape(found["W_enc"])
    _fit(
        found,
        {
            "b_enc": (n_features,),
            "W_dec": (n_features, n_units),
            "b_dec": (n_units,),
            "threshold": (n_features,),
        },
    )
    values = _plain(found)
    values |= {"kind": "jumprelu", "threshold": found["threshold"], "center": False}
    return Part("Gemma Scope", values, _about(settings or {}))
