"""The checks of ``hustings doctor`` that ask the database, and what belongs to it outside."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import text

from api.checkup import Finding, has_database
from api.checkup_webhooks import webhooks_sent
from api.cli.runtime import Runtime
from polling.store.engine import Store

__all__ = ["CHECKS", "schema", "secrets"]

_SKEW = timedelta(seconds=30)
_OVERDUE = timedelta(minutes=5)
_BACKUP_AGE = timedelta(days=2)


def schema(runtime: Runtime) -> Finding:
    """Whether the database can be reached and has the schema that this version needs."""
    from polling.errors import SchemaOutdated, SchemaTooNew
    from polling.store.engine import open_store
    from polling.store.schema import current_revision, require_current

    settings = runtime.settings
    if not has_database(settings):
        return Finding(True, f"{settings.data_dir / 'hustings.sqlite3'} does not exist yet; made at the first start")
    store = open_store(settings.store_url)
    try:
        require_current(store)
        return Finding(True, f"{store.dialect}, schema {current_revision(store)}")
    except (SchemaOutdated, SchemaTooNew) as error:  # which say what to do
        return Finding(False, str(error))
    finally:
        store.close()


def secrets(runtime: Runtime, *, usable: bool) -> Finding:
    """Whether the secrets file is safe, and holds what stored keys, waves, erasures and entries depend on."""
    file = runtime.settings.secrets_file
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    if mode & 0o077:
        return Finding(False, f"{file}, mode {mode:04o}: others can read it", f"chmod 600 {file}")
    if usable and (missing := _missing_secret(runtime)) is not None:
        return Finding(False, missing)
    if not file.exists():
        return Finding(True, f"{file} does not exist yet; made when first needed")
    return Finding(True, f"{file}, mode {mode:04o}")


def _missing_secret(runtime: Runtime) -> str | None:
    """What the file lacks, or has another key for; secrets that nothing depends on yet are not asked for."""
    from api.keys import keys_in_use
    from jobs import ledger
    from jobs.pseudonym_key import accepted_losses
    from polling.errors import SecretsError
    from polling.secrets import SecretsFile
    from polling.store import audit, key_checks, surveys, waves, webhooks
    from polling.store.engine import open_store

    held = SecretsFile(runtime.settings.secrets_file)
    store = open_store(runtime.settings.store_url)
    try:
        with store.read() as session:
            if keys_in_use(session):
                key_checks.require_same(session, "pepper", held.pepper(used=True))
            if audit.started(session):
                key_checks.require_same(session, "audit_key", ledger.audit_key(session, held))
            if webhooks.list_webhooks(session):
                key_checks.require_same(session, "webhook_key", held.webhook_key(used=True))
            for survey in surveys.list_surveys(session):
                used = waves.key_version_used(session, survey.survey_id)
                lost = accepted_losses(session, survey.survey_id)
                for version in (one for one in range(1, used + 1) if one not in lost):
                    key = held.pseudonym_key(survey.survey_id, version=version, used=used)
                    key_checks.require_same(session, f"pseudonym_keys.{survey.survey_id}.v{version}", key.secret)
                name = f"suppression_keys.{survey.survey_id}"
                if key_checks.is_known(session, name):
                    key_checks.require_same(session, name, held.suppression_key(survey.survey_id, used=True))
    except SecretsError as error:
        return str(error)
    finally:
        store.close()
    return None


def _audit(store: Store, runtime: Runtime) -> Finding:
    from jobs import ledger
    from polling.audit_head import HeadFile
    from polling.store import audit

    with store.read() as session:
        if not audit.started(session):
            return Finding(True, "nothing was recorded yet")
        report = ledger.verify(session, runtime.secrets)
    if not report.ok:
        worst = report.problems[0]
        found = f"{worst.kind}: entry {worst.id:,}: {worst.text}"
        return Finding(False, found, "`hustings audit verify` lists all; find out who had access to the database.")
    if not HeadFile(runtime.secrets.audit_head_path).exists():
        found = f"{report.n_entries:,} entries, but {runtime.secrets.audit_head_path} is gone"
        return Finding(False, found, "A cut end would not be found. Compare with a head noted elsewhere: audit verify.")
    return Finding(True, f"{report.n_entries:,} entries, in order")


def _erasures(store: Store, runtime: Runtime) -> Finding:
    from polling.store import suppression, surveys
    from polling.suppression_journal import SuppressionJournal

    journal = SuppressionJournal(runtime.secrets.suppression_journal_path)
    with store.read() as session:
        listed = {(one.survey_id, one.id_mac): one for one in suppression.entries(session)}
        known = {one.survey_id for one in surveys.list_surveys(session)}
    entries, n_damaged = journal.read()
    noted = {(one.survey_id, one.id_mac): one for one in entries}
    if lacks := sum(not one.is_in(noted.get(place)) for place, one in listed.items()):
        found = f"{lacks:,} of {len(listed):,} entries of the list are not in {journal.path}"
        remedy = "A worker writes them within the hour. Was the file lost? Keep it with the secrets file, and a copy."
        return Finding(False, found, remedy)
    if older := sum(not one.is_in(listed.get(place)) for place, one in noted.items() if one.survey_id in known):
        found = f"{older:,} entries of {journal.path} are not in the database, which is an older one"
        return Finding(False, found, "A worker erases them again within the hour; keep readers out until then.")
    if n_damaged:
        found = f"{n_damaged:,} lines of {journal.path} are damaged"
        return Finding(False, found, "The list in the database is whole. Move the file away: a worker writes it anew.")
    return Finding(True, f"{len(listed):,} entries of the list, all in {journal.path}" if listed else "none yet")


def _journal(store: Store, _: Runtime) -> Finding:
    if store.path is None:
        return Finding(True, "kept by PostgreSQL")
    with store.read() as session:
        mode = str(session.scalar(text("PRAGMA journal_mode")))
    log = store.path.with_name(store.path.name + "-wal")
    size = log.stat().st_size / 1e6 if log.exists() else 0.0
    return Finding(
        mode == "wal" and size < 1000,
        f"{mode}, {size:,.0f} MB",
        "Put the database on a local disk. A log that grows without end has a reader that never ends.",
    )


def _clocks(store: Store, runtime: Runtime) -> Finding:
    from polling.store import outbox

    now = runtime.now()
    with store.read() as session:
        if store.dialect == "postgresql":
            told = session.scalar(text("SELECT clock_timestamp()"))
            skew = abs(told.astimezone(UTC) - now) if isinstance(told, datetime) else timedelta(0)
            if skew > _SKEW:
                found = f"database and host differ by {skew.total_seconds():,.0f} s"
                return Finding(False, found, "Set both clocks by NTP: leases and schedules compare them.")
        ahead = outbox.newest_at(session)
    if ahead is not None and ahead > now + _SKEW:
        found = f"something happened at {ahead:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M}"
        return Finding(False, found, "The clock of a host was, or is, wrong. Set it by NTP.")
    return Finding(True, "agree")


def _worker(store: Store, runtime: Runtime) -> Finding:
    from jobs.at_work import is_somebody_at_work
    from polling.store import queue

    now = runtime.now()
    with store.read() as session:
        running = queue.list_jobs(session, states=("running",))
        waiting = queue.list_jobs(session, states=("queued",))
    alive = is_somebody_at_work(runtime.settings)
    abandoned = [job for job in running if job.lease_until and job.lease_until < now - _OVERDUE]
    overdue = [job for job in waiting if job.run_after < now - _OVERDUE]
    state = f"{'one is' if alive else 'none is'} running here; {len(running)} jobs running, {len(waiting)} waiting"
    if abandoned:
        found = f"{state}; {len(abandoned)} were left by a worker that died"
        return Finding(False, found, "Start `hustings worker`: it takes them over.")
    if overdue:
        found = f"{state}; {len(overdue)} are overdue"
        return Finding(False, found, "Start `hustings worker`, or another one if all are busy.")
    return Finding(True, state)


def _stale(store: Store, runtime: Runtime) -> Finding:
    from polling.store import releases

    now = runtime.now()
    slow = timedelta(seconds=runtime.settings.stale_alarm_s)
    with store.read() as session:
        states = releases.list_question_states(session)
    old = [one for one in states if one.stale_since is not None and one.stale_since < now - slow]
    if not old:
        return Finding(True, f"{len(states)} questions, none stale for long")
    first = min(old, key=lambda one: one.stale_since or now)
    found = (
        f"{len(old)} of {len(states)} stale, {first.survey_id}/{first.question_id} "
        f"since {first.stale_since:%Y-%m-%d %H:%M} UTC: {first.stale_reason}"
    )
    return Finding(False, found, "`hustings diagnostics` and `hustings jobs` say why no fit was published.")


def _confirmations(store: Store, _: Runtime) -> Finding:
    from polling.store import confirmations, releases

    with store.read() as session:
        states = releases.list_question_states(session)
        current = [releases.get_release(session, one.release_id) for one in states if one.release_id is not None]
        said = [(release, confirmations.find_confirmation(session, release.fit_id)) for release in current]
    wrong = [(release, found) for release, found in said if found is not None and found.state == "disagrees"]
    if wrong:
        release, found = wrong[0]
        more = f"; {len(wrong) - 1} more" if len(wrong) > 1 else ""
        place = f"{release.survey_id}/{release.question_id}: {found.sentence if found else ''}{more}"
        remedy = "Look at `hustings diagnostics`; `hustings question roll-back` serves an earlier release."
        return Finding(False, place, remedy)
    n = sum(found is not None and found.state == "agrees" for _, found in said)
    by_nuts = sum(release.engine == "nuts" for release in current)
    return Finding(True, f"NUTS agrees with {n} of {len(current)} releases, and made {by_nuts} itself")


def _backups(store: Store, runtime: Runtime) -> Finding:
    from pathlib import Path

    from polling.store import audit, backup_runs

    now = runtime.now()
    with store.read() as session:
        newest, kept = backup_runs.newest(session), backup_runs.not_deleted(session)
        began = next(audit.read_entries(session), None)
    gone = [one for one in kept if not Path(one.path).exists() and (one.expires_at is None or one.expires_at > now)]
    late = [one for one in kept if one.expires_at is not None and one.expires_at < now - timedelta(days=1)]
    if late:
        found = f"{len(late)} should have been deleted"
        return Finding(False, found, "Run `hustings backup expire`; a worker does it every hour.")
    if gone:
        return Finding(False, f"{Path(gone[-1].path).name} is not where it was written", "Was the disk exchanged?")
    at = runtime.settings.backup_at
    nightly = (
        f"Workers make one at {at} UTC: see `hustings jobs schedule`." if at else "The setting backup_at is empty."
    )
    if newest is None:
        young = began is None or began.at > now - _BACKUP_AGE
        return Finding(young, "none yet", f"Run `hustings backup` now. {nightly}")
    fresh = newest.at > now - _BACKUP_AGE
    return Finding(fresh, f"the last is of {newest.at:%Y-%m-%d %H:%M} UTC", f"Run `hustings backup` now. {nightly}")


def _sources(store: Store, _: Runtime) -> Finding:
    from jobs.source_read import READ
    from polling.store import sources, surveys

    n, failing = 0, []
    with store.read() as session:
        for survey in surveys.list_surveys(session):
            states = sources.states_of(session, survey.survey_id)
            for one in surveys.get_declaration(session, survey.survey_id).sources:
                n += 1
                state = states.get(one.name)
                if state is not None and state.outcome != READ:
                    failing.append(f"{survey.survey_id}/{one.name}: {state.detail or state.outcome}")
    if not failing:
        return Finding(True, "none is declared" if not n else "1 is declared" if n == 1 else f"{n} are declared")
    more = f"; {len(failing) - 1} more" if len(failing) > 1 else ""
    remedy = "`hustings source list SURVEY` shows all; `hustings source run SURVEY` looks again."
    return Finding(False, f"{len(failing)} of {n} cannot be read, {failing[0]}{more}", remedy)


def _disclosure(store: Store, _: Runtime) -> Finding:
    from polling.disclosure_items import missing_items
    from polling.store import surveys, waves

    n, silent = 0, []
    with store.read() as session:
        for survey in surveys.list_surveys(session):
            n += 1
            counted = [one for one in waves.list_waves(session, survey.survey_id) if one.is_counted]
            told = tuple((f"{one.reference} of {one.pollster}", one.facts) for one in counted)
            declared = surveys.get_declaration(session, survey.survey_id)
            if told and (missing := missing_items(declared, partial(tuple, told))):
                silent.append(f"{survey.survey_id} does not tell {'; nor '.join(missing)}")
    if not silent:
        return Finding(True, "no survey lacks an item" if n else "there is no survey")
    more = f"; {len(silent) - 1} more" if len(silent) > 1 else ""
    remedy = "No new fit of it is published: tell it in survey.toml and run `hustings survey update`."
    return Finding(False, f"{silent[0]}{more}", remedy)


CHECKS: Mapping[str, Callable[[Store, Runtime], Finding]] = {
    "journal": _journal,
    "audit chain": _audit,
    "erasures": _erasures,
    "clocks": _clocks,
    "worker": _worker,
    "questions": _stale,
    "sources": _sources,
    "webhooks": webhooks_sent,
    "confirmations": _confirmations,
    "disclosure": _disclosure,
    "backups": _backups,
}
"""Asked only of a database that can be used."""
