"""What the last count of a question made of each part of each wave, in the memory of the worker.

Converting a wave of a hundred interviews takes ten milliseconds, and a survey has hundreds of waves, nearly all of them
as they were at the last refit. Counts of a part are kept under everything that they depend on; what a count did not ask
for again, of a wave that was corrected, withdrawn, purged or lost a respondent to an erasure, is forgotten with it.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Final

import polars as pl

from polling.declaration import Question, SurveyDeclaration

__all__ = ["CountedParts"]

MOST_MB: Final = 200


class CountedParts:
    """Counts of parts, of the questions that were counted last. Not for several threads."""

    def __init__(self, most_mb: float = MOST_MB) -> None:
        self._most_bytes = most_mb * 1e6
        self._kept: dict[tuple[str, str], tuple[SurveyDeclaration, Question, dict[Hashable, pl.DataFrame]]] = {}

    @contextmanager
    def of(
        self, declaration: SurveyDeclaration, question: Question
    ) -> Iterator[Callable[[Hashable, Callable[[], pl.DataFrame]], pl.DataFrame]]:
        """Within the block: gives the counts of a part, from memory or made.

        After an error nothing of the question is kept.
        """
        name = declaration.id, question.id
        known, asked, before = self._kept.pop(name, (declaration, question, {}))
        if (known, asked) != (declaration, question):
            before = {}
        now: dict[Hashable, pl.DataFrame] = {}

        def get(key: Hashable, make: Callable[[], pl.DataFrame]) -> pl.DataFrame:
            now[key] = table = before[key] if key in before else make()
            return table

        yield get
        self._kept[name] = declaration, question, now
        self._shrink()

    def n_bytes(self) -> int:
        """How large the tables are."""
        return sum(int(table.estimated_size()) for *_, tables in self._kept.values() for table in tables.values())

    def _shrink(self) -> None:
        while self._kept and self.n_bytes() > self._most_bytes:
            del self._kept[next(iter(self._kept))]  # the question that was counted longest ago
