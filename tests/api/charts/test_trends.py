"""Trends: lines, bands and waves where their periods are."""

import re

import pytest

from api.charts import Chart, WaveMark, trend_chart
from api.trend_payloads import TrendPayload, TrendPoint
from tests.api.charts.drawn import marks, texts, tips
from tests.api.charts.payloads import HEAD, number_fields, second_fields

PERIODS = ["W07", "W08", "W09", "W10"]
# The plot is 440 - 46 - 30 = 364 px wide, a quarter for each of four periods, and 200 px high.
STEP, LEFT, HEIGHT = 91.0, 46.0, 200.0


def trend(
    groups: tuple[dict[str, str], ...] = ({},), flags: tuple[str, ...] = (), error: float | None = None
) -> TrendPayload:
    shares = {"W07": 0.42, "W08": 0.44, "W09": 0.50, "W10": 0.48}
    points = [
        TrendPoint(
            option="yes",
            period=period,
            area="all",
            area_name="All",
            groups=one,
            **number_fields(share, share - 0.02, share + 0.03, flags=flags if period == "W08" else ()),
            **second_fields(None if error is None else (share - error, share + error)),
        )
        for one in groups
        for period, share in shares.items()
    ]
    return TrendPayload(**{**HEAD, "level": "nation", "period": "W10"}, periods=PERIODS, points=points)


def ends_of(chart: Chart, layer: str) -> tuple[float, float]:
    """Highest and lowest point of an area, px from the top of its layer."""
    (area,) = marks(chart, layer)
    heights = [float(y) for y in re.findall(r",([-\d.]+)", area["d"])]
    return min(heights), max(heights)


def test_points_stand_in_the_middle_of_their_periods():
    chart = trend_chart(trend())

    found = marks(chart, "estimate")
    assert [mark.x for mark in found] == pytest.approx([LEFT + STEP * (n + 0.5) for n in range(4)], abs=0.02)
    # From 40% to 54% in steps of 5 points: the axis goes from 40% to 55%, 10 px below the top.
    assert [mark.y for mark in found] == pytest.approx(
        [10 + HEIGHT * (0.55 - share) / 0.15 for share in (0.42, 0.44, 0.50, 0.48)], abs=0.02
    )
    assert tips(chart, "estimate")[2] == "W09: 50% (48 to 53)"
    assert {"40%", "45%", "50%", "55%", *PERIODS} <= set(texts(chart))


def test_a_period_without_interviews_is_hollow_and_says_so():
    chart = trend_chart(trend(flags=("no-interviews",)))

    fills = [mark["fill"] for mark in marks(chart, "estimate")]
    assert fills.count("var(--chart-surface)") == 1
    assert tips(chart, "estimate")[1].endswith("nobody interviewed in it")


def test_intervals_with_the_systematic_error_are_a_lighter_band_around_the_other_with_a_key():
    chart = trend_chart(trend(error=0.06))

    # From 36% to 56% in steps of 5 points: the axis goes from 35% to 60%, below the two lines of the key.
    outer, band = (ends_of(chart, name) for name in ("outer_band", "band"))
    assert outer[1] - outer[0] == pytest.approx(HEIGHT * (0.50 + 0.06 - (0.42 - 0.06)) / 0.25, abs=0.05)
    assert band[1] - band[0] == pytest.approx(HEIGHT * (0.53 - 0.40) / 0.25, abs=0.05)
    assert tips(chart, "estimate")[2] == "W09: 50% (48 to 53), 44 to 56% with the systematic error"
    assert {"Interval of the model", "With the error that polls share"} <= set(texts(chart))
    assert "With the error that polls share" not in texts(trend_chart(trend()))


def test_waves_are_marked_under_their_periods():
    waves = [WaveMark("W08", "Alpha 1"), WaveMark("W10", "Alpha 2"), WaveMark("W10", "Beta 1"), WaveMark("W99", "late")]
    chart = trend_chart(trend(), waves=waves)

    assert tips(chart, "waves") == ["W08: Alpha 1", "W10: Alpha 2, Beta 1"]
    assert [mark.x for mark in marks(chart, "waves")] == pytest.approx([LEFT + 1.5 * STEP, LEFT + 3.5 * STEP], abs=0.02)
    assert "×2" in texts(chart)


def test_groups_differ_in_colour_shape_and_dashes():
    groups = tuple({"age": age} for age in ("18-29", "30-49", "50-64", "65+"))
    chart = trend_chart(trend(groups))

    lines = marks(chart, "line")
    assert len({mark["stroke"] for mark in lines}) == 4
    assert len({mark.element.get("stroke-dasharray") for mark in lines}) == 4
    assert len({mark["d"] for mark in marks(chart, "keys")}) == 4
    assert [text for text in texts(chart) if text in {"18-29", "30-49", "50-64", "65+"}] == [
        "18-29",
        "30-49",
        "50-64",
        "65+",
    ]


def test_more_groups_than_can_be_told_apart_are_left_out_and_that_is_said():
    groups = tuple({"age": f"{age}s"} for age in range(20, 80, 10))
    chart = trend_chart(trend(groups))

    assert len(marks(chart, "line")) == 4
    assert "The first 4 of 6 are drawn." in chart.description


def test_many_periods_leave_room_between_their_names():
    payload = trend()
    periods = [f"2026-W{week:02}" for week in range(1, 53)]
    points = [
        TrendPoint(
            period=period,
            option="yes",
            area="all",
            area_name="All",
            groups={},
            **number_fields(0.5, 0.4, 0.6),
            **second_fields(None),
        )
        for period in periods
    ]
    head = {**HEAD, "level": "nation", "period": periods[-1]}
    shown = [
        text for text in texts(trend_chart(TrendPayload(**head, periods=periods, points=points))) if text in periods
    ]

    assert 3 <= len(shown) <= 6
    assert shown[-1] == "2026-W52"
    assert payload.periods != periods
