"""Charts of an option that does not stand everywhere: no interval where it does not, and words in its place."""

from msgspec.structs import replace

from api.charts import crosstab_chart, district_map, interval_chart, tiles_of
from api.charts.measures import estimate_name, span_of, written
from tests.api.charts.drawn import marks, texts, tips
from tests.api.charts.payloads import answer, estimate
from tests.api.charts.tables import districts

STANDS = estimate("D000", 0.3, 0.2, 0.4, name="Ash", groups={"age": "old", "sex": "woman"})
AWAY = replace(
    STANDS, area="D001", area_name="Oak", share=0.0, low=None, high=None, intervals=[], part_standing=0.0
)  # fmt: skip


def test_a_map_has_an_empty_mark_that_says_so():
    chart = district_map(answer([STANDS, AWAY]), [STANDS, AWAY], tiles_of(districts(2)))

    assert len(marks(chart, "districts")) == 1
    assert tips(chart, "without") == ["District 1: does not stand"]
    assert [mark.text for mark in marks(chart, "numbers")] == ["30"]


def test_a_row_of_intervals_has_its_name_and_no_dot():
    chart = interval_chart(answer([STANDS, AWAY]), [STANDS, AWAY])

    assert len(marks(chart, "estimate")) == len(marks(chart, "interval")) == 1
    assert "—" in texts(chart)
    assert "Oak, old · woman: does not stand" in tips(chart, "rows")


def test_a_cell_of_a_table_is_empty_and_says_so():
    other = replace(AWAY, groups={"age": "young", "sex": "woman"})
    chart = crosstab_chart(answer([STANDS, other], by=["age", "sex"]), [STANDS, other])

    assert tips(chart, "without") == ["young, woman: does not stand"]
    assert len(marks(chart, "cells")) == 1


def test_a_share_of_part_of_the_people_is_named_so():
    part = replace(STANDS, part_standing=0.4)

    assert estimate_name("Ash", part) == "Ash: 30% (20 to 40), stands among 40% of the people"
    assert estimate_name("Ash", STANDS) == "Ash: 30% (20 to 40)"
    assert (written(part), span_of(part)) == ("30%", (0.2, 0.4))
    assert (written(AWAY), span_of(AWAY)) == ("does not stand", (0, 0))
