"""Charts and maps as SVG made by the server: they need no script, print well and follow the page's colours.

Every builder takes payloads as the API answers them, or rows of `api.charts.rows` where there is none, and returns a
`Chart`. Put ``chart.svg`` into the page as it is (it is XML that was escaped here), inside an element of class
``chart``, and `stylesheet()` into the page's style sheet: colours are custom properties with a light and a dark value.

    from api import charts

    chart = charts.district_map(answer, answer.estimates, places, link=lambda row: f"districts/{row.area}")
    f'<figure class="chart">{chart.svg}<figcaption>{chart.title}</figcaption></figure>'

A chart names itself: its ``<title>`` and ``<desc>`` are what `Chart.title` and `Chart.description` say. With a ``link``
its marks are links, each with a name such as "Northmoor: 54% (48 to 60)"; without, it is one image. Nothing in it needs
``style-src 'unsafe-inline'``. The same arguments give the same bytes.

| function | shows | of |
|---|---|---|
| `district_map` | share and uncertainty by district, on shapes or tiles | `EstimatesPayload` and its like |
| `interval_chart` | shares with intervals, one row each | any payload with `AreaEstimate` rows |
| `toplines_chart` | the same for several options of a question | one `EstimatesPayload` an option |
| `change_chart` | differences with intervals about a zero line | `ChangePayload`, `ContrastPayload`, `RevisionPayload` |
| `trend_chart` | shares over periods with bands, waves marked | `TrendPayload` |
| `seats_chart` | the distribution of seats | `SeatsPayload` |
| `crosstab_chart` | a table of two demographics, coloured | `EstimatesPayload` with two columns in ``by`` |
| `calibration_chart`, `lead_time_chart`, `learning_chart` | how right it was | `CoveragePoint`, `LeadTimePoint`, ... |
| `representation_chart` | sample against frame | `SampleShare` |
| `predictive_chart` | what was observed on what the model expects | `PredictedShare` |
| `methods_chart` | raw, weighted and MRP side by side | `MethodShare` |

Making a chart takes 30 to 100 ms in a process of its own (`api.charts.renderer`), the first one a second, which `warm`
takes at start-up; made charts are kept in memory, and giving one again takes about a millisecond. All of it blocks: call
it in a handler's thread.
"""

from api.charts.chart import Chart, ChartFailed, Link
from api.charts.intervals import interval_chart, toplines_chart
from api.charts.renderer import render, warm
from api.charts.theme import stylesheet

__all__ = [
    "Chart",
    "ChartFailed",
    "Link",
    "interval_chart",
    "render",
    "stylesheet",
    "toplines_chart",
    "warm",
]
