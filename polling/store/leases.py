"""Who may do a thing of which there is one (the clock), and when it was last done.

A token is a fencing token: it grows whenever a lease is taken, and an effect
that checks it in its own transaction cannot come from an owner who slept
through the end of the lease.
"""

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from polling.errors import LeaseLost
from polling.store.dialect import insert_into
from polling.store.tables import ClockRun, Lease

__all__ = ["acquire_lease", "check", "holder", "last_run", "record_run", "release", "renew"]

FAR = timedelta(minutes=10)
"""A lease that ends this much later than any can was given by a clock that has been set back since."""


def acquire_lease(session: Session, name: str, owner: str, now: datetime, ttl: timedelta) -> int | None:
    """Take a lease that is free, expired or already this owner's; its new token, or None."""
    new = insert_into(session, Lease).values(name=name, owner=owner, token=1, expires_at=now + ttl)
    taken = new.on_conflict_do_update(
        index_elements=[Lease.name],
        set_={"owner": owner, "token": Lease.token + 1, "expires_at": new.excluded.expires_at},
        where=or_(Lease.expires_at <= now, Lease.expires_at > now + ttl + FAR, Lease.owner == owner),
    )
    return session.scalar(taken.returning(Lease.token))


def renew(session: Session, name: str, *, owner: str, token: int, now: datetime, ttl: timedelta) -> None:
    """Keep a lease for ``ttl`` from now.

    Raises
    ------
    LeaseLost
        If another owner took it meanwhile.
    """
    held = (Lease.name == name) & (Lease.owner == owner) & (Lease.token == token)
    if session.scalar(update(Lease).where(held).values(expires_at=now + ttl).returning(Lease.name)) is None:
        raise LeaseLost(f"Lease '{name}'")


def check(session: Session, name: str, *, owner: str, token: int) -> None:
    """Make sure, to the end of this transaction, that the lease is still this owner's.

    Raises
    ------
    LeaseLost
        If another owner took it meanwhile.
    """
    held = (Lease.name == name) & (Lease.owner == owner) & (Lease.token == token)
    if session.scalar(select(Lease.name).where(held).with_for_update()) is None:
        raise LeaseLost(f"Lease '{name}'")


def release(session: Session, name: str, *, owner: str, token: int, now: datetime) -> None:
    """Give a lease back before its end; harmless if another owner has it.

    The row stays, expired, so that the next token is still a greater one.
    """
    held = (Lease.name == name) & (Lease.owner == owner) & (Lease.token == token)
    session.execute(update(Lease).where(held).values(expires_at=now))


def holder(session: Session, name: str, now: datetime) -> str | None:
    """Who holds a lease now, if anybody does."""
    return session.scalar(select(Lease.owner).where(Lease.name == name, Lease.expires_at > now))


def last_run(session: Session, name: str) -> datetime | None:
    """When a scheduled task last ran, or None."""
    return session.scalar(select(ClockRun.last_run_at).where(ClockRun.name == name))


def record_run(session: Session, name: str, now: datetime) -> None:
    """Note that a scheduled task ran at ``now``."""
    new = insert_into(session, ClockRun).values(name=name, last_run_at=now)
    session.execute(
        new.on_conflict_do_update(index_elements=[ClockRun.name], set_={"last_run_at": new.excluded.last_run_at})
    )
