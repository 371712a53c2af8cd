"""State that carries over trials, and trials of different length."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import marr
from marr import Ablate, Patch, Steer
from marr.errors import ContractError, HookError, OptionError


class Rnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(2, 4, batch_first=True)
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        return self.out(self.rnn(x)[0])


class Backwards(Rnn):
    """Reads the end first, so that padding would matter."""

    def forward(self, x):
        return super().forward(x.flip(1)).flip(1)


SESSION = np.array(["a", "b", "a", "b", "b", "c", "a", "b"])


@pytest.fixture
def x():
    return torch.randn(8, 5, 2, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def table():
    return pd.DataFrame(
        {"session": SESSION, "target": np.arange(8) % 2}, index=np.arange(8) + 100
    )


def joined(model, x):
    """Run each session as one long sequence, by hand."""
    found = np.zeros((8, 5, 2), dtype=np.float32)
    for name in "abc":
        rows = np.flatnonzero(name == SESSION)
        sequence = x[rows].reshape(1, -1, 2)
        with torch.no_grad():
            found[rows] = model(sequence).reshape(len(rows), 5, 2).numpy()
    return found


@pytest.mark.parametrize("kind", [Rnn, Backwards])
@pytest.mark.parametrize("batch_size", [None, 1])
def test_sequences_are_run_whole_and_served_by_trial(kind, batch_size, x, table):
    torch.manual_seed(0)
    model = kind()
    system = marr.hook(
        model,
        x,
        table,
        sites=["rnn", "out"],
        sequences="session",
        batch_size=batch_size,
    )
    assert np.abs(system.outputs() - joined(model, x)).max() < 1e-6
    if kind is Rnn:
        assert np.abs(system.activity("out").values - system.outputs()).max() < 1e-6
    assert system.activity("rnn").shape == (8, 5, 4)
    alone = marr.hook(model, x, table, sites=["rnn"]).outputs()
    assert np.abs(alone - system.outputs()).max() > 1e-3
    assert system.group_column == "session"
    assert system.describe()["sequences"] == "session"


def test_a_selection_still_runs_whole_sequences(x, table):
    torch.manual_seed(0)
    system = marr.hook(
        Rnn(),
        x,
        table,
        sites=["rnn"],
        sequences="session",
        readout=marr.readouts.choice,
    )
    part = system.select([106, 101])
    assert np.abs(part.outputs() - joined(system.model, x)[[6, 1]]).max() < 1e-6
    assert part.trials["choice"].tolist() == part.outputs()[:, -1].argmax(1).tolist()


@pytest.mark.parametrize(
    "perturbation",
    [
        Ablate("rnn", units=[1], mode="mean", time=[0, 3]),
        Ablate("rnn", units=[1, 2], mode="resample"),
        Steer("rnn", [1, 0, 0, 0], np.linspace(0, 2, 8), time=slice(1, 2)),
        Patch("rnn", source=np.arange(8)[::-1] + 100, time=[4]),
        Ablate("rnn", subspace=np.ones((4, 1)), mode="zero"),
    ],
)
def test_perturbations_act_within_trials_and_carry_over(perturbation, x, table):
    torch.manual_seed(0)
    model = Rnn()
    system = marr.hook(model, x, table, sites=["rnn"], sequences="session")
    lesion = system.perturb(perturbation)
    intact = system.activity("rnn").values
    write = lesion._write(perturbation)
    found = np.zeros((8, 5, 2), dtype=np.float32)
    for name in "abc":
        rows = np.flatnonzero(name == SESSION)
        h = torch.zeros(1, 1, 4)
        for row in rows:
            for t in range(5):
                with torch.no_grad():
                    _, h = model.rnn(x[row : row + 1, t : t + 1], h)
                    state = by_hand(perturbation, h[0, 0].numpy(), intact, row, t)
                    h = torch.from_numpy(state.astype(np.float32))[None, None]
                    found[row, t] = model.out(h[0, 0]).numpy()
    assert write.timed
    assert np.abs(lesion.outputs() - found).max() < 1e-6
    a = lesion.select([103]).outputs()
    b = system.select([103]).perturb(perturbation).outputs()
    assert np.abs(a - b).max() < 1e-6


def by_hand(perturbation, h, intact, row, t):
    h = h.astype(float).copy()
    time = perturbation.time
    on = range(5) if time is None else time
    on = range(time.start, time.stop + 1) if isinstance(time, slice) else on
    if t not in on:
        return h
    if isinstance(perturbation, Steer):
        return h + perturbation.amount[row] * np.asarray(perturbation.direction)
    if isinstance(perturbation, Patch):
        return intact[7 - row, t]
    if perturbation.subspace is not None:
        basis = perturbation.subspace
        return h - basis[:, 0] * (h @ basis[:, 0])
    if perturbation.mode == "mean":
        h[perturbation.units] = intact[:, t, perturbation.units].mean(0)
    else:
        from marr.systems._apply import donor_trials

        donors = donor_trials(pd.DataFrame(index=range(8)), perturbation.seed)
        h[perturbation.units] = intact[donors[row], t, perturbation.units]
    return h


def test_ragged_trials(table):
    torch.manual_seed(0)
    model = Rnn()
    lengths = [3, 5, 1, 4, 5, 2, 3, 5]
    trials = [torch.randn(n, 2) for n in lengths]
    system = marr.hook(model, trials, sites=["rnn"], readout=marr.readouts.choice)
    activity, outputs = system.activity("rnn"), system.outputs()
    assert activity.shape == (8, 5, 4)
    for i, trial in enumerate(trials):
        with torch.no_grad():
            alone = model(trial[None])[0].numpy()
        assert np.abs(outputs[i, : len(trial)] - alone).max() < 1e-6
        assert np.isnan(outputs[i, len(trial) :]).all()
        assert activity["valid"].values[i].sum() == len(trial)
        assert np.isnan(activity.values[i, len(trial) :]).all()
        assert system.trials["choice"].iloc[i] == alone[-1].argmax()
        assert np.array_equal(system.outputs("last")[i], outputs[i, len(trial) - 1])
    lesion = system.perturb(Ablate("rnn", units=[1], mode="mean"))
    mean = np.nanmean(activity.values[..., 1], axis=0)
    found = lesion.activity("rnn").values[..., 1]
    assert np.nanmax(np.abs(found - mean)) < 1e-6
    resampled = system.perturb(Ablate("rnn", mode="resample"))
    assert not np.isnan(
        resampled.activity("rnn").values[activity["valid"].values]
    ).any()
    assert lesion.inert[lesion.perturbations[0]].tolist() == [False]
    with pytest.raises(ContractError, match="longer than the trials they are patched"):
        system.perturb(Patch("rnn", source=np.roll(np.arange(8), 1))).outputs()


def test_ragged_trials_of_a_model_that_reads_backwards():
    torch.manual_seed(0)
    model = Backwards()
    trials = [torch.randn(n, 2) for n in [3, 5, 3, 2]]
    outputs = marr.hook(model, trials, sites=["rnn"]).outputs()
    for found, trial in zip(outputs, trials, strict=True):
        with torch.no_grad():
            assert np.allclose(found[: len(trial)], model(trial[None])[0], atol=1e-6)


def test_ragged_trials_with_one_output_each():
    class Last(Rnn):
        def forward(self, x):
            return super().forward(x)[:, -1]

    torch.manual_seed(0)
    model = Last()
    trials = [torch.randn(n, 2) for n in [3, 5, 3]]
    outputs = marr.hook(model, trials, sites=["rnn"]).outputs()
    with torch.no_grad():
        assert np.allclose(outputs[1], model(trials[1][None])[0], atol=1e-6)


def test_ragged_sequences():
    torch.manual_seed(0)
    model = Rnn()
    trials = [torch.randn(n, 2) for n in [3, 5, 2]]
    table = pd.DataFrame({"run": [0, 0, 0]})
    system = marr.hook(model, trials, table, sites=["rnn"], sequences="run")
    with torch.no_grad():
        whole = model(torch.cat(trials)[None])[0].numpy()
    assert np.abs(system.outputs()[1] - whole[3:8]).max() < 1e-6
    assert system.activity("rnn")["valid"].values.sum(1).tolist() == [3, 5, 2]


def test_groups_are_named_by_the_sequences_column(x):
    table = pd.DataFrame({"run": SESSION, "block": 0})
    system = marr.hook(Rnn(), x, table, sites=["rnn"], sequences="run")
    assert system.group_column == "run"
    assert len(np.unique(system.groups())) == 3


def test_bad_sequences(x, table):
    with pytest.raises(OptionError, match="Did you mean 'session'"):
        marr.hook(Rnn(), x, table, sites=["rnn"], sequences="sesion")
    with pytest.raises(ContractError, match="missing values"):
        marr.hook(
            Rnn(), x, table.assign(session=None), sites=["rnn"], sequences="session"
        )
    with pytest.raises(ContractError, match=r"inputs\[:, None, :\]"):
        marr.hook(nn.Linear(2, 2), x[:, 0], table, sites=["model"], sequences="session")

    class Last(Rnn):
        def forward(self, x):
            return super().forward(x)[:, -1]

    with pytest.raises(HookError, match="cut into trials"):
        marr.hook(Last(), x, table, sites=["rnn"], sequences="session").outputs()
