"""Kill -9 at every named point of what changes waves, do the same again, and compare with what was never killed.

    python -m tests.faults.drill [--times 20] [--store sqlite|postgresql] [--only ACT] [--report]

prints progress and, with --report, brings tests/faults/reports/<store>.json up to date. A point is passed when

1. the process did die there;
2. right after it the store is, row for row, as before the act or as after it, as the point says, no row points at one
   that is not there, no file is left that the undisturbed act does not leave, and no process;
3. the same act again, twenty minutes later, answers as a first or as a second one should, and then every row of every
   table is what an undisturbed act leaves: one wave with all its parts, one event, one audit entry, each refit asked
   for once, and a chain that verifies.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from polling.store.engine import open_store
from tests.api.world import NOON
from tests.faults.acts import ACTS, VARIANTS, Place, make_bases
from tests.faults.points import watch
from tests.faults.state import Databases, dump, faults_in, freed, is_quiet, without_keys
from tests.jobs.house import alive

__all__ = ["Drill", "Victim"]

ROOT = Path(__file__).resolve().parents[2]
REPORTS = Path(__file__).with_name("reports")
NOW = NOON + timedelta(hours=2)
AGAIN = NOW + timedelta(minutes=20)
READERS = ("reader:parent", "reader:parent-stopped", "reader:child", "reader:idle")
BROKEN = "the program that reads such files broke at this one"


class Victim:
    """The process whose children are killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.victim"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )

    def order(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order, default=str) + "\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)


class Drill:
    """Acts, points and what is expected on one kind of store."""

    def __init__(self, folder: Path, databases: Databases, bases: dict[str, Path], victim: Victim) -> None:
        self._folder = folder
        self._databases = databases
        self._bases = bases
        self._victim = victim
        self._known: dict[tuple[str, int, datetime | None], tuple[str, list[str]]] = {}
        self._bare: dict[str, list[str]] = {}
        self._random = random.Random(7)  # moments of kills
        self.seconds: dict[str, float] = {}

    def points(self, act: str) -> dict[str, str]:
        """Every point of an act, with what happens there."""
        if act == "limited":
            return dict.fromkeys(READERS, "the file is read in the limited process")
        with self._place(act) as place:
            written = watch(place.store)
            begun = time.monotonic()
            ACTS[act][1](place, VARIANTS - 1, NOW)
            self.seconds[act] = time.monotonic() - begun
        found = {}
        if act == "first-keys":
            return {f"call:keys:{at}": "the first key is written to the secrets file" for at in ("before", "after")}
        if act in ("push", "replacement"):
            found["call:read:before"] = "the file was received"
            found["call:read:after"] = "the file was read"
            found["call:payload:after"] = "the payload was made"
        if act != "erasure-freeing":
            found["call:transaction:before"] = "before the write transaction"
            found["call:transaction:after"] = "the write transaction has begun"
            found |= {f"statement:{n}": f"after {what}" for n, what in enumerate(written.statements, 1)}
        else:
            for n in (1, 2):
                found |= {f"vacuum:{n}:{at}": f"{at} VACUUM" for at in ("before", "inside", "after")}
            if self._databases.kind != "sqlite":
                found = {}
        for n in range(1, written.n_commits + 1):
            found[f"commit:{n}:before"] = "just before commit"
            found[f"commit:{n}:after"] = "just after commit, before the answer"
        if act != "erasure-freeing":
            found["call:head:before"] = "before the head of the audit chain is noted"
            found["call:head:after"] = "the head of the audit chain was noted"
        found["moment"] = "at a random moment"
        return found

    def run(self, act: str, point: str, number: int) -> list[str]:
        """Kill once; what was wrong."""
        variant = number % VARIANTS
        with self._place(act) as place:
            before = self._before(act, place)
            files = {path.name for path in place.folder.iterdir()}
            order, note = self._order(act, point, variant, place)
            told = self._victim.order(**order)
            now = dump(place)
            wrong = self._after_kill(act, point, variant, told, before, now, note)
            left = {path.name for path in place.folder.iterdir()} - files
            allowed = {f"hustings.db{end}" for end in ("-wal", "-shm")}
            if act == "erasure":  # noted before it is committed: the clock does what was killed in between
                allowed |= {"secrets.toml.erased", "secrets.toml.erased.lock"}
            if point == "call:keys:before":
                # The new file was not in its place yet; who writes next uses it.
                left.discard(".secrets.toml.new")
            if left - allowed or any((self._folder / "temporary").iterdir()):
                wrong.append(f"left behind: {sorted(left - allowed)}, {[*(self._folder / 'temporary').iterdir()]}")
            wrong += self._again(act, variant, place, committed=now != before)
            remains = {path.name for path in place.folder.iterdir()} - files - allowed
            if remains:
                wrong.append(f"left behind in the end: {sorted(remains)}")
            wrong += [f"in the end: {one}" for one in faults_in(place)]
        return wrong

    def _order(self, act: str, point: str, variant: int, place: Place) -> tuple[dict[str, Any], Path]:
        temporary = self._folder / "temporary"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        note = self._folder / "note"
        for path in (note, note.with_suffix(".answer")):
            path.unlink(missing_ok=True)
        order: dict[str, Any] = {
            "act": act,
            "point": point,
            "url": place.store.url.render_as_string(hide_password=False),
            "folder": place.folder,
            "temporary": temporary,
            "note": note,
            "variant": variant,
            "now": NOW.isoformat(),
        }
        if point == "moment":
            order["after_s"] = self._random.uniform(0.02, 0.1 + 1.5 * self.seconds[act])
        return order, note

    def _after_kill(
        self,
        act: str,
        point: str,
        variant: int,
        told: dict[str, Any],
        before: list[str],
        now: list[str],
        note: Path,
    ) -> list[str]:
        answer = note.with_suffix(".answer")
        lives = point in ("reader:child", "reader:idle")
        wrong = []
        if told["code"] != (0 if lives else -signal.SIGKILL) and not (point == "moment" and told["code"] == 0):
            wrong.append(f"the process ended with {told['code']}")
        if point.startswith("reader:"):
            if not _ends(int(note.read_text())):
                wrong.append("the limited process lives on")
            if point == "reader:child" and BROKEN not in answer.read_text():
                wrong.append(f"it answered {answer.read_text()}")
            if point == "reader:idle" and answer.read_text() != "stored":
                wrong.append(f"it answered {answer.read_text()}")
        if act == "erasure-freeing":
            return wrong
        done = self._undisturbed(act, variant, NOW)[1]
        committed = point in ("call:head:before", "call:head:after", "reader:idle")
        committed |= point.startswith("commit:") and point.endswith(":after")
        if point == "moment":
            if now not in (before, done):
                wrong.append(f"half stored: {_difference(now, before)}")
        elif now != (done if committed else before):
            wrong.append(f"not as expected after the kill: {_difference(now, done if committed else before)}")
        return wrong

    def _again(self, act: str, variant: int, place: Place, *, committed: bool) -> list[str]:
        if act == "erasure-freeing":
            work = ACTS[act][1]
            work(place, variant, AGAIN)
            return is_quiet(place) + freed(place, self._bases["served"], needles=self._databases.kind == "sqlite")
        wrong = []
        first, done = self._undisturbed(act, variant, NOW if committed else AGAIN)
        expected = self._undisturbed(act, variant, None)[0] if committed else first
        if act == "erasure" and committed:
            return wrong  # asked for once more, it is one more act
        answer = ACTS[act][1](place, variant, AGAIN)
        if _shape(answer) != _shape(expected):
            wrong.append(f"the second time it answered {answer}, not {expected}")
        now = dump(place)
        if act == "first-keys":  # every run makes keys of its own
            now, done = without_keys(now), without_keys(done)
        if now != done:
            wrong.append(f"not as expected in the end: {_difference(now, done)}")
        return wrong

    def _before(self, act: str, place: Place) -> list[str]:
        base = ACTS[act][0]
        if base not in self._bare:
            self._bare[base] = dump(place)
        return self._bare[base]

    def _undisturbed(self, act: str, variant: int, now: datetime | None) -> tuple[str, list[str]]:
        """The answer and the rows that are left without any kill; None: the answer when it was done before."""
        known = (act, variant, now)
        if known not in self._known:
            # Beside the place that is being looked at.
            with self._place(act, beside=True) as place:
                answer = ACTS[act][1](place, variant, now or NOW)
                if now is None:
                    answer = ACTS[act][1](place, variant, AGAIN)
                self._known[known] = (answer, dump(place))
                assert faults_in(place) == []
        return self._known[known]

    @contextmanager
    def _place(self, act: str, *, beside: bool = False) -> Iterator[Place]:
        base = self._bases[ACTS[act][0]]
        folder = self._folder / ("beside" if beside else "place")
        shutil.rmtree(folder, ignore_errors=True)
        url = self._databases.fill(base, folder, beside=beside)
        store = open_store(url)
        try:
            yield Place(store, folder)
        finally:
            store.close()


def _ends(pid: int) -> bool:
    until = time.monotonic() + 5
    while alive(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def _shape(answer: str) -> str:
    """An answer without the ids that it made."""
    if " {" not in answer:
        return answer
    status, _, body = answer.partition(" ")
    told = json.loads(body)
    return f"{status} {sorted(told)} {told.get('reference')} {told.get('created')} {len(told.get('jobs', ()))}"


def _difference(found: list[str], expected: list[str]) -> list[str]:
    more, less = Counter(found) - Counter(expected), Counter(expected) - Counter(found)
    return [f"+ {one[:300]}" for one in list(more)[:3]] + [f"- {one[:300]}" for one in list(less)[:3]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--only", choices=tuple(ACTS), action="append")
    parser.add_argument("--report", action="store_true", help="write tests/faults/reports")
    about = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="faults") as name:
        folder = Path(name)
        bases = make_bases(folder / "bases")
        victim = Victim()
        try:
            for kind in about.store or ("sqlite", "postgresql"):
                with Databases.open(kind, folder) as databases:
                    drill = Drill(folder, databases, bases, victim)
                    path = REPORTS / f"{kind}.json" if about.report else None
                    failed |= _drill(drill, kind, about.only or list(ACTS), about.times, path) > 0
        finally:
            victim.close()
    sys.exit(failed)


def _drill(drill: Drill, kind: str, acts: list[str], times: int, report: Path | None) -> int:
    """Every point of the acts; how many kills were not survived. The report is brought up to date after every act."""
    found: list[dict[str, Any]] = []
    n_failed = 0
    for act in acts:
        points = drill.points(act)
        for n, (point, what) in enumerate(points.items(), 1):
            begun = time.monotonic()
            wrong = [one for number in range(times) if (one := drill.run(act, point, number))]
            n_failed += len(wrong)
            found.append({"act": act, "point": point, "what": what, "kills": times, "passed": times - len(wrong)})
            found[-1]["seconds"] = round(time.monotonic() - begun, 1)
            if wrong:
                found[-1]["wrong"] = wrong[:3]
            said = f"{kind} {act} {n}/{len(points)} {point} ({what}): {times - len(wrong)} of {times}"
            print(said, *wrong[:1], flush=True)
        if report is not None:
            _keep(report, kind, found)
    print(f"{kind}: {len(found) * times} kills at {len(found)} points, {n_failed} failed", flush=True)
    return n_failed


def _keep(report: Path, kind: str, found: list[dict[str, Any]]) -> None:
    """Write what was found of the acts that were done; of the others, what an earlier run found stays."""
    before = json.loads(report.read_text()) if report.exists() else {"points": []}
    again = {one["act"] for one in found}
    points = [one for one in before["points"] if one["act"] in ACTS and one["act"] not in again] + found
    points.sort(key=lambda one: list(ACTS).index(one["act"]))
    done = {one["act"] for one in points}
    about = {
        "store": kind,
        "acts_left": [act for act in ACTS if act not in done],
        "n_points": len(points),
        "n_kills": sum(one["kills"] for one in points),
        "n_failed": sum(one["kills"] - one["passed"] for one in points),
        "seconds": round(sum(one["seconds"] for one in points), 1),
        "points": points,
    }
    report.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
