"""What the estimator makes of a declared question."""

from collections.abc import Sequence

import polars as pl

from mrp.categorical.counts import count_name, weight_name
from mrp.categorical.options import Options, standing, take_own_terms
from mrp.electorate import Electorate
from mrp.formula import formula_columns
from mrp.outcomes import BinaryOutcome, CategoricalOutcome, NumericOutcome, OrdinalOutcome, Outcome
from polling.codebook import counted_labels
from polling.declaration import Question

__all__ = ["columns_read", "counted_by", "counts_of_option", "outcome_of", "without_astray"]


def outcome_of(question: Question) -> Outcome:
    """The outcome of a question, whose options are all labels that count: those of the base too."""
    if question.kind == "binary":
        return BinaryOutcome(counted_labels(question), dispersed=question.dispersion)
    if question.kind == "categorical":
        declared = Options(question.options, columns=question.own_columns, only_in=question.only_in)
        return CategoricalOutcome(declared, question.sd, dispersed=question.dispersion)
    if question.kind == "ordinal":
        return OrdinalOutcome(question.options, question.scores)
    return NumericOutcome(question.range)


def columns_read(question: Question) -> frozenset[str]:
    """Every column of interviews and districts that a question's formula reads, but for those of its options.

    Raises
    ------
    FormulaError
        If the formula cannot be read.
    """
    rest, _ = take_own_terms(question.model)
    return formula_columns(rest)


def without_astray(counts: pl.DataFrame, question: Question, electorate: Electorate) -> tuple[pl.DataFrame, int]:
    """Leave out who chose an option where it does not stand, as people do who have moved, or say so of a neighbour.

    The model gives such an answer the probability 0, so that one of them would stop every fit.

    Parameters
    ----------
    counts
        As the outcome of the question collapses interviews, by the district at least.

    Returns
    -------
    tuple
        The others, and how many were left out.
    """
    if not question.only_in:
        return counts, 0
    options = Options(question.options, only_in=question.only_in)
    stands = pl.DataFrame(standing(options, electorate), schema=list(map(count_name, options.labels)))
    stands = stands.with_columns(pl.Series(electorate.district, electorate.codes, dtype=pl.String))
    beside = counts.select(electorate.district).join(stands, on=electorate.district, how="left", maintain_order="left")
    kept = counts.with_columns(
        (pl.col(name) * beside[name].fill_null(value=True)).alias(name) for name in stands.columns[:-1]
    )
    if "weight" in counts.columns:
        kept = _weights_kept(kept, beside, question.options)
    kept = kept.with_columns(n=pl.sum_horizontal(stands.columns[:-1]))
    return kept.filter(pl.col("n") > 0), int(counts["n"].sum()) - int(kept["n"].sum())


def _weights_kept(counts: pl.DataFrame, beside: pl.DataFrame, options: tuple[str, ...]) -> pl.DataFrame:
    """The same for the sums of weights; of their squares, which no option has by itself, the same part is kept."""
    names = [weight_name(option) for option in options]
    stands = (beside[count_name(option)].fill_null(value=True) for option in options)
    counts = counts.with_columns((pl.col(name) * here).alias(name) for name, here in zip(names, stands, strict=True))
    weight = pl.sum_horizontal(names)
    return counts.with_columns(weight=weight, weight_square=pl.col("weight_square") * weight / pl.col("weight"))


def counts_of_option(counts: pl.DataFrame, option: str) -> pl.DataFrame:
    """Counts of one option against all others, as those of a binary question: ``n`` and ``y``.

    Counts that are those of a binary question already are returned as they are.
    """
    if "y" in counts.columns:
        return counts
    others = [name for name in counts.columns if name.startswith(("y[", "weight["))]
    return counts.with_columns(pl.col(count_name(option)).alias("y")).drop(others)


def counted_by(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that counts of any kind of question are counted by, of all that they have."""
    sums = ("n", "y", "mean", "ss", "weight", "weight_y", "weight_square")
    return tuple(name for name in columns if name not in sums and not name.startswith(("y[", "weight[")))
