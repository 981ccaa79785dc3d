"""What holds for every chart: well formed, escaped, the same each time, fit for a strict page."""

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from api.answer_payloads import IntervalEnds, Number
from api.charts import (
    Chart,
    CoveragePoint,
    LeadTimePoint,
    LearningPoint,
    MethodNumber,
    PredictedShare,
    SampleShare,
    WaveMark,
    calibration_chart,
    change_chart,
    crosstab_chart,
    district_map,
    interval_chart,
    lead_time_chart,
    leaders_map,
    learning_chart,
    methods_chart,
    predictive_chart,
    representation_chart,
    seats_chart,
    tiles_of,
    toplines_chart,
    trend_chart,
)
from api.comparison_payloads import AreaChange, ChangePayload
from api.district_payloads import OptionSeatsPayload, SeatChance, SeatsPayload
from api.drawing.renderer import Renderer
from api.trend_payloads import TrendPayload, TrendPoint
from tests.api.charts.drawn import SVG, root_of
from tests.api.charts.payloads import HEAD, answer, estimate, leader, leaders, mean, means, number_fields, second_fields
from tests.api.charts.tables import districts

HOSTILE = "<script>alert(1)</script> \"'&amp; \\ 🗳️ \u202eהצבעה\u202c ]]> \x0b 'x' + alert(1) //"
Make = Callable[[str], Chart]


def _rows(name: str) -> Chart:
    rows = [estimate("D1", 0.5, 0.4, 0.6, name=name)]
    return interval_chart(answer(rows, option=name, text=name), rows, link=lambda row: f"/d/{name}")


def _toplines(name: str) -> Chart:
    return toplines_chart([answer([estimate("all", 0.5, 0.4, 0.6, option=name)], option=name, text=name)])


def _map(name: str) -> Chart:
    rows = [estimate("D000", 0.5, 0.4, 0.6, name=name)]
    table = districts(2, name=name)
    return district_map(answer(rows, option=name), rows, tiles_of(table), link=lambda row: f"/d/{name}")


def _leaders(name: str) -> Chart:
    rows = (leader("D000", name, 0.9, name=name),)
    table = districts(2, name=name)
    return leaders_map(leaders(*rows, text=name), (name, "Town"), tiles_of(table), link=lambda row: f"/d/{name}")


def _means(name: str) -> Chart:
    rows = [mean("D000", 12.0, 10.0, 14.0, area_name=name)]
    return interval_chart(means(*rows, unit=name), rows, link=lambda row: f"/d/{name}")


def _table(name: str) -> Chart:
    rows = [estimate("all", 0.5, 0.4, 0.6, groups={"age": name, "gender": name})]
    return crosstab_chart(answer(rows, by=["age", "gender"], option=name), rows)


def _change(name: str) -> Chart:
    share = Number(**number_fields(0.5, 0.4, 0.6))
    change = AreaChange(
        area="D1",
        area_name=name,
        groups={},
        before=share,
        after=share,
        difference=0.01,
        low=-0.01,
        high=0.03,
        intervals=[IntervalEnds(0.9, -0.01, 0.03)],
        sd=0.01,
        mc_error=0.001,
        p_rise=0.8,
        p_rise_mc_error=0.01,
        words="no clear change",
        sentence=f"{name}: no clear change.",
        mix_and_mind=None,
        mix_and_mind_reason=None,
    )
    return change_chart(ChangePayload(**HEAD, between="periods", since=name, before=None, changes=[change]))


def _trend(name: str) -> Chart:
    fields = number_fields(0.5, 0.4, 0.6)
    points = [
        TrendPoint(period=period, option="yes", area="D1", area_name=area, groups={}, **fields, **second_fields(None))
        for area in (name, "other")
        for period in (name, "W2")
    ]
    payload = TrendPayload(**{**HEAD, "option": name}, periods=[name, "W2"], points=points)
    return trend_chart(payload, waves=[WaveMark(name, name)])


def _seats(name: str) -> Chart:
    option = OptionSeatsPayload(
        option=name,
        seats=1.0,
        low=0.0,
        high=2.0,
        intervals=[],
        sd=0.5,
        mc_error=0.01,
        p_majority=0.3,
        p_majority_mc_error=0.01,
        p_most=0.5,
        p_most_mc_error=0.01,
        distribution=[SeatChance(1, 0.7, 0.01), SeatChance(2, 0.3, 0.01)],
    )
    return seats_chart(SeatsPayload(**HEAD, n_seats=3, options=[option], tipping=[]))


CHARTS: dict[str, Make] = {
    "rows": _rows,
    "toplines": _toplines,
    "map": _map,
    "leaders": _leaders,
    "means": _means,
    "table": _table,
    "change": _change,
    "trend": _trend,
    "seats": _seats,
    "calibration": lambda name: calibration_chart([CoveragePoint(0.9, 0.8, 30, name)], title=name),
    "lead time": lambda name: lead_time_chart([LeadTimePoint(7, 0.03, name, name)], error=name),
    "learning": lambda name: learning_chart([LearningPoint(500, 0.03, 0.02, 0.04, name)], error=name),
    "representation": lambda name: representation_chart([SampleShare(name, name, 0.5, 0.4)]),
    "predictive": lambda name: predictive_chart([PredictedShare(name, 0.5, 0.4, 0.6, name)]),
    "methods": lambda name: methods_chart(answer([]), [MethodNumber(name, name, 0.5, 0.4, 0.6)]),
}


@pytest.fixture(params=CHARTS, scope="module")
def make(request: pytest.FixtureRequest) -> Make:
    return CHARTS[request.param]


def test_hostile_names_are_text(make: Make):
    chart = make(HOSTILE)

    root = root_of(chart)  # well formed
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "title", "desc", "g", "a", "path", "line", "rect", "text", "tspan", "defs", "clipPath"),
    }
    said = "".join(root.itertext()) + "".join(value for element in root.iter() for value in element.attrib.values())
    assert "<script>alert(1)</script>" in said
    assert "🗳️" in said
    assert "הצבעה" in said
    assert "<script" not in chart.svg


def test_a_strict_page_need_not_allow_anything_for_it(make: Make):
    """``default-src 'none'; style-src 'self'`` blocks inline styles, handlers, scripts and whatever is loaded."""
    root = root_of(make("Northmoor"))

    for element in root.iter():
        assert element.tag.removeprefix(SVG) not in ("style", "script", "image", "use", "foreignObject")
        assert not [name for name in element.attrib if name == "style" or name.startswith("on")]
        assert not [value for value in element.attrib.values() if "javascript:" in value or "http" in value]


def test_it_is_named_and_described(make: Make):
    chart = make("Northmoor")
    root = root_of(chart)

    ids = {element.get("id"): element for element in root.iter() if element.get("id")}
    title, description = (ids[root.attrib[name]] for name in ("aria-labelledby", "aria-describedby"))
    assert (title.text, description.text) == (chart.title, chart.description)
    assert chart.title
    assert re.search(r"\w", chart.description)
    assert root.get("role") == ("group" if root.find(f".//{SVG}a") is not None else "img")
    assert all(a.get("aria-label") and a.get("href") for a in root.iter(f"{SVG}a"))


def test_it_scales_with_its_place(make: Make):
    root = root_of(make("Northmoor"))

    assert root.attrib["viewBox"] == f"0 0 {root.attrib['width']} {root.attrib['height']}"
    assert root.attrib["width"] == "440"


def test_colours_are_the_themes_alone(make: Make):
    for element in root_of(make("Northmoor")).iter():
        for name in ("fill", "stroke"):
            colour = element.get(name, "none")
            assert colour in ("none", "currentColor") or colour.startswith(("var(--chart-", "url(#chart-")), colour


def test_texts_and_what_repeats_them_are_said_once(make: Make):
    """A screen reader reads the names of links and the description, not every number on an axis."""
    root = root_of(make("Northmoor"))
    hidden = {part for group in root.iter() if group.get("aria-hidden") == "true" for part in group.iter()}

    assert [text for text in root.iter(f"{SVG}text") if text not in hidden] == []


def test_the_same_chart_is_the_same_bytes_in_another_process():
    charts = [make("Northmoor") for make in CHARTS.values()]
    specs: list[str] = [chart.svg for chart in charts]

    import api.charts.chart as module

    with pytest.MonkeyPatch.context() as patch:
        other = Renderer()
        patch.setattr(module, "render", other)
        try:
            # In another order, too: nothing that a process counts is in a chart.
            again = [make("Northmoor").svg for make in list(CHARTS.values())[::-1]][::-1]
        finally:
            other.close()
    assert again == specs


def test_nothing_to_show_is_a_chart_too():
    empty = [
        interval_chart(answer([]), []),
        toplines_chart([]),
        district_map(answer([]), [], tiles_of(districts(3))),
        crosstab_chart(answer([], by=["age", "gender"]), []),
        change_chart(ChangePayload(**HEAD, between="periods", since="W1", before=None, changes=[])),
        trend_chart(TrendPayload(**HEAD, periods=[], points=[])),
        seats_chart(SeatsPayload(**HEAD, n_seats=3, options=[], tipping=[])),
        calibration_chart([]),
        lead_time_chart([]),
        learning_chart([]),
        representation_chart([]),
        predictive_chart([]),
        methods_chart(answer([]), []),
    ]
    for chart in empty:
        assert ElementTree.fromstring(chart.svg).get("role") in ("img", "group")
        assert chart.description
