"""Honour the column of consent: who did not agree is not stored.

A survey declares the column and what means yes in it. Everything else, a blank included, is no: such an interview is
dropped before its answers are looked at, so that a fault in it is nobody's business, and only the number is kept.
Labels are compared letter by letter, as everywhere in the codebook; one that is declared neither as yes nor as no is
told with its number, so that a wave that writes "Yes" for "yes" does not lose its interviews quietly.
"""

from collections.abc import Collection

import polars as pl

from polling.by_text import composed
from polling.declaration import SurveyDeclaration
from polling.faults import FaultLog, did_you_mean

__all__ = ["MOST_LABELS", "has_consented", "undeclared_labels"]

MOST_LABELS = 5
FEW = 3
"""A label of fewer interviews is not quoted: it may be somebody's own words."""


def has_consented(
    received: pl.DataFrame, declaration: SurveyDeclaration, log: FaultLog, *, pollster: str, header: tuple[str, ...]
) -> pl.Series | None:
    """Which interviews may be stored; None if the survey declares no consent, or the column is missing.

    Parameters
    ----------
    received
        Interviews as text; null is a blank cell.
    log
        Receives the fault if the column is missing.
    header
        All columns of the file.
    """
    if declaration.consent is None:
        return None
    column = declaration.columns_of(pollster)["consent"]
    if column not in received.columns:
        hint = did_you_mean(column, header)
        log.add(
            "the column of consent is missing", f"{hint} Send it, or name it in [columns.{pollster}].", column=column
        )
        return None
    return _is_among(received, column, declaration.consent.values)


def undeclared_labels(received: pl.DataFrame, declaration: SurveyDeclaration, *, pollster: str) -> dict[str, int]:
    """Labels of consent that are declared neither as yes nor as no, and how many interviews have each; most first.

    At most ``MOST_LABELS`` are quoted; the others, and those of fewer than ``FEW``, are together under "".
    """
    column = declaration.columns_of(pollster).get("consent")
    if declaration.consent is None or column not in received.columns:
        return {}
    declared = (*declaration.consent.values, *declaration.consent.no)
    strange = received.filter(~_is_among(received, column, declared))[column].cast(pl.String).str.strip_chars()
    found = strange.filter(strange.is_not_null() & (strange != "")).alias("label").value_counts(sort=True)
    quoted = found.filter(pl.col("count") >= FEW).head(MOST_LABELS)
    rest = int(found["count"].sum()) - int(quoted["count"].sum())
    return {str(label)[:60]: int(n) for label, n in quoted.iter_rows()} | ({"": rest} if rest else {})


def _is_among(received: pl.DataFrame, column: str, labels: Collection[str]) -> pl.Series:
    known = composed(pl.Series([*labels], dtype=pl.String)).implode()
    return composed(received[column].cast(pl.String).str.strip_chars()).is_in(known).fill_null(value=False)
