"""Bits saved: what is planted, what is not there, and the price of learning."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import marr
from marr.errors import OptionError, StatisticsError
from marr.representation import description_length
from marr.representation._readout._code_length_kernel import log_loss_bits, stages


def planted(gain, n=240, seed=0, classes=2):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = rng.normal(size=(n, 6))
    x[:, :classes] += gain * np.eye(classes)[y]
    table = pd.DataFrame({"side": y, "value": x[:, 0]})
    return marr.from_arrays({"V1": x, "noise": rng.normal(size=(n, 6))}, table)


def test_a_certain_class_costs_no_bits_and_a_uniform_guess_log2_of_classes():
    odds = np.array([[[50.0, -50.0]], [[0.0, 0.0]]])
    bits = log_loss_bits(odds, np.zeros((2, 1)), n_train=10**9)
    np.testing.assert_allclose(bits[:, 0], [0, 1], atol=1e-8)
    lacking = log_loss_bits(np.array([[[0.0, -np.inf]]]), np.ones((1, 1)), n_train=9)
    assert lacking[0, 0] == pytest.approx(-np.log2(0.05))


def test_stages_cover_every_row_once_an_order():
    steps = stages(np.repeat(np.arange(50), 3), n_orders=2, seed=0)
    assert (steps.test.sum(0) + steps.first[:, 0] == 2).all()
    assert not (steps.train & steps.test).any()
    whole = steps.train.reshape(len(steps.train), 50, 3)
    assert (whole.all(2) == whole.any(2)).all()


def test_easy_codes_save_more_than_hard_ones_and_noise_nothing():
    easy = description_length(planted(4.0), "side", n_permutations=24).estimate
    hard = description_length(planted(0.8), "side", n_permutations=0).estimate
    saved = easy["estimate"].sel(site="V1").values
    assert 0.85 < saved[0] <= 1
    assert (saved > hard["estimate"].sel(site="V1").values).all()
    assert (easy["p_corrected"].sel(site="V1") < 0.05).all()
    assert (easy["p_value"].sel(site="noise") > 0.05).all()
    assert easy["estimate"].sel(site="noise").max() < 0.05


def test_learning_has_a_price():
    found = description_length(planted(1.5), "side", n_permutations=0)
    usable, online = found.estimate["estimate"].sel(site="V1").values
    assert online < usable
    code = found.tables["code"].sel(site="V1")
    assert float(code["compression"]) == pytest.approx(
        float(code["uniform_length"]) / float(code["online_length"])
    )


def test_bits_approach_the_information_of_gaussian_classes():
    """Two Gaussian classes apart by 2: mutual information 0.4859 bits (quadrature)."""
    rng = np.random.default_rng(0)
    y = np.arange(3000) % 2
    x = rng.normal(size=(3000, 1)) + 2.0 * y[:, None]
    system = marr.from_arrays({"V1": x}, pd.DataFrame({"side": y}))
    found = description_length(system, "side", n_permutations=0, n_orders=1)
    grid = np.linspace(-8, 10, 20001)
    p = np.exp(-((grid[:, None] - [0, 2]) ** 2) / 2) / np.sqrt(2 * np.pi)
    mixed = p.mean(1)
    density = (0.5 * p * np.log2(p / mixed[:, None])).sum(1)
    truth = float(density.sum() * (grid[1] - grid[0]))
    assert float(found.estimate["estimate"][0, 0]) == pytest.approx(truth, abs=0.03)


def test_what_cannot_be_stated():
    with pytest.raises(OptionError, match="'value' is continuous"):
        description_length(planted(1.0), "value")
    few = planted(1.0).select(np.arange(240) < 8)
    with pytest.raises(StatisticsError, match="at least 10"):
        description_length(few, "side", n_folds=2)
