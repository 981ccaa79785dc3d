"""Charts and maps as SVG made by the server: they need no script, print well and follow the page's colours.

Every builder takes payloads as the API answers them, or rows of `api.charts.rows` where there is none, and returns a
`Chart`. Put ``chart.svg`` into the page as it is (it is XML that was escaped here), inside an element of class
``chart``, and `stylesheet()` into the page's style sheet: colours are custom properties with a light and a dark value.

    from api import charts

    places, _ = find_places(services, survey_id, version=version, districts=districts)  # api.map_places
    chart = charts.district_map(answer, answer.estimates, places, link=lambda row: f"districts/{row.area}")
    f'<figure class="chart">{chart.svg}<figcaption>{chart.title}</figcaption></figure>'

A chart names itself: its ``<title>`` and ``<desc>`` are what `Chart.title` and `Chart.description` say. With a ``link``
its marks are links, each with a name such as "Northmoor: 54% (48 to 60)"; without, it is one image. Nothing in it needs
``style-src 'unsafe-inline'``. The same arguments give the same bytes.

| function | shows | of |
|---|---|---|
| `district_map` | share or mean, and uncertainty, by district, on shapes or tiles | `EstimatesPayload` and its like |
| `leaders_map` | which of several options leads by district, and how surely | `LeadersPayload` |
| `interval_chart` | shares or means with intervals, one row each | any payload with `AreaEstimate` or `AreaMean` rows |
| `toplines_chart` | the same for several options of a question | one `EstimatesPayload` an option |
| `change_chart` | differences with intervals about a zero line | `Change`, `Contrast`, `RevisionPayload` |
| `trend_chart` | shares or means over periods with bands, waves marked | `TrendPayload` |
| `options_trend_chart` | the same for several options of a question | one `TrendPayload` an option |
| `seats_chart` | the distribution of seats | `SeatsPayload` |
| `crosstab_chart` | a table of two demographics, coloured | estimates or means with two columns in ``by`` |
| `calibration_chart`, `lead_time_chart`, `learning_chart` | how right it was | `CoveragePoint`, `LeadTimePoint`, ... |
| `representation_chart` | sample against frame | `SampleShare` |
| `predictive_chart` | what was observed on what the model expects | `PredictedShare` |
| `methods_chart` | raw, weighted and MRP side by side | `MethodsPayload`, `MethodNumber` |

Making a chart takes 30 to 100 ms in a process of its own (`api.drawing.renderer`), the first one a second, which `warm`
takes at start-up; made charts are kept in memory, and giving one again takes about a millisecond. All of it blocks:
call it in a handler's thread.
"""

from api.charts.changes import change_chart
from api.charts.chart import Chart, ChartFailed, Link
from api.charts.crosstabs import crosstab_chart
from api.charts.intervals import interval_chart, toplines_chart
from api.charts.leaders import leaders_map
from api.charts.maps import district_map
from api.charts.places import Places, Shapes, Tiles, tiles_of
from api.charts.rows import (
    CoveragePoint,
    LeadTimePoint,
    LearningPoint,
    MethodNumber,
    PredictedShare,
    SampleShare,
    WaveMark,
)
from api.charts.scores import calibration_chart, lead_time_chart, learning_chart
from api.charts.seats import seats_chart
from api.charts.side_by_side import methods_chart, predictive_chart, representation_chart
from api.charts.theme import stylesheet
from api.charts.trends import options_trend_chart, trend_chart
from api.drawing.renderer import render, warm

__all__ = [
    "Chart",
    "ChartFailed",
    "CoveragePoint",
    "LeadTimePoint",
    "LearningPoint",
    "Link",
    "MethodNumber",
    "Places",
    "PredictedShare",
    "SampleShare",
    "Shapes",
    "Tiles",
    "WaveMark",
    "calibration_chart",
    "change_chart",
    "crosstab_chart",
    "district_map",
    "interval_chart",
    "lead_time_chart",
    "leaders_map",
    "learning_chart",
    "methods_chart",
    "options_trend_chart",
    "predictive_chart",
    "render",
    "representation_chart",
    "seats_chart",
    "stylesheet",
    "tiles_of",
    "toplines_chart",
    "trend_chart",
    "warm",
]
