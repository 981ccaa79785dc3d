"""What reads need, in memory: keys, sessions, newest surveys, and what is served for each question.

As long as the database answers nothing is answered late: what was read of it is used again only while it says that
nothing was committed since (``Store.stamp``). When it is away, reads are answered from what was known: a thread looks
at the database every ``LOOK_S`` seconds and keeps every key, the state of every question, and the releases of those
that are read most recently, ready to answer. The first read that the database leaves unanswered, and all after it,
are answered from the last look, and say so in ``stale_reason``; until the thread reaches the database again, or until
the last look is ``memory_s`` seconds ago. Then nothing is answered any more: a key that was revoked meanwhile, where
this process cannot see it, must not live on.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, cast

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from api.errors import DatabaseAway, NoReleaseYet
from api.populations import find_populations
from api.release_cache import ReleaseCache
from api.served import Served, find_served
from jobs.freed_memory import FreedMemory
from polling.declaration import SurveyDeclaration
from polling.errors import DrawsNotFound, QuestionNotFound, SurveyNotFound
from polling.once import Once
from polling.store import boundaries, keys, releases, surveys, web_sessions
from polling.store.engine import Store
from polling.store.records import ApiKeyRecord, QuestionStateRecord, StoredSurvey
from polling.store.web_sessions import WebSessionRecord

__all__ = ["Memory"]

log = logging.getLogger("hustings.api")

LOOK_S: Final = 2.0
"""Pause between two looks at the database."""
MAX_FRESH: Final = 1000
"""Answers of the database that are used again while nothing is committed."""
MAX_SURVEYS: Final = 8
"""Surveys whose tables are kept."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What one look at the database saw."""

    at: float
    """Monotonic seconds."""
    stamp: Hashable = None
    """``Store.stamp`` before it."""
    wanted: tuple[tuple[str, str], ...] = ()
    """The questions that were read lately."""
    moment: datetime | None = None
    keys: Mapping[str, ApiKeyRecord] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[tuple[str, str], QuestionStateRecord] = field(default_factory=dict)
    served: Mapping[tuple[str, str], Served] = field(default_factory=dict)
    """Of ``wanted``, those that have a release."""
    sessions: Mapping[str, WebSessionRecord] = field(default_factory=dict)
    declarations: Mapping[str, SurveyDeclaration] = field(default_factory=dict)
    boundaries: Mapping[str, str] = field(default_factory=dict)


class Memory:
    """The reads of one process that must not end with the database.

    Parameters
    ----------
    memory_s
        Seconds after the last look for which reads are answered from memory.
    most
        Questions whose releases are kept ready: as many as the release cache holds.
    clock
        Monotonic seconds.
    after_look
        Called after every look that the database answered, in the thread that looks.
    """

    def __init__(
        self,
        store: Store,
        loaded: ReleaseCache,
        *,
        memory_s: float,
        most: int,
        clock: Callable[[], float] = time.monotonic,
        after_look: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._loaded = loaded
        self._memory_s = memory_s
        self._most = most
        self._clock = clock
        self._after_look = after_look
        self._known = _Known(at=-float("inf"))
        self._away = threading.Event()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._read_lately: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._surveys: Once[tuple[str, int], StoredSurvey] = Once(MAX_SURVEYS)
        self._fresh: OrderedDict[Hashable, tuple[Hashable, Any]] = OrderedDict()
        self._n_recalled = 0

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._look_on, name="memory", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def n_recalled(self) -> int:
        """How many answers were given without the database so far."""
        return self._n_recalled

    def find_key(self, prefix: str) -> ApiKeyRecord | None:
        """The key with this prefix, usable or not; None if there is none.

        Raises
        ------
        DatabaseAway
            If neither the database nor memory can tell; likewise for the other methods.
        """
        return self._ask(
            ("key", prefix),
            lambda session: keys.find_key_by_prefix(session, prefix),
            lambda known: known.keys.get(prefix),
        )

    def find_session(self, secret_hash: str) -> WebSessionRecord | None:
        """The session of the web page with this hash, over or not; None if there is none."""
        return self._ask(
            ("session", secret_hash),
            lambda session: web_sessions.find(session, secret_hash),
            lambda known: known.sessions.get(secret_hash),
        )

    def find_declarations(self) -> Mapping[str, SurveyDeclaration]:
        """The newest declaration of every survey, by id."""
        return self._ask("declarations", surveys.list_declarations, lambda known: known.declarations)

    def find_public(self) -> frozenset[str]:
        """Ids of the surveys whose web pages need no account."""
        return frozenset(one.id for one in self.find_declarations().values() if one.public)

    def find_served(self, survey_id: str, question_id: str) -> Served:
        """The current release of a question.

        Raises
        ------
        SurveyNotFound, QuestionNotFound, NoReleaseYet
            As ``api.served.find_served``.
        """
        served = self._ask(
            ("served", survey_id, question_id),
            lambda session: find_served(session, survey_id, question_id),
            lambda known: _recall_served(known, survey_id, question_id),
        )
        with self._lock:
            self._read_lately[survey_id, question_id] = None
            self._read_lately.move_to_end((survey_id, question_id))
            while len(self._read_lately) > self._most:
                self._read_lately.popitem(last=False)
        return served

    def find_survey(self, survey_id: str) -> StoredSurvey:
        """The newest version of a survey.

        Raises
        ------
        SurveyNotFound
            If there is none.
        """

        def ask(session: Session) -> StoredSurvey:
            version = surveys.newest_version(session, survey_id)
            return self._surveys.get((survey_id, version), lambda: surveys.get_survey(session, survey_id, version))

        def recall(known: _Known) -> StoredSurvey:
            if survey_id not in known.versions:
                raise SurveyNotFound(survey_id)
            if (found := self._surveys.find((survey_id, known.versions[survey_id]))) is None:
                raise DatabaseAway
            return found

        return self._ask(("survey", survey_id), ask, recall)

    def find_boundaries(self, survey_id: str) -> str | None:
        """Hash of the boundaries that a survey's maps are drawn with; None if it has none."""
        return self._ask("boundaries", boundaries.list_hashes, lambda known: known.boundaries).get(survey_id)

    def find_state(self, survey_id: str, question_id: str) -> QuestionStateRecord:
        """What is served for a question.

        Raises
        ------
        SurveyNotFound, QuestionNotFound
            If there is no such survey, or it never asked this.
        """
        return self._ask(
            ("state", survey_id, question_id),
            lambda session: releases.question_state(session, survey_id, question_id),
            lambda known: _recall_state(known, survey_id, question_id),
        )

    def find_states(self, survey_id: str) -> dict[str, QuestionStateRecord]:
        """What is served for every question that a survey ever asked, by question."""
        return self._ask(
            ("states", survey_id),
            lambda session: {one.question_id: one for one in releases.list_question_states(session, survey_id)},
            lambda known: {
                question: _recall_state(known, survey, question)
                for survey, question in known.states
                if survey == survey_id
            },
        )

    def look(self) -> None:
        """Look at the database once.

        Raises
        ------
        sqlalchemy.exc.OperationalError
            If it does not answer.
        """
        before, at = self._known, self._clock()
        with self._lock:
            wanted = tuple(sorted(self._read_lately))
        stamp = self._store.stamp()
        if (stamp, wanted) == (before.stamp, before.wanted):
            self._seen(replace(before, at=at, moment=datetime.now(UTC)))
            return
        with self._store.read() as session:
            every_key = {one.prefix: one for one in keys.list_keys(session)}
            moment = datetime.now(UTC)
            sessions = web_sessions.list_live(session, moment)
            declarations = surveys.list_declarations(session)
            versions = surveys.newest_versions(session)
            states = {(one.survey_id, one.question_id): one for one in releases.list_question_states(session)}
            shapes = boundaries.list_hashes(session)
            served = {}
            for question in wanted:
                if question not in states or states[question].release_id is None:
                    continue
                known = before.served.get(question)
                same = known is not None and known.state == states[question] and _is_still(session, known)
                served[question] = known if known is not None and same else find_served(session, *question)
        self._seen(
            _Known(at, stamp, wanted, moment, every_key, versions, states, served, sessions, declarations, shapes),
        )
        self._loaded.forget_gone()
        for one in served.values():
            # Ready before anybody asks for it.
            for release in (one.release, *(told.release for told in one.populations.used(None))):
                if release.has_draws:
                    try:
                        self._loaded.load(release.id)
                    except DrawsNotFound:  # they went between the two looks
                        continue

    def _seen(self, known: _Known) -> None:
        self._known = known
        if self._away.is_set():
            log.warning("the database answers again")
            self._away.clear()

    def _look_on(self) -> None:
        freed = FreedMemory()
        while not self._stop.is_set():
            try:
                self.look()
                self._after_look()
                freed.give_back()
            except OperationalError:
                self._note_away()
            except Exception as error:  # the next look may fare better; requests meet the same and answer for it
                log.error("cannot keep in memory what reads need: %s", type(error).__qualname__)
            self._wake.wait(LOOK_S)
            self._wake.clear()

    def _ask[T](self, what: Hashable, ask: Callable[[Session], T], recall: Callable[[_Known], T]) -> T:
        if not self._away.is_set():
            try:
                return self._ask_database(what, ask)
            except OperationalError:
                self._note_away()
        with self._lock:
            self._n_recalled += 1
        known = self._known
        if self._clock() - known.at > self._memory_s:
            raise DatabaseAway(self._memory_s)
        return recall(known)

    def _ask_database[T](self, what: Hashable, ask: Callable[[Session], T]) -> T:
        # Before it is read: what is committed meanwhile makes the next stamp another one.
        stamp = self._store.stamp()
        with self._lock:
            then, kept = self._fresh.get(what, (None, None))
        if then == stamp and kept is not None:
            return cast("T", kept)
        with self._store.read() as session:
            answer = ask(session)
        with self._lock:
            self._fresh[what] = stamp, answer
            self._fresh.move_to_end(what)
            while len(self._fresh) > MAX_FRESH:
                self._fresh.popitem(last=False)
        return answer

    def _note_away(self) -> None:
        if not self._away.is_set():
            log.warning("the database does not answer; reads are answered from memory")
            self._away.set()
            self._wake.set()


def _is_still(session: Session, known: Served) -> bool:
    """Whether draws were not deleted, nor released of a question that tells of a population."""
    release = known.release
    still = releases.get_release(session, release.id) == release
    return still and find_populations(session, release) == known.populations


def _recall_state(known: _Known, survey_id: str, question_id: str) -> QuestionStateRecord:
    if survey_id not in known.versions:
        raise SurveyNotFound(survey_id)
    if (state := known.states.get((survey_id, question_id))) is None:
        raise QuestionNotFound(survey_id, question_id)
    words = f"The database has not answered since {known.moment:%Y-%m-%d %H:%M:%S} UTC: this is what was known then."
    since = known.moment if state.stale_since is None else state.stale_since
    return replace(state, stale_since=since, stale_reason=" ".join(filter(None, (state.stale_reason, words))))


def _recall_served(known: _Known, survey_id: str, question_id: str) -> Served:
    state = _recall_state(known, survey_id, question_id)
    if state.release_id is None:
        raise NoReleaseYet(f"Question '{question_id}' of survey '{survey_id}' had no release when it was last known.")
    if (served := known.served.get((survey_id, question_id))) is None:
        raise DatabaseAway
    return replace(served, state=state, stale_since=state.stale_since, stale_reason=state.stale_reason)
