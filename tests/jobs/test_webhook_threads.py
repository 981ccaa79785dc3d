"""Webhooks are sent to beside the worker: a fit, another receiver and an end that is asked for do not wait for them."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from jobs import webhook_acts, webhook_post, webhook_threads
from jobs.worker import utc_now
from polling.store import outbox, queue, webhooks
from tests.jobs.house import House
from tests.jobs.receiver import Receiver, receiving

ROOT = Path(__file__).parents[2]


@pytest.fixture
def real(house: House) -> House:
    """A house whose clock runs."""
    house.now = utc_now()
    house.settings = replace(house.settings, webhook_networks="127.0.0.0/8", worker_poll_s=0.02, retry_backoff_s=0.05)
    return house


@pytest.fixture
def open_receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Receiver]]:
    authority = trustme.CA()
    with ExitStack() as stack:
        yield lambda **about: stack.enter_context(receiving(tmp_path, monkeypatch, authority=authority, **about))


def create(house: House, receiver: Receiver) -> str:
    about = {"survey_id": "demo", "types": ("survey",), "now": house.now, "actor": "test"}
    return webhook_acts.create(house.store, house.secrets, house.settings, url=receiver.url, **about)[0].id


def happen(house: House) -> int:
    with house.store.write() as session:
        return outbox.append(session, "survey-updated", "demo", {"version": 2}, utc_now())


def until(happened: Callable[[], bool], seconds: float = 5.0) -> float:
    began = time.monotonic()
    while not happened():
        assert time.monotonic() < began + seconds, "it did not happen"
        time.sleep(0.005)
    return time.monotonic() - began


@pytest.fixture
def sending(real: House) -> Iterator[threading.Event]:
    """Threads that send; the event stops them."""
    stop, threads = threading.Event(), real.sender(clock=utc_now)
    threads.start(stop)
    yield stop
    stop.set()
    began = time.monotonic()
    threads.join()
    assert time.monotonic() - began < 2.5
    until(lambda: not [one for one in threading.enumerate() if one.name.startswith("webhook")], 1)


def test_a_receiver_that_hangs_holds_up_no_other(
    real: House, open_receiver: Callable[..., Receiver], sending: threading.Event
):
    hung, other = open_receiver(), open_receiver()
    hung.pause_s = 4
    create(real, hung)
    happen(real)
    until(lambda: bool(real.jobs("running")))
    create(real, other)
    sent = [happen(real) for _ in range(3)]

    assert until(lambda: other.ids == sent) < 2
    assert hung.got == []


def test_places_are_few_and_are_taken_in_turn(
    real: House, open_receiver: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(webhook_threads, "MOST", 2)
    receivers = [open_receiver() for _ in range(4)]
    for one in receivers:
        one.pause_s = 0.2
        create(real, one)
    sent, stop, threads = happen(real), threading.Event(), real.sender(clock=utc_now)
    threads.start(stop)
    most = 0
    while not all(one.ids == [sent] for one in receivers):
        most = max(most, sum(one.name == "webhook" for one in threading.enumerate()))
        time.sleep(0.01)
    stop.set()
    threads.join()

    assert most == 2


def test_a_long_fit_holds_no_event_back(real: House, open_receiver: Callable[..., Receiver], sending: threading.Event):
    receiver, ended = open_receiver(), threading.Event()
    create(real, receiver)
    real.fit.before_end = lambda: (ended.wait(10), None)[1]
    real.push(1)
    later = real.now.replace(year=real.now.year + 1)
    fitting = threading.Thread(target=lambda: real.worker(clock=lambda: later).turn(later))
    fitting.start()
    until(lambda: bool(real.fit.requests))
    sent = happen(real)

    assert until(lambda: receiver.ids == [sent]) < 2
    assert fitting.is_alive()
    ended.set()
    fitting.join()


def test_an_end_that_is_asked_for_waits_for_no_receiver(
    real: House, open_receiver: Callable[..., Receiver], sending: threading.Event
):
    hung = open_receiver()
    hung.pause_s = 4
    webhook_id = create(real, hung)
    happen(real)
    until(lambda: bool(real.jobs("running")))
    sending.set()
    until(lambda: bool(real.jobs("queued")), 2)

    (job,) = real.jobs()
    assert (job.kind, job.key, job.attempt) == ("webhook", webhook_id, 0)
    with real.store.read() as session:
        assert webhooks.list_deliveries(session, webhook_id, limit=9) == []


def test_a_line_is_cut_when_its_time_is_over(
    real: House, open_receiver: Callable[..., Receiver], sending: threading.Event, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(webhook_post, "LONGEST_S", 0.2)
    slow = open_receiver()
    slow.drips_s = 4
    webhook_id = create(real, slow)
    happen(real)

    def tried() -> bool:
        with real.store.read() as session:
            return bool(webhooks.list_deliveries(session, webhook_id, limit=9))

    until(tried)
    sending.set()
    until(lambda: not any(one.name == "webhook-post" for one in threading.enumerate()), 1)


def test_a_job_of_a_webhook_is_taken_by_nobody_else(real: House, open_receiver: Callable[..., Receiver]):
    create(real, open_receiver())
    happen(real)
    later = real.now.replace(year=real.now.year + 1)
    assert not real.worker().turn(later)
    with real.store.write() as session:
        assert queue.claim(session, owner="other", now=later, lease=real.settings.lease) is None


@pytest.mark.parametrize("seconds", [1, pytest.param(60, marks=pytest.mark.slow)])
def test_a_receiver_that_is_down_gets_every_event_of_a_real_worker_once_it_is_back(
    real: House, open_receiver: Callable[..., Receiver], tmp_path: Path, seconds: int
):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    create(real, Receiver("127.0.0.1", port))
    receiver = open_receiver(host="127.0.0.1", port=0)  # tells the worker whom to trust; nothing is sent there
    settings = {"data_dir": tmp_path, "secrets_file": tmp_path / "secrets.toml", "webhook_networks": "127.0.0.0/8"}
    if seconds < 10:
        settings["retry_backoff_s"] = 0.1
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HUSTINGS_")}
    ours |= {f"HUSTINGS_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "api.cli", "worker"]
    worker = subprocess.Popen(command, env=ours, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        sent, down = [happen(real)], time.monotonic() + seconds

        def tried() -> bool:
            found = real.jobs("queued")
            return bool(found) and found[0].attempt > 0

        until(tried, 30)
        while time.monotonic() < down:
            time.sleep(seconds / 20)
            sent.append(happen(real))
        receiver = open_receiver(host="127.0.0.1", port=port)
        sent.append(happen(real))
        until(lambda: receiver.ids[-1:] == sent[-1:], 2 * seconds + 30)
        assert receiver.ids == sent
    finally:
        worker.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _, errors = worker.communicate(timeout=10)
    assert (worker.returncode, "Traceback" in errors) == (0, False), errors
    assert time.monotonic() - began < 5
