"""What people do with jobs: cancel them. The act is in the audit log."""

from datetime import datetime

from jobs import ledger
from polling.errors import JobNotFound
from polling.secrets import SecretsFile
from polling.store import queue
from polling.store.engine import Store
from polling.store.records import JobRecord

__all__ = ["cancel"]


def cancel(
    store: Store, secrets: SecretsFile, *, job_id: str, survey_id: str | None = None, now: datetime, actor: str
) -> tuple[JobRecord, bool]:
    """End a queued job now, or ask the worker of a running one to stop, which takes it a second or two.

    Parameters
    ----------
    survey_id
        The job has to be this survey's; None for any job.

    Returns
    -------
    tuple
        The job, and whether anything changed: it does not if the job has ended, or is being stopped already.

    Raises
    ------
    JobNotFound
        If there is no such job.
    """
    with store.write() as session:
        before = queue.get_job(session, job_id)
        if survey_id is not None and before.survey_id != survey_id:
            raise JobNotFound(job_id)
        after = queue.cancel(session, job_id, now=now)
        changed = (before.state, before.cancel_requested) != (after.state, after.cancel_requested)
        if changed:
            ledger.record(
                session,
                secrets,
                actor=actor,
                action="job-cancelled",
                survey_id=after.survey_id,
                subject=job_id,
                detail={"kind": after.kind, "key": after.key, "was": before.state},
                now=now,
            )
    return after, changed
