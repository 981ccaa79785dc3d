"""Seats, tables, changes, scores, and comparisons of methods: what is where, and what it says."""

from typing import Any

import pytest

from api.answer_payloads import IntervalEnds, Number, ReleaseReference, WithheldGroup
from api.charts import (
    CoveragePoint,
    LeadTimePoint,
    LearningPoint,
    MethodNumber,
    PredictedShare,
    SampleShare,
    calibration_chart,
    change_chart,
    crosstab_chart,
    lead_time_chart,
    learning_chart,
    methods_chart,
    predictive_chart,
    representation_chart,
    seats_chart,
)
from api.comparison_payloads import AreaChange, AreaRevision, ChangePayload, RevisionPayload
from api.district_payloads import OptionSeatsPayload, SeatChance, SeatsPayload
from tests.api.charts.drawn import links, marks, texts, tips
from tests.api.charts.payloads import HEAD, answer, estimate, number_fields

SHARE = Number(**number_fields(0.5, 0.4, 0.6))


def option(name: str, chances: dict[int, float]) -> OptionSeatsPayload:
    seats = sum(number * chance for number, chance in chances.items())
    return OptionSeatsPayload(
        option=name,
        seats=seats,
        low=float(min(chances)),
        high=float(max(chances)),
        intervals=[],
        sd=0.5,
        mc_error=0.01,
        p_majority=sum(chance for number, chance in chances.items() if number > 2),
        p_majority_mc_error=0.01,
        p_most=0.5,
        p_most_mc_error=0.01,
        distribution=[SeatChance(number, chance, 0.01) for number, chance in chances.items()],
    )


def seats(n_seats: int, *options: OptionSeatsPayload) -> SeatsPayload:
    return SeatsPayload(**HEAD, n_seats=n_seats, options=list(options), tipping=[])


def change(name: str, difference: float, width: float, words: str) -> AreaChange:
    low, high = difference - width, difference + width
    return AreaChange(
        area=name,
        area_name=name,
        groups={},
        before=SHARE,
        after=SHARE,
        difference=difference,
        low=low,
        high=high,
        intervals=[IntervalEnds(0.9, low, high)],
        sd=width / 1.6,
        mc_error=0.001,
        p_rise=0.5,
        p_rise_mc_error=0.01,
        words=words,
        sentence=f"{name}: {words}.",
        mix_and_mind=None,
        mix_and_mind_reason=None,
    )


def test_bars_of_seats_are_as_high_as_they_are_probable():
    chart = seats_chart(seats(5, option("Lab", {2: 0.1, 3: 0.4, 4: 0.5}), option("Con", {1: 0.5, 2: 0.4, 3: 0.1})))

    # The axis goes to 60% in 150 px.
    heights = [abs(mark.box[3]) for mark in marks(chart, "option_1")]
    assert heights == pytest.approx([150 * 0.1 / 0.6, 150 * 0.4 / 0.6, 150 * 0.5 / 0.6], abs=0.05)
    assert tips(chart, "option_1") == ["Lab: 2 seats, 10%", "Lab: 3 seats, 40%", "Lab: 4 seats, 50%"]
    assert "majority: 3" in texts(chart)
    (line,) = marks(chart, "majority")
    edges = [mark.box[0] for mark in marks(chart, "option_1")]
    assert edges[0] < line.x < edges[1]
    assert "Lab: 3 seats (2 to 4), 90% probable to have a majority" in chart.description


def test_many_numbers_of_seats_are_taken_together_and_stay_as_probable():
    chart = seats_chart(seats(650, option("Lab", dict.fromkeys(range(201, 401), 1 / 200))))

    assert tips(chart, "option_1")[0] == "Lab: 201 to 204 seats, 2%"
    assert len(marks(chart, "option_1")) == 50


def test_a_majority_far_away_is_not_drawn():
    chart = seats_chart(seats(650, option("Green", {1: 0.5, 2: 0.5})))

    assert marks(chart, "majority") == []


def test_a_table_has_a_cell_for_each_pair_of_levels():
    rows = [
        estimate("all", 0.5, 0.4, 0.6, groups={"age": age, "gender": gender})
        for age in ("young", "old")
        for gender in ("woman", "man")
    ][:3]
    withheld = [
        WithheldGroup(area="all", area_name="All", groups={"age": "old", "gender": "man"}, reason="too few people")
    ]
    chart = crosstab_chart(answer(rows, by=["age", "gender"], withheld=withheld), rows, link=lambda row: "#there")

    cells = [mark.box for mark in marks(chart, "cells")]
    assert cells[0][1] == cells[1][1]  # young women beside young men
    assert cells[0][0] == cells[2][0]  # and above old women
    assert tips(chart, "cells")[1] == "young, man: 50% (40 to 60)"
    assert tips(chart, "without") == ["old, man: too few people"]
    assert set(links(chart)) == {
        "young, woman: 50% (40 to 60)",
        "young, man: 50% (40 to 60)",
        "old, woman: 50% (40 to 60)",
    }
    assert texts(chart).count("40–60") == 3


def test_a_table_needs_two_demographics():
    with pytest.raises(ValueError, match="needs two demographics"):
        crosstab_chart(answer([], by=["age"]), [])


def test_changes_stand_about_zero_and_are_filled_where_they_are_sure():
    changes = [change("Northmoor", 0.06, 0.03, "rise"), change("Ash", -0.01, 0.03, "no clear change")]
    chart = change_chart(ChangePayload(**HEAD, between="periods", since="W07", before=None, changes=changes))

    # Ends from -4 to +9 points: the axis goes from -5 to +10, and zero is a third of the way.
    (zero,) = marks(chart, "reference")
    assert zero.x == pytest.approx(148 + 246 / 3, abs=0.02)
    assert [mark.x for mark in marks(chart, "estimate")] == pytest.approx(
        [148 + 246 * (0.06 + 0.05) / 0.15, 148 + 246 * (-0.01 + 0.05) / 0.15], abs=0.02
    )
    assert [mark["fill"] for mark in marks(chart, "estimate")] == ["var(--chart-mark)", "var(--chart-surface)"]
    assert tips(chart, "rows")[1] == "Ash: −1.0 points (−4.0 to +2.0), no clear change"
    assert chart.title == "yes: Change since W07"


def test_a_revision_has_no_interval():
    before = ReleaseReference("r0", 1, HEAD["published_at"], None, "laplace", 1)
    revision = AreaRevision(
        area="A",
        area_name="Ash",
        groups={},
        before=SHARE,
        after=SHARE,
        difference=0.004,
        mc_error=0.001,
        beyond_simulation=True,
        sentence="Ash moved.",
    )
    payload = RevisionPayload(**HEAD, before=before, causes=["data"], waves=[], reasons=[], revisions=[revision])
    chart = change_chart(payload)

    assert marks(chart, "interval") == []
    assert tips(chart, "rows") == ["Ash: +0.4 points"]


def test_calibration_is_drawn_against_the_diagonal_with_its_band():
    points = [CoveragePoint(0.5, 0.46, 60, "district"), CoveragePoint(0.9, 0.95, 60, "region")]
    chart = calibration_chart(points)

    found = marks(chart, "estimate")
    # 358 px wide from 62, 300 px high, below the keys and 10 px.
    assert [mark.x for mark in found] == pytest.approx([62 + 358 * 0.5, 62 + 358 * 0.9], abs=0.02)
    assert found[0].y - found[1].y == pytest.approx(300 * (0.95 - 0.46), abs=0.02)
    assert len(marks(chart, "band")) == len(marks(chart, "diagonal")) == 1
    assert tips(chart, "estimate")[0] == "district: 50% intervals held the truth in 46% of 60"


def test_time_runs_towards_the_result():
    chart = lead_time_chart([LeadTimePoint(30, 0.05, "release 1"), LeadTimePoint(2, 0.02, "release 2")])

    early, late = marks(chart, "estimate")
    assert early.x < late.x
    assert early.y < late.y  # larger errors are higher
    assert tips(chart, "estimate")[0] == "release 1, 30 days before: 5.0 points"


def test_interviews_are_on_a_logarithmic_axis():
    points = [
        LearningPoint(n, error, error - 0.01, error + 0.01) for n, error in ((100, 0.1), (1000, 0.05), (10_000, 0.02))
    ]
    chart = learning_chart(points)

    first, second, third = (mark.x for mark in marks(chart, "estimate"))
    assert second - first == pytest.approx(third - second, abs=0.05)
    assert len(marks(chart, "interval")) == 3
    assert {"100", "1,000", "10,000"} <= set(texts(chart))


def test_a_sample_is_drawn_beside_the_people():
    shares = [SampleShare("age", "18-29", 0.1, 0.2), SampleShare("age", "30+", None, 0.8)]
    chart = representation_chart(shares)

    # From 0% to 80% in 246 px: both ends of the line are dots.
    (line,) = marks(chart, "interval")
    assert (line.x, line.x2) == pytest.approx((148 + 246 / 8, 148 + 246 / 4), abs=0.02)
    assert tips(chart, "rows") == [
        "18-29: 10% of the interviews, 20% of the people",
        "30+: interviews withheld, 80% of the people",
    ]
    assert "−10" in texts(chart)


def test_what_lies_outside_its_prediction_is_marked_and_named():
    chart = predictive_chart([PredictedShare("Northmoor", 0.5, 0.4, 0.6), PredictedShare("Ash", 0.7, 0.4, 0.6)])

    inside, outside = marks(chart, "estimate")
    assert (inside["fill"], outside["fill"]) == ("var(--chart-series-1)", "var(--chart-series-2)")
    assert inside["d"] != outside["d"]
    assert chart.description == "1 of 2 observed shares lie outside their 90% predictive interval: Ash."


def test_methods_stand_below_each_other_in_a_row():
    shares: list[Any] = [
        MethodNumber("Ash", "Raw", None, None, None),
        MethodNumber("Ash", "Weighted", 0.52, None, None),
        MethodNumber("Ash", "MRP", 0.5, 0.4, 0.6),
    ]
    chart = methods_chart(answer([]), shares)

    weighted, mrp = marks(chart, "estimate")
    assert weighted.y < mrp.y
    assert tips(chart, "rows") == ["Ash: Raw withheld; Weighted 52%; MRP 50% (40 to 60)"]
    assert {"Raw", "Weighted", "MRP"} <= set(texts(chart))
