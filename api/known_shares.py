"""What is known to have happened, level by level, for what compares estimates of single columns with it."""

from dataclasses import dataclass
from datetime import date

import polars as pl
from sqlalchemy.orm import Session

from polling.known_result import NATION, PARTS
from polling.store import known_results

__all__ = ["KnownShares", "known_shares"]


@dataclass(frozen=True, slots=True)
class KnownShares:
    """Shares in areas, and in the levels of single demographics."""

    refers_to: date
    source: str
    shares: tuple[tuple[str, str, str, float], ...]
    """Option, column, level (of an area its code or name), share; sorted."""

    def by_level(self, option: str, *, is_complement: bool) -> dict[tuple[str, str], float]:
        """Column and level -> the share of an option; that of everything but it if ``is_complement``."""
        return {
            (column, level): 1 - share if is_complement else share
            for name, column, level, share in self.shares
            if name == option
        }


def known_shares(session: Session, survey_id: str, question_id: str) -> KnownShares | None:
    """The latest result of a question; None if none is known."""
    results = known_results.current_results(session, survey_id, question_id)
    if not results:
        return None
    latest = max(results, key=lambda one: one.refers_to)
    return KnownShares(latest.refers_to, latest.source, _shares(known_results.load_table(session, latest.id)))


def _shares(table: pl.DataFrame) -> tuple[tuple[str, str, str, float], ...]:
    demographics = [name for name in table.columns if name not in PARTS]
    found = []
    for row in table.iter_rows(named=True):
        groups = [name for name in demographics if row[name] is not None]
        if row["level"] == NATION and len(groups) == 1:
            found.append((row["option"], groups[0], row[groups[0]], row["share"]))
        elif row["level"] != NATION and not groups:
            found.append((row["option"], row["level"], row["area"], row["share"]))
    return tuple(sorted(found))
