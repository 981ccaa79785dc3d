"""What is asked of two replicas: answers, tables, downloads, documents, pages."""

import random
from dataclasses import dataclass, field
from typing import Final

from tests.api.world import SURVEY

__all__ = ["ANALYST", "ANSWERS", "DOCUMENTS", "PAGES", "PICTURES", "QUESTIONS", "Ask", "path_of", "plain_path"]

QUESTIONS: Final = ("rail", "party", "agree", "minutes")
BASE: Final = f"/v1/surveys/{SURVEY}"


@dataclass(frozen=True)
class Ask:
    """A read; ``{q}`` is a question, ``{release}`` a release of it."""

    path: str
    parameters: dict[str, str] = field(default_factory=dict)
    of: tuple[str, ...] = QUESTIONS
    """The questions that it makes sense for."""


BINARY: Final = ("rail",)
NUMBERS: Final = ("minutes",)
SHARES: Final = ("rail", "party", "agree")

ANSWERS: Final = (
    Ask("estimates", of=SHARES),
    Ask("means", of=NUMBERS),
    Ask("estimates", {"level": "district"}, SHARES),
    Ask("estimates", {"level": "region", "by": "gender"}, SHARES),
    Ask("estimates", {"by": "age"}, SHARES),
    Ask("estimates", {"level": "district", "by": "gender,age"}, SHARES),
    Ask("estimates", {"where": "gender:man", "by": "age"}, SHARES),
    Ask("estimates", {"districts": "D1,D4", "level": "district"}, SHARES),
    Ask("estimates", {"interval": "0.5", "level": "district"}, SHARES),
    Ask("estimates", {"level": "district", "limit": "2"}, SHARES),
    Ask("means", {"level": "district"}, ("agree", "minutes")),
    Ask("probability", {"threshold": "0.5", "level": "district"}, SHARES),
    Ask("rank", {"level": "district"}),
    Ask("contrast", {"level": "region", "first": "gender:man", "second": "gender:woman"}, BINARY),
    Ask("districts/D1"),
    Ask("seats", of=("party",)),
    Ask("battleground", of=("party",)),
    Ask("methods", {"level": "district"}),
    Ask("revision", {"level": "district"}),
    *(
        Ask("estimates", {"level": "district", "by": "gender", "format": form}, SHARES)
        for form in ("csv", "parquet", "arrow")
    ),
    Ask("rank", {"level": "district", "format": "csv"}),
    Ask("methods", {"level": "district", "format": "parquet"}),
)
"""Below a question; each may be asked of a release by name."""

ANALYST: Final = (
    Ask("draws", {"table": "cells"}, BINARY),
    Ask("draws", {"format": "arrow"}, BINARY),
    Ask("diagnostics"),
    Ask("figures"),
)
"""Below a release; for analysts."""

PICTURES: Final = (Ask("datatree"), Ask("figures/variation"))
"""The same, each made by a process that imports a good deal."""

DOCUMENTS: Final = (
    Ask(""),
    Ask("representation"),
    Ask("representation", {"format": "csv"}),
    Ask("disclosure"),
    Ask("disclosure", {"format": "html"}),
    Ask("checks"),
)
"""Below a release; for everybody who may judge it."""

PAGES: Final = (
    "/",
    "/surveys/{s}",
    "/surveys/{s}/questions/{q}",
    "/surveys/{s}/questions/{q}/crosstab?rows=age&columns=gender",
    "/surveys/{s}/questions/{q}/districts",
    "/surveys/{s}/questions/{q}/districts/D4",
    "/surveys/{s}/questions/{q}/releases",
    "/surveys/{s}/questions/{q}/methods",
    "/surveys/{s}/questions/{q}/revision",
    "/surveys/{s}/releases/{release}/representation",
    "/surveys/{s}/releases/{release}/checks",
    "/surveys/{s}/releases/{release}/disclosure",
)


def plain_path(question: str) -> str:
    """Where a question's release is read without any parameter."""
    return f"{BASE}/questions/{question}/{'means' if question in NUMBERS else 'estimates'}"


def path_of(ask: Ask, chance: random.Random) -> tuple[str, str, dict[str, str]]:
    """Question, path and parameters of an answer of its current release."""
    question = chance.choice(ask.of)
    return question, f"{BASE}/questions/{question}/{ask.path}", ask.parameters
