"""What the toolkit claims, by simulation, through the public calls.

Each simulation runs twice: in few repetitions always, and in at least 500 when slow
tests are asked for. Limits are binomial; false positives at most at their level.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from scipy import stats

import marr
from marr._cohort_findings import combine_members
from marr.findings import Finding

ALPHA = 0.05
SIDE = np.array(["left", "right"])
QUICK = {"n_random": 0, "joint": False, "n_permutations": 19}


def repeated(few, many):
    """Few repetitions, and many of them as a slow test."""
    return pytest.mark.parametrize(
        "n_sims", [few, pytest.param(many, marks=pytest.mark.slow)]
    )


def at_most(rejected, n, level=ALPHA):
    """Tell whether so many rejections are no more than the level allows."""
    return rejected <= stats.binom.ppf(0.999, n, level)


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    """Intervals of links play no part here and take most of the time."""
    monkeypatch.setattr("marr.links._correlate.N_BOOTSTRAP", 10)


class Network(torch.nn.Module):
    """One layer of tanh units; the choice is the sign of a readout."""

    def __init__(self, weights, readout):
        super().__init__()
        self.inner = torch.nn.Linear(weights.shape[1], len(weights), bias=False)
        self.units = torch.nn.Tanh()
        self.out = torch.nn.Linear(len(weights), 2, bias=False)
        self.double()
        with torch.no_grad():
            self.inner.weight[:] = torch.from_numpy(weights)
            self.out.weight[:] = torch.from_numpy(np.stack([-readout, readout]))

    def forward(self, x):
        return self.out(self.units(self.inner(x)))


def read_choice(outputs, trials):
    outputs = np.asarray(outputs)
    sign = np.where(trials["target"] == "right", 1, -1)
    gap = (outputs[:, 1] - outputs[:, 0]) * sign
    return {"choice": SIDE[outputs.argmax(axis=1)], "gap": gap}


def network(rng, *, kind, n_units=20, n_trials=120, name="net"):
    """Return a hooked network and its shuffled labels.

    "plain": units mix six inputs. "spread": gains differ by a factor of ten. "shared":
    units follow the input that makes the target more or less, so that some have large
    patterns for any labels and cost more. "planted": half of the units carry the target,
    and only these are read out.
    """
    x = rng.normal(size=(n_trials, 6 + n_units))
    weights = np.zeros((n_units, x.shape[1]))
    weights[:, :6] = rng.normal(size=(n_units, 6)) / np.sqrt(6)
    if kind == "spread":
        weights *= np.exp(0.8 * rng.normal(size=(n_units, 1)))
    if kind == "shared":
        follows = rng.uniform(size=n_units)
        private = np.diag(np.sqrt(1 - follows**2))
        weights = np.column_stack([follows, np.zeros((n_units, 5)), private])
    target = (x[:, 0] > 0).astype(int)
    hidden = np.tanh(x @ weights.T)
    readout = np.linalg.solve(
        hidden.T @ hidden + np.eye(n_units), hidden.T @ (2 * target - 1)
    )
    if kind == "planted":
        carries = np.linspace(1, 0, n_units) * (np.arange(n_units) < n_units // 2)
        weights = np.column_stack(
            [carries, np.zeros((n_units, 5)), 0.7 * np.eye(n_units)]
        )
        readout = carries
    trials = pd.DataFrame(
        {"target": SIDE[target], "shuffled": rng.permutation(SIDE[target])}
    )
    return marr.hook(
        Network(weights, readout), torch.from_numpy(x), trials,
        sites=["units"], readout=read_choice, name=name,
    )  # fmt: skip


def used(system, label, **options):
    """Link the pattern of a label with what units are needed for."""
    need = marr.implementation.ablate(
        system, measure=marr.measures.column("gap", better="higher"), **QUICK
    )
    code = marr.representation.decode(system, label, n_permutations=99)
    return marr.link(
        code, need, along="unit", kind="used", n_permutations=499, **options
    )


@repeated(24, 500)
@pytest.mark.parametrize("kind", ["plain", "spread", "shared"])
def test_used_is_silent_on_shuffled_labels(kind, n_sims):
    rejected = 0
    for seed in range(n_sims):
        found = used(network(np.random.default_rng(seed), kind=kind), "shuffled")
        assert "opposite halves" in found.sentence
        rejected += found.verdict in ("supported", "reversed")
    assert at_most(rejected, n_sims)


@repeated(10, 500)
def test_used_is_silent_on_shuffled_labels_of_a_cohort(n_sims):
    rejected = 0
    for seed in range(n_sims):
        rng = np.random.default_rng(seed)
        members = [network(rng, kind="plain", name=f"seed {i}") for i in range(3)]
        found = used(marr.Cohort(members, name="nets"), "shuffled")
        assert found.over_members
        rejected += found.verdict in ("supported", "reversed")
    assert at_most(rejected, n_sims)


def test_used_is_found_where_it_was_planted():
    rng = np.random.default_rng(0)
    alone = [used(network(rng, kind="planted"), "target") for _ in range(6)]
    assert sum(f.verdict == "supported" for f in alone) >= 5
    members = [network(rng, kind="planted", name=f"seed {i}") for i in range(4)]
    together = used(marr.Cohort(members, name="nets"), "target")
    assert together.verdict == "supported"
    assert together.ci[0] > 0


def autoregressive(rng, shape, rho):
    x = rng.normal(size=shape)
    for i in range(1, len(x)):
        x[i] = rho * x[i - 1] + np.sqrt(1 - rho**2) * x[i]
    return x


def sticky(rng, n=120):
    """Choices that repeat in three of five trials, under drifting activity."""
    choice = np.cumsum(rng.random(n) > 0.6) % 2
    return autoregressive(rng, (n, 6), 0.95), {"choice": SIDE[choice]}, {}


def sessions(rng, n=120):
    """Choices biased by session, whose activity differs."""
    session = np.arange(n) * 8 // n
    choice = (rng.random(n) < rng.beta(2, 2, 8)[session]).astype(int)
    x = 2 * rng.normal(size=(8, 6))[session] + autoregressive(rng, (n, 6), 0.9)
    return x, {"choice": SIDE[choice], "session": session.astype(str)}, {}


def confound(rng, n=80):
    """Choices that follow a nuisance, as many units do, more than there are trials for."""
    z = rng.normal(size=n)
    choice = (z + 0.5 * rng.normal(size=n) > 0).astype(int)
    x = z[:, None] * rng.normal(size=40) + rng.normal(size=(n, 40))
    return x, {"choice": SIDE[choice], "z": z}, {"control": "z"}


@repeated(60, 2000)
@pytest.mark.parametrize("make", [sticky, sessions, confound])
def test_nothing_is_decoded_from_nothing(make, n_sims):
    rejected = 0
    for seed in range(n_sims):
        x, table, options = make(np.random.default_rng(seed))
        recording = marr.from_arrays({"A": x}, trials=pd.DataFrame(table))
        found = marr.representation.decode(
            recording, "choice", penalty=1.0, n_permutations=59, seed=seed, **options
        )
        rejected += float(found.estimate["p_value"].squeeze()) <= ALPHA
    # drift and stickiness that one series is too short to tell from chance cost a little
    assert at_most(rejected, n_sims, level=0.065)


@repeated(60, 1000)
def test_interval_of_a_decoding_holds_what_is_found_on_average(n_sims):
    """With folds and probes as they are, the spread over trials is most of the spread."""
    estimate, low, high = (np.empty(n_sims) for _ in range(3))
    for seed in range(n_sims):
        rng = np.random.default_rng(seed)
        side = np.tile([0, 1], 50)
        x = rng.normal(size=(100, 5))
        x[:, 0] += 1.2 * (2 * side - 1)
        recording = marr.from_arrays(
            {"A": x}, trials=pd.DataFrame({"side": SIDE[side]})
        )
        found = marr.representation.decode(
            recording, "side", penalty=1.0, n_permutations=0, seed=seed
        ).estimate.squeeze()
        estimate[seed], low[seed], high[seed] = (
            float(found[k]) for k in ("estimate", "ci_low", "ci_high")
        )
    held = ((low <= estimate.mean()) & (estimate.mean() <= high)).sum()
    assert held >= stats.binom.ppf(0.001, n_sims, 0.93)


@repeated(30, 500)
@pytest.mark.parametrize("readout", ["fixed", "refit"])
def test_no_unit_is_called_needed_that_is_not(readout, n_sims):
    """Ten units of noise, and one that carries the side: found alone, among all of them."""
    false = missed = 0
    for seed in range(n_sims):
        rng = np.random.default_rng(seed)
        side = rng.permutation(np.tile([0, 1], 50))
        x = rng.normal(size=(100, 11))
        x[:, 0] += 1.5 * (2 * side - 1)
        recording = marr.from_arrays(
            {"A": x}, trials=pd.DataFrame({"side": SIDE[side]})
        )
        needed = marr.implementation.ablate(
            recording, measure=marr.measures.decoded("side"), readout=readout,
            n_permutations=199, joint=False, n_random=20, seed=seed,
        ).estimate["needed"].values > 0.5  # fmt: skip
        missed += not needed[0]
        false += needed[1:].any()
    assert at_most(false, n_sims)
    assert missed <= 0.02 * n_sims


@repeated(100, 2000)
@pytest.mark.parametrize("assignment", ["randomized", "blocked", "observed"])
def test_a_perturbation_that_does_nothing(assignment, n_sims):
    """Performance drifts; labels are redrawn as they were assigned."""
    rejected, held = 0, 0
    for seed in range(n_sims):
        rng = np.random.default_rng(seed)
        drift = autoregressive(rng, (120, 1), 0.97)[:, 0]
        block = np.arange(120) // 10
        on = {
            "randomized": lambda r: r.permutation(np.tile([0, 1], 60)),
            "blocked": lambda r: r.permutation(np.tile([0, 1], 6))[
                np.arange(120) // 10
            ],
            "observed": lambda r: np.cumsum(r.random(120) > 0.9) % 2,
        }[assignment](rng)
        table = {
            "correct": (rng.random(120) < 1 / (1 + np.exp(-1 - drift))).astype(int),
            "perturbation": np.array(["none", "laser"])[on],
        }
        if assignment == "blocked":
            table["block"] = block
        if len(set(on)) < 2:
            continue
        found = marr.implementation.ablate(
            marr.from_arrays({}, trials=pd.DataFrame(table)),
            measure=marr.measures.accuracy(), over="perturbation",
            assignment=assignment, n_permutations=99, seed=seed,
        ).estimate  # fmt: skip
        rejected += float(found["p_value"][0]) <= ALPHA
        held += not (found["ci_low"][0] > 0 or found["ci_high"][0] < 0)
    assert at_most(rejected, n_sims)
    assert held >= n_sims - stats.binom.ppf(0.999, n_sims, ALPHA)


@pytest.mark.parametrize(
    ("chance", "better"), [(0.5, "higher"), (0.5, "lower"), (None, "higher")]
)
def test_a_cohort_rejects_and_covers_at_its_level(rng, chance, better):
    """Five members without effect, 4,000 cells; one-sided against chance only."""
    n_members, n_cells = 5, 4000
    truth = 0.0 if chance is None else chance
    values = truth + rng.normal(size=(n_members, n_cells))
    attrs = {"better": better} | (
        {"null": 0.0} if chance is None else {"chance": chance}
    )
    findings = []
    for row in values:
        data = xr.Dataset(
            {"estimate": ("cell", row)}, coords={"cell": np.arange(n_cells)}
        )
        data["estimate"].attrs = attrs
        findings.append(
            Finding(
                "a", "representation", "descriptive", "m", "q", "s", data,
                provenance={"systems": [], "data_hash": "", "seed": 0},
            )
        )  # fmt: skip
    systems = [marr.from_arrays({"A": np.ones((4, 2))}, name=f"m{i}") for i in range(5)]
    found = combine_members(
        marr.Cohort(systems, name="all"), findings, seconds=0.0
    ).estimate
    low, high = stats.binom.interval(0.999, n_cells, ALPHA)
    assert low <= (found["p_value"].values <= ALPHA).sum() <= high
    outside = (found["ci_low"].values > truth) | (found["ci_high"].values < truth)
    assert low <= outside.sum() <= high
    sign = 1 if better == "higher" else -1
    called = sign * (found["estimate"].values - truth)[found["p_value"].values <= ALPHA]
    assert (called > 0).all() if chance is not None else 0.3 < (called > 0).mean() < 0.7
    assert found["p_corrected"].values.min() == pytest.approx(
        min(1.0, found["p_value"].values.min() * n_cells)
    )


@pytest.mark.slow
@pytest.mark.parametrize("structured", [False, True])
def test_pairs_of_unrelated_recordings_are_not_linked(structured):
    """Autocorrelated units, alone or following a signal of their recording."""
    rejected, n_sims = 0, 500
    for seed in range(n_sims):
        rng = np.random.default_rng(seed)
        ends = []
        for name in ("wake", "sleep"):
            x = autoregressive(rng, (300, 10), 0.8)
            if structured:
                x += autoregressive(rng, (300, 1), 0.8) * np.abs(rng.normal(size=10))
            system = marr.from_arrays(
                {"A": x.reshape(15, 20, 10)}, time=np.arange(20.0), name=name
            )
            ends.append(
                marr.representation.pairwise_correlations(system, site="A", n_null=99)
            )
        found = marr.link(*ends, along="pair", same_units=True, n_permutations=499)
        rejected += found.p_value <= ALPHA
    assert at_most(rejected, n_sims)
