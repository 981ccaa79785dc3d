"""The process that is kept between fits: when it is used again, when not, and that it ends with its host."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from jobs.errors import FitCancelled, FitProcessFailed
from jobs.fit_host import FitHost
from jobs.fit_request import FORMAT_VERSION, FitRequest, FitResult
from jobs.settings import Settings
from mrp.electorate import Electorate
from mrp.laplace.engine import LaplaceSettings
from mrp.nuts import NutsSettings
from mrp.outcomes import BinaryOutcome
from tests.jobs.house import alive

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="puts another program in the place of Python")

STAND_IN = '''\
#!{python}
"""Plays the fit process: the formula of the request says how it fares."""
import json, os, signal, sys, time
for line in sys.stdin:
    folder = json.loads(line)
    formula = json.load(open(folder + "/request.json"))["formula"]
    if formula == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    if formula.startswith("sleeps-once") and not os.path.exists(__file__ + formula):
        open(__file__ + formula, "w").close()
        print('{{"stage": "asleep", "share": 0.5}}', flush=True)
        time.sleep(60)
    elif formula.startswith("sleeps-once") or formula == "tells":
        print('{{"stage": "awake", "share": 0.9}}', flush=True)
        time.sleep(0.5)
    if formula == "crash":
        print("the ground shook", file=sys.stderr)
        sys.exit(7)
    head = dict(format_version={version}, others=[], seconds=dict())
    head |= dict.fromkeys(["design", "verdict", "diagnostics", "priors"])
    head |= dict(engine="nuts" if formula == "nuts" else "laplace", versions=dict(pid=os.getpid()))
    open(folder + "/draws.npz", "wb").close()
    json.dump(head, open(folder + "/result.json", "w"))
    print('{{"stage": "cut off')
    print(json.dumps(dict(ended=0, size_mb=9e9 if formula == "large" else 1.0)), flush=True)
'''


def write_stand_in(folder: Path) -> Path:
    """The stand-in as a program."""
    program = folder / "stand-in"
    program.write_text(STAND_IN.format(python=sys.executable, version=FORMAT_VERSION))
    program.chmod(0o700)
    return program


def small_request(formula: str = "(1|district) + (1|gender)") -> FitRequest:
    """Two districts, one demographic."""
    cells = pl.DataFrame({"district": ["A", "A", "B", "B"], "gender": ["F", "M", "F", "M"]})
    return FitRequest(
        outcome=BinaryOutcome(("yes", "no")),
        formula=formula,
        priors={},
        seed=1,
        engine="laplace",
        laplace=LaplaceSettings(points=60, draws=200),
        nuts=NutsSettings(chains=2, tune=50, draws=50, target_accept=0.8, retry_target_accept=0.9, cores=2),
        electorate=Electorate(
            frame=cells.with_columns(n_people=pl.Series([10.0, 20.0, 30.0, 40.0])),
            districts=pl.DataFrame({"code": ["A", "B"], "name": ["A", "B"]}),
            district="district",
            demographics={"gender": ("F", "M")},
        ),
        counts=cells.with_columns(n=pl.Series([15, 16, 17, 18]), y=pl.Series([7, 8, 9, 11])),
    )


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.fit_host.sys.executable", str(write_stand_in(tmp_path)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(Settings(), data_dir=tmp_path / "data", cache_dir=tmp_path / "cache", heartbeat_s=0.05)


@pytest.fixture
def host() -> Iterator[FitHost]:
    made = FitHost()
    yield made
    made.close()


@pytest.fixture
def fit(host: FitHost, settings: Settings) -> Callable[..., FitResult]:
    request = small_request()

    def run(formula: str | None = None, *, by: FitHost = host, cancel: Callable[[], bool] = bool) -> FitResult:
        one = request if formula is None else replace(request, formula=formula)
        return by(one, settings, beat=lambda _: cancel(), stop=threading.Event())

    return run


def pid_of(result: FitResult) -> int:
    return int(result.versions["pid"])


def test_a_kept_process_fits_bit_for_bit_like_a_new_one(fit, host, settings):
    host.start(settings)
    results = [fit(), fit()]
    fresh = FitHost()
    try:
        results.append(fit(by=fresh))
    finally:
        fresh.close()

    assert len({result.draws for result in results}) == 1
    assert all(result.verdict == results[0].verdict for result in results)


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(("formula", "kept"), [("small", True), ("nuts", False), ("large", False)])
def test_a_process_is_used_again_after_a_small_fit_of_the_fast_engine(fit, formula, kept):
    first, second = (pid_of(fit(one)) for one in (formula, "small"))

    assert (first == second) is kept
    assert alive(first) is kept


@pytest.mark.usefixtures("stand_in")
def test_a_process_that_was_killed_while_it_waited_costs_no_fit(fit):
    first = pid_of(fit())
    os.kill(first, signal.SIGKILL)
    for _ in range(100):
        if not alive(first):
            break
        time.sleep(0.01)

    assert pid_of(fit()) != first


@pytest.mark.usefixtures("stand_in")
def test_other_settings_have_a_process_of_their_own(fit, host, settings):
    first = pid_of(fit())
    host.start(settings)
    assert alive(first)

    host.start(replace(settings, fit_memory_mb=4000))
    assert not alive(first)


@pytest.mark.usefixtures("stand_in")
def test_a_crash_tells_its_last_words_and_the_next_fit_has_a_new_process(fit, settings):
    first = pid_of(fit())
    with pytest.raises(FitProcessFailed, match=r"status 7\..*the ground shook") as crash:
        fit("crash")

    assert crash.value.retry
    assert list(settings.spool_dir.iterdir()) == []
    assert pid_of(fit()) != first


@pytest.mark.parametrize("dead", [False, True], ids=["dies-with-the-order", "dead-before-it"])
def test_what_a_process_said_before_it_had_an_order_is_told(fit, host, settings, dead, monkeypatch, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such library >&2\nexit 1\n")
    broken.chmod(0o700)
    monkeypatch.setattr("jobs.fit_host.sys.executable", str(broken))
    if dead:
        host.start(settings)
        # It dies between the look at whether it lives and the order, for the longest while that this can take.
        monkeypatch.setattr("jobs.fit_host._Child.fits", lambda *_: True)
        time.sleep(0.5)

    with pytest.raises(FitProcessFailed, match=r"status 1.*no such library"):
        fit()


@pytest.mark.usefixtures("stand_in")
def test_a_kept_process_that_does_not_listen_is_cancelled_within_two_seconds(fit):
    first = pid_of(fit())
    asked: list[float] = []

    def cancel() -> bool:
        asked.append(time.monotonic())
        return len(asked) > 4

    with pytest.raises(FitCancelled):
        fit("deaf", cancel=cancel)

    assert time.monotonic() - asked[-1] < 2
    assert not alive(first)
