"""The questions that a service answers, as methods; each returns the payload that the OpenAPI document describes."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack
from uuid import uuid4

import msgspec

from api.answer_payloads import EstimatesPayload, MeansPayload, ProbabilityPayload, RankPayload
from api.client.questions import Asked, Who, query_of, question_path, survey_path
from api.client.stream import Event, follow
from api.client.transport import Transport
from api.comparison_payloads import ChangePayload, ContrastPayload, RevisionPayload
from api.district_payloads import BattlegroundPayload, ProfilePayload, SeatsPayload
from api.methods_payloads import MethodsPayload
from api.payloads import DistrictList, JobPayload, QuestionPayload, ReleaseList, SurveyList, SurveyPayload
from api.predictor_payloads import AddedPredictorsPayload, PredictorList, UploadedPredictors
from api.record_payloads import TrackRecordPayload
from api.representation_payloads import RepresentationPayload
from api.trend_payloads import TrendPayload
from api.wave_payloads import ReceivedWavePayload
from api.whom_to_ask_payloads import WhomToAskPayload

if TYPE_CHECKING:
    from api.statement.payloads import StatementPayload

__all__ = ["Hustings"]

ENDED = ("succeeded", "failed")


class Hustings:
    """A service, called with one key.

    Parameters
    ----------
    url
        Where the service is, such as https://polls.example.org.
    key
        An API key; it is sent in a header, and shown nowhere.
    timeout_s
        For one attempt at a request, seconds.
    patience_s
        For the pauses between attempts together, seconds: what is answered 429 or 503 is asked again after what
        ``Retry-After`` says, and what is not answered at all after a pause, unless doing it twice would matter.

    Every method raises `Problem` if the service refuses, `Unreachable` if it does not answer.
    """

    def __init__(self, url: str, key: str, *, timeout_s: float = 30.0, patience_s: float = 60.0) -> None:
        self._transport = Transport(url, key, timeout_s=timeout_s, patience_s=patience_s)

    def __repr__(self) -> str:
        return f"Hustings({self._transport.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()

    def surveys(self) -> SurveyList:
        """The surveys that the key may see."""
        return self._transport.get("/v1/surveys", SurveyList)

    def survey(self, survey: str) -> SurveyPayload:
        """What a survey asks of whom: its levels, demographics and questions."""
        return self._transport.get(survey_path(survey), SurveyPayload)

    def districts(self, survey: str) -> DistrictList:
        """The districts of a survey."""
        return self._transport.get(survey_path(survey, "districts"), DistrictList)

    def question(self, survey: str, question: str) -> QuestionPayload:
        """A question and what is served of it."""
        return self._transport.get(question_path(survey, question), QuestionPayload)

    def estimates(self, survey: str, question: str, **asked: Unpack[Asked]) -> EstimatesPayload:
        """The share of an option in every area and group, with interval."""
        return self._ask(survey, question, "estimates", EstimatesPayload, query_of(asked))

    def means(self, survey: str, question: str, **asked: Unpack[Asked]) -> MeansPayload:
        """The mean of numbers, or of the scores of a scale, in every area and group, with interval."""
        return self._ask(survey, question, "means", MeansPayload, query_of(asked))

    def probability(
        self, survey: str, question: str, *, threshold: float | None = None, **asked: Unpack[Asked]
    ) -> ProbabilityPayload:
        """How probable shares or means above a threshold are; of shares by default a half."""
        return self._ask(survey, question, "probability", ProbabilityPayload, query_of(asked, threshold=threshold))

    def rank(self, survey: str, question: str, **asked: Unpack[Asked]) -> RankPayload:
        """Where every area stands among all; 1 is the largest share or mean."""
        return self._ask(survey, question, "rank", RankPayload, query_of(asked))

    def contrast(
        self,
        survey: str,
        question: str,
        *,
        first: Who | None = None,
        second: Who | None = None,
        versus: str | None = None,
        **asked: Unpack[Asked],
    ) -> ContrastPayload:
        """The difference of two groups or areas, or the lead of ``option`` over the option ``versus``."""
        query = query_of(asked, first=first, second=second, versus=versus)
        return self._ask(survey, question, "contrast", ContrastPayload, query)

    def change(
        self, survey: str, question: str, *, since: str | None = None, before: str | None = None, **asked: Unpack[Asked]
    ) -> ChangePayload:
        """Change since a period, or since an earlier release that shares no interview."""
        return self._ask(survey, question, "change", ChangePayload, query_of(asked, since=since, before=before))

    def trend(
        self, survey: str, question: str, *, since: str | None = None, until: str | None = None, **asked: Unpack[Asked]
    ) -> TrendPayload:
        """The share or the mean in every period of a model that has periods."""
        return self._ask(survey, question, "trend", TrendPayload, query_of(asked, since=since, until=until))

    def revision(
        self, survey: str, question: str, *, before: str | None = None, **asked: Unpack[Asked]
    ) -> RevisionPayload:
        """What a release says differently from an earlier one, and why."""
        return self._ask(survey, question, "revision", RevisionPayload, query_of(asked, before=before))

    def district(self, survey: str, question: str, code: str, **asked: Unpack[Asked]) -> ProfilePayload:
        """Everything about one district."""
        path = question_path(survey, question, "districts", code)
        return self._transport.get(path, ProfilePayload, query_of(asked))

    def seats(self, survey: str, question: str, *, seats: str | None = None, **asked: Unpack[Asked]) -> SeatsPayload:
        """Districts won, in every draw; ``seats`` is the predictor that is their number of seats."""
        return self._ask(survey, question, "seats", SeatsPayload, query_of(asked, seats=seats))

    def battleground(
        self, survey: str, question: str, *, seats: str | None = None, **asked: Unpack[Asked]
    ) -> BattlegroundPayload:
        """Districts from the closest to the safest."""
        return self._ask(survey, question, "battleground", BattlegroundPayload, query_of(asked, seats=seats))

    def methods(self, survey: str, question: str, **asked: Unpack[Asked]) -> MethodsPayload:
        """Raw, weighted and MRP shares or means side by side."""
        return self._ask(survey, question, "methods", MethodsPayload, query_of(asked))

    def whom_to_ask(
        self,
        survey: str,
        question: str,
        *,
        n: int = 100,
        targets: Sequence[str] = ("district",),
        **asked: Unpack[Asked],
    ) -> WhomToAskPayload:
        """How much narrower intervals of ``targets`` would become with ``n`` further interviews, by group."""
        return self._ask(survey, question, "whom-to-ask", WhomToAskPayload, query_of(asked, n=n, targets=targets))

    def releases(self, survey: str, question: str) -> ReleaseList:
        """The releases of a question, newest first."""
        return self._transport.get(question_path(survey, question, "releases"), ReleaseList)

    def track_record(self, survey: str, question: str, *, level: str | None = None) -> TrackRecordPayload:
        """How close releases came to what happened; ``level``: nation, a parent level, or district."""
        query = {} if level is None else {"level": level}
        return self._ask(survey, question, "track-record", TrackRecordPayload, query)

    def representation(self, survey: str, release: str) -> RepresentationPayload:
        """Whom the interviews of a release represent."""
        return self._transport.get(survey_path(survey, "releases", release, "representation"), RepresentationPayload)

    def disclosure(self, survey: str, release: str) -> "StatementPayload":
        """How a release was made: its disclosure statement."""
        from api.statement.payloads import StatementPayload  # its package loads the service

        return self._transport.get(survey_path(survey, "releases", release, "disclosure"), StatementPayload)

    def push_wave(
        self,
        survey: str,
        file: Path | bytes,
        *,
        fieldwork_start: date,
        fieldwork_end: date,
        reference: str | None = None,
        pollster: str | None = None,
        replaces: str | None = None,
        reason: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> ReceivedWavePayload:
        """Send a wave of interviews; sent again if the connection breaks, and stored once.

        Parameters
        ----------
        file
            A file, or its content, in any format that the service reads.
        reference
            The pollster's own name for the wave; or ``replaces`` and ``reason``, if it corrects one.
        facts
            mode, sponsor, sample_source, universe, language, wording.
        """
        name, content = ("wave", file) if isinstance(file, bytes) else (file.name, file.read_bytes())
        fields = {
            "reference": reference,
            "fieldwork_start": fieldwork_start.isoformat(),
            "fieldwork_end": fieldwork_end.isoformat(),
            "pollster": pollster,
            "replaces": replaces,
            "reason": reason,
            "facts": None if facts is None else msgspec.json.encode(facts).decode(),
        }
        return self._transport.post(
            survey_path(survey, "waves"),
            ReceivedWavePayload,
            idempotency_key=uuid4().hex,
            data={name: value for name, value in fields.items() if value is not None},
            files={"file": (name, content)},
        )

    def add_predictors(self, survey: str, file: Path | bytes, *, as_of: date, source: str) -> AddedPredictorsPayload:
        """Send predictors of all districts, a table with ``code``: aggregates that describe the day ``as_of``."""
        name, content = ("predictors", file) if isinstance(file, bytes) else (file.name, file.read_bytes())
        return self._transport.post(
            survey_path(survey, "predictors"),
            AddedPredictorsPayload,
            data={"as_of": as_of.isoformat(), "source": source},
            files={"file": (name, content)},
        )

    def predictors(self, survey: str) -> PredictorList:
        """The uploads of predictors, and which of them hold."""
        return self._transport.get(survey_path(survey, "predictors"), PredictorList)

    def predictor_values(self, survey: str, upload: str) -> UploadedPredictors:
        """One upload of predictors with its numbers."""
        return self._transport.get(survey_path(survey, "predictors", upload), UploadedPredictors)

    def job(self, survey: str, job: str) -> JobPayload:
        """A piece of work, such as a refit."""
        return self._transport.get(survey_path(survey, "jobs", job), JobPayload)

    def wait_for_job(self, survey: str, job: str, *, within_s: float = 600.0, every_s: float = 1.0) -> JobPayload:
        """A job once it has ended, well or not: see its ``state``, ``code`` and ``detail``.

        Raises
        ------
        TimeoutError
            If it has not ended within so many seconds.
        """
        give_up = time.monotonic() + within_s
        while (found := self.job(survey, job)).state not in ENDED:
            if time.monotonic() + every_s > give_up:
                raise TimeoutError(f"job {job} is {found.state} after {within_s:g} s")
            time.sleep(every_s)
        return found

    def wait_for_refit(
        self, survey: str, wave: ReceivedWavePayload, *, within_s: float = 600.0, every_s: float = 1.0
    ) -> list[JobPayload]:
        """Every refit that a wave asked for, once all have ended."""
        give_up = time.monotonic() + within_s
        return [
            self.wait_for_job(survey, one.id, within_s=max(give_up - time.monotonic(), 0.0), every_s=every_s)
            for one in wave.jobs
        ]

    def events(self, survey: str, *, after: int | None = None) -> Iterator[Event]:
        """What happens in a survey, for as long as somebody takes it; a lost connection is made again without a gap.

        Parameters
        ----------
        after
            Id of the last event that was seen; 0: every event that is kept; None: begin now.
        """
        return follow(self._transport, survey, after=after)

    def _ask[T](self, survey: str, question: str, what: str, kind: type[T], query: dict[str, Any]) -> T:
        return self._transport.get(question_path(survey, question, what), kind, query)
