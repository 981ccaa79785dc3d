"""Tell the outbox how far the fits of a question are.

Jobs without a question (looks at sources, backups) tell nobody. Appending waits for other writers of the outbox, who
wait for nobody that holds a job; so tell of a job after the last row that the transaction has to lock, audit apart.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from polling.store import outbox
from polling.store.columns import Json
from polling.store.records import JobRecord

__all__ = ["tell"]


def tell(session: Session, job: JobRecord, *, now: datetime) -> None:
    """Append ``job-queued``, ``job-running``, ``job-succeeded`` or ``job-failed``, by the state of the job."""
    if job.survey_id is None or job.question_id is None:
        return
    event: Json = {
        "job_id": job.id,
        "question_id": job.question_id,
        "work": job.kind,
        "attempt": job.attempt,
        "code": job.code,
    }
    outbox.append(session, f"job-{job.state}", job.survey_id, event, now)
