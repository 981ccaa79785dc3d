"""The plots of ``hustings backtest --plot FILE``: what the tables say, as SVG that stands by itself."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.refusals import NO

if TYPE_CHECKING:
    from api.charts import Chart

__all__ = ["check_plot", "plot_compare", "plot_curve", "plot_folds", "plot_replay"]

LEAD_TIME = "-lead-time"
"""Between the name and the ending of the second file of a replay."""
TEXT = "#222"
MOST = 4
"""Series that a chart tells apart."""


def check_plot(file: Path | None) -> None:
    """Refuse a file that could not be written, before anything is fitted."""
    if file is None:
        return
    if file.suffix != ".svg":
        raise click.BadParameter("write to a file that ends in .svg", param_hint="--plot")
    if not file.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {file.absolute().parent}", param_hint="--plot")


def plot_replay(report: Mapping[str, Any], file: Path) -> None:
    """Coverage, nominal and observed; beside it, where releases came before the result, error against lead time."""
    from api.charts import CoveragePoint, LeadTimePoint, calibration_chart, lead_time_chart

    record = report["track_record"]
    points = [
        CoveragePoint(one["interval"], one["observed"], one["n_areas"], _words(one["level"]))
        for one in record["calibration"]
        if (one["of"], one["method"]) == ("all", "mrp") and not one["by"] and one["n_areas"] > 1
    ]
    title = f"Coverage of all releases: {record['text']}"
    _write(calibration_chart(points, title=title), file)
    lead = [
        LeadTimePoint(row["lead_days"], row["rmse"], f"release {row['release_number']}", _words(row["method"]))
        for row in record["scores"]
        if row["method"] != "mrp_with_systematic_error"  # the same estimates, with other intervals
        if row["level"] == "district" and not row["by"] and (row["lead_days"] or -1) >= 0
    ]
    kept = _first_series(lead)
    if kept:
        chart = lead_time_chart(kept, title="Error by lead time", error="RMSE of district shares")
        _write(chart, file.with_stem(file.stem + LEAD_TIME))


def plot_folds(report: Mapping[str, Any], file: Path) -> None:
    """Coverage of held-out interviews by district."""
    from api.charts import CoveragePoint, calibration_chart

    points = [
        CoveragePoint(float(nominal), observed, scores["n_groups"], _words(name))
        for name, scores in report["pooled"].items()
        if scores is not None
        for nominal, observed in scores["coverage"].items()
    ]
    _write(calibration_chart(points, title="Coverage of held-out interviews, by district"), file)


def plot_curve(report: Mapping[str, Any], file: Path) -> None:
    """RMSE against interviews, model and baselines."""
    from api.charts import LearningPoint, learning_chart

    points = [
        LearningPoint(row["n"], row["rmse"]["mean"], row["rmse"]["low"], row["rmse"]["high"], _words(row["method"]))
        for row in report["curve"]
        if row["rmse"] is not None
    ]
    least = sorted(
        {point.series for point in points}, key=lambda name: min(p.error for p in points if p.series == name)
    )
    # The model, and whatever comes closest: a picture without the best baseline would tell the opposite of the table.
    first = [_words("model"), *(name for name in least if name != _words("model"))]
    ordered = sorted(points, key=lambda point: first.index(point.series))
    chart = learning_chart(_first_series(ordered), title="Learning curve", error="RMSE of district shares")
    _write(chart, file)


def plot_compare(report: Mapping[str, Any], file: Path) -> None:
    """Coverage of each model and engine."""
    from api.charts import CoveragePoint, calibration_chart

    points = [
        CoveragePoint(float(nominal), observed, one["scores"]["n_districts"], f"{one['model']}, {one['engine']}")
        for one in report["candidates"]
        for nominal, observed in (one["scores"]["coverage"] or {}).items()
    ]
    _write(calibration_chart(_first_series(points), title="Coverage by district"), file)


def _first_series[P](points: Sequence[P]) -> list[P]:
    """Points of the first few series."""
    every = list(dict.fromkeys(point.series for point in points))  # type: ignore[attr-defined]
    names = every[:MOST]
    if left_out := every[MOST:]:
        click.echo(f"Not in the picture, which tells {MOST} lines apart: {', '.join(left_out)}.", err=True)
    return [point for point in points if point.series in names]  # type: ignore[attr-defined]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _write(chart: "Chart", file: Path) -> None:
    from api.charts.theme import palette

    # Colours and font are those of the page; a file that is looked at by itself has its own.
    colours = palette("light")
    drawn = re.sub(r"var\(--chart-([\w-]+)\)", lambda found: colours[found[1]], chart.svg)
    own = '<svg font-family="sans-serif" style="background:#fff" '
    drawn = drawn.replace("currentColor", TEXT).replace("<svg ", own, 1)
    try:
        file.write_text(f"{drawn}\n", encoding="utf-8")
    except OSError as error:
        click.echo(f"Error: {file} cannot be written: {error.strerror or error}.", err=True)
        raise click.exceptions.Exit(NO) from None
    click.echo(f"Wrote {file}.", err=True)
