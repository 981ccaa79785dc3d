"""Charts of several options and of means: what leads, lines and seats of all options, numbers in any unit."""

import msgspec
import pytest

from api.answer_payloads import IntervalEnds, Number, WithheldGroup
from api.charts import (
    MethodNumber,
    change_chart,
    crosstab_chart,
    district_map,
    interval_chart,
    leaders_map,
    methods_chart,
    options_trend_chart,
    seats_chart,
    tiles_of,
    toplines_chart,
    trend_chart,
)
from api.charts.leaders import marks_of
from api.charts.map_classes import mean_classes
from api.charts.measures import number
from api.charts.scales import number_scale
from api.comparison_payloads import AreaChange, ChangePayload
from api.district_payloads import OptionSeatsPayload, SeatsPayload
from api.trend_payloads import TrendPayload, TrendPoint
from tests.api.charts.drawn import links, marks, texts, tips
from tests.api.charts.payloads import (
    HEAD,
    answer,
    estimate,
    leader,
    leaders,
    mean,
    mean_fields,
    means,
    number_fields,
    second_fields,
)
from tests.api.charts.tables import districts

OPTIONS = ("Rail", "Town", "Green")
TEN = tuple(f"Party {n}" for n in range(10))


def test_a_district_has_the_colour_of_what_leads_the_greyer_the_less_sure():
    rows = (leader("D000", "Rail", 0.99), leader("D001", "Green", 0.8), leader("D002", "Green", 0.5))
    withheld = [WithheldGroup(area="D003", area_name="District 3", groups={}, reason="fewer than 100 people")]
    chart = leaders_map(leaders(*rows, withheld=withheld), OPTIONS, tiles_of(districts(4)), link=lambda row: row.area)

    assert [mark["fill"] for mark in marks(chart, "districts")] == [
        "var(--chart-lead-0-0)",
        "var(--chart-lead-1-2)",
        "var(--chart-lead-2-2)",
    ]
    assert [mark.text for mark in marks(chart, "numbers")] == ["R", "G", "G"]
    assert tips(chart, "districts")[0] == "D000: “Rail” leads with a probability of 99%; its share: 50% (40 to 60)"
    assert tips(chart, "without") == ["District 3: fewer than 100 people"]
    assert links(chart)["District 3: fewer than 100 people"] == "D003"
    # Options that lead nowhere are not in the key.
    assert {"R: Rail", "G: Green", "95% or more", "75% or more", "less"} <= set(texts(chart))
    assert "T: Town" not in texts(chart)
    assert "“Rail” in 1, “Green” in 2" in chart.description


def test_a_table_of_means_has_numbers_and_no_percent():
    rows = [
        mean("all", value, value - 3, value + 3, groups={"age": age, "gender": "woman"})
        for value, age in ((31.0, "young"), (24.5, "old"))
    ]
    chart = crosstab_chart(msgspec.structs.replace(means(*rows), by=["age", "gender"]), rows)

    assert chart.title == "Mean, minutes: by age and gender"
    assert tips(chart, "cells") == ["young, woman: 31.0 (28.0 to 34.0)", "old, woman: 24.5 (21.5 to 27.5)"]
    assert {"31.0", "28.0 to 34.0"} <= set(texts(chart))
    assert "Largest: young, woman: 31.0 (28.0 to 34.0)" in chart.description
    assert [text for text in texts(chart) if "%" in text] == ["90% interval"]


def test_means_over_time_and_by_method_are_in_their_unit():
    head = {**HEAD, "option": None, "measure": "mean", "unit": "minutes"}
    about = {"area": "all", "area_name": "All", "groups": {}, "option": None}
    points = [
        TrendPoint(period=period, **about, **mean_fields(value, value - 2, value + 2), **second_fields(None))
        for period, value in (("2026-W07", 20.0), ("2026-W08", 26.0))
    ]
    over_time = trend_chart(TrendPayload(**head, periods=["2026-W07", "2026-W08"], points=points))
    by_method = methods_chart(
        means(), [MethodNumber("All", "Raw", 21.0, 18.0, 24.0), MethodNumber("All", "MRP", 20.0, 19.0, 21.0)]
    )

    assert over_time.title == "Mean, minutes: over time"
    assert "Everybody: from 20.0 in 2026-W07 to 2026-W08: 26.0 (24.0 to 28.0)" in over_time.description
    assert "Raw 21.0 (18.0 to 24.0); MRP 20.0 (19.0 to 21.0)" in by_method.description
    for chart in (over_time, by_method):
        assert not any("%" in text for text in texts(chart))


def test_differences_of_means_are_in_their_unit():
    about = {"area": "all", "area_name": "All", "groups": {}}
    change = AreaChange(
        **about, before=Number(**mean_fields(20, 18, 22)), after=Number(**mean_fields(26, 24, 28)), difference=6.0,
        low=3.0, high=9.0, intervals=[IntervalEnds(0.9, 3.0, 9.0)], sd=2.0, mc_error=0.1, p_rise=0.99,
        p_rise_mc_error=0.01, words="rise", sentence="rise: +6.0 minutes", mix_and_mind=None,
        mix_and_mind_reason="Of shares only.",
    )  # fmt: skip
    head = {**HEAD, "option": None, "measure": "mean", "unit": "minutes"}
    chart = change_chart(ChangePayload(**head, between="periods", since="2026-W07", before=None, changes=[change]))

    assert chart.title == "Mean: Change since 2026-W07"
    assert any("+6.00 minutes (+3.00 to +9.00), rise" in text for text in chart.svg.split('"'))
    assert "Change since 2026-W07, minutes, 90% intervals" in texts(chart)


def test_what_stands_on_a_tile_tells_options_apart():
    assert marks_of(OPTIONS) == {"Rail": "R", "Town": "T", "Green": "G"}
    assert marks_of(("Labour", "Liberal")) == {"Labour": "1", "Liberal": "2"}


def test_more_options_than_colours_are_drawn_in_grey():
    chart = leaders_map(leaders(leader("D000", TEN[9], 0.99)), TEN, tiles_of(districts(1)))

    assert [mark["fill"] for mark in marks(chart, "districts")] == ["var(--chart-grid)"]
    assert [mark.text for mark in marks(chart, "numbers")] == ["10"]


def test_every_option_has_a_line_as_far_as_there_are_colours():
    def of(option: str, share: float) -> TrendPayload:
        fields = number_fields(share, share - 0.05, share + 0.05)
        points = [
            TrendPoint(
                period=period, option=option, area="all", area_name="All", groups={}, **fields, **second_fields(None)
            )
            for period in ("W1", "W2")
        ]
        return TrendPayload(**{**HEAD, "option": option}, periods=["W1", "W2"], points=points)

    chart = options_trend_chart([of(option, 0.1 + 0.1 * n) for n, option in enumerate(OPTIONS)])
    assert tips(chart, "estimate")[:2] == ["Rail, W1: 10% (5 to 15)", "Rail, W2: 10% (5 to 15)"]
    assert set(OPTIONS) <= set(texts(chart))
    many = options_trend_chart([of(option, 0.1 + 0.05 * n) for n, option in enumerate(TEN)])
    assert len(marks(many, "estimate")) == 16
    assert "The first 8 of 10 are drawn" in many.description


def test_seats_of_several_options_are_rows_with_the_majority_where_it_is_near():
    def of(option: str, seats: float) -> OptionSeatsPayload:
        told = {"low": seats - 2, "high": seats + 2, "intervals": [], "sd": 1.0, "mc_error": 0.01}
        chances = {"p_majority": 0.3, "p_majority_mc_error": 0.01, "p_most": 0.5, "p_most_mc_error": 0.01}
        return OptionSeatsPayload(option=option, seats=seats, **told, **chances, distribution=[])

    def of_all(*options: OptionSeatsPayload, n: int) -> SeatsPayload:
        return SeatsPayload(**HEAD, n_seats=n, options=list(options), tipping=[])

    near = seats_chart(of_all(of("Rail", 12), of("Town", 8), of("Green", 3), n=23))
    assert tips(near, "rows") == [
        "Rail: 12 seats (10 to 14)",
        "Town: 8 seats (6 to 10)",
        "Green: 3 seats (1 to 5)",
    ]
    (line,) = marks(near, "reference")
    points = [mark.x for mark in marks(near, "estimate")]
    assert line.x == pytest.approx(points[0])  # 12 of 23 are the majority
    assert points == sorted(points, reverse=True)
    far = seats_chart(of_all(of("Rail", 12), of("Town", 8), of("Green", 3), n=650))
    assert marks(far, "reference") == []


def test_options_have_their_own_colours_where_there_are_several():
    shares = {"Rail": 0.4, "Town": 0.35, "Green": 0.25}
    chart = toplines_chart(
        [answer([estimate("all", s, s - 0.03, s + 0.03, option=o)], option=o) for o, s in shares.items()]
    )
    two = toplines_chart([answer([estimate("all", 0.5, 0.4, 0.6, option=o)], option=o) for o in ("yes", "no")])

    assert [mark["stroke"] for mark in marks(chart, "estimate")] == [f"var(--chart-series-{n})" for n in (1, 2, 3)]
    assert {mark["stroke"] for mark in marks(two, "estimate")} == {"var(--chart-mark)"}


def test_means_are_drawn_in_their_unit():
    rows = [mean("D000", 25.9, 23.9, 27.5), mean("D001", 28.0, 26.1, 30.2)]
    chart = district_map(means(*rows), rows, tiles_of(districts(2)))
    assert tips(chart, "districts") == ["D000: 25.9 (23.9 to 27.5)", "D001: 28.0 (26.1 to 30.2)"]
    assert "Mean, minutes" in texts(chart)
    assert chart.title == "Mean, minutes: by district"
    in_rows = interval_chart(means(*rows, unit=None, scores={"no": 0, "yes": 1}), rows, reference=27.0)
    assert [mark.text for mark in marks(in_rows, "values")] == ["25.9", "28.0"]
    assert "Mean score, 90% intervals" in texts(in_rows)


def test_long_numbers_have_room_on_a_tile_or_are_left_out():
    rows = [mean("D000", 123456.0, 123000.0, 124000.0), mean("D001", 223456.0, 223000.0, 224000.0)]
    few = marks(district_map(means(*rows), rows, tiles_of(districts(2))), "numbers")
    many = marks(district_map(means(*rows), rows, tiles_of(districts(400))), "numbers")

    # "223,456" is seven digits wide in 44 px, or in what 400 tiles leave.
    assert [mark.text for mark in few] == ["123,456", "223,456"]
    assert all(7 * 0.62 * float(mark["font-size"].removesuffix("px")) <= 44 for mark in few)
    assert many == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5375, "0.54"), (-0.5375, "−0.54"), (-0.001, "0.00"), (12.345, "12.3"), (9.996, "10.0"), (1234.4, "1,234")],
)
def test_a_mean_is_written_with_three_digits(value: float, text: str):
    assert number(value) == text


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([23.9, 30.2], (22.0, 24.0, 26.0, 28.0, 30.0, 32.0)),
        ([-0.06, 0.05], (-0.06, -0.04, -0.02, 0.0, 0.02, 0.04, 0.06)),
        ([12_300.0, 48_000.0], (10_000.0, 20_000.0, 30_000.0, 40_000.0, 50_000.0)),
    ],
)
def test_axes_of_numbers_have_round_ticks(values: list[float], ticks: tuple[float, ...]):
    assert number_scale(values).ticks == pytest.approx(ticks)


@pytest.mark.parametrize("values", [[5.0, 5.0], [0.0, 0.0], [], [-3e-7, 2e-7], [1e9, 1.0000001e9]])
def test_axes_of_any_numbers_hold_them(values: list[float]):
    scale = number_scale(values)

    assert 1 <= len(scale.ticks) - 1 <= 6
    assert all(scale.low <= value <= scale.high for value in values)


def test_classes_of_means_are_round_and_hold_every_mean():
    classes = mean_classes([25.9, 26.4, 28.0], [3.0, 2.0, 2.1])

    # Eighths of 2.1 are 0.26, of the narrowest interval 0.25: half a minute is the next round step.
    assert classes.share_step == 0.5
    assert classes.share_edges[0] <= 25.9
    assert classes.share_edges[-1] >= 28.0
    for values in ([0.0], [], [-5.0, 1e6]):
        edges = mean_classes(values, [0.0] * len(values)).share_edges
        assert all(edges[0] <= value <= edges[-1] for value in values)
