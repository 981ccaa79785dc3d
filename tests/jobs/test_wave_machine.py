"""Any sequence of what becomes of waves, against a model in plain Python: what do the counts per cell say?"""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from jobs import erasure, retention, wave_life
from jobs.counted_parts import CountedParts
from jobs.counting import count_interviews
from jobs.errors import FitImpossible
from jobs.receive import receive_wave
from jobs.settings import Settings
from jobs.survey import add_survey
from polling.bundle import SurveyBundle
from polling.codebook import Conversion, convert
from polling.declaration import Demographic, Geography, Question, Retention, SurveyDeclaration
from polling.errors import WaveConflict, WaveNotFound, WaveRejected, WaveStateRefused, WaveWithdrawn
from polling.payload import from_payload, to_payload
from polling.pseudonyms import pseudonymise
from polling.secrets import SecretsFile
from polling.store import deliveries, waves
from polling.store.engine import Store
from polling.store.wave_records import NewWave, Standing

STEPS = 50
EXAMPLES = 20
"""A thousand steps per store; the slow suite takes ten thousand."""
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAYS = ((date(2026, 2, 20), date(2026, 2, 25)), (date(2026, 2, 21), date(2026, 2, 26)))
POLLSTERS = ("Alpha", "Beta")
REFERENCES = ("w1", "w2")
PLACES, AGES, ANSWERS = ("A", "B"), ("young", "old"), ("yes", "no", "")

type Row = dict[str, str]


def rows_of(file: int) -> list[Row]:
    """The interviews of a file; every second file does not ask the second question."""
    asked = ("tax", "vote")[: 1 + file % 2]
    return [
        {"id": f"f{file}r{i}", "place": PLACES[(i + file) % 2], "age": AGES[(i // 2) % 2]}
        | {name: ANSWERS[0 if i == 0 else (i * (file + 2) + q) % 3] for q, name in enumerate(asked)}
        for i in range(3 + file)
    ]


def csv_of(file: int) -> bytes:
    rows = rows_of(file)
    return "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]).encode() + b"\n"


FILES = {file: csv_of(file) for file in range(4)}
files, references = st.sampled_from(sorted(FILES)), st.sampled_from(REFERENCES)
# Mostly one of them, so that its waves get into each other's way.
pollsters = st.sampled_from((*POLLSTERS, POLLSTERS[0], POLLSTERS[0]))
days = st.sampled_from((0, 1))


def bundle(survey_id: str) -> SurveyBundle:
    declaration = SurveyDeclaration(
        id=survey_id,
        title="Machine",
        universe="Adults",
        columns={"respondent": "id"},
        retention=Retention(respondents_days=1, min_cell=1),
        geography=Geography(district="place", column="place", districts_file="districts.parquet", codes=PLACES),
        demographics=(Demographic(name="age", column="age", levels=AGES),),
        questions=tuple(
            Question(id=name, column=name, text="?", kind="binary", options=("yes", "no"), model="(1|age)")
            for name in ("tax", "vote")
        ),
        frame_file="frame.parquet",
    )
    cells = [(place, age, 100.0) for place in PLACES for age in AGES]
    frame = pl.DataFrame(cells, schema=["place", "age", "n_people"], orient="row")
    return SurveyBundle(declaration, frame, pl.DataFrame({"code": PLACES, "name": PLACES}))


@dataclass
class Expected:
    """What the model knows of a wave."""

    sequence: int
    versions: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Version -> file and days."""
    purged: dict[int, list[Row]] = field(default_factory=dict)
    """Version -> who was in it when it was purged: nobody can be found in its counts any more."""
    events: list[tuple[datetime, int | None, Standing]] = field(default_factory=list)
    """When, the version it delivered if it did, and how the wave stood afterwards."""

    @property
    def now(self) -> Standing:
        return self.events[-1][2]

    @property
    def newest(self) -> int:
        return self.now.waiting or self.now.version


class WaveMachine(RuleBasedStateMachine):
    """Push, replace, withdraw, restore, hold, let through, undo, erase and purge, as the documentation has it."""

    store: Store
    secrets: SecretsFile
    numbers = count()
    taken = 0
    """Steps so far, over all examples."""

    @initialize()
    def start(self) -> None:
        self.survey = f"machine{next(self.numbers)}"
        self.now = NOON
        self.bundle = bundle(self.survey)
        add_survey_to(self.store, self.secrets, self.bundle)
        self.waves: dict[tuple[str, str], Expected] = {}
        self.memory = CountedParts()
        self.past: list[tuple[datetime, list[tuple[tuple[str, str], int]]]] = []
        self.erased: set[tuple[str, str]] = set()

    @rule(pollster=pollsters, reference=references, file=files, day=days, replaces=st.booleans())
    def deliver(self, pollster: str, reference: str, file: int, day: int, replaces: bool) -> None:
        about = {"survey_id": self.survey, "pollster": pollster, "reference": reference, "content": FILES[file]}
        about |= {"fieldwork_start": DAYS[day][0], "fieldwork_end": DAYS[day][1], "now": self.now, "actor": "test"}
        if replaces:
            about |= {"replaces": reference, "reason": "it was wrong"}
        expected = self.verdict(pollster, reference, file, day, replaces)
        if expected is True and not self.left(pollster, file):
            expected = WaveRejected
        if isinstance(expected, type):
            with pytest.raises(expected) as caught:
                receive_wave(self.store, self.secrets, Settings(), **about)
            assert type(caught.value) is expected
        else:
            assert receive_wave(self.store, self.secrets, Settings(), **about).created is expected
            if expected:
                self.delivered(pollster, reference, file, day, held=False)

    @rule(pollster=pollsters, reference=references, file=files, replaces=st.booleans())
    def deliver_something_that_is_held(self, pollster: str, reference: str, file: int, replaces: bool) -> None:
        if not (left := self.left(pollster, file)):
            return
        key = self.secrets.pseudonym_key(self.survey)
        rows = pl.DataFrame(left).select(pl.all().replace("", None))
        rows = rows.with_columns(pseudonymise(rows["id"], key.secret))
        new = NewWave(
            survey_id=self.survey,
            survey_version=1,
            pollster=pollster,
            reference=reference,
            content_sha256=sha256(FILES[file]).hexdigest(),
            payload=to_payload(rows),
            n_interviews=rows.height,
            questions=tuple(name for name in ("tax", "vote") if name in rows.columns),
            fieldwork_start=DAYS[0][0],
            fieldwork_end=DAYS[0][1],
            key_version=key.version,
            held="over a limit",
        )
        expected = self.verdict(pollster, reference, file, 0, replaces)
        about = {"now": self.now, "actor": "test", "replaces": replaces, "reason": "x" if replaces else None}
        if isinstance(expected, type):
            with pytest.raises(expected), self.store.write() as session:
                deliveries.add_wave(session, new, **about)
            return
        with self.store.write() as session:
            assert deliveries.add_wave(session, new, **about)[1] is expected
        if expected:
            self.delivered(pollster, reference, file, 0, held=True)

    @rule(pollster=pollsters, reference=references)
    def withdraw(self, pollster: str, reference: str) -> None:
        if (wave := self.act("withdraw", pollster, reference)) is not None and wave.now.state != "withdrawn":
            wave.events.append((self.now, None, Standing(wave.now.version, "withdrawn")))

    @rule(pollster=pollsters, reference=references)
    def restore(self, pollster: str, reference: str) -> None:
        wave = self.waves.get((pollster, reference))
        stood = None
        if wave is not None and wave.now.state == "withdrawn":
            earlier = [
                after for _, _, after in wave.events if after.version == wave.now.version and after.state != "withdrawn"
            ]
            stood = earlier[-1]
        doubled = stood is not None and self.doubled(pollster, wave, stood)
        if self.act("restore", pollster, reference, refused=WaveConflict if doubled else None) and stood:
            wave.events.append((self.now, None, stood))

    @rule(pollster=pollsters, reference=references)
    def let_through(self, pollster: str, reference: str) -> None:
        wave = self.waves.get((pollster, reference))
        refused: type[Exception] | None = None
        after = None
        if wave is not None:
            if wave.now.state == "withdrawn":
                refused = WaveStateRefused
            elif wave.now.waiting or wave.now.state == "held":
                after = Standing(wave.newest, "accepted")
                refused = WaveConflict if self.doubled(pollster, wave, after) else None
        if self.act("let_through", pollster, reference, refused=refused) and after:
            wave.events.append((self.now, None, after))

    @rule(pollster=pollsters, names=st.lists(references, min_size=1, max_size=2, unique=True))
    def undo_by_name(self, pollster: str, names: list[str]) -> None:
        known = [self.waves.get((pollster, name)) for name in names]
        if None in known:
            self.undo(WaveNotFound, pollster=pollster, names=names)
        else:
            self.undo_all(known, pollster=pollster, names=names)

    @rule(pollster=pollsters, minutes=st.integers(1, 12))
    def undo_since(self, pollster: str, minutes: int) -> None:
        since = self.now - timedelta(minutes=minutes)
        mine = sorted((one for name, one in self.waves.items() if name[0] == pollster), key=lambda one: one.sequence)
        self.undo_all(mine, pollster=pollster, since=since)

    def undo_all(self, known: list[Expected], **said: object) -> None:
        """Undo in the order in which it is done, on a copy that is kept if nothing is refused."""
        before = {name: replace(one, events=list(one.events)) for name, one in self.waves.items()}
        refused: type[Exception] | None = None
        since = said.get("since")
        for wave in known:
            places = [
                place
                for place, (at, version, _) in enumerate(wave.events)
                if version is not None and (version == wave.newest if since is None else at >= since)
            ]
            if not places or wave.now.state == "withdrawn":
                continue
            stood = wave.events[places[0] - 1][2] if places[0] else Standing(wave.now.version, "withdrawn")
            if stood == wave.now:
                continue
            if self.doubled(str(said["pollster"]), wave, stood):
                refused = WaveConflict
                break
            wave.events.append((self.now, None, stood))
        self.undo(refused, **said)
        if refused:
            self.waves = before

    def undo(self, refused: type[Exception] | None, **said: object) -> None:
        about = {"survey_id": self.survey, "reason": "a mistake", "now": self.now, "actor": "test"} | said
        if refused is None:
            wave_life.undo(self.store, self.secrets, Settings(), **about)
        else:
            with pytest.raises(refused):
                wave_life.undo(self.store, self.secrets, Settings(), **about)

    def act(
        self, name: str, pollster: str, reference: str, *, refused: type[Exception] | None = None
    ) -> Expected | None:
        """Do something with one wave; the wave if that was not refused."""
        wave = self.waves.get((pollster, reference))
        about = {"survey_id": self.survey, "reason": "because", "now": self.now, "actor": "test"}
        if name == "let_through":  # an analyst sees every pollster's waves, and names one by its id
            about["wave"] = self.ids().get((pollster, reference), "none")
        else:
            about |= {"wave": reference, "pollster": pollster}
        refused = WaveNotFound if wave is None else refused
        if refused is None:
            getattr(wave_life, name)(self.store, self.secrets, Settings(), **about)
            return wave
        with pytest.raises(refused):
            getattr(wave_life, name)(self.store, self.secrets, Settings(), **about)
        return None

    def ids(self) -> dict[tuple[str, str], str]:
        with self.store.read() as session:
            return {(one.pollster, one.reference): one.id for one in waves.list_waves(session, self.survey)}

    def verdict(self, pollster: str, reference: str, file: int, day: int, replaces: bool) -> bool | type[Exception]:
        """Whether a delivery is stored (else it is the one before again), or how it is refused."""
        wave = self.waves.get((pollster, reference))
        if wave is None and replaces:
            return WaveNotFound
        if wave is not None:
            newest = wave.versions[wave.newest]
            if wave.now.state == "withdrawn":
                if file == newest[0] or not replaces:
                    return WaveWithdrawn
            elif (file, day) == newest:
                return False
            elif not replaces:
                return WaveConflict
        others = self.others(pollster, wave, file)
        if others:
            return WaveWithdrawn if others[0].now.state == "withdrawn" else WaveConflict
        return True

    def others(self, pollster: str, wave: Expected | None, file: int) -> list[Expected]:
        """The other waves of the pollster in which a file stands or waits, oldest first."""
        return sorted(
            (
                one
                for name, one in self.waves.items()
                if name[0] == pollster
                and one is not wave
                and file in {one.versions[v][0] for v in (one.now.version, one.now.waiting) if v}
            ),
            key=lambda one: one.sequence,
        )

    def doubled(self, pollster: str, wave: Expected | None, after: Standing) -> bool:
        if wave is None or after.state == "withdrawn":
            return False
        return any(self.others(pollster, wave, wave.versions[v][0]) for v in (after.version, after.waiting) if v)

    def delivered(self, pollster: str, reference: str, file: int, day: int, *, held: bool) -> None:
        known = (pollster, reference) in self.waves
        wave = self.waves.setdefault((pollster, reference), Expected(len(self.waves)))
        version = max(wave.versions, default=0) + 1
        wave.versions[version] = (file, day)
        after = Standing(version, "held" if held else "accepted")
        if held and known and wave.now.state == "accepted":
            after = replace(wave.now, waiting=version)
        wave.events.append((self.now, version, after))

    @rule(pollster=pollsters, file=files, i=st.integers(0, 5))
    def erase(self, pollster: str, file: int, i: int) -> None:
        respondent = f"f{file}r{i}"
        erasure.erase(
            self.store,
            self.secrets,
            Settings(),
            survey_id=self.survey,
            respondent=respondent,
            pollster=pollster,
            now=self.now,
            actor="test",
        )
        self.erased.add((pollster, respondent))

    @rule()
    def purge(self) -> None:
        with self.store.write() as session:
            retention.purge(session, self.secrets, self.survey, now=self.now, actor="test")
        for name, wave in self.waves.items():
            wave.purged |= {version: self.rows(name, version) for version in wave.versions}

    def left(self, pollster: str, file: int) -> list[Row]:
        return [row for row in rows_of(file) if (pollster, row["id"]) not in self.erased]

    def rows(self, name: tuple[str, str], version: int) -> list[Row]:
        """Who is in a version of a wave."""
        wave = self.waves[name]
        return wave.purged[version] if version in wave.purged else self.left(name[0], wave.versions[version][0])

    def accepted(self) -> list[tuple[tuple[str, str], int]]:
        return [(name, wave.now.version) for name, wave in self.waves.items() if wave.now.state == "accepted"]

    def expected_counts(self, accepted: list[tuple[tuple[str, str], int]]) -> dict[str, Counter[tuple[str, ...]]]:
        """Cell -> interviews with an answer, and among them those for the first option: a plain group-by."""
        counts: dict[str, Counter[tuple[str, ...]]] = {"tax": Counter(), "vote": Counter()}
        for row in (row for name, version in accepted for row in self.rows(name, version)):
            for name, found in counts.items():
                if row.get(name):
                    found[row["place"], row["age"], "n"] += 1
                if row.get(name) == "yes":
                    found[row["place"], row["age"], "y"] += 1
        return {name: +found for name, found in counts.items()}

    def stored_counts(self, at: datetime | None = None) -> dict[str, Counter[tuple[str, ...]]]:
        counts: dict[str, Counter[tuple[str, ...]]] = {}
        with self.store.read() as session:
            for question in self.bundle.declaration.questions:
                counts[question.id] = Counter()
                with suppress(FitImpossible):  # if there is nobody to count
                    # What a worker remembers of the counts before is as good as counting anew.
                    memory = self.memory if at is None else None
                    table = count_interviews(session, self.bundle.declaration, question, at=at, memory=memory).counts
                    for row in table.iter_rows(named=True):
                        for member in ("n", "y"):
                            counts[question.id][row["place"], row["age"], member] += row[member]
        return {name: +found for name, found in counts.items()}

    @invariant()
    def the_counts_per_cell_are_those_of_the_accepted_rows(self) -> None:
        if not hasattr(self, "waves"):
            return
        type(self).taken += 1
        accepted = self.accepted()
        assert self.stored_counts() == self.expected_counts(accepted)
        self.past.append((self.now, accepted))
        self.now += timedelta(minutes=1)

    @rule(place=st.integers(0, 60))
    def look_back(self, place: int) -> None:
        """What was known at a moment is told the same ever after, but for those who were erased since."""
        if self.past:
            at, accepted = self.past[place % len(self.past)]
            assert self.stored_counts(at + timedelta(seconds=30)) == self.expected_counts(accepted)

    def teardown(self) -> None:
        """Every wave stands as the model has it, in its row and by its events."""
        if not hasattr(self, "waves"):
            return
        with self.store.read() as session:
            stored = {(one.pollster, one.reference): one for one in waves.list_waves(session, self.survey)}
            versions = {name: len(waves.list_versions(session, one.id)) for name, one in stored.items()}
        standing = {name: Standing(one.version, one.state, one.waiting) for name, one in stored.items()}
        assert standing == {name: wave.now for name, wave in self.waves.items()}
        assert versions == {name: len(wave.versions) for name, wave in self.waves.items()}


def add_survey_to(store: Store, secrets: SecretsFile, survey: SurveyBundle) -> None:
    add_survey(store, secrets, survey, now=NOON, actor="test")


@pytest.fixture
def _converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert a payload once: the machine asks what is counted, and the codebook has tests of its own."""
    frames: dict[object, pl.DataFrame] = {}
    found: dict[tuple[int, str], Conversion] = {}

    def read(payload: bytes, *columns: object) -> pl.DataFrame:
        key = (payload, repr(columns))
        if key not in frames:
            frames[key] = from_payload(payload, *columns)
        return frames[key]

    def converted(frame: pl.DataFrame, declaration: SurveyDeclaration, **more: Any) -> Conversion:
        key = (id(frame), declaration.questions[0].id)
        if key not in found:
            found[key] = convert(frame, declaration, **more)
        return found[key]

    monkeypatch.setattr("jobs.counting.from_payload", read)
    monkeypatch.setattr("jobs.counting.convert", converted)


def run(store: Store, folder: Path, *, examples: int) -> None:
    machine = type("Machine", (WaveMachine,), {"store": store, "secrets": SecretsFile(folder / "s.toml"), "taken": 0})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert machine.taken >= 40 * examples  # some examples end before their last step


@pytest.mark.usefixtures("_converted_once")
def test_any_life_of_waves_leaves_the_counts_of_the_accepted_rows(store: Store, tmp_path: Path):
    run(store, tmp_path, examples=EXAMPLES)


@pytest.mark.slow
@pytest.mark.usefixtures("_converted_once")
def test_ten_thousand_steps(store: Store, tmp_path: Path):
    run(store, tmp_path, examples=10 * EXAMPLES)
