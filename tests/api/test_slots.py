"""Computations take turns, and a full queue is said to be full."""

import threading

import pytest

from api.errors import ServiceBusy
from api.slots import Slots
from tests.api.world import SURVEY, World

URL = f"/v1/surveys/{SURVEY}/questions/rail/estimates"


def test_no_more_than_so_many_are_inside_at_a_time():
    slots = Slots(2, waiting=10)
    lock, inside, seen = threading.Lock(), [0], []
    everyone = threading.Barrier(2)

    def work() -> None:
        with slots.take():
            with lock:
                inside[0] += 1
                seen.append(inside[0])
            everyone.wait(10)  # passes only while two are inside
            with lock:
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(seen) == 2


def test_who_finds_the_queue_full_is_sent_away_at_once():
    slots = Slots(1, waiting=0, patience_s=60)
    with slots.take(), pytest.raises(ServiceBusy), slots.take():
        pass
    with slots.take():
        pass


def test_who_waits_too_long_is_sent_away_and_gives_up_the_place():
    slots = Slots(1, waiting=1, patience_s=0.01)
    with slots.take():
        for _ in range(3):
            with pytest.raises(ServiceBusy, match="try again"), slots.take():
                pass


def test_a_busy_service_says_when_to_come_again_and_still_knows_its_answers(
    served: World, monkeypatch: pytest.MonkeyPatch
):
    known = served.get(URL)
    monkeypatch.setattr(served.services.releases, "slots", Slots(1, waiting=0))
    with served.services.releases.slots.take():
        reply = served.get(URL, params={"interval": 0.77})
        again = served.get(URL)

    assert (reply.status_code, reply.json()["type"], reply.headers["retry-after"]) == (503, "busy", "5")
    assert again.content == known.content
    assert served.get(URL, params={"interval": 0.77}).status_code == 200
