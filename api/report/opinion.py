"""What the report says of opinion: the whole, districts, groups, over time, seats."""

from typing import Any

from api.charts import seats_chart, trend_chart
from api.errors import EstimateRefused
from api.page.asking import Asking
from api.page.figures import drawn, groups_figure, map_figure, toplines_figure
from api.page.movement import movement_of
from api.page.question import answers_of
from api.page.waves import wave_marks

__all__ = ["opinion_of"]

CLOSEST = 10
"""Districts in the table of the closest."""


def opinion_of(asking: Asking) -> dict[str, dict[str, Any] | None]:
    """Section -> what its part of the template needs; None where there is nothing to say."""
    answers = answers_of(asking)
    nation = answers[0]
    whole = nation.estimates[0] if nation.estimates else None
    districts = asking.estimates(level="district")
    groups = [(one, asking.estimates(by=(one.name,))) for one in asking.loaded.declaration.demographics]
    toplines = [(one.option, row) for one in answers for row in one.estimates]
    return {
        "now": {
            "universe": asking.loaded.declaration.universe,
            "answer": nation,
            "toplines": toplines,
            "chart": toplines_figure(answers) if toplines else None,
            "movement": movement_of(asking, asking.earlier()),
        },
        "where": {
            "answer": districts,
            "rows": districts.estimates,
            "withheld": districts.withheld,
            "chart": map_figure(asking, districts, districts.estimates, linked=False),
        },
        "who": {
            "groups": groups,
            "chart": groups_figure(
                groups[0][1],
                [row for _, of in groups for row in of.estimates],
                reference=whole.share if whole else None,
                title=f"Share of “{nation.option}” in groups",
            ),
        }
        if groups
        else None,
        "trend": _trend(asking) if asking.has_periods else None,
        "seats": _seats(asking),
    }


def _trend(asking: Asking) -> dict[str, Any]:
    answer = asking.trend()
    marks = wave_marks(asking, answer.periods)
    return {"answer": answer, "waves": marks, "chart": drawn(lambda: trend_chart(answer, waves=marks))}


def _seats(asking: Asking) -> dict[str, Any] | None:
    try:
        answer, closest = asking.seats(), asking.battleground()
    except EstimateRefused:  # the rest is not the other option alone
        return None
    return {
        "answer": answer,
        "versus": closest.versus,
        "closest": closest.districts[:CLOSEST],
        "chart": drawn(lambda: seats_chart(answer)),
    }
