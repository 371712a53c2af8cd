"""Training: planted features come back; same seed, same dictionary; bad input."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from planted_parts import parts, recovered, superposition

import marr
from marr.errors import ContractError, OptionError, StatisticsError
from marr.representation import train_dictionary

QUICK = {"n_features": 64, "n_epochs": 50, "batch_size": 256}


def planted(n_times=6, **options):
    x, directions = superposition(**options)
    rows = x.reshape(-1, n_times, x.shape[1])
    return marr.from_arrays({"A": rows + 3}, name="planted"), directions


@pytest.fixture(scope="module")
def system():
    return planted()


def test_topk_recovers_features_in_superposition(system):
    found = train_dictionary(system[0], site="A", k=2, **QUICK)
    cosine = recovered(system[1], found.decoder)
    assert cosine.min() > 0.9
    assert np.median(cosine) > 0.98
    features = found.encode(system[0].activity("A").values)
    assert ((features > 0).sum(axis=-1) <= 2).all()
    np.testing.assert_allclose(np.linalg.norm(found.decoder, axis=1), 1, rtol=1e-5)


def test_jumprelu_recovers_features_and_meets_its_sparsity(system):
    found = train_dictionary(system[0], site="A", method="jumprelu", k=2, **QUICK)
    assert recovered(system[1], found.decoder).min() > 0.9
    features = found.encode(system[0].activity("A").values)
    assert (features > 0).sum(axis=-1).mean() == pytest.approx(2, rel=0.15)
    assert (found.threshold > 0).all()


def test_an_untrained_dictionary_recovers_nothing(system):
    """The cosines above are not what any dictionary of this size gives."""
    drawn = np.random.default_rng(1).normal(size=(64, 16))
    assert (recovered(system[1], drawn) > 0.9).mean() < 0.3


def test_nmf_recovers_parts_of_counts():
    counts, patterns = parts()
    system = marr.from_arrays({"A": counts})
    found = train_dictionary(system, site="A", method="nmf", n_features=5)
    assert recovered(patterns, found.decoder).min() > 0.85
    assert (found.encode(counts[:50]) >= 0).all()
    assert found.info["converged"]


def test_ica_recovers_independent_sources_with_positive_skew():
    rng = np.random.default_rng(0)
    sources = rng.exponential(size=(3000, 4))
    mixing = np.linalg.qr(rng.normal(size=(6, 6)))[0][:4]
    system = marr.from_arrays({"A": sources @ mixing})
    found = train_dictionary(system, site="A", method="ica", n_features=4)
    assert recovered(mixing, found.decoder).min() > 0.98
    features = found.encode(system.activity("A").values)
    centered = features - features.mean(axis=0)
    assert ((centered**3).mean(axis=0) > 0).all()
    x = system.activity("A").values
    np.testing.assert_allclose(found.decode(features), x, atol=1e-8)


@pytest.mark.parametrize("method", ["topk", "jumprelu", "ica"])
def test_same_seed_same_dictionary_and_no_global_state(system, method):
    options = {"site": "A", "method": method, "n_epochs": 4, "n_features": 8}
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    a = train_dictionary(system[0], **options)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert a.digest == train_dictionary(system[0], **options).digest
    if method != "ica":
        assert a.digest != train_dictionary(system[0], **options, seed=1).digest


def test_order_and_scale_of_units_do_not_matter(system):
    x = system[0].activity("A").values
    order = np.random.default_rng(0).permutation(16)
    options = {"site": "A", "n_features": 12, "n_epochs": 4, "k": 2}
    a = train_dictionary(system[0], **options)
    other = marr.from_arrays({"A": x[..., order]}, units=[str(i) for i in order])
    b = train_dictionary(other, **options)
    assert list(b.units) == [str(i) for i in order]
    np.testing.assert_array_equal(b.decoder, a.decoder[:, order])
    assert a.digest == b.digest
    large = train_dictionary(marr.from_arrays({"A": 1000 * x}), **options)
    np.testing.assert_allclose(large.encode(1000 * x), 1000 * a.encode(x), rtol=1e-2)


def test_rows_are_valid_bins_and_a_sample_of_them():
    x, _ = superposition(n_rows=600)
    rows = x.reshape(100, 6, 16).copy()
    valid = np.ones((100, 6), bool)
    valid[::2, 4:] = False
    rows[~valid] = np.nan
    system = marr.from_arrays({"A": rows}, valid=valid)
    found = train_dictionary(system, site="A", n_features=5, n_epochs=1)
    assert found.info["n_rows"] == valid.sum()
    part = train_dictionary(system, site="A", n_features=5, n_epochs=1, max_rows=200)
    assert part.info["n_rows"] == 200
    assert len(part.trained_on) <= 100
    assert np.isnan(found.encode(rows)[~valid]).all()
    assert np.isfinite(found.encode(rows)[valid]).all()


def test_a_network_is_trained_on_by_the_same_call():
    net = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU()).eval()
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    model = marr.hook(net, inputs, sites=["1"])
    for method in ("topk", "nmf"):
        found = train_dictionary(model, site="1", method=method, n_epochs=2)
        assert found.site == "1"
        assert found.n_units == 6


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"site": "B"}, OptionError, "site.*'A'"),
        ({"method": "sae"}, OptionError, "method must be one of 'topk'"),
        ({"method": "nmf"}, ContractError, "nowhere negative"),
        ({"method": "ica", "n_features": 17}, OptionError, "n_features .* at most 16"),
        ({"method": "ica", "k": 2}, OptionError, "k is the number of active features"),
        ({"n_features": 3, "k": 4}, OptionError, "k must be at least 1 and at most 3"),
        ({"n_epochs": 0}, OptionError, "n_epochs must be at least 1"),
        ({"learning_rate": -1.0}, OptionError, "learning_rate must be a positive"),
        ({"n_features": 2.5}, OptionError, "n_features must be a whole number"),
    ],
)
def test_bad_options(system, options, error, words):
    rows = system[0].activity("A").values - 6
    whole = marr.from_arrays({"A": rows})
    with pytest.raises(error, match=words):
        train_dictionary(whole, **{"site": "A", **options})


def test_data_that_cannot_be_taken_apart():
    with pytest.raises(StatisticsError, match="has 10 rows"):
        train_dictionary(marr.from_arrays({"A": np.eye(10)}), site="A")
    with pytest.raises(StatisticsError, match="does not vary"):
        train_dictionary(marr.from_arrays({"A": np.ones((30, 3))}), site="A")
    flat = np.random.default_rng(0).normal(size=(30, 1)) * np.ones(3)
    one = marr.from_arrays({"A": flat})
    with pytest.raises(OptionError, match="at most 1, the rank"):
        train_dictionary(one, site="A", method="ica", n_features=2)
    with pytest.raises(ContractError, match="must be a System"):
        train_dictionary(np.ones((3, 3)), site="A")
