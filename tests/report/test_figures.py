"""What figures show, read from their plain dictionaries."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from marr.errors import OptionError
from marr.findings import FIGURE_KINDS, FigureSpec
from marr.findings._figures import draw, figure_spec, table_figure_spec
from marr.findings._plotly import to_plotly


def marks(plain, mark):
    return [layer for layer in plain["layers"] if layer["mark"] == mark]


def table(dims, coords=None, **columns):
    return xr.Dataset(
        {k: (dims, np.asarray(v)) for k, v in columns.items()}, coords=coords or {}
    )


def test_samples_cover_every_kind(samples):
    kinds = {s.kind for make in samples.SAMPLES.values() for s in make().figures}
    assert kinds == set(FIGURE_KINDS)


@pytest.mark.parametrize("name", ["psychometric", "accuracy", "decoding", "ablation",
                                  "geometry", "readout", "pairs"])  # fmt: skip
def test_every_figure_draws_with_titles_and_no_heading(samples, name):
    finding = samples.SAMPLES[name]()
    for spec in finding.figures:
        plain = figure_spec(finding, spec)
        json.dumps(plain, allow_nan=False)
        figure = draw(finding, spec)
        assert figure.layout.title.text is None
        assert plain["y"]["label"]
        assert figure.layout.xaxis.title.text or figure.layout.yaxis.title.text
        assert plain["description"]
    assert finding.figure() == draw(finding, finding.figures[0])


def test_curve_has_line_band_and_dots_of_each_group(samples):
    finding = samples.psychometric()
    plain = figure_spec(finding, finding.figures[0])
    names = ["0.2", "0.5", "0.8"]
    for mark in ("line", "band", "dots"):
        assert [layer["name"] for layer in marks(plain, mark)] == names
    lines, dots = marks(plain, "line"), marks(plain, "dots")
    assert [a["color"] for a in lines] == [b["color"] for b in dots]
    data = finding.tables["data"]
    assert dots[0]["y"] == data["estimate"].values[0].tolist()
    assert dots[0]["high"] == data["ci_high"].values[0].tolist()
    assert dots[0]["text"][0] == "n = 71"
    assert plain["references"] == [{"value": 0.5, "label": "no preference"}]
    assert plain["legend_title"] == "block"


def test_line_marks_significance_below_the_data(samples):
    finding = samples.decoding()
    plain = figure_spec(finding, finding.figures[0])
    bars = marks(plain, "bar")
    assert [b["name"] for b in bars] == ["recurrent", "input"]
    expected = finding.estimate["p_corrected"].sel(site="recurrent").values < 0.05
    assert bars[0]["on"] == expected.tolist()
    lowest = float(finding.estimate["ci_low"].min())
    assert bars[1]["height"] < bars[0]["height"] < lowest
    assert "corrected p" in plain["notes"][0]


def test_map_is_centered_on_its_reference(samples):
    finding = samples.decoding()
    (heat,) = marks(figure_spec(finding, finding.figures[1]), "heat")
    low, high = heat["limits"]
    assert (low + high) / 2 == pytest.approx(0.5)
    assert high == pytest.approx(float(finding.estimate["estimate"].max()))
    np.testing.assert_allclose(heat["z"], finding.estimate["estimate"].values)


@pytest.mark.parametrize(
    ("values", "center"), [([[-1.0, 2.0]], 0), ([[0.5, 2.0]], None)]
)
def test_signed_maps_are_centered_on_zero_and_others_are_not(values, center):
    plain = table_figure_spec(
        table(("a", "b"), estimate=values), FigureSpec("map", x="b", y="a")
    )
    low, high = marks(plain, "heat")[0]["limits"]
    if center is None:
        assert (low, high) == (0.5, 2.0)
    else:
        assert low == -high == -2.0


def test_many_categories_are_sorted_and_compared_with_random_sets(samples):
    finding = samples.ablation()
    plain = figure_spec(finding, finding.figures[0])
    (dots,), (ticks,) = marks(plain, "dots"), marks(plain, "ticks")
    assert dots["y"] == sorted(
        finding.estimate["estimate"].values.tolist(), reverse=True
    )
    assert not plain["forest"]
    assert plain["x"]["label"] == "Unit (ranked)"
    assert ticks["name"] == "matched random sets"
    assert set(ticks["high"]) == {0.022}
    p = finding.estimate["p_corrected"]
    assert sum(dots["filled"]) == int((p < 0.05).sum())
    largest = int(np.argmax(finding.estimate["estimate"].values))
    assert dots["text"][0] == finding.estimate["unit"].values[largest]


def test_few_categories_make_a_forest(samples):
    finding = samples.readout()
    plain = figure_spec(finding, finding.figures[0])
    assert plain["forest"]
    assert plain["x"]["categories"] == ["ADN", "CA1"]
    fixed, refit = marks(plain, "dots")
    assert fixed["x"][0] < refit["x"][0]
    assert refit["filled"] == [True, False]
    assert plain["notes"] == ["Open symbols: corrected p ≥ 0.05."]
    drawn = to_plotly(plain)
    low, high = drawn["layout"]["xaxis"]["range"]
    assert low < -0.03 < 0.35 < high
    assert drawn["data"][0]["x"] == fixed["y"]


def test_intervals_become_error_bars(samples):
    finding = samples.accuracy()
    (trace,) = to_plotly(figure_spec(finding, finding.figures[0]))["data"]
    bars = trace["error_x"]
    assert bars["array"] == pytest.approx([0.03])
    assert bars["arrayminus"] == pytest.approx([0.03])


def test_unknown_values_leave_gaps_in_line_and_band():
    gap = table(("time",), estimate=[1, np.nan, 3, 4], ci_low=[0, np.nan, 2, 3],
                ci_high=[2, np.nan, 4, 5.0])  # fmt: skip
    plain = table_figure_spec(gap, FigureSpec("line", x="time"))
    assert marks(plain, "line")[0]["y"] == [1, None, 3, 4]
    band = to_plotly(plain)["data"][0]
    assert band["fill"] == "toself"
    assert band["x"] == [0, 0, None, 2, 3, 3, 2, None]
    assert band["y"] == [0, 2, None, 2, 3, 5, 4, None]


def test_further_axes_become_panels_and_one_column_on_a_phone():
    data = table(("site", "time", "state"), {"site": ["a", "b"], "state": ["wake", "rem", "nrem"]},
                 estimate=np.zeros((2, 4, 3)))  # fmt: skip
    plain = table_figure_spec(data, FigureSpec("line", x="time", group="site"))
    assert plain["panels"] == ["wake", "rem", "nrem"]
    wide, narrow = to_plotly(plain), to_plotly(plain, narrow=True)
    assert wide["layout"]["xaxis3"]["domain"][0] > 0.5
    assert narrow["layout"]["xaxis3"]["domain"] == [0, 1]
    assert narrow["layout"]["height"] > wide["layout"]["height"]
    assert wide["data"] == narrow["data"]


def test_more_than_twenty_thousand_points_are_thinned_and_said_so():
    rng = np.random.default_rng(0)
    cloud = table(("pair",), a=rng.normal(size=50_000), b=rng.normal(size=50_000))
    plain = table_figure_spec(cloud, FigureSpec("scatter", x="a", y="b"))
    assert len(marks(plain, "dots")[0]["x"]) <= 20_000
    assert "50,000" in plain["notes"][0]
    line = table_figure_spec(table(("time",), estimate=np.arange(50_000.0)),
                             FigureSpec("line", x="time"))  # fmt: skip
    assert len(marks(line, "line")[0]["x"]) <= 20_000
    assert "50,000" in line["notes"][0]


def test_axis_titles_carry_units():
    data = table(("time",), {"time": [0.0, 1.0]}, estimate=[1.0, 2.0])
    data["time"].attrs.update(long_name="time from stimulus", units="s")
    data["estimate"].attrs.update(long_name="rate", units="Hz")
    layout = to_plotly(table_figure_spec(data, FigureSpec("line", x="time")))["layout"]
    assert layout["xaxis"]["title"]["text"] == "Time from stimulus (s)"
    assert layout["yaxis"]["title"]["text"] == "Rate (Hz)"


@pytest.mark.parametrize(
    ("change", "nearest"),
    [({"table": "curves"}, "curve"), ({"x": "stimuli"}, "stimulus"), ({"data_table": "dat"}, "data")],
)  # fmt: skip
def test_bad_figure_names_are_refused_with_the_nearest(samples, change, nearest):
    finding = samples.psychometric()
    with pytest.raises(OptionError, match=nearest):
        figure_spec(finding, replace(finding.figures[0], **change))


def test_map_without_its_color_is_refused(samples):
    finding = samples.geometry()
    with pytest.raises(OptionError, match="distance"):
        figure_spec(finding, replace(finding.figures[0], color="distance"))
