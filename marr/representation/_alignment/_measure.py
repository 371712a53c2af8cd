"""What an alignment measure is: a number, and everything one must know to read it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError, StatisticsError, nearest
from marr.representation._alignment._sample import Sample
from marr.stats import folds

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from marr.representation._alignment._engines import Engine

__all__ = ["INVARIANCES", "N_FOLDS", "AlignmentMeasure"]

INVARIANCES = {
    "translation": "another mean of each unit",
    "isotropic scale": "all units of a system times one number",
    "permutation": "another order of units",
    "orthogonal": "rotations and reflections of the units",
    "invertible linear": "every invertible linear map of the units",
}
"""What may be done to either system without changing a value."""

N_FOLDS = 5
"""Folds of measures that are fitted and scored on different rows."""


@dataclass(frozen=True)
class AlignmentMeasure:
    """A measure of how alike two representations are, with its metadata.

    Called on two arrays of shape (n_rows, n_units), it returns the number.

    Attributes
    ----------
    name, long_name, family : str
        Key in `ALIGNMENT_MEASURES`; name in words; "kernel", "canonical", "shape",
        "rsa", "regression", "neighbors", "topology" or "units".
    kind : {"score", "distance"}
        Whether more alike is higher or lower.
    low, high : float
        Range; infinite where there is no bound.
    symmetric, metric : bool
        Whether order of the systems does not matter; whether it is a distance for which
        the triangle inequality holds.
    invariances : frozenset of str
        Keys of `INVARIANCES`: what may be done to *either* system without changing it.
    paired_rows, equal_units : bool
        Whether rows must correspond; whether both need as many units.
    biased : bool
        Whether independent systems look alike when rows are fewer than units.
    independent : float or None
        Value for independent systems with very many rows; None if it depends on more.
    differentiable : bool
        Whether it has a gradient that is not zero almost everywhere.
    cross_validated : bool
        Whether it is fitted on some rows and scored on others.
    uses_time : bool
        Whether the order of rows in time enters.
    estimator, convention, cost, identity : str
        Name of the estimator; what distinguishes it from others of its name; operations
        for n rows and p, q units; what else it equals.
    alternative : str
        What to use where a biased measure misleads.
    least_rows : int
        Fewest rows with which it is defined.
    options : dict
        Its numbers, e.g. ``{"alpha": 0.5}``; change them with `configured`.
    citations : tuple of str
        Keys of references.
    """

    name: str
    long_name: str
    family: str
    kind: str
    low: float
    high: float
    symmetric: bool
    metric: bool
    invariances: frozenset[str]
    biased: bool
    independent: float | None
    estimator: str
    convention: str
    cost: str
    make: Callable[..., Engine] = field(repr=False, compare=False)
    identity: str = ""
    alternative: str = ""
    paired_rows: bool = True
    equal_units: bool = False
    differentiable: bool = True
    cross_validated: bool = False
    uses_time: bool = False
    least_rows: int = 4
    options: dict[str, Any] = field(default_factory=dict)
    citations: tuple[str, ...] = ()

    @property
    def better(self) -> str:
        """Direction of more alike: "higher" for scores, "lower" for distances."""
        return "higher" if self.kind == "score" else "lower"

    @property
    def sign(self) -> float:
        """1 for scores, -1 for distances: times it, more is more alike."""
        return 1.0 if self.kind == "score" else -1.0

    @property
    def angular(self) -> bool:
        """Whether values are angles."""
        return bool(np.isclose(self.high, [np.pi / 2, np.pi]).any())

    def floor(
        self, own_a: npt.NDArray[np.float64], own_b: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Return the distance that noise alone leaves between two systems.

        From the distance of each to itself across halves of its repeats. Where noise of
        the two differs, cosines multiply (the cosine between them is the geometric mean
        of both), and squared Euclidean distances add; other distances are averaged.
        """
        if self.angular or np.isclose(self.high, np.sqrt(2)):
            a, b = (
                np.maximum(np.cos(d) if self.angular else 1 - d**2 / 2, 0.0)
                for d in (own_a, own_b)
            )
            cosine = np.sqrt(a * b)
            return np.asarray(
                np.arccos(cosine) if self.angular else np.sqrt(2 - 2 * cosine)
            )
        if self.family == "shape":
            return np.asarray(np.sqrt((own_a**2 + own_b**2) / 2))
        return np.asarray((own_a + own_b) / 2)

    def engine(self) -> Engine:
        """Return what computes it."""
        return self.make(**self.options)

    def configured(self, **options: float) -> AlignmentMeasure:
        """Return the measure with other numbers, named after them.

        Examples
        --------
        >>> from marr.representation import ALIGNMENT_MEASURES
        >>> ALIGNMENT_MEASURES["shape_partial"].configured(alpha=0.2).name
        'shape_partial(alpha=0.2)'
        """
        unknown = [k for k in options if k not in self.options]
        if unknown:
            hint = nearest(unknown[0], self.options)
            more = f" Did you mean {hint!r}?" if hint else ""
            known = ", ".join(self.options) or "none"
            msg = (
                f"{self.name} has no option {unknown[0]!r}; its options: {known}.{more}"
            )
            raise OptionError(msg)
        _check_numbers(options)
        options = {k: type(self.options[k])(v) for k, v in options.items()}
        base = self.name.partition("(")[0]
        new = {**self.options, **options}
        shown = ", ".join(f"{k}={v:g}" for k, v in new.items())
        return replace(self, name=f"{base}({shown})", options=new)

    def __call__(self, x: npt.ArrayLike, y: npt.ArrayLike, *, seed: int = 0) -> float:
        """Return the measure of two arrays whose rows correspond.

        Parameters
        ----------
        x, y : array_like of shapes (n_rows, n_units_x) and (n_rows, n_units_y)
            Activity.
        seed : int
            Seed of the folds, for measures that have them.

        Raises
        ------
        MarrError
            Other numbers of rows, too few of them, values that are not finite.
        """
        first, second = _rows("x", x), _rows("y", y)
        if len(first) != len(second):
            msg = (
                f"x and y must have the same rows; got {len(first)} and {len(second)}. "
                "Average both over the same conditions first."
            )
            raise ContractError(msg)
        self.check_rows(len(first))
        self.check_units(first.shape[1], second.shape[1])
        fold = folds(len(first), n_folds=min(N_FOLDS, len(first)), seed=seed)
        engine = self.engine()
        ready = [
            engine.prepare(Sample(label, values, fold, None, values.shape[1]))
            for label, values in (("x", first), ("y", second))
        ]
        return float(engine.compare(ready[:1], ready[1:])[0, 0])

    def check_rows(self, n: int) -> None:
        """Raise StatisticsError unless there are enough rows."""
        if n < self.least_rows:
            msg = (
                f"measure {self.name!r} needs at least {self.least_rows} rows; got {n}. "
                "Use finer conditions or more stimuli."
            )
            raise StatisticsError(msg)

    def check_units(self, p: int, q: int) -> None:
        """Raise StatisticsError where the numbers of units do not fit."""
        if self.equal_units and p != q:
            msg = (
                f"measure {self.name!r} compares unit with unit, so both must have the "
                f"same number of them; got {p} and {q}. Use 'procrustes', which rotates, "
                "or 'shape_permutation', which matches units."
            )
            raise StatisticsError(msg)


def _rows(argument: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=float)
    if array.ndim != 2 or not np.isfinite(array).all():
        msg = (
            f"{argument} must be finite and of shape (n_rows, n_units); got shape "
            f"{array.shape}."
        )
        raise ContractError(msg)
    return array


def _check_numbers(options: dict[str, float]) -> None:
    limits = {"alpha": (0, 1), "variance": (1e-9, 1), "quantile": (1e-9, 1)}
    for name, value in options.items():
        low, high = limits.get(name, (1, np.inf))
        whole = name in limits or float(value).is_integer()
        if isinstance(value, bool) or not (low <= value <= high and whole):
            kind = "a number" if name in limits else "a whole number"
            msg = f"{name} must be {kind} from {low:g} to {high:g}; got {value!r}."
            raise OptionError(msg)
