"""Count waves of which counts alone are left, and add them to the others.

The counts were made with the codebook of the time of the purge. A level or an option that was renamed since is
followed through the recodes of today's codebook; what it does not know any more cannot be counted.
"""

from collections.abc import Mapping

import polars as pl

from jobs.errors import FitImpossible
from jobs.outcomes import columns_read, outcome_of
from polling.codebook import counted_answer
from polling.declaration import Question, SurveyDeclaration
from polling.enums import as_texts
from polling.purged import MEAN, SQUARES, counts_of
from polling.store.wave_records import WaveRecord

__all__ = ["collapse_left"]


def collapse_left(
    content: bytes,
    wave: WaveRecord,
    declaration: SurveyDeclaration,
    question: Question,
    *,
    by: tuple[str, ...],
    of_wave: Mapping[str, pl.Expr],
    weight: str | None,
) -> pl.DataFrame:
    """What a purged part adds to the counts of a question, in the form in which its outcome collapses interviews.

    Parameters
    ----------
    content
        What the purge left of the part.
    by
        The columns of the counts.
    of_wave
        Period, pollster and mode, of the column ``date`` or of the wave.
    weight
        "weight" if sums of weights are wanted; a wave without weights has one each.

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
    if question.kind == "numeric":
        if weight:
            raise _unknown(wave, "they do not say how weights and answers go together, and the question is weighted")
        left = left.with_columns(pl.col(MEAN).alias(question.id))
    left = left.with_columns(counted_answer(question)).filter(pl.col(question.id).is_not_null())
    left = left.with_columns(value.alias(column) for column, value in of_wave.items())
    merged_away = [column for column in by if left.height and left[column].null_count() == left.height]
    told_apart = tuple(column for column in by if column not in merged_away)
    outcome = outcome_of(question)
    if question.kind == "numeric":
        cells = left.select(*told_apart, "n", pl.col(MEAN).alias("mean"), pl.col(SQUARES).alias("ss"))
        cells = outcome.add([cells], told_apart)
    else:
        cells = outcome.collapse(_stand_ins(left), by=told_apart, answer=question.id, weight=weight)
    absent = (pl.lit(None, dtype=pl.String).alias(column) for column in merged_away)
    return as_texts(cells.with_columns(absent).select(*by, pl.exclude(by)))


def _stand_ins(left: pl.DataFrame) -> pl.DataFrame:
    """As many interviews as were counted, whose weights and their squares add up to the same.

    The first of a row has a weight of its own, all others the same.
    """
    mean, n = pl.col("weight") / pl.col("n"), pl.col("n").cast(pl.Float64)
    weight = _spread(mean, pl.col("weight_square") / n - mean**2)
    interviews = left.with_columns(pl.int_ranges(0, "n").alias("row")).explode("row", empty_as_null=False)
    # Scales do not matter: weights are relative within a delivery.
    return interviews.with_columns(weight=weight.fill_null(1.0))


def _spread(mean: pl.Expr, variance: pl.Expr) -> pl.Expr:
    """``n`` values of this mean and variance (over n): one above the mean and the others below."""
    rest = pl.max_horizontal(pl.col("n") - 1, 1).sqrt()
    sd = pl.max_horizontal(variance, 0.0).sqrt()
    return (
        pl.when(pl.col("n") == 1).then(mean).when(pl.col("row") == 0).then(mean + rest * sd).otherwise(mean - sd / rest)
    )


def _in_todays_words(
    left: pl.DataFrame, wave: WaveRecord, declaration: SurveyDeclaration, question: Question
) -> pl.DataFrame:
    geography = declaration.geography
    known: dict[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
        geography.district: (geography.codes, geography.recode),
        **{one.name: (one.levels, one.recode) for one in declaration.demographics},
        "answer": (question.options, question.recode),
    }
    read = columns_read(question)
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
    sums = {"n": pl.Int64, **dict.fromkeys(("weight", "weight_square", MEAN, SQUARES), pl.Float64)}
    return pl.DataFrame(schema={**text, "date": pl.Date, **sums})
