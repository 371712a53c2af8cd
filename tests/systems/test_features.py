"""Features as units: encoded lazily, perturbed through the site that they are made of."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from _systems import MAKERS, SITES

import marr
from marr.errors import ContractError, EvidenceError, OptionError
from marr.systems import Dictionary, trial_hashes

KINDS = tuple(MAKERS)


def dictionary(site="early", *, kind="topk", n_features=9, seed=0, **changes):
    """Return a dictionary with random weights for a site of the small systems."""
    rng = np.random.default_rng(seed)
    n = SITES[site]
    decoder = rng.normal(size=(n_features, n))
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    parts = {
        "kind": kind,
        "decoder": decoder,
        "encoder": decoder.T.copy(),
        "encoder_bias": 0.1 * rng.normal(size=n_features),
        "decoder_bias": 0.2 * rng.normal(size=n),
        "k": 2 if kind == "topk" else None,
        "units": [f"u{i}" for i in range(n)],
        "site": site,
    }
    return Dictionary(**{**parts, **changes})


@pytest.fixture(params=KINDS)
def system(request):
    return MAKERS[request.param]()


def values(system, site):
    return system.activity(site).values


def test_a_site_more_with_features_as_units(system):
    d = dictionary()
    view = system.with_features(d)
    assert view.sites == ("early", "late", "early.features")
    assert view.derived == {"early.features": "early"}
    assert system.derived == {}
    found = view.activity("early.features")
    assert found.dims == ("trial", "time", "unit")
    assert found["unit"].values[:2].tolist() == ["early.features:0", "early.features:1"]
    assert set(found["site"].values) == {"early.features"}
    assert found.attrs["time_unit"] == system.activity("early").attrs["time_unit"]
    np.testing.assert_allclose(
        found.values, d.encode(values(system, "early")), atol=1e-12
    )
    assert np.array_equal(values(view, "early"), values(system, "early"))
    assert view.unit_table("early.features").index[3] == "early.features:3"
    other = system.with_features(d, name="parts")
    assert other.sites[-1] == "parts"


def test_it_is_the_same_data(system):
    view = system.with_features(dictionary())
    assert view.fingerprint() == system.fingerprint()
    assert np.array_equal(trial_hashes(view), trial_hashes(system))
    assert np.array_equal(view.halves, system.halves)
    described = view.describe()
    assert described["features"]["early.features"]["site"] == "early"
    assert described["features"]["early.features"]["digest"] == dictionary().digest
    assert "features" not in system.describe()


def test_units_are_matched_by_name(system):
    kind = "network" if system.runs else "recording"
    order = {"early": np.array([2, 0, 3, 1]), "late": np.array([1, 2, 0])}
    other = MAKERS[kind](order=order)
    a = values(system.with_features(dictionary()), "early.features")
    b = values(other.with_features(dictionary()), "early.features")
    np.testing.assert_allclose(a, b, atol=1e-10)


@pytest.mark.parametrize("normalize", ["none", "layer_norm"])
@pytest.mark.parametrize("mode", ["mean", "zero", "resample"])
def test_a_feature_is_ablated_through_its_site(mode, normalize):
    """On a recording: x + decode(f') - decode(f), and f' is what is read."""
    d = dictionary(normalize=normalize)
    view = MAKERS["recording"]().with_features(d)
    before, x = values(view, "early.features"), values(view, "early")
    done = view.perturb(marr.Ablate("early.features", units=[1, 4], mode=mode))
    after = values(done, "early.features")
    others = [i for i in range(9) if i not in (1, 4)]
    assert np.array_equal(after[..., others], before[..., others])
    if mode == "zero":
        assert (after[..., [1, 4]] == 0).all()
    if mode == "mean":
        expected = np.broadcast_to(before.mean(axis=0), before.shape)
        np.testing.assert_allclose(after[..., [1, 4]], expected[..., [1, 4]])
    expected = x + d.decode(after, like=x) - d.decode(before, like=x)
    np.testing.assert_allclose(values(done, "early"), expected, atol=1e-10)
    assert np.array_equal(values(done, "late"), values(view, "late"))
    assert "intact_choice" in done.trials


class Feedforward(nn.Module):
    """One hidden layer: what is written there, and nothing else, reaches the output."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.hidden = nn.Linear(3, SITES["early"]).double()
        self.out = nn.Linear(SITES["early"], 2).double()
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator).double())

    def forward(self, x):
        return self.out(self.hidden(x))


def feedforward():
    x = np.random.default_rng(0).normal(size=(30, 3))
    ids = [f"u{i}" for i in range(SITES["early"])]
    return marr.hook(
        Feedforward().eval(),
        x,
        pd.DataFrame({"target": (x[:, 0] > 0).astype(int)}),
        sites=["hidden"],
        readout=marr.readouts.choice,
        units={"hidden": ids},
    )


@pytest.mark.parametrize("kind", ["topk", "relu", "ica", "nmf"])
@pytest.mark.parametrize("normalize", ["none", "constant_norm"])
def test_a_model_runs_on_with_what_the_feature_adds(kind, normalize):
    model = feedforward()
    more = {} if kind != "nmf" else {"decoder_bias": np.zeros(SITES["early"])}
    d = dictionary(kind=kind, normalize=normalize, **more)
    view = model.with_features(d, site="hidden")
    x, before = values(view, "hidden"), values(view, "hidden.features")
    done = view.perturb(marr.Ablate("hidden.features", units=[3], mode="zero"))
    after = values(done, "hidden.features")
    expected = x + d.decode(after, like=x) - d.decode(before, like=x)
    assert np.abs(expected - x).max() > 0.01
    np.testing.assert_allclose(values(done, "hidden"), expected, atol=1e-9)
    out = model.model.out
    with torch.no_grad():
        logits = out(torch.from_numpy(expected)).numpy()
    np.testing.assert_allclose(done.outputs(), logits, atol=1e-9)
    assert np.array_equal(done.trials["choice"], logits.argmax(axis=1))
    again = model.perturb(marr.Patch("hidden", source=expected))
    np.testing.assert_allclose(again.outputs(), done.outputs(), atol=1e-9)


def test_steering_a_feature_is_steering_along_its_direction(system):
    d = dictionary()
    view = system.with_features(d)
    one = np.eye(9)[5]
    a = view.perturb(marr.Steer("early.features", one, amount=0.7))
    b = view.perturb(marr.Steer("early", d.decoder[5], amount=0.7))
    for site in ("early", "late"):
        np.testing.assert_allclose(values(a, site), values(b, site), atol=1e-9)
    if not system.runs:  # a recurrent network goes on from the steered state
        moved = values(a, "early.features") - values(view, "early.features")
        np.testing.assert_allclose(moved, np.broadcast_to(0.7 * one, moved.shape))


def test_patching_features_from_another_run(system):
    view = system.with_features(dictionary())
    donors = np.roll(view.trial_index.to_numpy(), 1)
    done = view.perturb(marr.Patch("early.features", source=donors, units=[2, 3]))
    expected = np.roll(values(view, "early.features"), 1, axis=0)[..., [2, 3]]
    np.testing.assert_allclose(
        values(done, "early.features")[..., [2, 3]], expected, atol=1e-12
    )
    back = view.perturb(marr.Patch("early.features", source=view))
    np.testing.assert_allclose(values(back, "early"), values(view, "early"), atol=1e-9)
    np.testing.assert_allclose(values(back, "late"), values(view, "late"), atol=1e-9)


def test_some_times_only(system):
    view = system.with_features(dictionary())
    ablation = marr.Ablate(
        "early.features", units=[0, 1, 2], mode="zero", time=slice(2, 3)
    )
    done = view.perturb(ablation)
    changed = np.abs(values(done, "early") - values(view, "early")).max(axis=(0, 2))
    assert (changed[:2] == 0).all()
    assert (changed[2:4] > 0).all()
    if not system.runs:
        assert (changed[4:] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_several_perturbations_in_their_order(kind):
    """Features that follow each other act together; a write to the site is encoded anew."""
    system, d = MAKERS[kind](), dictionary()
    view = system.with_features(d)
    zero = [marr.Ablate("early.features", units=[i], mode="zero") for i in (0, 1)]
    both = view.perturb(marr.Ablate("early.features", units=[0, 1], mode="zero"))
    for done in (view.perturb(*zero), view.perturb(zero[0]).perturb(zero[1])):
        np.testing.assert_allclose(
            values(done, "early"), values(both, "early"), atol=1e-9
        )
        assert (values(done, "early.features")[..., :2] == 0).all()
    unit = marr.Ablate("early", units=["u1"], mode="zero")
    done = view.perturb(zero[0], unit)
    assert (values(done, "early")[..., 1] == 0).all()
    np.testing.assert_allclose(
        values(done, "early.features"), d.encode(values(done, "early")), atol=1e-10
    )


def test_selecting_and_perturbing_commute(system):
    view = system.with_features(dictionary())
    keep = np.arange(60) % 3 == 0
    ablation = marr.Ablate("early.features", units=[0, 3], mode="mean")
    a = view.select(keep).perturb(ablation)
    b = view.perturb(ablation).select(keep)
    c = system.select(keep).with_features(dictionary()).perturb(ablation)
    for site in view.sites:
        np.testing.assert_allclose(values(a, site), values(b, site), atol=1e-12)
        np.testing.assert_allclose(values(a, site), values(c, site), atol=1e-12)
    assert a.root.sites == view.sites


def test_of_a_perturbed_system(system):
    d = dictionary()
    done = system.perturb(marr.Ablate("early", units=["u0"])).with_features(d)
    np.testing.assert_allclose(
        values(done, "early.features"), d.encode(values(done, "early")), atol=1e-10
    )
    assert done.parent.sites == done.sites
    assert done.parent.perturbations == ()


def test_inert_features_are_flagged():
    far = np.zeros(9)
    far[4] = -100.0
    d = dictionary(kind="relu", encoder_bias=far)
    view = MAKERS["network"]().with_features(d)
    done = view.perturb(marr.Ablate("early.features", units=[4, 5], mode="zero"))
    (flags,) = done.inert.values()
    assert flags.tolist() == [True, False]
    still = view.perturb(marr.Ablate("early.features", units=[4], mode="zero"))
    assert np.array_equal(values(still, "late"), values(view, "late"))


def test_two_dictionaries_of_one_site(system):
    view = system.with_features(dictionary(), name="a")
    view = view.with_features(dictionary(seed=1, kind="relu"), name="b")
    done = view.perturb(marr.Ablate("a", units=[0], mode="zero"))
    expected = dictionary(seed=1, kind="relu").encode(values(done, "early"))
    np.testing.assert_allclose(values(done, "b"), expected, atol=1e-10)


def test_ragged_trials_and_sequences():
    rng = np.random.default_rng(0)
    net = nn.RNN(2, 4, batch_first=True).double().eval()
    lengths = [5, 3, 4, 5]
    inputs = [rng.normal(size=(n, 2)) for n in lengths]
    d = dictionary(units=None)
    ragged = marr.hook(net, inputs, sites=["model"]).with_features(d, site="model")
    found = ragged.activity("model.features")
    assert np.array_equal(found["valid"].sum("time"), lengths)
    assert np.isnan(found.values[1, 3:]).all()
    assert np.isfinite(found.values[found["valid"].values]).all()
    done = ragged.perturb(marr.Ablate("model.features", units=[0], mode="mean"))
    assert np.isfinite(values(done, "model")[found["valid"].values]).all()
    table = pd.DataFrame({"sequence": [0, 0, 0, 1]})
    whole = [i[:3] for i in inputs]
    joined = marr.hook(net, whole, table, sites=["model"], sequences="sequence")
    view = joined.with_features(d, site="model")
    np.testing.assert_allclose(
        values(view, "model.features"), d.encode(values(view, "model")), atol=1e-12
    )
    steered = view.perturb(marr.Steer("model.features", np.eye(9)[0], amount=2.0))
    by_hand = view.perturb(marr.Steer("model", d.decoder[0], amount=2.0))
    np.testing.assert_allclose(values(steered, "model"), values(by_hand, "model"))


def test_features_are_encoded_when_they_are_looked_at(monkeypatch):
    calls = []
    encode = Dictionary.encode
    monkeypatch.setattr(
        Dictionary,
        "encode",
        lambda self, x, **k: calls.append(np.shape(x)) or encode(self, x, **k),
    )
    view = MAKERS["recording"]().with_features(dictionary())
    part = view.activity("early.features").isel(trial=slice(0, 5), time=[1, 2])
    assert calls == []
    assert part.values.shape == (5, 2, 9)
    assert calls == [(5, 2, 4)]


def test_invalid_bins_stay_missing():
    x = np.random.default_rng(0).normal(size=(10, 6, 4))
    valid = np.ones((10, 6), bool)
    valid[0, 3:] = False
    x[~valid] = np.nan
    recording = marr.from_arrays({"early": x}, valid=valid)
    view = recording.with_features(dictionary(units=None))
    found = view.activity("early.features")
    assert np.array_equal(np.isnan(found.values).all(axis=-1), ~valid)
    assert np.array_equal(found["valid"].values, valid)


def test_other_tools_take_features_as_units(system):
    view = system.with_features(dictionary())
    finding = marr.representation.decode(
        view, "side", sites="early.features", n_permutations=19
    )
    assert finding.provenance["systems"][0]["features"]
    labels = set(finding.tables["unit"]["unit"].values)
    assert labels == {f"early.features:{i}" for i in range(9)}
    assert marr.representation.rdm(
        view, on="condition", sites="early.features", n_permutations=19
    ).estimate.sizes


# -- ablation: fast ways must not overlook what features share ---------------------------


def test_a_readout_of_the_site_depends_on_its_features():
    """The readout reads the site; what a feature adds there is what it loses."""
    view = MAKERS["recording"]().with_features(dictionary())
    measure = marr.measures.decoded("side", sites="early")
    finding = marr.implementation.ablate(
        view, measure=measure, sites="early.features", n_random=3, n_permutations=19
    )
    fitted = measure.fit(view)
    intact = fitted(view)
    for i in (0, 4):
        done = view.perturb(marr.Ablate("early.features", units=[i]))
        expected = float(np.nanmean(intact - fitted(done)))
        found = float(finding.estimate["estimate"].sel(unit=f"early.features:{i}"))
        assert found == pytest.approx(expected, abs=1e-12)
    assert not finding.estimate["inert"].astype(bool).all()


def test_refitting_does_not_mix_a_site_with_its_features():
    view = MAKERS["recording"]().with_features(dictionary())
    call = {"readout": "refit", "n_random": 3, "n_permutations": 19}
    for sites in ("early", None):
        measure = marr.measures.decoded("side", sites=sites)
        with pytest.raises(OptionError, match="hold the same activity"):
            marr.implementation.ablate(
                view, measure=measure, sites="early.features", **call
            )
    measure = marr.measures.decoded("side", sites="early.features")
    finding = marr.implementation.ablate(
        view, measure=measure, sites="early.features", **call
    )
    assert finding.estimate.sizes["unit"] == 9


# -- what is refused -----------------------------------------------------------------


def test_bad_names_and_units(system):
    d = dictionary()
    nameless = Dictionary(kind="ica", encoder=np.eye(4), decoder=np.eye(4))
    with pytest.raises(ContractError, match="dictionary must be a Dictionary"):
        system.with_features(np.eye(3))
    with pytest.raises(OptionError, match=r"site.*Did you mean 'early'"):
        system.with_features(d, site="eraly")
    with pytest.raises(OptionError, match="does not say which site"):
        system.with_features(nameless)
    with pytest.raises(OptionError, match="name must be a new name"):
        system.with_features(d, name="late")
    with pytest.raises(ContractError, match="units of site 'late' differ"):
        system.with_features(d, site="late")
    view = system.with_features(d)
    with pytest.raises(OptionError, match="itself made of features"):
        view.with_features(d, site="early.features")
    with pytest.raises(OptionError, match=r"units: no unit '99'"):
        view.perturb(marr.Ablate("early.features", units=[99]))
    with pytest.raises(ContractError, match="one value a unit"):
        view.perturb(marr.Steer("early.features", np.ones(3)))


def test_no_sites_no_features():
    table = pd.DataFrame({"choice": [0, 1]})
    with pytest.raises(EvidenceError, match="behavior only"):
        marr.from_arrays({}, table).with_features(dictionary())


def test_a_view_is_not_saved(tmp_path):
    view = MAKERS["recording"]().with_features(dictionary())
    with pytest.raises(ContractError, match=r"features are not saved.*with_features"):
        view.save(tmp_path / "x.zarr")
