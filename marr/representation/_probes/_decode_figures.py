"""What to draw of a decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marr.findings import FigureSpec
from marr.representation._probes._decode_text import SCORE_NAMES, names_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.representation._layout import Layout
    from marr.representation._targets import Target

__all__ = ["decode_figures"]


def decode_figures(
    targets: Sequence[Target], layout: Layout, *, square: bool, together: bool
) -> list[FigureSpec]:
    """Return what to draw: the map, generalization over time, units."""
    label, name = SCORE_NAMES[targets[0].kind], names_of(targets)
    chances = {t.chance for t in targets}
    time = f"time ({layout.time_unit})" if layout.time_unit else "time"
    shared: dict[str, Any] = {}
    if len(chances) == 1:
        shared = {"reference": chances.pop(), "reference_label": "chance"}
    figures = _map_figures(name, layout, label, time, shared, together=together)
    if square:
        figures.append(
            FigureSpec(
                "matrix",
                table="time_time",
                x="test_time",
                y="train_time",
                diverging=True,
                color_label=label,
                caption=f"Probes of {name} trained at one time, tested at another.",
                x_label=f"test {time}",
                y_label=f"training {time}",
                description="Square map of scores by training time and test time.",
                **shared,
            )
        )
    figures.append(
        FigureSpec(
            "points",
            table="unit",
            x="unit",
            caption=f"How each unit varies with the readout of {name}.",
            x_label="unit",
            y_label="|pattern| (correlation)",
            description="Dots with intervals: standardized pattern of each unit.",
        )
    )
    return figures


def _map_figures(
    name: str,
    layout: Layout,
    label: str,
    time: str,
    shared: dict[str, Any],
    *,
    together: bool,
) -> list[FigureSpec]:
    """Return figures of the estimate: lines over time and a map, or points by site."""
    title = f"{label[0].upper()}{label[1:]} of {name}"
    site = "site" if layout.by_site else None
    target = "target" if together else None
    if layout.times is None:
        return [
            FigureSpec(
                "points",
                x=site or target or "",
                group=target if site else None,
                caption=f"{title}, 95 % interval.",
                x_label="site" if site else target or "",
                y_label=label,
                description=f"Dots with intervals: {label} of {name} by site.",
                **shared,
            )
        ]
    lines = FigureSpec(
        "line",
        x="time",
        group=site or target,
        caption=f"{title} over time, 95 % interval.",
        x_label=time,
        y_label=label,
        description=f"Lines of {label} of {name} against time, one a site.",
        **shared,
    )
    if not layout.by_site or len(layout.cells) < 2:
        return [lines]
    heat = FigureSpec(
        "map",
        x="time",
        y="site",
        diverging=True,
        color_label=label,
        caption=f"{title} by site and time.",
        x_label=time,
        y_label="site",
        description=f"Heat map of {label} by site and time.",
        **shared,
    )
    return [lines, heat]
