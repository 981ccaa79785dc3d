"""What the report says of the sample: raw and weighted shares beside the estimates, and whom it represents."""

from collections.abc import Iterator
from typing import Any

from api.charts import MethodShare, SampleShare, methods_chart, representation_chart
from api.methods_payloads import AreaMethods
from api.page.asking import Asking
from api.page.figures import drawn
from api.representation_payloads import RepresentationPayload

__all__ = ["sample_of"]


def sample_of(asking: Asking) -> dict[str, dict[str, Any] | None]:
    """Section -> what its part of the template needs; None where there is nothing to say."""
    if asking.loaded.question.kind == "numeric":  # told of shares alone
        return {"methods": None, "represented": None}
    whole = asking.methods()
    by_group = [(one.name, asking.methods(by=(one.name,))) for one in asking.loaded.declaration.demographics]
    rows = [row for answer in (whole, *(answer for _, answer in by_group)) for row in answer.methods]
    told = asking.representation()
    return {
        "methods": {
            "answer": whole,
            "tables": by_group,
            "chart": drawn(lambda: methods_chart(list(_shares(rows)), title="Share by three methods")),
        },
        "represented": {"told": told, "chart": _representation(told, asking)},
    }


def _shares(rows: list[AreaMethods]) -> Iterator[MethodShare]:
    for row in rows:
        name = " · ".join(row.groups.values()) or "Everybody"
        for method, share in (("Raw", row.raw), ("Weighted", row.weighted), ("MRP", row.mrp)):
            if share is None:
                yield MethodShare(name, method, None, None, None)
            else:
                yield MethodShare(name, method, share.share, share.low, share.high)


def _representation(told: RepresentationPayload, asking: Asking) -> Any:
    demographics = asking.loaded.electorate.demographics
    shares = [
        SampleShare(one.column, one.level, one.sample_share, one.frame_share)
        for one in told.levels
        if one.column in demographics
    ]
    return drawn(lambda: representation_chart(shares)) if shares else None
