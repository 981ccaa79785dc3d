"""What the report says of the sample: raw and weighted shares or means beside the estimates, and whom it represents."""

from collections.abc import Iterator
from typing import Any

from api.charts import MethodNumber, SampleShare, methods_chart, representation_chart
from api.charts.measures import measure_of, value_of
from api.methods_payloads import AreaMethods
from api.page.asking import Asking
from api.page.figures import drawn
from api.representation_payloads import RepresentationPayload

__all__ = ["sample_of"]


def sample_of(asking: Asking) -> dict[str, dict[str, Any] | None]:
    """Section -> what its part of the template needs; None where there is nothing to say."""
    whole = asking.methods()
    by_group = [(one.name, asking.methods(by=(one.name,))) for one in asking.loaded.declaration.demographics]
    rows = [row for answer in (whole, *(answer for _, answer in by_group)) for row in answer.methods]
    title = f"{measure_of(whole)}, by three methods"
    told = asking.representation()
    return {
        "methods": {
            "answer": whole,
            "tables": by_group,
            "chart": drawn(lambda: methods_chart(whole, list(_numbers(rows)), title=title)),
        },
        "represented": {"told": told, "chart": _representation(told, asking)},
    }


def _numbers(rows: list[AreaMethods]) -> Iterator[MethodNumber]:
    for row in rows:
        name = " · ".join(row.groups.values()) or "Everybody"
        for method, one in (("Raw", row.raw), ("Weighted", row.weighted), ("MRP", row.mrp)):
            if one is None:
                yield MethodNumber(name, method, None, None, None)
            else:
                yield MethodNumber(name, method, value_of(one), one.low, one.high)


def _representation(told: RepresentationPayload, asking: Asking) -> Any:
    demographics = asking.loaded.electorate.demographics
    shares = [
        SampleShare(one.column, one.level, one.sample_share, one.frame_share)
        for one in told.levels
        if one.column in demographics
    ]
    return drawn(lambda: representation_chart(shares)) if shares else None
