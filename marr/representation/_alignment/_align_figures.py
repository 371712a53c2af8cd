"""Figures of an alignment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marr.findings import FigureSpec

if TYPE_CHECKING:
    import xarray as xr

    from marr.representation._alignment._align_job import Job

__all__ = ["align_figures"]


def align_figures(job: Job, estimate: xr.Dataset) -> list[FigureSpec]:
    """Return a map over pairs of sites, or dots over measures or sites."""
    relative = job.several and "relative" in estimate
    table = "relative" if relative else "estimate"
    label = "alignment" if relative else str(estimate["estimate"].attrs["long_name"])
    a, b = (s.name for s in (job.systems[0], job.systems[-1]))
    caption = f"{label[0].upper()}{label[1:]} of each pair of sites"
    caption += ": 0 independent data of this size, 1 identical." if relative else "."
    common: dict[str, Any] = {"table": table, "caption": caption}
    if job.times is not None:
        said = f"Lines over time of the {label}, by site."
        return [
            FigureSpec(
                "line", x="time", group=_group(job), y_label=label, description=said, **common
            )
        ]  # fmt: skip
    if len(job.sites_a) > 1 and len(job.sites_b) > 1:
        return [
            FigureSpec(
                "map", x="site_b", y="site_a", color_label=label,
                x_label=f"site of {b}", y_label=f"site of {a}",
                description=f"Heat map of the {label} by site of {a} and of {b}.", **common,
            )
        ]  # fmt: skip
    x = "measure" if job.several else "site_b" if len(job.sites_b) > 1 else "site_a"
    return [
        FigureSpec(
            "points", x=x, group=_group(job) if job.several else None, y_label=label,
            x_label="measure" if job.several else f"site of {b if x == 'site_b' else a}",
            reference=0.0 if relative else estimate["estimate"].attrs.get("chance"),
            reference_label="independent data",
            description=f"Dots with intervals of the {label}.", **common,
        )
    ]  # fmt: skip


def _group(job: Job) -> str | None:
    """Return the side with several sites, which gets a color each."""
    many = {"site_b": len(job.sites_b), "site_a": len(job.sites_a)}
    return next((k for k, n in many.items() if n > 1), None)
