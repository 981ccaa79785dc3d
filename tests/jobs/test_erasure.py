"""Erasing a respondent: nothing of them is left, and nothing brings them back."""

import io
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select, text

from fixtures.survey_folder import WrittenSurvey
from jobs.erasure import erase
from jobs.settings import Settings
from jobs.survey import add_survey, load_survey
from polling.payload import from_payload
from polling.pseudonyms import pseudonymise
from polling.secrets import SecretsFile
from polling.store import erasure, releases
from polling.store.engine import Store
from polling.store.tables import Base, Fit, FitDraws, WavePart
from tests.jobs.house import NOON, House

CASE = "erasure"


@pytest.fixture
def home(store: Store, tmp_path: Path, written: WrittenSurvey) -> House:
    """A house on either store."""
    place = tmp_path / "data"
    place.mkdir()
    url = store.url.render_as_string(hide_password=False)
    settings = replace(
        Settings(),
        data_dir=place,
        database_url=url,
        secrets_file=tmp_path / "secrets" / "secrets.toml",
        backup_dir=tmp_path / "backups",
        refit_quiet_s=0,
    )
    secrets = SecretsFile(settings.secrets_file)
    add_survey(store, secrets, load_survey(written.path), actor="test", now=NOON)
    return House(store, secrets, settings, written)


def table_of(home: House, number: int) -> pl.DataFrame:
    content = home.written.waves[number - 1].path.read_bytes()
    if content[:4] == b"PAR1":
        return pl.read_parquet(io.BytesIO(content))
    return pl.read_csv(io.BytesIO(content), infer_schema=False)


def csv_of(table: pl.DataFrame) -> bytes:
    return table.write_csv().encode()


def column(home: House) -> str:
    return load_survey(home.written.path).declaration.columns["respondent"]


def somebody(home: House, number: int = 1, row: int = 3) -> str:
    return str(table_of(home, number)[column(home)][row])


def everybody(home: House) -> set[str]:
    """Pseudonyms in every payload."""
    with home.store.read() as session:
        found = session.scalars(select(WavePart.payload).where(WavePart.payload.is_not(None))).all()
    return {one for payload in found for one in from_payload(payload)[column(home)].to_list()}


def pseudonyms(home: House, respondent: str) -> set[str]:
    survey = home.written.survey_id
    return {
        pseudonymise(pl.Series([respondent]), home.secrets.pseudonym_key(survey, version=version).secret)[0]
        for version in home.secrets.pseudonym_versions(survey)
    }


def forget(home: House, respondent: str, **about: object):
    told = {"survey_id": home.written.survey_id, "respondent": respondent, "now": home.now, "actor": "test"} | about
    return erase(home.store, home.secrets, home.settings, **told)


def work(home: House) -> list[str | None]:
    """Do every job that is due; the codes with which they ended."""
    worker = home.worker()
    while worker.turn(home.now):
        home.wait(1)
    return [job.code for job in home.jobs()]


def current(home: House, question_id: str):
    with home.store.read() as session:
        release = releases.current_release(session, home.written.survey_id, question_id)
        assert release is not None
        return release


def traces(home: House, needles: set[bytes]) -> list[str]:
    """Where any of the needles is: every table (payloads unpacked) but the list, and every byte of every file."""
    found = []
    with home.store.read() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(table.select()):
                for name, value in row._mapping.items():
                    if any(needle in one for one in forms(value) for needle in needles):
                        found.append(f"{table.name}.{name}")
    for path in files_of(home):
        content = path.read_bytes()
        found += [str(path) for needle in needles if needle in content]
    return found


def files_of(home: House) -> list[Path]:
    folders = [home.settings.data_dir]
    if home.store.path is not None:
        beside = list(home.store.path.parent.glob(home.store.path.name + "*"))
    else:
        with home.store.read() as session:
            base = Path(session.scalar(text("SELECT current_setting('data_directory')")) or "")
            oid = session.scalar(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
        beside = list((base / "base" / str(oid)).iterdir())
    return [*beside, *(path for folder in folders for path in folder.rglob("*") if path.is_file())]


def forms(value: object) -> list[bytes]:
    """A value of a table as bytes, and what is packed in it."""
    if not isinstance(value, bytes):
        return [repr(value).encode()]
    if value[:4] == b"PAR1":
        return [value, repr(pl.read_parquet(io.BytesIO(value)).rows()).encode()]
    return [value]


def blobs(home: House) -> list[bytes]:
    """Every payload, and the draws and counts of every fit."""
    with home.store.read() as session:
        return [
            *session.scalars(select(WavePart.payload).where(WavePart.payload.is_not(None))),
            *session.scalars(select(FitDraws.content)),
            *session.scalars(select(Fit.counts).where(Fit.counts.is_not(None))),
        ]


def pieces(contents: list[bytes], *, without: list[bytes] = ()) -> set[bytes]:
    """Pieces of blobs, small ones, since the stores cut blobs up."""
    found = {one[place : place + 40] for one in contents for place in range(64, len(one) - 104, 257)}
    kept = b"".join(without)
    return {piece for piece in found if piece not in kept and len(set(piece)) > 20}


def test_nothing_of_an_erased_respondent_is_left_once_the_refit_is_published(home: House):
    home.push(1)
    who = somebody(home)
    shorter = csv_of(table_of(home, 1).head(150))
    home.push(1, content=shorter, replaces=home.written.waves[0].reference, reference=None, reason="x")
    work(home)
    before = blobs(home)
    needles = {*(one.encode() for one in pseudonyms(home, who))}
    assert traces(home, needles)
    assert traces(home, {next(iter(pieces(before)))})

    record = forget(home, who)

    assert (record.n_interviews, len(record.waves)) == (2, 1)
    assert pseudonyms(home, who).isdisjoint(everybody(home))
    question = load_survey(home.written.path).declaration.questions[0].id
    assert current(home, question).contains_erased_at == home.now
    work(home)
    assert current(home, question).contains_erased_at is None
    with home.store.read() as session:
        done = erasure.get_case(session, home.written.survey_id, record.case_number)
        assert done.done_at is not None
        assert current(home, question).n_interviews == releases_before(home, question) - 1
    assert traces(home, {who.encode() + b"'", *needles}) == []
    gone = pieces(before, without=blobs(home))
    assert len(gone) > 20
    assert traces(home, gone) == []


def releases_before(home: House, question_id: str) -> int:
    with home.store.read() as session:
        return releases.list_releases(session, home.written.survey_id, question_id)[1].n_interviews
