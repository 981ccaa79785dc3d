"""The tables that prove what was done: requests answered, the audit chain, erasures, backups.

idempotency_key            replies to be given again
audit_entry, audit_head    keyed hash chain over everything done, and its end; entries are only added
key_check                  how the keys of the secrets file are recognised
erasure, suppression       receipts, and what keeps an erased respondent out
backup_run                 backups, and when each has to go
"""

from datetime import datetime
from typing import Any

from sqlalchemy import DDL, BigInteger, CheckConstraint, ForeignKey, Index, Integer, event
from sqlalchemy.orm import Mapped, mapped_column

from polling.store.base import Base

__all__ = ["AuditEntry", "AuditHead", "BackupRun", "Erasure", "IdempotencyKey", "KeyCheck", "Suppression"]


class IdempotencyKey(Base):
    """The reply to a request, written in the transaction of its effect."""

    __tablename__ = "idempotency_key"
    # The id of the API key that sent it.
    key_id: Mapped[str] = mapped_column(primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    status: Mapped[int]
    headers: Mapped[Any]
    body: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(index=True)


class AuditEntry(Base):
    """Something that somebody did; ``mac`` covers the entry before it."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index(None, "survey_id", "at"),)
    # 1, 2, ... without gaps, given by the writer.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    # No foreign key: an entry outlives what it is about.
    survey_id: Mapped[str | None]
    subject: Mapped[str | None]
    detail: Mapped[Any] = mapped_column(nullable=True)
    mac: Mapped[str]


class AuditHead(Base):
    """The end of the audit chain: one row."""

    __tablename__ = "audit_head"
    __table_args__ = (CheckConstraint("single = 1", name="single"),)
    single: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"))
    mac: Mapped[str]


class Erasure(Base):
    """A respondent's erasure, without any pseudonym."""

    __tablename__ = "erasure"
    case_number: Mapped[str] = mapped_column(primary_key=True)
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"), index=True)
    requested_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    actor: Mapped[str]
    n_interviews: Mapped[int]
    waves: Mapped[Any]
    fits: Mapped[Any]
    receipt: Mapped[Any] = mapped_column(nullable=True)


class Suppression(Base):
    """What an erased respondent is recognised by: hashes under a key that nothing else uses."""

    __tablename__ = "suppression"
    case_number: Mapped[str] = mapped_column(primary_key=True)
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"), index=True)
    id_mac: Mapped[str]
    pseudonym_macs: Mapped[Any]
    created_at: Mapped[datetime]


class BackupRun(Base):
    """A backup that was made."""

    __tablename__ = "backup_run"
    id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    path: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger())
    sha256: Mapped[str]
    expires_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class KeyCheck(Base):
    """What a key of the secrets file is recognised by."""

    __tablename__ = "key_check"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    created_at: Mapped[datetime]


AUDIT_GUARDS = {
    "sqlite": (
        (
            "CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry "
            "BEGIN SELECT RAISE(ABORT, 'audit entries are only added'); END"
        ),
        (
            "CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry "
            "BEGIN SELECT RAISE(ABORT, 'audit entries are only added'); END"
        ),
    ),
    "postgresql": (
        (
            "CREATE FUNCTION audit_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'audit entries are only added'; END $$"
        ),
        (
            "CREATE TRIGGER audit_entry_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_refuse()"
        ),
    ),
}
"""Against mistakes; who drops the triggers cannot mend the chain."""

for _dialect, _statements in AUDIT_GUARDS.items():
    for _statement in _statements:
        event.listen(AuditEntry.__table__, "after_create", DDL(_statement).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]
