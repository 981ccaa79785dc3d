"""Section of a disclosure statement that compares who was interviewed with who there is."""

from typing import Final

import polars as pl

from api.representation_payloads import LevelBalance
from api.representation_words import sentences_of
from api.sample_balance import Balance, balance_sample
from api.statement.payloads import StatementSection, StatementTable
from api.statement.records import Records
from jobs.refit import electorate_of
from polling.disclosure import DisclosureRules
from polling.once import Once

__all__ = ["representation_section"]

# A release does not change, and comparing it takes a tenth of a second.
_BALANCES: Final[Once[tuple[str, DisclosureRules, int], Balance]] = Once(64)


def representation_section(records: Records) -> StatementSection:
    """Sample against frame, as the representation report of the release has it; numbers of demographics alone."""
    title, asked = "Sample against population", ["AAPOR 8", "ESOMAR/WAPOR"]
    if records.shown is None:
        text = [
            "The counts behind this release are deleted, so that its sample cannot be compared with the frame again."
        ]
        return StatementSection("representation", title, asked, text)
    shown = records.shown
    # With another key of the installation, after the secrets were lost, other counts are shown.
    key = (records.release.id, records.rules, int(shown.hash_rows().sum()))
    balance = _BALANCES.get(key, lambda: _balance(records, shown))
    text = sentences_of(balance, balance.levels, rules=records.rules)
    text.append("Shares of the sample are computed from counts that are perturbed for disclosure control.")
    rows = [_row(one) for one in balance.levels if one.column in records.declaration.levels]
    columns = ["demographic", "level", "of the people", "of the sample", "compared"]
    table = StatementTable("Sample against population frame", columns, rows)
    return StatementSection("representation", title, asked, text, [table] if rows else [])


def _balance(records: Records, shown: pl.DataFrame) -> Balance:
    electorate = electorate_of(records.bundle)
    return balance_sample(shown, electorate, records.rules, universe=records.declaration.universe)


def _row(one: LevelBalance) -> list[str]:
    sample = "not told" if one.sample_share is None else f"{one.sample_share:.1%}"
    standing = {
        "over": "over-represented",
        "under": "under-represented",
        "in line": "in line",
        "few": "few interviews or none",
        "nobody": "no interviews",
    }[one.standing]
    return [one.column, one.level, f"{one.frame_share:.1%}", sample, standing]
