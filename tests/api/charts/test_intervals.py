"""Shares and intervals as rows: where they are, what they are called, where they lead."""

import pytest

from api.charts import interval_chart, toplines_chart
from tests.api.charts.drawn import links, marks, root_of, texts, tips
from tests.api.charts.payloads import answer, estimate

ROWS = [
    estimate("D1", 0.54, 0.48, 0.60, name="Northmoor"),
    estimate("D2", 0.30, 0.22, 0.38, name="Ash", flags=["no-interviews"]),
]
# Names take 148 px at the left and numbers 46 at the right of 440. The ends 0.22 and 0.60 need the axis from 20% to 60%
# in steps of 10 points, so that a share s is at 148 + 246 (s - 0.2) / 0.4.
LEFT, WIDTH = 148.0, 246.0


def at(share: float) -> float:
    return LEFT + WIDTH * (share - 0.2) / 0.4


def test_dots_and_ends_of_intervals_are_where_the_axis_says():
    chart = interval_chart(answer(ROWS), ROWS)

    dots = [mark.x for mark in marks(chart, "estimate")]
    spans = [(mark.x, mark.x2) for mark in marks(chart, "interval")]
    inner = [(mark.x, mark.x2) for mark in marks(chart, "inner")]
    assert dots == pytest.approx([at(0.54), at(0.30)], abs=0.02)
    assert [end for span in spans for end in span] == pytest.approx([at(0.48), at(0.60), at(0.22), at(0.38)], abs=0.02)
    assert inner[0] == pytest.approx((at(0.51), at(0.57)), abs=0.02)
    assert [text for text in texts(chart) if text.endswith("0%")] == ["20%", "30%", "40%", "50%", "60%", "30%"]


def test_rows_stand_below_each_other_and_are_large_enough_to_be_hit():
    boxes = [mark.box for mark in marks(interval_chart(answer(ROWS), ROWS), "rows")]

    (_, first, _, height), (_, second, _, _) = boxes
    assert second - first == height
    # On a screen of 360 px the chart is 328 px wide, so this is 19 px there: with the space of its neighbours, which
    # lead elsewhere, WCAG's 24 px at full size.
    assert height >= 24


def test_every_row_has_a_name_with_share_and_interval():
    chart = interval_chart(answer(ROWS), ROWS)

    assert tips(chart, "rows") == ["Northmoor: 54% (48 to 60)", "Ash: 30% (22 to 38), nobody interviewed"]
    assert root_of(chart).get("role") == "img"


def test_rows_lead_where_they_are_told_to():
    chart = interval_chart(answer(ROWS), ROWS, link=lambda row: f"/districts/{row.area}?a=1&b=2")

    assert links(chart) == {
        "Northmoor: 54% (48 to 60)": "/districts/D1?a=1&b=2",
        "Ash: 30% (22 to 38), nobody interviewed": "/districts/D2?a=1&b=2",
    }
    # An image would hide its links from a screen reader.
    assert root_of(chart).get("role") == "group"


def test_the_largest_share_comes_first_if_asked():
    rows = ROWS[::-1]

    assert tips(interval_chart(answer(rows), rows), "rows")[0].startswith("Ash")
    assert tips(interval_chart(answer(rows), rows, sort="share"), "rows")[0].startswith("Northmoor")


def test_groups_of_several_demographics_have_headings():
    rows = [
        estimate("all", 0.4, 0.3, 0.5, groups={"age": "18-29"}),
        estimate("all", 0.5, 0.4, 0.6, groups={"age": "30+"}),
        estimate("all", 0.5, 0.4, 0.6, groups={"gender": "woman"}),
    ]
    chart = interval_chart(answer(rows, level="nation"), rows)

    assert [mark.text for mark in marks(chart, "headings")] == ["age", "gender"]
    assert [mark.text for mark in marks(chart, "labels")] == ["18-29", "30+", "woman"]


def test_a_model_alone_is_hollow_and_the_key_says_so():
    chart = interval_chart(answer(ROWS), ROWS)

    assert [mark["fill"] for mark in marks(chart, "estimate")] == ["var(--chart-mark)", "var(--chart-surface)"]
    assert "Model alone: nobody interviewed" in texts(chart)


def test_options_are_compared_on_one_axis_from_zero():
    shares = {"yes": 0.46, "no": 0.41, "don't know": 0.13}
    chart = toplines_chart(
        [
            answer([estimate("all", s, s - 0.03, s + 0.03, option=o)], option=o, level="nation")
            for o, s in shares.items()
        ]
    )

    assert chart.title == "Should the town build the bypass?"
    assert tips(chart, "rows") == ["yes: 46% (43 to 49)", "no: 41% (38 to 44)", "don't know: 13% (10 to 16)"]
    assert "0%" in texts(chart)


def test_without_estimates_a_chart_says_so():
    chart = interval_chart(answer([]), [])

    assert chart.description.startswith("Nothing is estimated")
    assert marks(chart, "estimate") == []


@pytest.mark.parametrize("share", [0.0, 0.0004, 0.5, 0.9996, 1.0])
def test_tiny_and_huge_shares_stay_on_the_axis(share: float):
    rows = [estimate("D1", share, max(share - 0.0002, 0), min(share + 0.0002, 1))]
    (mark,) = marks(interval_chart(answer(rows), rows), "interval")

    assert LEFT - 0.01 <= mark.x < mark.x2 <= LEFT + WIDTH + 0.01


def test_many_rows_have_the_axis_above_them_too_and_long_names_two_lines():
    rows = [estimate(f"D{n}", 0.5, 0.4, 0.6, name=f"Somewhere-on-the-Water and Vale {n}") for n in range(21)]
    many, few = interval_chart(answer(rows), rows), interval_chart(answer(rows[:20]), rows[:20])

    assert (texts(few).count("50%"), texts(many).count("50%")) == (20 + 1, 21 + 2)
    first, second = marks(few, "long_labels")[:2]
    assert (first.text, second.text) == ("Somewhere-on-the-Water", "and Vale 0")
    assert first.y < second.y < first.y + 26


def test_the_interval_with_the_systematic_error_is_lighter_behind_the_other_and_explained():
    rows = [estimate("D1", 0.54, 0.48, 0.60, name="Northmoor", total=(0.42, 0.60)), ROWS[1]]
    chart = interval_chart(answer(rows), rows)

    (outer,) = [(mark.x, mark.x2) for mark in marks(chart, "outer")]
    assert outer == pytest.approx((at(0.42), at(0.60)), abs=0.02)
    assert tips(chart, "rows")[0] == "Northmoor: 54% (48 to 60), 42 to 60% with the systematic error"
    assert {"Interval of the model", "With the error that polls share"} <= set(texts(chart))
    assert "With the error that polls share" not in texts(interval_chart(answer(ROWS), ROWS))
