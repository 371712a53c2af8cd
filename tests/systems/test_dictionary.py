"""The dictionary itself: encode, decode, align, save, load."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from marr.errors import ContractError, FileError, OptionError
from marr.systems import DICTIONARY_KINDS, Dictionary


def make(kind="topk", *, n_units=5, n_features=8, seed=0, **changes):
    rng = np.random.default_rng(seed)
    decoder = rng.gamma(1.0, 1.0, (n_features, n_units))
    parts = {
        "decoder": decoder,
        "decoder_bias": 0.0 * rng.normal(size=n_units)
        if kind == "nmf"
        else rng.normal(size=n_units),
    }
    if kind != "nmf":
        parts["encoder"] = rng.normal(size=(n_units, n_features))
        parts["encoder_bias"] = rng.normal(size=n_features)
    if kind == "topk":
        parts["k"] = 3
    if kind == "jumprelu":
        parts["threshold"] = rng.gamma(1.0, 0.5, n_features)
    return Dictionary(kind=kind, **{**parts, **changes})


@pytest.mark.parametrize("normalize", ["none", "layer_norm", "constant_norm"])
@pytest.mark.parametrize("kind", DICTIONARY_KINDS)
def test_shapes_and_a_change_of_features(kind, normalize):
    d = make(kind, normalize=normalize)
    rng = np.random.default_rng(1)
    x = rng.gamma(1.0, 1.0, (4, 6, 5))
    features = d.encode(x)
    assert features.shape == (4, 6, 8)
    np.testing.assert_allclose(d.encode(x[1:2]), features[1:2], atol=1e-12)
    other = features + rng.normal(size=features.shape)
    change = d.change(other - features, x)
    expected = d.decode(other, like=x) - d.decode(features, like=x)
    np.testing.assert_allclose(change, expected, atol=1e-10)
    assert (d.change(0 * features, x) == 0).all()
    assert d.encode(x.astype(np.float32)).dtype == np.float32


def test_missing_rows_stay_missing():
    d = make()
    x = np.ones((3, 5))
    x[1, 2] = np.nan
    assert np.isnan(d.encode(x)[1]).all()
    assert np.isfinite(d.encode(x)[[0, 2]]).all()


def test_units_are_put_into_the_order_of_a_site():
    d = make(units=list("abcde"))
    order = ["c", "a", "e", "b", "d"]
    other = d.aligned(order)
    x = np.random.default_rng(0).normal(size=(6, 5))
    columns = ["abcde".index(u) for u in order]
    np.testing.assert_allclose(other.encode(x[:, columns]), d.encode(x), atol=1e-12)
    assert other.digest == d.digest
    with pytest.raises(
        ContractError, match=r"1 units are not .*\['z'\]\), 1 only there \(\['e'\]"
    ):
        d.aligned(list("abcdz"))
    with pytest.raises(
        ContractError, match="for 5 units, but there are 4 units of site 'V1'"
    ):
        make().aligned(list("abcd"), site="V1")


@pytest.mark.parametrize("kind", DICTIONARY_KINDS)
def test_save_and_load(tmp_path, kind):
    d = make(
        kind,
        units=list("abcde"),
        site="V1",
        info={"seed": 3},
        trained_on=np.arange(4, dtype=np.uint64),
    )
    found = Dictionary.load(d.save(tmp_path / "d.safetensors"))
    assert found.digest == d.digest
    for name in ("kind", "k", "center", "normalize", "units", "site", "name", "info"):
        assert getattr(found, name) == getattr(d, name), name
    for name, array in d.arrays().items():
        assert np.array_equal(found.arrays()[name], array)
    assert np.array_equal(found.trained_on, d.trained_on)
    assert [p.name for p in tmp_path.iterdir()] == ["d.safetensors"]


def test_saving_leaves_the_old_file_or_nothing(tmp_path, monkeypatch):
    d = make()
    file = d.save(tmp_path / "d.safetensors")
    before = file.read_bytes()

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(FileError, match=r"No space left.*Nothing was left there"):
        make(seed=1).save(file)
    assert file.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(FileError, match="must name a file in a folder that exists"):
        d.save(tmp_path / "no" / "d.safetensors")
    with pytest.raises(ContractError, match=r"info of dictionary .* plain values"):
        replace(d, info={"a": object()}).save(tmp_path / "e.safetensors")


def test_damaged_and_foreign_files(tmp_path):
    from safetensors.numpy import save_file

    file = make().save(tmp_path / "d.safetensors")
    content = bytearray(file.read_bytes())
    content[-3] ^= 255
    file.write_bytes(content)
    with pytest.raises(FileError, match="is damaged"):
        Dictionary.load(file)
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(FileError, match="cannot be read"):
        Dictionary.load(file)
    save_file({"a": np.ones(3)}, tmp_path / "a.safetensors")
    with pytest.raises(
        FileError, match=r"not written by Dictionary\.save.*load_dictionary"
    ):
        Dictionary.load(tmp_path / "a.safetensors")
    with pytest.raises(FileError, match="there is no file"):
        Dictionary.load(tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"kind": "sae"}, OptionError, "kind must be one of 'topk'"),
        ({"decoder": np.ones(3)}, ContractError, r"decoder must have shape \(n_features"),
        ({"encoder": np.ones((8, 5))}, ContractError, r"encoder must have shape \(5, 8\); got \(8, 5\)"),
        ({"encoder": None}, ContractError, "kind 'topk' needs encoder"),
        ({"encoder_bias": np.full(8, np.inf)}, ContractError, "encoder_bias must hold finite"),
        ({"k": 9}, ContractError, "k must be a whole number from 1 to 8"),
        ({"k": None}, ContractError, "k must be a whole number"),
        ({"normalize": "l2"}, OptionError, "normalize must be one of"),
        ({"units": list("abcda")}, ContractError, "units must be 5 different ids"),
        ({"kind": "jumprelu", "threshold": None}, ContractError, "needs threshold"),
    ],
)  # fmt: skip
def test_what_is_no_dictionary(changes, error, words):
    with pytest.raises(error, match=words):
        make(**changes)


def test_what_cannot_be_encoded():
    d = make(normalize="layer_norm")
    with pytest.raises(
        ContractError, match=r"x must have 5 values on its last axis; got \(3, 4\)"
    ):
        d.encode(np.ones((3, 4)))
    with pytest.raises(OptionError, match="needs like="):
        d.decode(np.ones((3, 8)))
