"""Dictionaries: features of the activity of a site, and the way back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, check_option

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from marr.systems._dictionary_codec import Codec

__all__ = ["DICTIONARY_KINDS", "Dictionary"]

DICTIONARY_KINDS = {
    "topk": "sparse autoencoder that keeps the k largest features of a row",
    "jumprelu": "sparse autoencoder with a threshold a feature",
    "relu": "sparse autoencoder with rectified features",
    "nmf": "nonnegative parts of nonnegative activity",
    "ica": "independent components",
}
"""Kinds of dictionary: how a row of activity becomes features."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Dictionary:
    """Features of the activity of one site: an encoder and a linear decoder.

    The activity x of one trial (and time) has the features f and is read back as::

        f = activation((x - center * decoder_bias) @ encoder + encoder_bias)
        x ~ f @ decoder + decoder_bias

    with the rows of x normalized before, and this undone after, if `normalize` says so.

    Parameters
    ----------
    kind : {"topk", "jumprelu", "relu", "nmf", "ica"}
        Activation: the k largest; those above their threshold; all positive ones;
        the nonnegative least-squares codes of x (the encoder is not used); none.
    decoder : array of shape (n_features, n_units)
        Direction that each feature adds to the activity.
    encoder : array of shape (n_units, n_features), optional
        Needed by all kinds but "nmf".
    encoder_bias, threshold : arrays of shape (n_features,), optional
        Bias, 0 by default; threshold, for "jumprelu".
    decoder_bias : array of shape (n_units,), optional
        0 by default.
    k : int, optional
        For "topk".
    center : bool
        Whether `decoder_bias` is taken off before encoding.
    normalize : {"none", "layer_norm", "constant_norm"}
        "layer_norm": each row less its mean, over its standard deviation over units;
        "constant_norm": each row scaled to the norm sqrt(n_units).
    units : sequence of str, optional
        Ids of the units, in the order of the decoder; None where positions count.
    site, name : str
        Site that it belongs to, "" if not known; name shown in findings.
    info : mapping, optional
        Where it comes from, as plain values.
    trained_on : array of uint64, optional
        Hashes of the trials that it was trained on.

    Raises
    ------
    ContractError
        If shapes disagree or values are not finite, or a part is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from marr.representation import Dictionary
    >>> d = Dictionary(kind="topk", k=1, encoder=np.eye(3), decoder=np.eye(3))
    >>> d.encode([[1.0, 3.0, 2.0]])
    array([[0., 3., 0.]])
    """

    kind: str
    decoder: NDArray[np.floating[Any]]
    encoder: NDArray[np.floating[Any]] | None = None
    encoder_bias: NDArray[np.floating[Any]] | None = None
    decoder_bias: NDArray[np.floating[Any]] | None = None
    threshold: NDArray[np.floating[Any]] | None = None
    k: int | None = None
    center: bool = True
    normalize: str = "none"
    units: tuple[str, ...] | None = None
    site: str = ""
    name: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)
    trained_on: NDArray[np.uint64] | None = None

    def __post_init__(self) -> None:
        """Check shapes and make arrays of what was given."""
        from marr.systems._dictionary_kernel import NORMALIZATIONS

        check_option("kind", self.kind, DICTIONARY_KINDS)
        check_option("normalize", self.normalize, NORMALIZATIONS)
        decoder = _matrix("decoder", self.decoder)
        n_features, n_units = decoder.shape
        self._set("decoder", decoder)
        shapes = {
            "encoder": (n_units, n_features),
            "encoder_bias": (n_features,),
            "decoder_bias": (n_units,),
            "threshold": (n_features,),
        }
        for part, shape in shapes.items():
            value = getattr(self, part)
            if value is None and part.endswith("bias"):
                value = np.zeros(shape, decoder.dtype)
            if value is not None:
                self._set(part, _checked(part, value, shape))
        self._check_kind(n_features)
        if self.units is not None:
            ids = tuple(str(u) for u in self.units)
            if len(ids) != n_units or len(set(ids)) != n_units:
                msg = (
                    f"units must be {n_units} different ids, one for each column of the "
                    f"decoder; got {len(ids)} ({len(set(ids))} different)."
                )
                raise ContractError(msg)
            self._set("units", ids)
        self._set("info", dict(self.info))
        self._set("name", self.name or f"{self.kind} {n_features}")

    def _check_kind(self, n_features: int) -> None:
        missing = [
            part
            for part, kinds in (
                ("encoder", ("topk", "jumprelu", "relu", "ica")),
                ("threshold", ("jumprelu",)),
            )
            if self.kind in kinds and getattr(self, part) is None
        ]
        if missing:
            msg = f"a dictionary of kind {self.kind!r} needs {' and '.join(missing)}."
            raise ContractError(msg)
        if self.kind != "topk":
            return
        k = self.k
        if not isinstance(k, (int, np.integer)) or not 1 <= k <= n_features:
            msg = (
                f"k must be a whole number from 1 to {n_features}, the number of "
                f"features; got {k!r}."
            )
            raise ContractError(msg)
        self._set("k", int(k))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.decoder.shape[0])

    @property
    def n_units(self) -> int:
        """Number of units of the site."""
        return int(self.decoder.shape[1])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that decides about features, whatever the order of the units."""
        digest = hashlib.sha256()
        same = self.aligned(sorted(self.units)) if self.units is not None else self
        settings = (self.kind, self.k, self.center, self.normalize, same.units)
        digest.update(repr(settings).encode())
        for part in same.arrays().values():
            digest.update(f"{part.shape}{part.dtype}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that it is made of, by name."""
        names = ("encoder", "encoder_bias", "decoder", "decoder_bias", "threshold")
        found = {n: getattr(self, n) for n in names}
        return {n: np.asarray(v) for n, v in found.items() if v is not None}

    def codec(self, device: Any = "cpu", dtype: Any = None) -> Codec:
        """Return the encoder and decoder on torch tensors, kept for the next call."""
        from marr.systems._dictionary_codec import Codec

        kept: dict[Any, Codec] = self.__dict__.setdefault("_codecs", {})
        key = (str(device), str(dtype))
        if key not in kept:
            kept[key] = Codec.of(self, device, dtype)
        return kept[key]

    def encode(self, x: ArrayLike, *, device: str = "cpu") -> NDArray[Any]:
        """Return features of shape (..., n_features) of activity (..., n_units).

        Parameters
        ----------
        x : array of shape (..., n_units)
            Activity, units in the order of the decoder; NaN rows have NaN features.
        device : str
            Torch device.
        """
        from marr.systems._dictionary_codec import encode_array

        return encode_array(self, x, device)

    def decode(
        self, features: ArrayLike, *, like: ArrayLike | None = None, device: str = "cpu"
    ) -> NDArray[Any]:
        """Return the activity (..., n_units) that features (..., n_features) stand for.

        Parameters
        ----------
        features : array of shape (..., n_features)
            Features.
        like : array of shape (..., n_units), optional
            Activity from which mean and scale of each row are taken; needed by
            dictionaries that normalize rows, since features do not hold them.
        device : str
            See `encode`.
        """
        from marr.systems._dictionary_codec import decode_array

        return decode_array(self, features, like, device)

    def change(
        self, delta: ArrayLike, like: ArrayLike, *, device: str = "cpu"
    ) -> NDArray[Any]:
        """Return what a change of features adds to the activity `like`.

        The decoder is linear, so this is ``decode(f + delta) - decode(f)``: what the
        features do not explain of the activity stays as it is.

        Parameters
        ----------
        delta : array of shape (..., n_features)
            New features less old ones.
        like : array of shape (..., n_units)
            The activity that is changed.
        device : str
            See `encode`.
        """
        from marr.systems._dictionary_codec import change_array

        return change_array(self, delta, like, device)

    def aligned(self, units: Sequence[str], *, site: str = "") -> Dictionary:
        """Return the dictionary with its units in the order of a site.

        Raises
        ------
        ContractError
            If the units are not the same ones.
        """
        where = f" of site {site!r}" if site else ""
        if self.units is None:
            if len(units) != self.n_units:
                msg = (
                    f"dictionary {self.name!r} is for {self.n_units} units, but there are "
                    f"{len(units)} units{where}. Load the one that belongs to this site."
                )
                raise ContractError(msg)
            return replace(self, site=site or self.site)
        place = {unit: i for i, unit in enumerate(self.units)}
        names = [str(u) for u in units]
        lacks = [u for u in names if u not in place]
        extra = sorted(set(place) - set(names))
        if lacks or extra:
            msg = (
                f"dictionary {self.name!r} and the units{where} differ: "
                f"{len(lacks)} units are not in the dictionary ({lacks[:3]}), "
                f"{len(extra)} only there ({extra[:3]}). Use the units that it was "
                "trained on, or train one for these."
            )
            raise ContractError(msg)
        order = [place[u] for u in names]
        return replace(
            self,
            decoder=self.decoder[:, order],
            encoder=None if self.encoder is None else self.encoder[order],
            decoder_bias=np.asarray(self.decoder_bias)[order],
            units=tuple(names),
            site=site or self.site,
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the dictionary to one safetensors file; nothing half-written stays."""
        from marr.systems._dictionary_file import write_dictionary

        return write_dictionary(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Dictionary:
        """Read what `save` wrote; other formats: `marr.representation.load_dictionary`."""
        from marr.systems._dictionary_file import read_dictionary

        return read_dictionary(path)

    def describe(self) -> dict[str, Any]:
        """Return plain values for provenance."""
        return {
            "name": self.name,
            "kind": self.kind,
            "n_features": self.n_features,
            "n_units": self.n_units,
            **({"k": self.k} if self.kind == "topk" else {}),
            **({"normalize": self.normalize} if self.normalize != "none" else {}),
            "digest": self.digest,
        }

    def __repr__(self) -> str:
        """Show kind and size."""
        active = f", {self.k} active" if self.kind == "topk" else ""
        where = f" of {self.site!r}" if self.site else ""
        return (
            f"<Dictionary {self.name!r}: {self.kind}, {self.n_features} features{active}"
            f" of {self.n_units} units{where}>"
        )


def _matrix(part: str, value: ArrayLike) -> NDArray[np.floating[Any]]:
    array = np.asarray(value)
    if array.ndim != 2 or 0 in array.shape:
        msg = f"{part} must have shape (n_features, n_units); got {array.shape}."
        raise ContractError(msg)
    return _checked(part, array, array.shape)


def _checked(
    part: str, value: ArrayLike, shape: tuple[int, ...]
) -> NDArray[np.floating[Any]]:
    array = np.asarray(value)
    if array.shape != shape:
        msg = f"{part} must have shape {shape}; got {array.shape}."
        raise ContractError(msg)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        msg = f"{part} must hold finite numbers; got {array.dtype} with NaN or infinite values."
        raise ContractError(msg)
    precise = array.dtype in (np.float32, np.float64)
    return (
        array
        if precise
        else array.astype(np.float64 if array.itemsize > 4 else np.float32)
    )
