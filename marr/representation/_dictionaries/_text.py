"""Sentences and figures of a dictionary finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marr.findings import FigureSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from marr.representation._dictionaries._dictionary import Found
    from marr.systems import Dictionary

__all__ = ["figures", "methods_text", "summary_of"]


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def summary_of(
    estimate: xr.Dataset, site: str, dictionary: Dictionary, *, held_out: bool
) -> str:
    """Return the answer in two sentences."""
    v = {str(k): float(x.values) for k, x in estimate.data_vars.items()}
    where = " on held-out trials" if held_out else ""
    sparse = dictionary.kind not in ("nmf", "ica")
    null = (
        "random directions"
        if v["null_mean"] == v["random"]
        else "and such features of Gaussian activity with the same covariance"
    )
    active = f", {v['l0']:.1f} of them at a time," if sparse else ""
    text = (
        f"{v['n_features']:.0f} features ({dictionary.kind}){active} explain "
        f"{_percent(v['estimate'])} [{100 * v['ci_low']:.3g}, {100 * v['ci_high']:.3g}] of "
        f"the variance of {site}{where}, {v['rank']:.0f} principal components "
        f"{_percent(v['pca'])} (difference {100 * v['gain']:.2g} points "
        f"[{100 * v['gain_low']:.2g}, {100 * v['gain_high']:.2g}]), {null} "
        f"{_percent(v['null_mean'])} (p = {v['p_value']:.2g}, n = {v['n']:.0f} trials)."
    )
    if "stability" not in v:
        return text
    expected = f"random directions {v['stability_random']:.2f}"
    if "stability_null" in v:
        expected = f"Gaussian activity {v['stability_null']:.2f}, {expected}"
    return text + (
        f" Features return from other seeds with a mean cosine of {v['stability']:.2f} "
        f"({expected}); {_percent(v['dead'])} are never active."
    )


def methods_text(site: str, found: Found, others: Sequence[Dictionary]) -> str:
    """Return how it was done."""
    d, split = found.dictionary, found.split
    if others:
        info = d.info
        steps = f" for {info['n_steps']} steps" if "n_steps" in info else ""
        k = f", {d.k} active" if d.kind == "topk" else ""
        how = (
            f"A dictionary ({d.kind}, {d.n_features} features{k}) was trained{steps} on "
            f"{info['n_rows']} rows of {info['n_trials']} trials of {site}; {len(others)} "
            "more from other random starts, each without one fold of the trials, on which "
            "it was scored."
        )
    else:
        how = (
            f"The dictionary {d.name!r} ({d.kind}, {d.n_features} features) was given."
        )
    return (
        f"{how} Explained variance: 1 minus the sum of squared residuals over the sum of "
        "squares about the mean, over all scored rows; 95 % jackknife interval over "
        f"{split.over}, given the dictionaries. Compared with the {found.rank} leading principal components of the "
        f"other folds, and with {len(found.random)} random dictionaries of as many "
        "directions with the covariance of the activity, of which each row takes the "
        f"best ones by least squares{_surrogate_text(found)}. Share of a feature: loss of "
        "explained "
        "variance when it is silenced; jackknife over the same parts. Stability: cosine "
        "of decoder directions matched one to one (Hungarian method)."
    )


def _surrogate_text(found: Found) -> str:
    if found.surrogate is None:
        return " (one-sided permutation p)"
    trained = found.surrogate.matched is not None
    what = "trained and scored alike" if trained else "scored"
    return (
        f"; and with {len(found.surrogate.scores)} dictionaries {what} on Gaussian "
        "activity of the same mean and covariance (one-sided p: Welch's t for one more "
        "draw of this null)"
    )


def figures(site: str, found: Found) -> list[FigureSpec]:
    """Return what is drawn."""
    stable = found.stability is not None
    kind = found.dictionary.kind
    bars = FigureSpec(
        "points",
        table="dictionary",
        x="dictionary",
        caption=(
            f"Explained variance of {site} by {found.dictionary.n_features} features "
            f"({kind}) and by as many principal components as are active (95 % "
            "intervals), by random directions, and by the same kind of dictionary on "
            "activity without sparse structure (range)."
        ),
        x_label="dictionary",
        y_label="explained variance",
        description="Dots with intervals: explained variance by kind of dictionary.",
    )
    cloud = FigureSpec(
        "scatter",
        table="feature",
        x="stability" if stable else "density",
        y="estimate",
        caption=(
            f"Each dot is a feature of {site}: what is lost of the explained variance "
            "without it, against "
            + (
                "its cosine with its partner in dictionaries from other seeds."
                if stable
                else "the share of rows on which it is active."
            )
        ),
        x_label="cosine with partner" if stable else "share of rows active",
        y_label="variance lost without it",
        description="Scatter plot with one dot a feature.",
    )
    return [bars, cloud]
