"""Count waves of which counts alone are left, and add them to the others.

The counts were made with the codebook of the time of the purge. A level or an option that was renamed since is
followed through the recodes of today's codebook; what it does not know any more cannot be counted.
"""

from collections.abc import Mapping

import polars as pl

from jobs.errors import FitImpossible
from mrp.formula import formula_columns
from polling.codebook import counted_answer
from polling.declaration import Question, SurveyDeclaration
from polling.purged import counts_of
from polling.store.wave_records import WaveRecord

__all__ = ["add_counts", "collapse_left"]

_SUMS = ("n", "y", "weight", "weight_y", "weight_square")


def add_counts(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """Counts of several sources, in the form of ``mrp.counts.collapse``, with text for levels."""
    by = [column for column in tables[0].columns if column not in _SUMS]
    sums = [pl.col(column).sum() for column in tables[0].columns if column in _SUMS]
    return pl.concat([table.select(tables[0].columns) for table in tables]).group_by(by).agg(sums).sort(by)


def collapse_left(
    content: bytes,
    wave: WaveRecord,
    declaration: SurveyDeclaration,
    question: Question,
    *,
    by: tuple[str, ...],
    of_wave: Mapping[str, pl.Expr],
    weighted: bool,
) -> pl.DataFrame:
    """What a purged part adds to the counts of a question, in the form of ``mrp.counts.collapse``.

    Parameters
    ----------
    content
        What the purge left of the part.
    by
        The columns of the counts.
    of_wave
        Period, pollster and mode, of the column ``date`` or of the wave.
    weighted
        Whether sums of weights are wanted; a wave without weights has one each.

    Returns
    -------
    polars.DataFrame
        A demographic that was merged away at the purge, and that the formula does not read, is null.

    Raises
    ------
    FitImpossible
        If today's codebook does not know what was counted.
    """
    left = counts_of(content, question.id)
    if left.is_empty():
        left = _empty(declaration)
    left = _in_todays_words(left, wave, declaration, question)
    left = left.rename({"answer": question.id, "status": f"{question.id}:status"})
    left = left.with_columns(counted_answer(question)).filter(pl.col(question.id).is_not_null())
    left = left.with_columns(value.alias(column) for column, value in of_wave.items())
    # One scale for all waves: a weight is divided by the mean of those of its wave.
    mean = pl.col("weight").sum() / pl.col("n").sum()
    n, chosen = pl.col("n"), (pl.col(question.id) == question.options[0]).cast(pl.Int64)
    left = left.with_columns(
        weight=(pl.col("weight") / mean).fill_null(n.cast(pl.Float64)),
        weight_square=(pl.col("weight_square") / mean**2).fill_null(n.cast(pl.Float64)),
    )
    sums = [n.sum(), (n * chosen).sum().alias("y")]
    if weighted:
        w = pl.col("weight")
        sums += [w.sum(), (w * chosen).sum().alias("weight_y"), pl.col("weight_square").sum()]
    return left.group_by(by).agg(sums).sort(by)


def _in_todays_words(
    left: pl.DataFrame, wave: WaveRecord, declaration: SurveyDeclaration, question: Question
) -> pl.DataFrame:
    geography = declaration.geography
    known: dict[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
        geography.district: (geography.codes, geography.recode),
        **{one.name: (one.levels, one.recode) for one in declaration.demographics},
        "answer": (question.options, question.recode),
    }
    read = formula_columns(question.model)
    changed = []
    for column, (levels, recode) in known.items():
        if column not in left.columns:
            if column == geography.district or column in read:
                raise _merged_away(wave, column, question)
            changed.append(pl.Series(column, [None] * left.height, dtype=pl.String))
            continue
        moved = {old: new for old, new in recode.items() if old not in levels}
        values = left[column].replace(moved) if moved else left[column]
        strange = values.filter(values.is_not_null() & ~values.is_in([*levels])) if levels else values.clear()
        if len(strange):
            raise _unknown(wave, f"they have '{strange[0]}' for {column if column != 'answer' else question.id}")
        changed.append(values)
    return left.with_columns(changed)


def _unknown(wave: WaveRecord, why: str) -> FitImpossible:
    return FitImpossible(
        "wave-not-convertible",
        f"Of wave {wave.reference} of {wave.pollster} only counts are left, and they do not fit the codebook any more: "
        f"{why}. Recode it with `hustings survey update`, or withdraw the wave.",
    )


def _merged_away(wave: WaveRecord, column: str, question: Question) -> FitImpossible:
    return FitImpossible(
        "wave-not-convertible",
        f"Of wave {wave.reference} of {wave.pollster} only counts are left, and they do not tell {column} apart: no "
        f"formula read it when the wave was purged, the one of {question.id} does now. Leave it out of the formula "
        "with `hustings survey update`, end [time] window_days before the retention, or withdraw the wave.",
    )


def _empty(declaration: SurveyDeclaration) -> pl.DataFrame:
    text = dict.fromkeys((*declaration.cell_columns, "answer", "status"), pl.String)
    sums = {"n": pl.Int64, "weight": pl.Float64, "weight_square": pl.Float64}
    return pl.DataFrame(schema={**text, "date": pl.Date, **sums})
