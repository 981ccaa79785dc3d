"""Erasing a respondent: nothing of them is left, and nothing brings them back."""

import io
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import func, select, text, update

from api.privacy_payloads import describe_erasure
from fixtures.survey_folder import WrittenSurvey
from jobs.access import AccessExport, StoredInterview, as_csv, read_respondent
from jobs.backup import make_backup
from jobs.erasure import erase, free, overdue
from jobs.restore import restore_backup
from jobs.settings import Settings
from jobs.survey import add_survey, load_survey
from polling.errors import BytesHeld, DrawsNotFound, RespondentsUnknown, SurveyNotFound, WaveRejected
from polling.payload import from_payload, to_payload
from polling.pseudonyms import pseudonymise
from polling.secrets import SecretsFile
from polling.store import audit, erasure, fits, releases, suppression
from polling.store.engine import Store
from polling.store.tables import Base, Fit, FitDraws, Suppression, WavePart
from tests.jobs.house import NOON, House


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
        with home.store.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("CHECKPOINT"))  # what is in memory only would prove nothing
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
    assert any(place.startswith("/") for place in traces(home, set(list(pieces(before))[:3])))  # in a file too

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


def test_the_same_file_sent_again_or_mended_does_not_bring_them_back(home: House):
    home.push(1)
    who, table = somebody(home), table_of(home, 1)
    forget(home, who)

    assert not home.push(1).created
    ids = pl.col(column(home))
    padded = table.with_columns(pl.when(ids == who).then(pl.lit(f" {who} ")).otherwise(ids).alias(column(home)))
    again = home.push(1, content=csv_of(padded), replaces=home.written.waves[0].reference, reason="sent again")

    assert (again.n_suppressed, again.wave.n_interviews) == (1, table.height - 1)
    assert pseudonyms(home, who).isdisjoint(everybody(home))
    with pytest.raises(WaveRejected, match="every respondent of it was erased"):
        home.push(1, reference="alone", content=csv_of(table.filter(pl.col(column(home)) == who)))


def test_who_was_never_there_gets_a_receipt_and_is_kept_out(home: House):
    table = table_of(home, 1)
    who = somebody(home)

    record = forget(home, who)

    assert (record.n_interviews, record.done_at) == (0, home.now)
    assert home.push(1).n_suppressed == 1
    assert home.secrets.pseudonym_versions(home.written.survey_id) == (1,)
    assert len(everybody(home)) == table.height - 1


def test_asked_for_again_it_is_the_same_case(home: House):
    home.push(1)
    who = somebody(home)
    first = forget(home, who)
    free(home.store, now=home.now)
    home.wait(60)

    again = forget(home, f" {who}")

    assert (again.case_number, again.n_interviews, again.requested_at) == (first.case_number, 1, first.requested_at)
    with home.store.read() as session:
        assert session.scalar(select(func.count()).select_from(Suppression)) == 1


def test_asking_again_moves_no_date_of_what_was_done(home: House):
    home.push(1)
    who = somebody(home)
    work(home)
    first = forget(home, who)
    assert first.receipt["draws_deleted_by"]
    home.wait(86_400)

    again = forget(home, who)

    for name in ("removed_at", "draws_deleted_by", "removed_again_at", "bytes_freed_at", "deletions"):
        assert again.receipt[name] == first.receipt[name], name
    work(home)
    home.wait(86_400)
    with home.store.read() as session:
        done = erasure.get_case(session, home.written.survey_id, first.case_number)
    assert done.done_at is not None
    assert forget(home, who) == done


def test_what_is_removed_when_it_is_asked_again_has_dates_of_its_own(home: House):
    home.push(1)
    who = somebody(home)
    work(home)
    with home.store.read() as session:
        payload = session.scalars(select(WavePart.payload)).one()
    first = forget(home, who)
    home.wait(86_400)
    with home.store.write() as session:  # somebody put an older file of the database back, say
        session.execute(update(WavePart).values(payload=payload))

    again = forget(home, who)

    assert (again.n_interviews, again.receipt["removed_at"]) == (2, first.receipt["removed_at"])
    assert again.receipt["removed_again_at"] == home.now.isoformat()
    assert again.receipt["draws_deleted_by"] == first.receipt["draws_deleted_by"]
    assert "2 interviews and 0 rows set aside in 1 wave were removed on 2025-10-06 and 2025-10-07." in (
        describe_erasure(again).text
    )


def test_pollsters_number_their_respondents_alike(home: House):
    table = table_of(home, 1).with_columns(weight=pl.lit("1"))
    who = somebody(home)
    home.push(1)
    home.push(1, pollster="Another", reference="other", content=csv_of(table.head(60)))

    record = forget(home, who, pollster="Another")

    assert record.n_interviews == 1
    assert not pseudonyms(home, who).isdisjoint(everybody(home))
    third = table.tail(9).vstack(table.filter(pl.col(column(home)) == who))
    assert home.push(1, pollster="Another", reference="third", content=csv_of(third)).n_suppressed == 1


def test_they_are_found_under_every_version_of_the_key(home: House):
    home.push(1)
    home.secrets.rotate_pseudonym_key(home.written.survey_id)
    table = table_of(home, 1).with_columns(weight=pl.lit("1"))
    home.push(1, pollster="Another", reference="other", content=csv_of(table.head(60)))
    who = somebody(home)
    assert len(pseudonyms(home, who) & everybody(home)) == 2

    assert forget(home, who).n_interviews == 2

    home.secrets.rotate_pseudonym_key(home.written.survey_id)
    assert home.push(1, content=csv_of(table.head(60)), pollster="Third").n_suppressed == 1
    assert pseudonyms(home, who).isdisjoint(everybody(home))


def test_where_a_key_is_lost_the_receipt_says_so(home: House):
    home.push(1)
    path = home.settings.secrets_file
    home.secrets.rotate_pseudonym_key(home.written.survey_id)
    without = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("v1"))
    whole = path.read_text()
    path.write_text(without)

    record = forget(home, somebody(home))

    assert record.n_interviews == 0
    assert "Version 1 of the pseudonym key is lost" in str(record.receipt["not_searched"])
    assert (record.done_at, record.receipt["finished_at"]) == (None, None)
    told = describe_erasure(record).text
    assert "Nothing is left" not in told
    assert "The case is not finished" in told

    # It is not tried again every hour, and it ends when the key is back, and only then.
    with home.store.write() as session:
        overdue(session, home.settings, now=home.now)
    assert "free-bytes" not in [job.kind for job in home.jobs("queued")]
    (line,) = (line for line in whole.splitlines() if line.startswith("v1"))
    path.write_text(path.read_text().replace("v2 =", f"{line}\nv2 ="))
    found = forget(home, somebody(home))
    assert (found.case_number, found.n_interviews) == (record.case_number, 1)
    work(home)
    with home.store.read() as session:
        done = erasure.get_case(session, home.written.survey_id, record.case_number)
    assert done.done_at is not None
    assert "Nothing is left in the database since" in describe_erasure(done).text


def test_a_lost_key_whose_interviews_were_purged_keeps_no_case_open(home: House):
    home.push(1)
    key_versions = (1,)
    with home.store.read() as session:
        assert erasure.key_versions(session, home.written.survey_id) == frozenset(key_versions)
    with home.store.write() as session:
        session.execute(update(WavePart).values(payload=None, counts=b"", quarantine=None))
        assert erasure.key_versions(session, home.written.survey_id) == frozenset()


def test_an_old_receipt_that_called_a_case_finished_in_spite_of_a_lost_key_is_told_as_unfinished(home: House):
    record = forget(home, "somebody")
    old = {name: value for name, value in record.receipt.items() if name != "keys_lost"}
    old["not_searched"] = ["Version 1 of the pseudonym key is lost: interviews stored with it cannot be searched."]

    told = describe_erasure(replace(record, receipt=old))

    assert told.finished_at is None
    assert "Nothing is left" not in told.text


def test_a_restored_backup_is_erased_again_before_anybody_reads_it(home: House):
    if home.store.path is None and shutil.which("pg_dump") is None:
        pytest.skip("pg_dump is not on PATH")
    home.push(1)
    work(home)
    who = somebody(home)
    backup = make_backup(home.store, home.secrets, home.settings, actor="test", now=home.now)
    record = forget(home, who)
    work(home)
    needles = {one.encode() for one in pseudonyms(home, who)}
    home.store.close()

    restored = restore_backup(backup, home.secrets, home.settings, actor="test", now=home.now)

    assert restored.kept["suppressions"] == 1
    assert needles.isdisjoint({one.encode() for one in everybody(home)})
    assert traces(home, needles) == []
    with home.store.read() as session:
        actions = [one.action for one in audit.read_entries(session)]
        assert "erasure-replayed" in actions
        assert erasure.get_case(session, home.written.survey_id, record.case_number).done_at is None
    question = load_survey(home.written.path).declaration.questions[0].id
    assert current(home, question).contains_erased_at == home.now
    assert not home.push(1).created
    home.wait(60)
    work(home)
    assert current(home, question).contains_erased_at is None


def test_a_fit_that_was_running_is_marked_and_let_go_with_the_next(home: House):
    home.push(1)
    who = somebody(home)
    home.fit.before_end = lambda: forget(home, who) and None
    home.wait(1)
    home.worker().turn(home.now)  # the refit of one question, in which the erasure falls
    home.fit.before_end = lambda: None

    with home.store.read() as session:
        [marked] = [one for one in list_all_fits(session, home) if one.contains_erased_at is not None]
    work(home)
    with home.store.read() as session:
        assert erasure.unforgotten_fits(session, home.written.survey_id) == ()
        with pytest.raises(DrawsNotFound, match="No draws are kept"):
            fits.load_draws(session, marked.id)
        assert current(home, marked.question_id).contains_erased_at is None


def test_draws_go_in_any_case_when_their_time_is_over(home: House):
    home.push(1)
    work(home)
    who = somebody(home)
    record = forget(home, who)
    assert record.receipt["draws_deleted_by"] is not None

    home.fit.problems = [{"code": "rhat", "message": "R-hat is 2"}]
    work(home)
    for days, left in ((13, True), (14, False)):
        with home.store.write() as session:
            overdue(session, home.settings, now=record.requested_at + timedelta(days=days))
            assert bool(set(erasure.unforgotten_fits(session, home.written.survey_id)) & set(record.fits)) is left


def test_bytes_that_are_held_are_freed_later(home: House):
    home.push(1)
    work(home)
    with home.store.read() as session:
        session.execute(select(WavePart.number)).all()
        record = forget(home, somebody(home))
        with pytest.raises(BytesHeld):
            free(home.store, now=home.now, patience_s=0.2)
    with home.store.read() as session:
        assert erasure.get_case(session, home.written.survey_id, record.case_number).receipt["bytes_freed_at"] is None

    free(home.store, now=home.now)

    with home.store.read() as session:
        assert erasure.get_case(session, home.written.survey_id, record.case_number).receipt["bytes_freed_at"]


def test_an_erasure_that_fails_leaves_everything_as_it_was(home: House, monkeypatch: pytest.MonkeyPatch):
    home.push(1)
    before = everybody(home)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("jobs.erasure.ledger.record", fail)
    with pytest.raises(RuntimeError):
        forget(home, somebody(home))

    assert everybody(home) == before
    with home.store.read() as session:
        assert suppression.load(session, home.written.survey_id).n == 0
        assert erasure.list_cases(session, home.written.survey_id) == []


def test_what_was_set_aside_is_erased_too(home: House):
    home.push(1)
    who, table = somebody(home), table_of(home, 1)
    plain = table.filter(pl.col(column(home)).is_in([who, somebody(home, row=5)]))
    key = home.secrets.pseudonym_key(home.written.survey_id)
    hashed = plain.with_columns(pseudonymise(plain[column(home)], key.secret))
    with home.store.write() as session:
        part = session.scalars(select(WavePart)).one()
        part.quarantine = to_payload(hashed)

    record = forget(home, who)

    assert record.receipt["n_set_aside"] == 1
    with home.store.read() as session:
        left = session.scalars(select(WavePart.quarantine)).one()
    assert pl.read_parquet(io.BytesIO(left)).height == 1


def test_a_respondent_is_given_everything_that_is_stored(home: House):
    home.push(1)
    who, table = somebody(home), table_of(home, 1)

    export = read_respondent(
        home.store, home.secrets, survey_id=home.written.survey_id, respondent=who, now=home.now, actor="test"
    )

    [interview] = export.interviews
    sent = table.filter(pl.col(column(home)) == who).row(0, named=True)
    assert interview.as_received == {name: sent[name] for name in interview.as_received}
    assert interview.as_received[column(home)] == who
    assert interview.as_read[load_survey(home.written.path).declaration.questions[0].id]
    lines = as_csv(export).splitlines()
    assert len(lines) == 1 + len(interview.as_received) + len(interview.as_read)
    with home.store.read() as session:
        [entry] = audit.read_entries(session, action="access")
        assert entry.detail == {"n_interviews": 1, "waves": [f"{interview.pollster}: {interview.reference}"]}
        assert pseudonyms(home, who).isdisjoint({str(entry.detail)})


def test_cells_that_a_spreadsheet_would_compute_are_defused():
    about = {"pollster": "=A1", "reference": "+1", "version": 1, "state": "accepted", "counted": True}
    about |= {"set_aside": False, "received_at": NOON, "fieldwork_start": None, "fieldwork_end": None}
    one = StoredInterview(**about, as_received={"@x": "-2"}, as_read={})

    text = as_csv(AccessExport("s", "t", "r", NOON, (one,), ()))

    assert text.splitlines()[1] == f"'=A1,'+1,1,accepted,True,False,{NOON.isoformat()},as received,'@x,'-2"


def test_a_survey_without_ids_can_erase_nobody(home: House, monkeypatch: pytest.MonkeyPatch):
    declaration = load_survey(home.written.path).declaration
    nameless = replace(declaration, columns={}, pollster_columns={})
    monkeypatch.setattr("jobs.erasure.surveys.get_declaration", lambda *_: nameless)
    with pytest.raises(RespondentsUnknown):
        forget(home, "r1")
    monkeypatch.undo()
    with pytest.raises(SurveyNotFound):
        forget(home, "r1", survey_id="none")


def list_all_fits(session, home: House):
    declaration = load_survey(home.written.path).declaration
    return [one for question in declaration.questions for one in fits.list_fits(session, declaration.id, question.id)]
