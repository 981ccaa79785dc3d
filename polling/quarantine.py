"""Set rows with faults of their own aside, so that the rest of a wave can be counted.

Under the policy ``quarantine`` of a survey a few faulty rows do not reject a wave: they are kept apart, uncounted, with
their reasons, and can be released once the codebook is mended. Only faults of rows are forgiven, and only up to the
survey's share of rows. Faults of the file (a missing column, no header, damaged lines, columns of direct identifiers)
always reject it. So does a row without the respondent's id where the survey declares one: it could not be erased.
"""

import io
from dataclasses import dataclass

import polars as pl

from polling.codebook import Conversion, convert
from polling.declaration import SurveyDeclaration
from polling.enums import as_texts
from polling.errors import PayloadDamaged
from polling.faults import FaultLog
from polling.payload import to_payload
from polling.quality.flag import percents

__all__ = ["REASONS", "ROW", "SetAside", "from_quarantine", "reasons_of", "rows_aside", "set_aside", "to_quarantine"]

ROW, REASONS = ":row", ":reasons"
"""Columns of what is set aside, beside the declared ones: the row of the file, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A wave in two parts."""

    received: pl.DataFrame
    """The rows without faults, as received."""
    conversion: Conversion
    """These through the codebook, without faults."""
    quarantine: pl.DataFrame
    """The others: ``ROW``, ``REASONS``, then the columns as received."""


def set_aside(
    received: pl.DataFrame,
    conversion: Conversion,
    outside: pl.DataFrame,
    declaration: SurveyDeclaration,
    log: FaultLog,
    *,
    pollster: str,
    header: tuple[str, ...],
) -> SetAside | None:
    """Set the faulty rows of a wave aside, or say why the whole wave is rejected.

    Parameters
    ----------
    received
        Declared columns as text, one row per interview of ``conversion``.
    outside
        More faults of rows: ``row``, ``column``, ``reason``.
    log
        Receives the reason if the rows are too many or cannot be kept.

    Returns
    -------
    SetAside or None
        None if the file itself has a fault, or the rows cannot be set aside.
    """
    if conversion.n_faults > conversion.n_row_faults:
        return None
    rows = conversion.interviews["row"]
    bad = pl.concat([conversion.bad_rows, outside]).sort("row", maintain_order=True)
    is_bad = rows.is_in(bad["row"].unique().implode())
    n_bad, share = int(is_bad.sum()), declaration.quarantine_share
    column = declaration.columns_of(pollster).get("respondent")
    if column is not None:
        nameless = received[column].fill_null("").str.strip_chars() == ""
        if nameless.any():
            remedy = "Give every row its respondent's id, or leave the row out."
            reason = "a row without the respondent's id cannot be set aside: it could not be erased"
            log.add_rows(rows.filter(nameless), None, reason, remedy, column=column)
            return None
    if n_bad > share * len(rows):
        bad_share, most = percents(n_bad / len(rows), share)
        reason = f"{n_bad:,} of {len(rows):,} rows ({bad_share}) have faults, and {most} may be set aside"
        log.add(reason, "Correct them; until then the wave is rejected as a whole.")
        return None
    kept = received.filter(~is_bad)
    again = convert(kept, declaration, pollster=pollster, rows=rows.filter(~is_bad).to_list(), header=header)
    if again.n_faults:
        return None
    return SetAside(kept, again, rows_aside(received.filter(is_bad), rows.filter(is_bad), bad))


def rows_aside(received: pl.DataFrame, rows: pl.Series, bad: pl.DataFrame) -> pl.DataFrame:
    """Rows with their reasons in front: ``column: reason``, several joined by semicolons."""
    told = (
        bad.with_columns((pl.col("column") + ": " + pl.col("reason")).alias(REASONS))
        .unique(("row", REASONS), maintain_order=True)
        .group_by("row", maintain_order=True)
        .agg(pl.col(REASONS).str.join("; "))
    )
    numbered = as_texts(received).select(rows.cast(pl.UInt32).alias(ROW), pl.all())
    joined = numbered.join(told.rename({"row": ROW}), on=ROW, how="left", maintain_order="left")
    return joined.select(ROW, REASONS, *received.columns)


def reasons_of(quarantine: pl.DataFrame) -> list[tuple[str, int]]:
    """Reasons and how many rows have each, most first."""
    each = quarantine[REASONS].fill_null("unknown").str.split("; ").explode()
    counted = each.value_counts().sort(["count", REASONS], descending=[True, False])
    return [(str(reason), int(n)) for reason, n in counted.iter_rows()]


def to_quarantine(quarantine: pl.DataFrame) -> bytes:
    """Write rows set aside, respondents already replaced by pseudonyms."""
    return to_payload(quarantine)


def from_quarantine(content: bytes) -> pl.DataFrame:
    """Read them back.

    Raises
    ------
    PayloadDamaged
        If the bytes are not rows set aside.
    """
    try:
        return pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise PayloadDamaged(f"{len(content):,} bytes of rows set aside cannot be read.") from error
