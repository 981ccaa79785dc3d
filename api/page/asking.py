"""Ask a release what a page shows, in the very way of the routes under /v1: same functions, memory, turns, refusals."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from msgspec import Struct

from api.answer_payloads import EstimatesPayload, MeansPayload, RankPayload
from api.answering import Which, body_of, find
from api.chances import RankQuery, answer_ranks, prepare_ranks
from api.changes import ChangeQuery, answer_changes, prepare_change
from api.comparison_payloads import ChangePayload, RevisionPayload
from api.district_payloads import BattlegroundPayload, ProfilePayload, SeatsPayload
from api.district_profile import ProfileQuery, answer_profile, prepare_profile
from api.errors import EstimateRefused
from api.estimates import answer_means, answer_query
from api.group_query import (
    EstimateQuery,
    MeansQuery,
    load_among,
    load_release,
    prepare_estimates,
    prepare_means,
    prepare_of_everybody,
    prepare_query,
)
from api.labels import one_of
from api.leading import LeadersPayload, LeadersQuery, answer_leaders
from api.measures import MEAN, MEASURES
from api.methods import MethodsQuery, answer_methods
from api.methods_payloads import MethodsPayload
from api.payloads import ReleasePayload
from api.release_cache import LoadedRelease
from api.representation import answer_representation, ask_for_representation, prepare_representation
from api.representation_payloads import RepresentationPayload
from api.revisions import RevisionQuery, answer_revision, prepare_revision
from api.routes.releases import describe_release
from api.seats import BattlegroundQuery, SeatsQuery, answer_battleground, answer_seats, prepare_seats
from api.served import Served, find_earlier
from api.services import Services
from api.trend_payloads import TrendPayload
from api.trends import TrendQuery, answer_trend, prepare_trend
from api.whom_to_ask import WhomToAskQuery, answer_whom_to_ask, prepare_whom_to_ask
from api.whom_to_ask_payloads import WhomToAskPayload
from jobs.settings import Settings
from polling.errors import DrawsNotFound
from polling.store import fits
from polling.store.restatement import compare_waves

__all__ = ["Asking", "ask_release", "measured"]


@dataclass(frozen=True, slots=True)
class Asking:
    """A release that answers, and how it is asked."""

    services: Services
    served: Served
    release_id: str | None
    """The release that the address names; None: the one that is served."""
    population: str | None = None
    """Whom the address asks about; None: the question's own population, or everybody."""

    @property
    def named(self) -> dict[str, str | None]:
        """What addresses of the same release, about the same people, say of both."""
        return {"population": self.population, "release": self.release_id}

    @property
    def loaded(self) -> LoadedRelease:
        """The release with its draws; raises `DrawsNotFound` if they are not kept any more."""
        return load_release(self.services.releases, self.served, self.services.settings)

    @property
    def about(self) -> LoadedRelease:
        """The same about those whom its answers are about."""
        query = EstimateQuery(population=self.population)
        return load_among(self.services.releases, self.served, query, self.services.settings)

    @property
    def has_periods(self) -> bool:
        """Whether its model tells opinion over time."""
        return bool(self.loaded.design.common.observed.get("period", ()))

    def estimates(self, **query: Any) -> EstimatesPayload:
        """Shares of areas and groups; ``query`` are fields of `EstimateQuery`, likewise below."""
        if self.loaded.question.kind != "binary" and query.get("option") is None:
            query["option"] = self.loaded.question.options[0]
        return self._ask(EstimateQuery(**query), prepare_query, answer_query, EstimatesPayload)

    def every_option(self, **query: Any) -> EstimatesPayload:
        """Shares of all options of areas and groups, where there are several."""
        return self._ask(EstimateQuery(**query), prepare_estimates, answer_query, EstimatesPayload)

    def leaders(self, **query: Any) -> LeadersPayload:
        """Which of several options leads in areas and groups."""
        return self._ask(LeadersQuery(**query), prepare_estimates, answer_leaders, LeadersPayload)

    def means(self, **query: Any) -> MeansPayload:
        """Means of areas and groups."""
        return self._ask(MeansQuery(**query), prepare_means, answer_means, MeansPayload)

    def ranks(self, **query: Any) -> RankPayload:
        """Where areas stand among each other."""
        return self._ask(RankQuery(**query), prepare_ranks, answer_ranks, RankPayload)

    def trend(self, **query: Any) -> TrendPayload:
        """Shares over the periods of its model."""
        return self._ask(TrendQuery(**query), prepare_trend, answer_trend, TrendPayload)

    def change(self, **query: Any) -> ChangePayload:
        """Change between two periods of its model."""
        return self._ask(ChangeQuery(**query), prepare_change, answer_changes, ChangePayload)

    def profile(self, **query: Any) -> ProfilePayload:
        """Everything about one district."""
        return self._ask(ProfileQuery(**query), prepare_profile, answer_profile, ProfilePayload)

    def seats(self, **query: Any) -> SeatsPayload:
        """Districts won."""
        return self._ask(SeatsQuery(**query), prepare_seats, answer_seats, SeatsPayload)

    def battleground(self, **query: Any) -> BattlegroundPayload:
        """The closest districts."""
        return self._ask(BattlegroundQuery(**query), prepare_seats, answer_battleground, BattlegroundPayload)

    def earlier(self, before: str | None = None) -> Served | None:
        """The release that it is compared with: the one that is named, or the one before it; None if it is the first.

        Raises
        ------
        ReleaseNotFound, EstimateRefused
            If a release is named that there is not, or that is not earlier.
        """
        with self.services.store.read() as session:
            try:
                return find_earlier(session, self.served, before)
            except EstimateRefused:
                if before is not None:
                    raise
                return None

    def methods(self, **query: Any) -> MethodsPayload:
        """Raw, weighted and MRP shares side by side."""
        return self._ask_as_it_is(MethodsQuery(**query), prepare_of_everybody, answer_methods, MethodsPayload)

    def whom_to_ask(self, **query: Any) -> WhomToAskPayload:
        """What further interviews would narrow."""
        return self._ask(WhomToAskQuery(**query), prepare_whom_to_ask, answer_whom_to_ask, WhomToAskPayload)

    def representation(self, **query: Any) -> RepresentationPayload:
        """Whom its interviews represent."""
        with self.services.store.read() as session:
            asked = ask_for_representation(session, self.served.release, **query)
        return self._ask_as_it_is(asked, prepare_representation, answer_representation, RepresentationPayload)

    def revision(self, earlier: Served, **query: Any) -> RevisionPayload:
        """What it says differently from an earlier release."""
        with self.services.store.read() as session:
            inputs = (fits.get_fit(session, one.release.fit_id) for one in (earlier, self.served))
            waves = compare_waves(session, *inputs)
        return body_of(
            self.services,
            (self.served, earlier),
            RevisionQuery(**{"population": self.population, **query}, waves=waves),
            prepare=prepare_revision,
            make=answer_revision,
            kind=RevisionPayload,
        )

    def described(self) -> ReleasePayload:
        """What the release was made from."""
        with self.services.store.read() as session:
            return describe_release(session, self.served.release, min_interviews=self.services.settings.min_interviews)

    def _ask[B: Struct](
        self, query: EstimateQuery, prepare: Callable[..., Any], make: Callable[[Any, Settings], B], kind: type[B]
    ) -> B:
        """Of those whom the address asks about, unless the query names others."""
        return self._ask_as_it_is(replace(query, population=query.population or self.population), prepare, make, kind)

    def _ask_as_it_is[B: Struct](
        self, query: Any, prepare: Callable[..., Any], make: Callable[[Any, Settings], B], kind: type[B]
    ) -> B:
        return body_of(self.services, (self.served,), query, prepare=prepare, make=make, kind=kind)


def measured(asking: Asking, option: str | None, measure: str | None) -> dict[str, str | None]:
    """The fields of a query that say whose share is shown, or that it is the mean: of a scale by choice.

    Raises
    ------
    UnknownChoice
        If there is no such measure.
    """
    if measure and one_of("measure", measure, MEASURES) == MEAN and asking.loaded.question.kind == "ordinal":
        return {"option": None, "measure": MEAN}
    return {"option": option or None, "measure": None}


def ask_release(
    services: Services,
    survey_id: str,
    question_id: str,
    release: str | None,
    *,
    population: str | None = None,
    as_of: datetime | None = None,
) -> Asking:
    """The release that answers for a question: the current one, or the one that is named; about whom is asked.

    Raises
    ------
    SurveyNotFound, QuestionNotFound, ReleaseNotFound, NoReleaseYet
        As ``api.answering.find``.
    """
    which = Which(survey_id, question_id, release or None, as_of)
    asking = Asking(services, find(services, which), release or None, population or None)
    if which.takes_current and asking.served.release.has_draws:
        try:
            _ = asking.loaded  # in memory from here on, so that all of the page is told by it
        except DrawsNotFound:
            # It gave way since, and its draws have gone with somebody who was erased.
            return replace(asking, served=find(services, which))
    return asking
