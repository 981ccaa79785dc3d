"""The Python client against a really served process, and, where a service would have to misbehave, against one that is
made up."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.client import Hustings, Problem, Unreachable
from tests.api.world import SURVEY, wave_csv
from tests.contract.served import Served, served_world

KEY = "hust_abcdefgh_secret"


@pytest.fixture(scope="module")
def served(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("client")
    shutil.copy(_sqlite_template, folder / "hustings.db")
    with served_world(f"sqlite:///{folder}/hustings.db", folder) as served:
        yield served


@pytest.fixture
def polls(served: Served) -> Iterator[Hustings]:
    with Hustings(served.address, served.world.keys["admin"], patience_s=5) as polls:
        yield polls


def made_up(answer: Callable[[httpx.Request], httpx.Response], **options: Any) -> Hustings:
    """A client of a service that answers like this."""
    polls = Hustings("http://nowhere", KEY, **options)
    polls._transport._client = httpx.Client(
        transport=httpx.MockTransport(answer), base_url="http://nowhere", headers=polls._transport._client.headers
    )
    return polls


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that a client made, which take no time."""
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    return pauses


def refusal(status: int, kind: str, **headers: str) -> httpx.Response:
    about = {"type": kind, "title": "No", "status": status, "detail": "Not now."}
    return httpx.Response(status, json=about, headers={name.replace("_", "-"): one for name, one in headers.items()})


def test_every_question_is_answered_in_its_type(polls: Hustings):
    about = (SURVEY, "rail")

    assert [one.id for one in polls.surveys().surveys] == [SURVEY]
    assert polls.survey(SURVEY).questions == ["rail", "tax", "bridge"]
    assert len(polls.districts(SURVEY).districts) == 6
    assert polls.question(*about).release_id is not None
    answer = polls.estimates(*about, level="district", by=["age"], where={"gender": "man"}, interval=0.8)
    assert (answer.level, answer.by, answer.where, answer.interval) == ("district", ["age"], {"gender": ["man"]}, 0.8)
    assert len(answer.estimates) + len(answer.withheld) == 18
    assert isinstance(answer.published_at, datetime)
    assert polls.estimates(*about, where={"age": ["young", "old"]}).where == {"age": ["young", "old"]}
    assert polls.estimates(*about, districts=["D1", "D2"]).level == "district"
    assert polls.probability(*about, threshold=0.6).threshold == 0.6
    assert len(polls.rank(*about, level="district").ranks) == 6
    assert polls.contrast(*about, first={"age": "old"}, second={"age": "young"}).contrasts[0].sentence
    assert polls.contrast(*about, option="yes", versus="no").second == {"option": ["no"]}
    assert polls.district(*about, "D1").name == "District 1"
    assert polls.seats(*about).n_seats == 6
    assert len(polls.battleground(*about).districts) == 6
    assert len(polls.methods(*about).methods) == 1
    newer, older, *_ = polls.releases(*about).releases
    assert polls.revision(*about, release=newer.id, before=older.id).before.release_id == older.id
    assert polls.disclosure(SURVEY, newer.id).release_id == newer.id
    assert polls.track_record(*about, level="district").results == []
    assert polls.representation(SURVEY, newer.id).release_id == newer.id
    as_of = polls.estimates(*about, as_of=older.published_at)
    assert as_of.release_id == older.id
    with pytest.raises(Problem, match="bad-estimate-query"):
        polls.change(*about, since="2026-W01")
    with pytest.raises(Problem, match="has no term of period"):
        polls.trend(*about, since="2026-W01")
    with pytest.raises(Problem, match="it has shares of its options and no mean"):
        polls.rank(*about, level="district", measure="mean")


def test_a_wave_is_pushed_once_and_its_refits_are_awaited(served: Served, polls: Hustings):
    days = {"fieldwork_start": date(2026, 2, 20), "fieldwork_end": date(2026, 2, 25)}
    content = wave_csv(100, start=50_000)
    told: dict[str, Any] = {"reference": "pushed", "pollster": "Alpha", "facts": {"mode": "phone"}, **days}

    received = polls.push_wave(SURVEY, content, **told)
    again = polls.push_wave(SURVEY, content, **told)

    assert (received.created, again.created, again.wave_id) == (True, False, received.wave_id)
    with pytest.raises(TimeoutError, match="is queued after"):
        polls.wait_for_refit(SURVEY, received, within_s=0.2, every_s=0.1)
    served.world.now = datetime.now(UTC)
    worker = threading.Thread(target=served.world.work)
    worker.start()
    assert [job.state for job in polls.wait_for_refit(SURVEY, received, every_s=0.05)] == ["succeeded"]
    worker.join()
    with pytest.raises(Problem) as refused:
        polls.push_wave(SURVEY, b"id,rail\n1,2\n", reference="faulty", **days)
    assert (refused.value.status, refused.value.type) == (400, "bad-upload")  # an admin's key names the pollster
    with pytest.raises(Problem) as refused:
        polls.push_wave(SURVEY, b"id,rail\n1,2\n", reference="faulty", pollster="Alpha", **days)
    assert (refused.value.status, refused.value.type) == (422, "wave-rejected")
    assert refused.value.faults[0]["remedy"]


def test_events_come_in_order_and_go_on_where_they_were_left(served: Served, polls: Hustings):
    events = polls.events(SURVEY, after=0)
    first, second = next(events), next(events)
    events.close()
    following = polls.events(SURVEY, after=first.id)

    assert next(following) == second
    following.close()
    assert first.id < second.id
    assert {first.type, second.type} <= {"wave", "job", "release", "question", "survey"}
    assert first.data["survey"] == SURVEY


def test_a_refusal_says_what_and_why(served: Served, polls: Hustings):
    with pytest.raises(Problem) as refused:
        polls.estimates(SURVEY, "rail", districts=["D7"])

    assert (refused.value.status, refused.value.type) == (422, "unknown-choice")
    assert "D6" in (refused.value.allowed or [])
    assert "There is no district 'D7'" in str(refused.value)
    with Hustings(served.address, "hust_nonsense") as stranger, pytest.raises(Problem) as refused:
        stranger.surveys()
    assert refused.value.status == 401
    assert "nonsense" not in str(refused.value)


def test_what_nobody_knows_is_not_asked(polls: Hustings):
    with pytest.raises(TypeError, match="no question takes levle"):
        polls.estimates(SURVEY, "rail", levle="district")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="time zone"):
        polls.estimates(SURVEY, "rail", as_of=datetime(2026, 1, 1))  # noqa: DTZ001


def test_names_are_written_into_paths_as_they_are():
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return refusal(404, "survey-not-found")

    with made_up(answer) as polls, pytest.raises(Problem):
        polls.district("a/b", "q?x=1", "ä")
    assert asked == ["/v1/surveys/a%2Fb/questions/q%3Fx%3D1/districts/%C3%A4"]


def test_the_key_is_shown_nowhere():
    with made_up(lambda _: refusal(500, "internal-error")) as polls:
        assert repr(polls) == "Hustings('http://nowhere')"
        with pytest.raises(Problem) as refused:
            polls.surveys()
    assert KEY not in str(refused.value) + repr(refused.value)
    assert KEY not in repr(polls._transport.__dict__)


def test_what_is_known_already_is_not_sent_again(served: Served, polls: Hustings):
    statuses: list[int] = []
    polls._transport._client.event_hooks = {"response": [lambda reply: statuses.append(reply.status_code)]}

    answers = [polls.estimates(SURVEY, "rail", by=by) for by in (["age"], ["gender"], ["age"])]

    assert statuses == [200, 200, 304]
    assert answers[0] == answers[2] != answers[1]


@pytest.mark.parametrize("status", [429, 503])
def test_it_waits_as_long_as_it_is_told_to(slept: list[float], status: int):
    replies = [
        refusal(status, "busy", retry_after="7"),
        refusal(status, "busy"),
        httpx.Response(200, json={"surveys": []}),
    ]

    with made_up(lambda _: replies.pop(0), patience_s=20) as polls:
        assert polls.surveys().surveys == []
    assert slept == [7.0, 1.0]


def test_it_does_not_wait_for_longer_than_its_patience(slept: list[float]):
    busy = partial(refusal, 503, "busy", retry_after="9")
    with made_up(lambda _: busy(), patience_s=20) as polls, pytest.raises(Problem, match="503 busy"):
        polls.surveys()
    assert slept == [9.0, 9.0]
    with made_up(lambda _: refusal(503, "busy"), patience_s=0) as polls, pytest.raises(Problem):
        polls.surveys()


def test_other_refusals_are_not_asked_again(slept: list[float]):
    for status in (400, 401, 403, 404, 409, 410, 422, 500):
        with made_up(lambda _, status=status: refusal(status, "no")) as polls, pytest.raises(Problem):
            polls.surveys()
    assert slept == []


def test_a_wave_is_sent_again_under_the_same_key_after_a_broken_connection(slept: list[float]):
    sent: list[tuple[str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append((request.headers["idempotency-key"], request.read()))
        if len(sent) == 1:
            raise httpx.RemoteProtocolError("gone")
        if len(sent) == 2:
            return refusal(409, "request-in-flight", retry_after="5")
        return refusal(422, "wave-rejected")

    days = {"fieldwork_start": date(2026, 1, 1), "fieldwork_end": date(2026, 1, 2)}
    with made_up(answer) as polls, pytest.raises(Problem, match="wave-rejected"):
        polls.push_wave("s", b"id\n1\n", reference="w", **days)

    assert len(sent) == 3
    assert len(set(sent)) == 1
    assert slept == [0.5, 5.0]


def test_a_service_that_is_away_is_unreachable(slept: list[float]):
    def broken(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with made_up(broken, patience_s=3) as polls, pytest.raises(Unreachable, match="ConnectError"):
        polls.surveys()
    assert sum(slept) <= 3


def test_a_lost_stream_is_made_again_with_the_last_id(slept: list[float]):
    asked: list[str | None] = []

    def message(number: int, kind: str = "release") -> str:
        return f'id: {number}\nevent: {kind}\ndata: {{"id":{number},"kind":"{kind}-x","survey":"s"}}\n\n'

    streams = [
        "retry: 3120\n\n" + message(4, "ready"),
        message(5) + ": still here\n\n" + message(6),
        message(7) + 'id: 8\nevent: release\ndata: {"id"',  # cut off: it comes again
        message(8),
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("last-event-id"))
        if len(asked) == 3:
            raise httpx.ReadTimeout("silent")
        return httpx.Response(200, text=streams.pop(0), headers={"content-type": "text/event-stream"})

    with made_up(answer) as polls:
        events = polls.events("s")
        assert [next(events).id for _ in range(4)] == [5, 6, 7, 8]
        events.close()
    assert asked == [None, "4", "6", "6", "7"]
    assert slept[0] == 3.12


def test_a_stream_that_cannot_be_resumed_is_a_problem():
    with made_up(lambda _: refusal(410, "events-gone")) as polls, pytest.raises(Problem, match="events-gone"):
        next(polls.events("s", after=3))


def test_importing_it_loads_nothing_of_the_service():
    heavy = ("litestar", "sqlalchemy", "polars", "numpy", "pymc", "granian")
    code = f"import sys, api.client; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
