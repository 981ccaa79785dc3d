"""What is kept of a wave when its interviews are purged: how many of each cell gave each answer.

    per question: cell, day, answer or status  ->  n, sum of weights, sum of squared weights
    of a number:  cell, day, status            ->  the same, mean of the answers, sum of squares about it

Nothing joins the answers of one interview: every question is counted by itself. The day is the first of its period (or
the day itself where a period is one). A cell of fewer than ``min_cell`` interviews would still be one person's opinion.
Demographics that no formula reads are merged away first, so that few cells are small: the model never told them apart.
A later formula that reads one of them cannot use these counts. Where a day of a cell has fewer, the days of the cell
are merged into the wave's last; where the cell has fewer even so, it is left out. It is left out for its size, whatever
was answered in it, so that what remains says the same of opinion in a cell as before; merging cells would say of some
what others think.
"""

import io
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

import polars as pl

from polling.codebook import convert
from polling.declaration import Period, Question, SurveyDeclaration
from polling.enums import as_texts
from polling.errors import PayloadDamaged

__all__ = ["MEAN", "SQUARES", "Kept", "counts_of", "kept_of", "reduce_to_counts"]

_ABOUT = "hustings.kept"
# With a blank, which no name of a survey can have.
MEAN, SQUARES, _NUMBER = "mean of answers", "squares of answers", "the answer"
_EVERY = {"day": "1d", "week": "1w", "month": "1mo"}
_TELLING = ("answered", "dont_know", "refused", "not_asked")


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the interviews of one question."""

    n_kept: int
    n_merged: int
    """Of these, interviews whose day is not known any more."""
    n_dropped: int
    """Interviews in cells that were too small, or that the codebook cannot read any more."""
    min_cell: int


def reduce_to_counts(
    received: pl.DataFrame,
    declaration: SurveyDeclaration,
    *,
    pollster: str,
    demographics: Collection[str] | None = None,
) -> bytes:
    """Count interviews as received, for good.

    Parameters
    ----------
    received
        Declared columns as text.
    declaration
        With the codebook in force and ``retention.min_cell``.
    demographics
        Those that are to be told apart; None: all. The district always is.

    Returns
    -------
    bytes
        For ``counts_of`` and ``kept_of``. Special-category data.
    """
    conversion = convert(received, declaration, pollster=pollster)
    interviews = as_texts(conversion.interviews.filter(~pl.col("excluded")))
    readable = interviews.filter(~pl.col("row").is_in(conversion.bad_rows["row"].implode()))
    if conversion.n_faults > conversion.n_row_faults:  # of the file: a column that is gone
        readable = readable.clear()
    cell = [
        name
        for name in declaration.cell_columns
        if demographics is None or name == declaration.geography.district or name in demographics
    ]
    tables, kept = [], {}
    for question in declaration.questions:
        if question.id in conversion.questions_asked:
            table, about = _reduce(readable, declaration, question, cell)
            n_lost = interviews.height - readable.height
            tables.append(table)
            kept[question.id] = asdict(about) | {"n_dropped": about.n_dropped + n_lost}
    buffer = io.BytesIO()
    table = pl.concat(tables, how="diagonal") if tables else pl.DataFrame(schema={"question": pl.String})
    table.write_parquet(buffer, compression="zstd", statistics=False, metadata={_ABOUT: json.dumps(kept)})
    return buffer.getvalue()


def counts_of(content: bytes, question_id: str) -> pl.DataFrame:
    """The counts of a question: the cell columns told apart, ``date`` (null: not known), ``answer``, ``status``,
    ``n``, ``weight`` and ``weight_square`` (null: the wave has no weights), and of numbers ``MEAN`` and ``SQUARES``.

    Raises
    ------
    PayloadDamaged
        If the bytes are no counts.
    """
    try:
        table = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise PayloadDamaged(f"Counts of {len(content):,} bytes cannot be read. Restore a backup.") from error
    return table.filter(pl.col("question") == question_id).drop("question")


def kept_of(content: bytes) -> Mapping[str, Kept]:
    """Question -> what became of its interviews."""
    about = json.loads(pl.read_parquet_metadata(io.BytesIO(content)).get(_ABOUT, "{}"))
    return {question_id: Kept(**one) for question_id, one in about.items()}


def _reduce(
    interviews: pl.DataFrame, declaration: SurveyDeclaration, question: Question, cell: list[str]
) -> tuple[pl.DataFrame, Kept]:
    min_cell = declaration.retention.min_cell
    w, number = pl.col("weight"), pl.col(question.id)
    is_number = question.kind == "numeric"
    answer = pl.lit(None, dtype=pl.String) if is_number else number.cast(pl.String)
    counted = (
        interviews.select(
            *cell,
            _first_day(declaration.time.period).alias("date"),
            answer.alias("answer"),
            *([number.alias(_NUMBER)] if is_number else []),
            pl.col(f"{question.id}:status").cast(pl.String).alias("status"),
            "weight",
        )
        .filter(pl.col("status").is_in(_TELLING))
        .with_columns(
            in_day=pl.len().over([*cell, "date"]) if interviews.height else pl.lit(0),
            in_cell=pl.len().over(cell) if interviews.height else pl.lit(0),
        )
    )
    small_day = (pl.col("in_day").min() < min_cell).over(cell) & pl.col("date").is_not_null()
    marked = counted.with_columns(merged=small_day) if counted.height else counted.with_columns(merged=pl.lit(False))
    left = marked.filter(pl.col("in_cell") >= min_cell)
    about = Kept(left.height, int(left["merged"].sum()), counted.height - left.height, min_cell)
    table = (
        left.with_columns(date=pl.when(~pl.col("merged")).then("date"))
        .group_by(*cell, "date", "answer", "status")
        .agg(
            pl.len().cast(pl.Int64).alias("n"),
            pl.when(w.null_count() == 0).then(w.sum()).alias("weight"),
            pl.when(w.null_count() == 0).then((w**2).sum()).alias("weight_square"),
            *(_of_numbers(pl.col(_NUMBER)) if is_number else ()),
        )
        .sort(*cell, "date", "answer", "status")
    )
    return table.select(pl.lit(question.id).alias("question"), pl.all()), about


def _of_numbers(number: pl.Expr) -> tuple[pl.Expr, ...]:
    return number.mean().alias(MEAN), ((number - number.mean()) ** 2).sum().alias(SQUARES)


def _first_day(period: Period) -> pl.Expr:
    if period == "wave":
        return pl.lit(None, dtype=pl.Date)
    return pl.col("date").dt.truncate(_EVERY[period])
