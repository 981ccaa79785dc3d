"""What the report says of opinion: the whole, districts, groups, over time, seats."""

from typing import Any

from api.charts import seats_chart
from api.errors import EstimateRefused
from api.page.asking import Asking
from api.page.figures import drawn, groups_figure, map_figure, toplines_figure
from api.page.means import means_of
from api.page.movement import movement_of
from api.page.question import answers_of
from api.page.several import several_of
from api.page.trend import trend_figure
from api.page.waves import wave_marks

__all__ = ["opinion_of"]

CLOSEST = 10
"""Districts in the table of the closest."""


def opinion_of(asking: Asking) -> dict[str, dict[str, Any] | None]:
    """Section -> what its part of the template needs; None where there is nothing to say."""
    kind = asking.loaded.question.kind
    if kind == "numeric":
        about = means_of(asking, asking.earlier(), linked=False)
        return {name: {"kind": "means", **about} for name in ("now", "where", "who")} | {
            "trend": _trend(asking) if asking.has_periods else None,
            "seats": None,
        }
    if kind != "binary":
        about = several_of(asking, asking.earlier(), None, linked=False)
        told: dict[str, dict[str, Any] | None] = {
            name: {"kind": "several", **about} for name in ("now", "where", "who")
        }
        return told | {"trend": _trend(asking) if asking.has_periods else None, "seats": _seats(asking)}
    return _of_two_options(asking)


def _of_two_options(asking: Asking) -> dict[str, dict[str, Any] | None]:
    answers = answers_of(asking)
    nation = answers[0]
    whole = nation.estimates[0] if nation.estimates else None
    districts = asking.estimates(level="district")
    groups = [(one, asking.estimates(by=(one.name,))) for one in asking.loaded.declaration.demographics]
    toplines = [(one.option, row) for one in answers for row in one.estimates]
    return {
        "now": {
            "kind": "binary",
            "universe": asking.loaded.declaration.universe,
            "answer": nation,
            "toplines": toplines,
            "chart": toplines_figure(answers) if toplines else None,
            "movement": movement_of(asking, asking.earlier()),
        },
        "where": {
            "kind": "binary",
            "answer": districts,
            "rows": districts.estimates,
            "withheld": districts.withheld,
            "chart": map_figure(asking, districts, districts.estimates, linked=False),
        },
        "who": {
            "kind": "binary",
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
    options = asking.loaded.question.options
    # Numbers have a mean alone.
    named = (options if len(options) > 2 else options[:1]) or (None,)
    answers = [asking.trend(option=option) for option in named]
    marks = wave_marks(asking, answers[0].periods)
    return {"answers": answers, "waves": marks, "chart": trend_figure(answers, marks)}


def _seats(asking: Asking) -> dict[str, Any] | None:
    try:
        answer, closest = asking.seats(), asking.battleground()
    except EstimateRefused:  # the rest is not the other option alone, or options are a scale
        return None
    return {
        "answer": answer,
        "versus": closest.versus,
        "closest": closest.districts[:CLOSEST],
        "chart": drawn(lambda: seats_chart(answer)),
    }
