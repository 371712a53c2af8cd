# %% [markdown]
# # Your network, three levels
#
# You have a PyTorch model, inputs and a table of trials. This page asks of the model what
# [the first tutorial](01_your_recording.md) asks of a recording, with the same calls. Two
# things are new: a model *runs*, so what its behavior needs can be found out by taking
# things away; and that lets findings of two levels be linked.
#
# First a network that was trained on a mouse's task, then one that was built by hand so
# that the answer is known.

# %%
import tempfile
from functools import partial
from pathlib import Path

import pandas as pd

import marr

# %% [markdown]
# ## From a model to a system
#
# The task is a mouse's. A grating appears left or right, at some contrast or none; in
# blocks one side is four times as likely. marr brings one mouse's choices (a table
# without activity is a system, too), and networks that were trained on generated trials
# to be *correct* - never on the mouse's choices, or likeness would prove nothing.

# %%
mouse = marr.datasets.mouse_decision(protocol="biased")
inputs, trials = marr.zoo.decision_inputs(mouse.trials)
model = marr.zoo.decision_networks(n=1)[0]  # any torch.nn.Module
print(model)
print(inputs.shape, "trial, step, feature")

# %% [markdown]
# `hook` makes a system of it. Sites are names of submodules. The readout turns outputs into
# behavior. Trials of a `sequence` are run one after the other, so that the network keeps
# its state and can know the block. Trials at the start of a sequence, where it cannot, are
# left out.

# %%
net = marr.hook(
    model,
    inputs,
    trials,
    sites=["recurrent"],
    readout=partial(marr.readouts.choice, labels=[-1, 1]),
    sequences="sequence",
    name="network",
).select("not burn_in")
activity = net.activity("recurrent")
print(net, activity.dims, activity.shape)

# %% [markdown]
# The choices in the table were the mouse's. On the network's side they are called
# `reference_choice`; `choice` is the network's own, and anew after every perturbation.

# %%
net.trials[
    ["contrast", "probability_left", "reference_choice", "choice", "correct"]
].head(3)

# %% [markdown]
# ## Behavior: what is computed
#
# The same call for both. Are choices at zero contrast, where only the block can help,
# shifted towards its side?

# %%
curves = {
    system.name: marr.behavior.psychometric(
        system, stimulus="contrast", choice="choice", by="probability_left"
    )
    for system in (mouse, net)
}
curves["network"].figure()

# %%
curves[mouse.name].figure()

# %% [markdown]
# Tables hold what the figure does not: here, the difference between blocks of the
# probability to choose right at zero contrast.

# %%
shifts = {
    name: finding.tables["contrast"].sel(parameter="bias", comparison="0.8 - 0.2")
    for name, finding in curves.items()
}
pd.DataFrame(
    {
        name: {key: float(shift[key]) for key in ("estimate", "ci_low", "ci_high")}
        for name, shift in shifts.items()
    }
).T

# %% [markdown]
# Both choose the side that the block favors; the network, which was trained to be right, is
# swayed more. What the intervals hold for is written in the notes of each finding: more
# trials of this mouse, more trials of this network. Other mice and other networks they are
# not.
#
# ## Representation: what can be read out, and when
#
# The block is never shown. Does the network's activity carry it?

# %%
blocks = net.select("probability_left != 0.5")
prior = marr.representation.decode(blocks, "block_side", over=("time",))
prior.figure()

# %%
prior

# %% [markdown]
# At every step, also before the stimulus (steps 3 to 5): the prior waits in the state. The
# null distribution keeps whole blocks together. Mind the note: whoever knows the block of
# the last trial knows this one's, so being decodable is no feat. Whether it is *used* is
# another question.
#
# ## Perturbation gives another system
#
# `perturb` returns a system on which every call works as before.

# %%
half = net.perturb(marr.Ablate("recurrent", units=range(16), mode="mean"))
half

# %%
for system in (net, half):
    print(marr.behavior.accuracy(system).summary)

# %% [markdown]
# ## Implementation: what behavior needs
#
# One unit at a time, held at its mean. The measure is behavior: how often the choice goes
# with the block where there is nothing to see. The control measure is what should *not*
# change: choices at full contrast.

# %%
needed = marr.implementation.ablate(
    blocks,
    over="unit",
    measure=marr.measures.choice_follows("block_side", where="contrast == 0"),
    control_measure=marr.measures.accuracy(where="abs_contrast == 1"),
    n_random=20,
)
needed.figure()

# %%
needed

# %% [markdown]
# The model was run without each unit, so the grade is causal and the sentence may say
# *needs*. Any difference between two runs of a deterministic model is "significant" with
# enough trials; hence the bar: what random directions of the same site cost. Such a
# direction touches every unit a little, so this is a hard bar; `margin=` sets your own.
#
# ## The link: is what can be read out also what is needed?
#
# Two findings over the same units. `prior.per("unit")` holds how strongly each unit's
# activity follows the block; `needed`, what its loss costs. Both were also computed on two
# halves of the trials, and the link compares opposite halves, so noise that they share
# makes no link.

# %%
used = marr.link(prior.per("unit"), needed, kind="used")
used

# %% [markdown]
# Look at the sign. If the units that carry the block were those that its use needs, the
# correlation would be positive. In this network it is not: the strongest decoders are not
# the units to lesion. Is that a law? It is one network; see below.
#
# What if "needed" had been measured with the decoder itself? Then the answer would be
# positive by construction, on shuffled labels as well, and marr does not give it:

# %%
circular = marr.implementation.ablate(
    blocks,
    over="unit",
    measure=marr.measures.decoded("block_side"),
    n_random=10,
    joint=False,
)
try:
    marr.link(prior.per("unit"), circular, kind="used")
except marr.MarrError as error:
    print(f"{type(error).__name__}: {error}")

# %% [markdown]
# ## A network with a known answer
#
# `marr.zoo.planted_network` was built by hand. One unit holds the block and is read out;
# three more hold exact copies of it and are read by nothing. Two units hold the evidence,
# and two hold copies.

# %%
planted = marr.zoo.planted_network(n_trials=1000, seed=0)
known = marr.hook(
    planted.model,
    planted.inputs,
    planted.trials,
    sites=["recurrent"],
    readout=partial(marr.readouts.choice, labels=[-1, 1]),
    name="planted network",
)
planted.units

# %%
follows = marr.measures.choice_follows("block_side")
carried = marr.representation.decode(known, "block_side", over=("time",))
lesions = marr.implementation.ablate(known, over="unit", measure=follows)
names = {unit: name for name, members in planted.units.items() for unit in members}
pd.DataFrame(
    {
        "holds": [names[unit] for unit in range(12)],
        "carries the block": carried.per("unit").estimate.estimate.values,
        "loss without it": lesions.estimate.estimate.values,
    },
    index=pd.Index(lesions.estimate.unit.values, name="unit"),
)

# %% [markdown]
# The copies carry the block as well as the original does, and nothing is lost without
# them. Decodable is not needed. (Without evidence the choice follows the block *more*
# often: a negative loss.) The same by groups, which `over` takes by name; the bar is now
# what random sets of as many other units cost:

# %%
groups = {name: {"recurrent": members} for name, members in planted.units.items()}
by_group = marr.implementation.ablate(known, over=groups, measure=follows)
by_group.figure()

# %%
by_group

# %% [markdown]
# What does the link say?

# %%
marr.link(carried.per("unit"), lesions, kind="used")

# %% [markdown]
# No link seen, and how strong it would have to be to be seen with twelve units. That is a
# null result and no proof of absence; the table above, from an intervention, is stronger.
#
# ## Over what do you generalize? Cohorts
#
# All numbers so far hold for one network. Other seeds are other networks. A cohort takes
# the same calls; intervals then run over its members, and units, which members do not
# share, are joined within each member.

# %%
seeds = marr.Cohort(
    [
        marr.hook(
            trained,
            inputs,
            trials,
            sites=["recurrent"],
            readout=partial(marr.readouts.choice, labels=[-1, 1]),
            sequences="sequence",
            name=f"network {seed}",
        ).select("not burn_in")
        for seed, trained in enumerate(marr.zoo.decision_networks(n=4))
    ],
    name="networks",
    member_kind="seeds",
)
in_blocks = seeds.select("probability_left != 0.5")
all_curves = marr.behavior.psychometric(
    seeds, stimulus="contrast", choice="choice", by="probability_left"
)
all_prior = marr.representation.decode(in_blocks, "block_side", over=("time",))
all_needed = marr.implementation.ablate(
    in_blocks,
    over="unit",
    measure=marr.measures.choice_follows("block_side", where="contrast == 0"),
    control_measure=marr.measures.accuracy(where="abs_contrast == 1"),
    n_random=20,
)
all_prior

# %%
all_needed

# %% [markdown]
# ## The report
#
# Questions are rows, levels are columns, and what nobody measured is said. The report
# knows which links its findings would allow:

# %%
COMBINE = "Do mouse and networks combine evidence with the block alike?"
NEED = "Which units carry the block, and which does its use need?"

report = marr.Report("Does the network solve the task as the mouse does?")
report.add(curves[mouse.name], all_curves, question=COMBINE)
report.not_measured(
    question=COMBINE, level="representation", text="Mouse: no neurons were recorded."
)
report.add(all_prior, all_needed, question=NEED)
for missing in report.untested():
    print(missing["call"])

# %% [markdown]
# Declare the one that was asked beforehand as confirmatory; exploratory ones are corrected
# among themselves and cannot change its verdict.

# %%
report.link(
    all_prior.per("unit"), all_needed, kind="used", question=NEED, family="confirmatory"
)
report.links[0]

# %% [markdown]
# Network by network, the correlation of the two columns (over all trials, without the
# halves of the link):

# %%
points = report.links[0].points.to_dataframe().groupby("member")
points.apply(lambda p: p["x"].corr(p["y"], method="spearman")).to_frame(
    "rank correlation"
)

# %% [markdown]
# Seeds of one architecture, trained alike, do not agree on whether what can be decoded is
# what is needed. From one of them alone either conclusion could have been published. So the
# number that matters is the interval over networks, and the verdict goes by it.

# %%
page = report.save(Path(tempfile.mkdtemp()) / "networks.html")
print(page.name, f"{page.stat().st_size / 1e6:.1f} MB")
