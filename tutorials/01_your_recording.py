# %% [markdown]
# # Your recording, three levels
#
# You have a table of trials and arrays of activity. This page asks three questions of them,
# one for each of Marr's levels:
#
# | level | question | call |
# |---|---|---|
# | behavior | what is computed, and how well? | `psychometric`, `accuracy`, `movement` |
# | representation | what can be read out of the activity, where and when? | `decode`, `rdm` |
# | implementation | on which units does that depend? | `ablate` |
#
# First the calls meet a simulated animal, of which we know the answers; then a mouse.
# [The second tutorial](02_your_network.md) makes the same calls on a network.

# %% [markdown]
# ## From arrays to a system
#
# `marr.zoo.planted_recording` simulates an animal that decides whether something is on the
# left (-1) or on the right (1). Take it apart into plain arrays, as you would have them:

# %%
import tempfile
from pathlib import Path

import pandas as pd

import marr

planted = marr.zoo.planted_recording(n_trials=1200, seed=0)
table = planted.trials  # one row a trial
arrays = {site: planted.activity(site).values for site in planted.sites}
time = planted.activity("front")["time"].values  # seconds from stimulus onset
units = {  # optional: one row a unit, any columns
    site: pd.DataFrame({"cell_group": planted.activity(site)["planted"].values})
    for site in planted.sites
}
print({site: array.shape for site, array in arrays.items()}, "trial, time, unit")
table.head(3)

# %% [markdown]
# From here on everything could be yours. Names of columns are free, but a few have a
# meaning: `choice` and `correct` are the animal's behavior, and `block` (or `session`, or
# `sequence`) says which trials depend on each other. Whatever is resampled, shuffled or cut
# into folds, those stay together.

# %%
animal = marr.from_arrays(arrays, table, time=time, units=units, name="animal")
animal

# %% [markdown]
# ## Behavior: what is computed
#
# Planted: the choice follows a cumulative normal of the stimulus, 0.35 wide (standard
# deviation). In blocks of 25 trials one side is four times as likely, and the threshold
# moves by 0.2 towards the other side. Three in a hundred choices on each side are lapses.

# %%
curves = marr.behavior.psychometric(
    animal, stimulus="stimulus", choice="choice", by="block_side", link="gaussian"
)
curves.figure()

# %% [markdown]
# A *finding* is what every analysis returns. Its summary is one sentence, its notes are
# what you should know before you believe it:

# %%
curves

# %% [markdown]
# The numbers are an `xarray.Dataset` in `curves.estimate`, or a table. Put the truth beside
# them (the width runs from 5 to 95 % of the curve, 3.29 standard deviations):

# %%
rows = curves.to_frame().set_index(["block_side", "parameter"])
truth = {"threshold": 0.2, "width": 3.29 * 0.35, "lapse_low": 0.03, "lapse_high": 0.03}
rows = rows.loc[
    rows.index.isin(truth, level="parameter"), ["estimate", "ci_low", "ci_high"]
]
rows["planted"] = [
    truth[name] * (-side if name == "threshold" else 1) for side, name in rows.index
]
rows["inside"] = rows["planted"].between(rows["ci_low"], rows["ci_high"])
rows

# %% [markdown]
# These are 95 % intervals, so a table of eight holds a miss in one of three such
# simulations. What they generalize over is written in the finding; another animal it is not:

# %%
curves.generalizes_over

# %% [markdown]
# How often is the animal right? The bar is not one half: an animal that repeats the side
# that was right on the last trial does better than that, and so has to be beaten.

# %%
marr.behavior.accuracy(animal)

# %% [markdown]
# ## Representation: what can be read out
#
# Planted: in `front`, four units carry the choice from 0.2 s on and four the side of the
# block at all times. In `back`, four units carry the stimulus from 0 s on and four the
# animal's movement - which leans towards the side that it will choose. All units drift.

# %%
choice = marr.representation.decode(animal, "choice")
choice.figure()

# %%
choice

# %% [markdown]
# `front` carries the choice from 0.2 s on, as planted. Before, it looks as if it knew the
# choice in about 7 of 10 trials, but that is the block: choices come in runs, and so does
# activity. The null distribution shifts the choices along the session and so keeps the
# runs, and these cells are not above it.
#
# `back` is above it even *before* the stimulus. Is this a plan? It is movement. A nuisance
# is named once, in `control`, and regressed out of the activity inside each fold:

# %%
still = marr.representation.decode(animal, "choice", control=["movement"])
steady = marr.representation.decode(animal, "choice", control=["movement", "stimulus"])
beyond = marr.representation.decode(
    animal, "choice", control=["movement", "stimulus", "block_side"]
)


def at(finding, site, seconds):
    cell = finding.estimate.sel(site=site, time=seconds)
    return f"{float(cell.estimate):.2f} (p = {float(cell.p_corrected):.3f})"


findings = {
    "nothing": choice,
    "movement": still,
    "movement, stimulus": steady,
    "movement, stimulus, block side": beyond,
}
pd.DataFrame(
    {
        f"{site}, {seconds} s": [at(f, site, seconds) for f in findings.values()]
        for site in animal.sites
        for seconds in (-0.1, 0.4)
    },
    index=pd.Index(findings, name="controlled for"),
)

# %% [markdown]
# Balanced accuracy, with p corrected over the whole map. With movement controlled nothing
# that `back` knew before the stimulus is above chance; what it holds afterwards is the
# stimulus, and goes with it. `front` keeps the choice from 0.2 s on in every row. Control
# for what else predicts the choice, and for no more: once the side of the block is named,
# too, `front` before the stimulus is where it belongs, at chance.
#
# Movement and units drift, and two drifting series resemble each other without any
# relation. That is why the null distribution under `control` shifts what is left of the
# activity along the session, against choice and nuisances together (the finding's
# `methods` say so): drift alone then looks the same in the data and in the null.
#
# Which stimuli look alike to `back`? A dissimilarity matrix; the distance is
# cross-validated, so that two equal stimuli are 0 apart on average, however noisy:

# %%
geometry = marr.representation.rdm(animal, on="stimulus", sites="back")
geometry.figure()

# %% [markdown]
# ## Implementation: what it depends on
#
# Nobody saw this animal choose without a unit. What *can* be perturbed is a readout of the
# recorded activity: fit it, take a unit out, see what the readout loses. There are two
# ways to ask, and they are different questions:
#
# - `readout="fixed"`: the readout stays as it was and loses what the unit told it;
# - `readout="refit"`: it is fitted anew without the unit, so others may stand in.

# %%
measure = marr.measures.decoded("choice")
fixed = marr.implementation.ablate(animal, over="unit", measure=measure)
refit = marr.implementation.ablate(
    animal, over="unit", measure=measure, readout="refit"
)
fixed.figure()

# %%
groups = {site: animal.activity(site)["cell_group"].values for site in animal.sites}
losses = pd.DataFrame(
    {"fixed": fixed.estimate.estimate.values, "refit": refit.estimate.estimate.values},
    index=[f"{site}: {group}" for site in animal.sites for group in groups[site]],
)
losses.groupby(level=0).mean()

# %% [markdown]
# The mean loss of a single unit (in probability given to the true choice), by what was
# planted in it. The readout leans on the choice units most. It also leans a little on the
# block, the stimulus and movement, all of which predict the choice - but when it may be
# fitted anew, the choice units make up for most of that.

# %%
refit

# %% [markdown]
# A unit is counted if its loss survives the correction over units *and* is larger than what
# random directions of the same site cost. Four units carry the same choice, so each can be
# spared at a small price. That does not make them irrelevant, as the joint ablation in the
# note says. Take out whole groups: `over` accepts any column of the unit table.

# %%
together = marr.implementation.ablate(animal, over="cell_group", measure=measure)
together.figure()

# %%
together

# %% [markdown]
# ### What the words mean
#
# Every finding has an evidence grade, and its sentences use only the verbs of that grade.
# This one is predictive: a *readout depends on* units. No sentence says that the animal
# needs them, and a question that the recording cannot answer is refused:

# %%
print(together.evidence)
try:
    marr.implementation.ablate(animal, measure=marr.measures.accuracy())
except marr.MarrError as error:
    print(f"{type(error).__name__}: {error}")

# %% [markdown]
# If some trials were recorded under a real perturbation, name them in a column
# `perturbation` and ask with `ablate(..., over="perturbation", assignment="randomized")`:
# then it is causal.
#
# ## A mouse
#
# The same calls, on data. marr brings a session of a mouse that explored and then slept:
# spikes of the anterodorsal thalamus (`adn`, 7 units) and of hippocampal CA1 (8 units),
# with its heading while awake. From your own NWB file it would be
#
# ```python
# mouse = marr.read_nwb(
#     "session.nwb",
#     epochs=(5.0, "wake"),  # cut the continuous session into trials of 5 s
#     bin_width=0.1,
#     variables={"heading": "CompassDirection/ry"},
# )
# ```

# %%
mouse = marr.datasets.mouse_heading(state="wake")
asleep = marr.datasets.mouse_heading(state="sleep")
mouse

# %% [markdown]
# Epochs are 5 s long because heading changes slowly: bins of 0.1 s are no trials of their
# own, and bins of one epoch always stay in one fold.
#
# Save what you have cut, and open it again. It is a zarr folder, written in one piece or
# not at all; activity is read when it is looked at.

# %%
folder = Path(tempfile.mkdtemp())
mouse.save(folder / "mouse.zarr")
mouse = marr.open(folder / "mouse.zarr")
mouse

# %% [markdown]
# **Behavior.** The mouse had no task: it never reported where it was heading, so there is
# nothing to score. Its turning can be described.

# %%
turning = marr.behavior.movement(mouse, variable="angular_velocity")
turning

# %% [markdown]
# **Representation.** Heading is an angle and varies within the epoch. `decode` knows both
# from the data; without "time" in `over`, one probe reads all bins.

# %%
heading = marr.representation.decode(mouse, "heading", over=("site",))
heading.figure()

# %%
heading

# %% [markdown]
# The thalamus is a compass. From these eight CA1 cells heading can hardly be read: their
# mean cosine is near that of a guess. The note on shuffles is no decoration: neighboring
# epochs resemble each other, so only shifts of the whole session are honest shuffles, and
# there are few of them.
#
# Do the two sites arrange headings alike? Two rings look alike for being rings. So what any
# ring shares, the angle between headings, is taken out of both:

# %%
rings = marr.representation.rdm(mouse, on="heading", bins=12)
rings.figure()

# %%
adn, ca1 = (
    marr.representation.rdm(mouse, on="heading", bins=12, sites=site)
    for site in mouse.sites
)
alike = marr.representation.compare_rdms(adn, ca1, control="angular")
alike

# %% [markdown]
# No agreement was *seen*, which is less than "they differ": the noise ceiling says how
# little agreement such noisy matrices could show at most.

# %% [markdown]
# **Implementation.** On which units does the readout of heading depend? In a compass every
# direction of activity is worth something, so no cell stands out from random directions of
# its site. A margin, fixed beforehand, asks instead whose loss is worth mentioning: here
# 0.02 in the mean cosine.

# %%
measure = marr.measures.decoded("heading")
read_from = marr.implementation.ablate(mouse, over="unit", measure=measure, margin=0.02)
read_anew = marr.implementation.ablate(
    mouse, over="unit", measure=measure, margin=0.02, readout="refit"
)
read_from.figure()

# %%
read_from

# %% [markdown]
# ## Where levels and states meet: links
#
# Which pairs of thalamic cells fire together is an answer, too. Is it the same in sleep,
# without any heading to follow? Two findings over the same pairs can be *linked*: the link
# is a test of its own, and its null distribution comes from shifting every unit's activity
# by itself, because pairs share units and are not independent.

# %%
wake_pairs = marr.representation.pairwise_correlations(mouse, site="adn")
sleep_pairs = marr.representation.pairwise_correlations(asleep, site="adn")
kept = marr.link(wake_pairs, sleep_pairs, along="pair", same_units=True)
kept

# %% [markdown]
# Not every link is allowed. Units with a large weight in a decoder are the units whose
# removal hurts that decoder: true by construction, also for shuffled data. marr refuses.

# %%
try:
    marr.link(heading.per("unit"), read_from, kind="used")
except marr.MarrError as error:
    print(f"{type(error).__name__}: {error}")

# %% [markdown]
# ## The report
#
# A report holds findings and links under the questions that they answer, one row a
# question, one column a level. What was not measured is said, not left blank.

# %%
WHERE = "Where is heading, and which units is it read from?"
SLEEP = "Is the pairwise structure of wake kept in sleep?"

report = marr.Report("A compass in the mouse's thalamus")
report.study("Mouse", "One session of one mouse, awake and asleep.")
report.add(turning, heading, rings, read_from, read_anew, question=WHERE)
report.add(wake_pairs, sleep_pairs, question=SLEEP)
report.link(
    wake_pairs, sleep_pairs, along="pair", same_units=True, question=SLEEP,
    family="confirmatory",
)  # fmt: skip
report.not_measured(
    question=WHERE,
    level="behavior",
    text="The mouse had no task and reported no heading.",
)
page = report.save(folder / "mouse.html")
print(page.name, f"{page.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# One file that needs no network and no server. `report.save("mouse.json")` keeps the
# numbers alone, and `marr.Report.open` reads either back, exactly:

# %%
print(marr.Report.open(page).findings == report.findings)

# %% [markdown]
# All of this generalizes over epochs of one session of one mouse. For several sessions or
# animals put the recordings into a `marr.Cohort` and make the same calls; the intervals then
# run over its members.
