"""Ask releases how probable, how high among others, and how different their shares and means are."""

from typing import Annotated, Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.answer_payloads import ProbabilityPayload, RankPayload
from api.answering import TABLE_ANSWERS, answer, find
from api.chances import (
    ProbabilityQuery,
    RankQuery,
    answer_probabilities,
    answer_ranks,
    prepare_probabilities,
    prepare_ranks,
)
from api.changes import ChangeQuery, answer_changes, prepare_change, prepare_change_of_releases
from api.comparison_payloads import ChangePayload, ContrastPayload, RevisionPayload
from api.contrasts import ContrastQuery, answer_contrasts, prepare_contrasts
from api.forms import InTableForms
from api.label_text import labels_from
from api.query_parameters import ASKED, Asked
from api.revisions import RevisionQuery, answer_revision, prepare_revision
from api.served import Served, find_earlier
from polling.store import fits
from polling.store.restatement import compare_waves

__all__ = ["comparisons_routes"]

QUESTION = "/v1/surveys/{survey_id:str}/questions/{question_id:str}"
SIDE = "column:level, separated by commas; of several levels of one column any is meant."


@get(
    f"{QUESTION}/probability",
    operation_id="getProbability",
    summary="Probability of shares or means above a threshold",
    tags=["estimates"],
    sync_to_thread=True,
    operation_class=InTableForms,
    responses=TABLE_ANSWERS,
    dependencies=ASKED,
)
def get_probability(
    *,
    request: Request[Any, Any, Any],
    asked: NamedDependency[Asked],
    threshold: Annotated[
        float | None,
        QueryParameter(
            description="Of shares from 0 to 1, by default 0.5; of means a number that answers can be, in their unit."
        ),
    ] = None,
) -> Response[ProbabilityPayload]:
    """The probability that the share or the mean is above a threshold, with its Monte-Carlo error, by area and group.

    Asked, cached and refused like estimates. A draw on the threshold counts half.
    """
    query = asked.query_as(ProbabilityQuery, threshold=threshold)
    return answer(request, asked.services, asked.which, query, prepare=prepare_probabilities, make=answer_probabilities)


@get(
    f"{QUESTION}/rank",
    operation_id="getRank",
    summary="Ranks of areas",
    tags=["estimates"],
    sync_to_thread=True,
    operation_class=InTableForms,
    responses=TABLE_ANSWERS,
    dependencies=ASKED,
)
def get_rank(request: Request[Any, Any, Any], asked: NamedDependency[Asked]) -> Response[RankPayload]:
    """Where every area stands among all areas of the level, with an interval of ranks; 1 is the largest share or mean.

    With `by`, areas are ranked within each group; at the level of the nation the groups are. `districts` chooses whose
    rank is told, not with whom they are ranked. Groups too small to be answered are not ranked.
    """
    return answer(
        request, asked.services, asked.which, asked.query_as(RankQuery), prepare=prepare_ranks, make=answer_ranks
    )


@get(
    f"{QUESTION}/contrast",
    operation_id="getContrast",
    summary="Difference between two groups, areas or options",
    tags=["estimates"],
    sync_to_thread=True,
    operation_class=InTableForms,
    responses=TABLE_ANSWERS,
    dependencies=ASKED,
)
def get_contrast(
    *,
    request: Request[Any, Any, Any],
    asked: NamedDependency[Asked],
    first: Annotated[str | None, QueryParameter(description=f"Who is compared: {SIDE}")] = None,
    second: Annotated[str | None, QueryParameter(description=f"With whom: {SIDE}")] = None,
    versus: Annotated[
        str | None, QueryParameter(description="Instead of both: the option over which the lead of `option` is asked.")
    ] = None,
) -> Response[ContrastPayload]:
    """How much larger one share or mean is than another, computed draw by draw, with interval, probability and words.

    Two groups (`first=age:65+&second=age:18-29`), two areas (`first=district:A&second=district:B`) or two options
    (`option=yes&versus=no`), overall or in every area and group of `level` and `by`.
    """
    query = asked.query_as(
        ContrastQuery,
        first=labels_from(first, "first"),
        second=labels_from(second, "second"),
        versus=versus or None,
    )
    return answer(request, asked.services, asked.which, query, prepare=prepare_contrasts, make=answer_contrasts)


@get(
    f"{QUESTION}/revision",
    operation_id="getRevision",
    summary="What a release says differently from an earlier one",
    tags=["estimates"],
    sync_to_thread=True,
    operation_class=InTableForms,
    responses=TABLE_ANSWERS,
    dependencies=ASKED,
)
def get_revision(
    *,
    request: Request[Any, Any, Any],
    asked: NamedDependency[Asked],
    before: Annotated[
        str | None, QueryParameter(description="Id of the earlier release. Default: the one before `release`.")
    ] = None,
) -> Response[RevisionPayload]:
    """The difference between two releases of the question in every area and group, and where it comes from.

    Waves that were added, corrected or withdrawn, another frame, another model. The two share most of their interviews,
    so that no probability and no interval belong to a difference; it is said whether the simulation alone explains it.
    """
    served = find(asked.services, asked.which)
    with asked.services.store.read() as session:
        earlier = find_earlier(session, served, before)
        fit_before, fit_after = (fits.get_fit(session, one.release.fit_id) for one in (earlier, served))
        waves = compare_waves(session, fit_before, fit_after)
    return answer(
        request,
        asked.services,
        asked.which,
        asked.query_as(RevisionQuery, waves=waves),
        prepare=prepare_revision,
        make=answer_revision,
        served=(served, earlier),
    )


@get(
    f"{QUESTION}/change",
    operation_id="getChange",
    summary="Change of shares or means",
    tags=["estimates"],
    sync_to_thread=True,
    operation_class=InTableForms,
    responses=TABLE_ANSWERS,
    dependencies=ASKED,
)
def get_change(
    *,
    request: Request[Any, Any, Any],
    asked: NamedDependency[Asked],
    since: Annotated[
        str | None, QueryParameter(description="The period before. Default: the one before `period`.")
    ] = None,
    before: Annotated[
        str | None, QueryParameter(description="Instead of periods: id of an earlier release that shares no interview.")
    ] = None,
) -> Response[ChangePayload]:
    """How the share or the mean changed, with interval, P(rise) and words that include "no clear change".

    Between two periods of one release (`since=2026-W05&period=2026-W09`) if the model has a term of period, otherwise
    between two releases that share no interview (`before`). Releases that share waves are refused: see `/revision`.
    """
    served = find(asked.services, asked.which)
    query = asked.query_as(ChangeQuery, since=since or None)
    prepare: Any = prepare_change
    found: tuple[Served, ...] = (served,)
    if before is not None:
        prepare = prepare_change_of_releases
        with asked.services.store.read() as session:
            found = (served, find_earlier(session, served, before))
    return answer(request, asked.services, asked.which, query, prepare=prepare, make=answer_changes, served=found)


comparisons_routes = Router("/", route_handlers=[get_probability, get_rank, get_contrast, get_revision, get_change])
