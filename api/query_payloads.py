"""The bodies of many queries in one request, every field described."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

__all__ = ["MOST_QUERIES", "QueriesBody", "QueriesPayload", "QueryAnswer"]

MOST_QUERIES = 50


class QueriesBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked, each like a GET."""

    queries: Annotated[
        list[dict[str, Any]],
        Meta(
            description="Each has `question`; `kind`: estimates, probability, rank, contrast, change, revision, trend, "
            "seats, battleground or district (with `district`, its code); and the parameters of the GET of that name, "
            "written as there. `interval` may be a number; null is as if it were left out.",
            min_length=1,
            max_length=MOST_QUERIES,
            examples=[[{"question": "rail", "kind": "rank", "level": "district", "interval": "0.5,0.9"}]],
        ),
    ]


class QueryAnswer(msgspec.Struct, frozen=True):
    """What one query is answered."""

    status: Annotated[int, Meta(description="The status that the GET would have.")]
    body: Annotated[dict[str, Any], Meta(description="The body that the GET would have: an answer or a problem.")]


class QueriesPayload(msgspec.Struct, frozen=True):
    """Answers to many queries."""

    answers: Annotated[list[QueryAnswer], Meta(description="In the order of the queries.")]
