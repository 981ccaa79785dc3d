"""Honour the column of consent: who did not agree is not stored.

A survey declares the column and what means yes in it. Everything else, a blank included, is no: such an interview is
dropped before its answers are looked at, so that a fault in it is nobody's business, and only the number is kept.
"""

import polars as pl

from polling.declaration import SurveyDeclaration
from polling.faults import FaultLog, did_you_mean

__all__ = ["has_consented"]


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
    return (
        received[column].cast(pl.String).str.strip_chars().is_in([*declaration.consent.values]).fill_null(value=False)
    )
