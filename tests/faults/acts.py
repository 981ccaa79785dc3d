"""What is done to a service while it is killed, and the states from which that starts.

An act is done by a process that is killed in the middle of it (``victim``) and once more by the test (``drill``), from
the same arguments: what it does follows from ``variant``, which chooses the wave, and from ``now``.
"""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from jobs import erasure, wave_life
from jobs import open_wave as open_waves
from jobs.ledger import bind_suppression_key
from jobs.receive import receive_wave
from jobs.settings import Settings
from jobs.survey import add_survey, load_survey
from jobs.worker import Worker
from polling.errors import WaveRejected
from polling.secrets import SecretsFile
from polling.store.engine import Store, open_store
from polling.store.schema import upgrade
from tests.api.world import NOON, POLLSTER, SURVEY, KnownFit, World, wave_csv, write_survey

__all__ = ["ACTS", "BASES", "VARIANTS", "Place", "make_bases"]

VARIANTS = 3
LATER = timedelta(minutes=20)
OPENED = date(2026, 2, 20)
FIELDWORK = {"fieldwork_start": OPENED, "fieldwork_end": date(2026, 2, 25)}


@dataclass(frozen=True, slots=True)
class Place:
    """A database, and the folder with what stands outside of it."""

    store: Store
    folder: Path

    @property
    def settings(self) -> Settings:
        url = self.store.url.render_as_string(hide_password=False)
        return replace(Settings(), data_dir=self.folder, database_url=url, secrets_file=self.folder / "secrets.toml")

    @property
    def secrets(self) -> SecretsFile:
        return SecretsFile(self.settings.secrets_file)


def csv_of(variant: int, *, n: int = 60) -> bytes:
    """Wave ``variant``: interviews of its own."""
    return wave_csv(n, start=1000 * variant, questions=("rail", "tax"))


def parquet_of(variant: int) -> bytes:
    out = io.BytesIO()
    pl.read_csv(csv_of(variant), infer_schema=False).write_parquet(out)
    return out.getvalue()


def deliver(place: Place, variant: int, now: datetime, **changes: object) -> str:
    told = {
        "survey_id": SURVEY,
        "pollster": POLLSTER,
        "reference": f"w{variant}",
        "content": csv_of(variant),
        "now": now,
        "actor": "test",
        **FIELDWORK,
        **changes,
    }
    try:
        received = receive_wave(place.store, place.secrets, place.settings, **told)
    except WaveRejected as rejected:
        return f"rejected: {rejected}"
    return "stored" if received.created else "known"


def deliver_parquet(place: Place, variant: int, now: datetime) -> str:
    return deliver(place, variant, now, content=parquet_of(variant))


def correct(place: Place, variant: int, now: datetime) -> str:
    content = csv_of(variant, n=40 + variant)
    return deliver(
        place, variant, now, content=content, reference=None, replaces=f"w{variant}", reason="A line too many."
    )


def _life(name: str) -> Callable[[Place, int, datetime], str]:
    def act(place: Place, variant: int, now: datetime) -> str:
        about = {"survey_id": SURVEY, "wave": f"w{variant}", "reason": "It was asked.", "now": now, "actor": "test"}
        done = getattr(wave_life, name)(place.store, place.secrets, place.settings, **about)
        return "changed" if done.changed else "unchanged"

    return act


def open_one(place: Place, variant: int, now: datetime) -> None:
    about = {"survey_id": SURVEY, "pollster": POLLSTER, "reference": f"w{variant}", "actor": "test"}
    open_waves.open_wave(place.store, place.secrets, place.settings, fieldwork_start=OPENED, now=now, **about)


def batch(place: Place, variant: int, now: datetime, *, number: int = 2) -> str:
    """Batch ``number`` of the open wave ``variant``: interviews that no other batch has."""
    interviews = pl.read_csv(csv_of(10 * number + variant), infer_schema=False)
    about = {"survey_id": SURVEY, "wave": f"w{variant}", "number": number, "now": now, "actor": "test"}
    content = interviews.write_ndjson().encode()
    done = open_waves.receive_batch(place.store, place.secrets, place.settings, content=content, **about)
    return "stored" if done.received.created else "known"


def close(place: Place, variant: int, now: datetime) -> str:
    about = {"survey_id": SURVEY, "wave": f"w{variant}", "now": now, "actor": "test"}
    done = open_waves.close_wave(place.store, place.secrets, place.settings, **about)
    return "changed" if done.changed else "unchanged"


def undo(place: Place, variant: int, now: datetime) -> str:
    """Whatever was delivered from the moment of a wave on."""
    about = {"survey_id": SURVEY, "pollster": POLLSTER, "reason": "A wrong file.", "now": now, "actor": "test"}
    since = NOON + timedelta(seconds=variant)
    done = wave_life.undo(place.store, place.secrets, place.settings, since=since, **about)
    return "changed" if done.changed else "unchanged"


def one_sided(variant: int) -> bytes:
    """A wave of one district, far from the frame: it is held."""
    everywhere = pl.read_csv(csv_of(variant), infer_schema=False)
    return everywhere.with_columns(district=pl.lit("D1"), gender=pl.lit("man"), age=pl.lit("old")).write_csv().encode()


def post(place: Place, variant: int, now: datetime) -> str:
    """Over HTTP, with an idempotency key; what is answered is the whole reply."""
    key = json.loads((place.folder / "key.json").read_text())
    world = World(place.store, place.secrets, place.settings, now)
    form = {"reference": f"w{variant}", "fieldwork_start": "2026-02-20", "fieldwork_end": "2026-02-25"}
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"again-{variant}"}
    with world.client as client:
        file = {"file": ("wave.csv", csv_of(variant))}
        reply = client.post(f"/v1/surveys/{SURVEY}/waves", headers=headers, data=form, files=file)
    return f"{reply.status_code} {reply.text}"


def erase(place: Place, variant: int, now: datetime) -> str:
    about = {"survey_id": SURVEY, "respondent": f"r{1000 * variant + 7}", "now": now, "actor": "test"}
    record = erasure.erase(place.store, place.secrets, place.settings, **about)
    return f"{record.n_interviews} interview"


def work(place: Place, variant: int, now: datetime) -> str:
    """Everything that is due: bytes freed, refits, draws deleted, bytes freed again."""
    moment = [now + LATER]
    worker = Worker(place.store, place.settings, fit=KnownFit(n_draws=20), clock=lambda: moment[0])
    n = 0
    while worker.turn(moment[0]):
        moment[0] += timedelta(seconds=1)
        n += 1
    return f"{n} jobs"


ACTS: dict[str, tuple[str, Callable[[Place, int, datetime], str]]] = {
    "push": ("bare", deliver),
    "first-keys": ("keyless", deliver),
    "limited": ("bare", deliver_parquet),
    "replacement": ("waves", correct),
    "withdrawal": ("waves", _life("withdraw")),
    "restore": ("withdrawn", _life("restore")),
    "undo": ("waves", undo),
    "let-through": ("held", _life("let_through")),
    "batch": ("open", batch),
    "closing": ("open", close),
    "idempotency-key": ("bare", post),
    "erasure": ("served", erase),
    "erasure-freeing": ("erased", work),
}
"""Where each begins, and what it does."""

BASES = ("keyless", "bare", "held", "open", "waves", "withdrawn", "served", "erased")
ASIDE = frozenset({"held", "open", "withdrawn"})
"""States that no other one starts from."""


def make_bases(folder: Path) -> dict[str, Path]:
    """Every state as a folder with an SQLite database, each made from the one before."""
    made: dict[str, Path] = {}
    before: Path | None = None
    for name in BASES:
        path = folder / name
        if before is None:
            path.mkdir(parents=True)
        else:
            shutil.copytree(before, path)
        store = open_store(f"sqlite:///{path}/hustings.db")
        _furnish(name, Place(store, path))
        store.close()
        if name not in ASIDE:
            before = path
        made[name] = path
    return made


def _furnish(name: str, place: Place) -> None:
    match name:
        case "keyless":
            upgrade(place.store)
            survey = load_survey(write_survey(place.folder / "survey"))
            add_survey(place.store, place.secrets, survey, actor="test", now=NOON)
            shutil.rmtree(place.folder / "survey")
        case "bare":
            world = World(place.store, place.secrets, place.settings)
            (place.folder / "key.json").write_text(json.dumps(world.key("pollster")))
            place.secrets.pseudonym_key(SURVEY)
            with place.store.write() as session:
                bind_suppression_key(session, SURVEY, place.secrets.suppression_key(SURVEY), now=NOON)
        case "held":
            for variant in range(VARIANTS):
                deliver(place, variant, NOON + timedelta(seconds=variant), content=one_sided(variant))
        case "open":
            for variant in range(VARIANTS):
                open_one(place, variant, NOON)
                batch(place, variant, NOON, number=1)
        case "waves":
            for variant in range(VARIANTS):
                deliver(place, variant, NOON + timedelta(seconds=variant))
        case "withdrawn":
            for variant in range(VARIANTS):
                _life("withdraw")(place, variant, NOON + timedelta(minutes=1))
        case "served":
            work(place, 0, NOON)
        case "erased":
            for variant in range(VARIANTS):
                erase(place, variant, NOON + timedelta(hours=1))
