"""The query parameters that questions about shares have in common, and how they are read.

``asked`` is a dependency: a route that takes it has all of them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from api.answering import Which
from api.group_query import EstimateQuery
from api.label_text import intervals_from, labels_from, merges_from, names_from
from api.services import Services

__all__ = ["ASKED", "Asked"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What every question about shares and means says."""

    services: Services
    which: Which
    query: EstimateQuery

    def query_as[Q: EstimateQuery](self, kind: type[Q], /, **more: Any) -> Q:
        """The query, with what a route asks besides."""
        return kind(**{name: getattr(self.query, name) for name in EstimateQuery.__dataclass_fields__}, **more)


def asked(
    *,
    # Through here and not beside it: two dependencies at one level cost every request a group of tasks.
    services: NamedDependency[Services],
    survey_id: FromPath[str],
    question_id: FromPath[str],
    level: Annotated[
        str | None,
        QueryParameter(description="nation, a parent level or district. Default: district if districts are named."),
    ] = None,
    districts: Annotated[str | None, QueryParameter(description="District codes, separated by commas.")] = None,
    by: Annotated[str | None, QueryParameter(description="Demographics, separated by commas.")] = None,
    where: Annotated[
        str | None,
        QueryParameter(
            description="Who is counted: column:level, separated by commas, such as age:65+,gender:woman. A column is "
            "a demographic, a parent level or district; of several levels of one column any is meant."
        ),
    ] = None,
    merge: Annotated[
        str | None,
        QueryParameter(
            description="Levels taken together: column:level|level=name, separated by commas, such as "
            "age:18-29|30-39=young,district:A|B=Coast. The column is one of `by` or that of the areas."
        ),
    ] = None,
    interval: Annotated[
        str,
        QueryParameter(
            description="Probability of the central interval, above 0 and below 1; several with commas between."
        ),
    ] = "0.9",
    option: Annotated[str | None, QueryParameter(description="Whose share. Default: the first option.")] = None,
    measure: Annotated[
        str | None,
        QueryParameter(
            description="share: of an option; mean: of answers that are numbers, or of the scores of ordered options, "
            "in their unit. Default: the mean of numbers, of all other questions the share."
        ),
    ] = None,
    period: Annotated[
        str | None,
        QueryParameter(description="A period of the model, such as 2026-W09. Default: the last one that it has."),
    ] = None,
    uncertainty: Annotated[
        str | None,
        QueryParameter(
            description="model or total, where one probability is given: with the systematic error, or without it. "
            "Default: total where one is declared. Estimates give both intervals."
        ),
    ] = None,
    estimand: Annotated[
        str | None,
        QueryParameter(
            description="reports or truth, of a question whose reports are wrong at declared rates: what people say, "
            "or what they did, turned back from it. Default: reports."
        ),
    ] = None,
    population: Annotated[
        str | None,
        QueryParameter(
            description="Whom the answer is about: everybody, or a part of the population that the survey declares, "
            "such as likely voters. Default: that of the question, or everybody."
        ),
    ] = None,
    release: Annotated[str | None, QueryParameter(description="Id of a release. Default: the current one.")] = None,
    as_of: Annotated[
        datetime | None,
        QueryParameter(description="A moment: answer from the release that was current then, as it was known on it."),
    ] = None,
    format: Annotated[  # noqa: A002 (the name of the parameter)
        str | None, QueryParameter(description="json, csv, parquet or arrow. Default: what Accept prefers.")
    ] = None,
    limit: Annotated[
        int | None, QueryParameter(description="Rows of a page, withheld groups included. Default: all in one.")
    ] = None,
    cursor: Annotated[
        str | None, QueryParameter(description="The `next_cursor` of the page before, with the query that gave it.")
    ] = None,
) -> Asked:
    """What every question about shares and means says, from the request."""
    query = EstimateQuery(
        level=level,
        districts=names_from(districts),
        by=names_from(by),
        where=labels_from(where, "where"),
        merge=merges_from(merge),
        intervals=intervals_from(interval),
        option=option or None,
        measure=measure or None,
        period=period or None,
        population=population or None,
        uncertainty=uncertainty or None,
        estimand=estimand or None,
    )
    return Asked(services, Which(survey_id, question_id, release, as_of, format, limit, cursor), query)


ASKED = {"asked": Provide(asked, sync_to_thread=False)}
