"""Keep draws as long as somebody may ask for them, and no longer.

A release's draws, a few megabytes, answer every question about it. They are kept

- while it is served, pinned, or kept back by a hold;
- for ``draws_days`` after it was last served, so that one can go back to it, and see what was answered then;
- for ``draws_daily_days`` if it was what was served when a day (UTC) ended;
- while draws are kept of a release of another question that is answered with them, as estimates among likely voters are
  with those of turnout (``polling.store.telling``).

The draws of a fit that was never published are kept for ``draws_days``. With the draws go the counts per cell that they
were fitted on, which nothing else needs. Summaries, diagnostics and what a release says of itself stay for ever;
estimates of a release whose draws are gone are answered with 410 and this reason.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from jobs.settings import Settings
from polling.store import erasure, kept_draws

__all__ = ["MOST", "forget_draws", "why_gone"]

MOST = 20
"""Fits whose draws one transaction deletes; the others wait for the next."""


def forget_draws(session: Session, settings: Settings, *, now: datetime) -> int:
    """Delete the draws whose time is over, at most ``MOST``; of how many fits."""
    over = kept_draws.past_their_time(
        session, now=now, all_of=timedelta(days=settings.draws_days), daily=timedelta(days=settings.draws_daily_days)
    )[:MOST]
    erasure.forget_fits(session, over)
    return len(over)


def why_gone(settings: Settings) -> str:
    """Why the draws of an old release are not kept, in words that go on after a colon."""
    return (
        f"they are kept for {settings.draws_days} days after a release was last served, and those of what was served "
        f"at the end of a day for {settings.draws_daily_days} days; pinned ones stay"
    )
