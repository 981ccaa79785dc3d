"""The tasks of a running house: what the clock does, how often, or at what time of day."""

from datetime import datetime, time, timedelta

from sqlalchemy.orm import Session

from jobs.backup import expire_backups
from jobs.backup_job import BACKUP, ask_backup
from jobs.check_ask import CHECK, ask_next_check
from jobs.clock import DAY, Task
from jobs.confirm_ask import CONFIRM, NIGHT, begin_night
from jobs.draws import forget_draws
from jobs.erasure import overdue
from jobs.open_wave import close_due
from jobs.retention import purge_all
from jobs.score_ask import ask_missing_scores
from jobs.settings import Settings
from jobs.source_read import SOURCE, ask_due
from jobs.spool import clean_spool
from jobs.staleness import raise_alarms
from jobs.sweep import sweep
from polling.secrets import SecretsFile
from polling.store import outbox, replies, webhooks
from polling.store.job_history import forget_jobs

__all__ = ["house_tasks"]

SOON = timedelta(seconds=20)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def house_tasks(settings: Settings) -> tuple[Task, ...]:
    """The tasks of a running house."""
    secrets = SecretsFile(settings.secrets_file)

    def look_for_refits(session: Session, now: datetime) -> str | None:
        return _told(sweep(session, settings, now=now), "refit asked for again", "refits asked for again")

    def look_for_scores(session: Session, now: datetime) -> str | None:
        return _told(ask_missing_scores(session, now=now), "question to be scored", "questions to be scored")

    def read_sources(session: Session, now: datetime) -> None:
        ask_due(session, settings, now=now)

    def close_waves(session: Session, now: datetime) -> None:
        close_due(session, secrets, settings, now=now, actor="clock")

    def watch(session: Session, now: datetime) -> str | None:
        return _told(raise_alarms(session, settings, now=now), "question is stale", "questions are stale")

    def drop_draws(session: Session, now: datetime) -> str | None:
        return _told(forget_draws(session, settings, now=now), "fit's draws deleted", "fits' draws deleted")

    def drop_jobs(session: Session, now: datetime) -> str | None:
        before = now - timedelta(days=settings.job_keep_days)
        return _told(forget_jobs(session, before=before), "job forgotten", "jobs forgotten")

    def drop_events(session: Session, now: datetime) -> str | None:
        before = now - timedelta(days=settings.event_days)
        webhooks.forget_deliveries(session, before=before)
        gone = outbox.forget(session, before=before)
        return _told(gone, "event forgotten", "events forgotten")

    def drop_replies(session: Session, now: datetime) -> None:
        replies.forget_replies(session, now=now)

    def purge(session: Session, now: datetime) -> None:
        purge_all(session, secrets, now=now, actor="clock")

    def finish_erasures(session: Session, now: datetime) -> None:
        overdue(session, settings, now=now)

    def clean(_session: Session, now: datetime) -> None:
        clean_spool(settings, now=now)

    def drop_backups(session: Session, now: datetime) -> str | None:
        gone = expire_backups(session, secrets, settings, actor="clock", now=now)
        return _told(len(gone), "backup deleted", "backups deleted")

    def confirm(session: Session, now: datetime) -> str:
        asked = begin_night(session, settings, now=now)
        return "nothing to confirm" if asked is None else f"asked for job {asked.id}"

    def check(session: Session, now: datetime) -> str | None:
        asked = ask_next_check(session, settings, now=now)
        return None if asked is None else f"asked for job {asked.id}"

    def back_up(session: Session, now: datetime) -> str:
        return f"asked for job {ask_backup(session, settings, now=now).id}"

    every = timedelta(seconds=settings.sweep_s)
    nightly = []
    if settings.backup_at:
        about = "copy the database to backup_dir"
        nightly.append(
            Task("backup", DAY, back_up, at=time.fromisoformat(settings.backup_at), about=about, kind=BACKUP)
        )
    night = time.fromisoformat(settings.confirm_at)
    nightly.append(Task(NIGHT, DAY, confirm, at=night, about="confirm what is served with NUTS", kind=CONFIRM))
    return (
        Task("sweep", every, look_for_refits, about="ask again for refits that are missing"),
        Task("score-releases", every, look_for_scores, about="ask again for scores of releases that are missing"),
        Task("read-sources", MINUTE, read_sources, about="look at sources whose time has come", kind=SOURCE),
        Task("close-waves", 5 * MINUTE, close_waves, about="close open waves whose last day has passed"),
        Task("watch-questions", 5 * MINUTE, watch, about="raise an alarm for questions that are stale for long"),
        Task("check", SOON, check, about="check what was published and is served", kind=CHECK),
        *nightly,
        Task("forget-draws", 5 * MINUTE, drop_draws, about="delete draws of releases whose time is over"),
        Task("purge", HOUR, purge, about="reduce interviews whose time is over to counts"),
        Task("finish-erasures", HOUR, finish_erasures, about="do what is left of erasures"),
        Task("expire-backups", HOUR, drop_backups, about="delete backups whose time is over"),
        Task("forget-replies", HOUR, drop_replies, about="forget replies kept for repeated requests"),
        Task("clean-spool", HOUR, clean, about="delete what killed fits left behind"),
        Task("forget-events", HOUR, drop_events, about="forget events that happened long ago"),
        Task("forget-jobs", DAY, drop_jobs, about="forget jobs that ended long ago"),
    )


def _told(n: int, one: str, many: str) -> str | None:
    return None if n == 0 else f"{n:,} {one if n == 1 else many}"
