"""The tables that a backtest compares: districts as estimated, as interviewed, and as they turned out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jobs.errors import BacktestImpossible
from mrp.poststratification import AreaDraws
from mrp.summary import summarise
from polling.declaration import Backtest, Question

__all__ = ["Outcome", "district_estimates", "read_outcome", "read_outcomes", "read_table"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, or what an independent source says, per district."""

    codes: tuple[str, ...]
    """Districts it is known for, sorted."""
    share: NDArray[np.float64]
    """Share of the option, in [0, 1], shape (district,)."""
    se: NDArray[np.float64] | None
    """Standard error of ``share`` where it was measured on a sample."""


def read_table(path: Path) -> pl.DataFrame:
    """Read a CSV (all columns as text) or Parquet table.

    Raises
    ------
    BacktestImpossible
        If it cannot be read.
    """
    try:
        return pl.read_csv(path, infer_schema=False) if path.suffix == ".csv" else pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BacktestImpossible(f"{path} cannot be read: {error}. Say where the tables lie.") from None


def read_outcomes(
    path: Path, declared: Backtest, question: Question, *, districts: pl.Series, options: tuple[str, ...]
) -> dict[str, Outcome]:
    """Read a truth or benchmark of several options of a question; those that it does not have are left out.

    Of a question answered with a number it is a table with ``geography``, ``mean`` and optionally ``se``, and what is
    read has the one name among ``options``.

    Raises
    ------
    BacktestImpossible
        As `read_outcome`; also if it has none of them.
    """
    if question.kind == "numeric":
        return {options[0]: _read_means(path, districts)}
    known = set(read_table(path).get_column("option", default=pl.Series(dtype=pl.String)).drop_nulls())
    first = declared.option or question.options[0]
    named = [option for option in options if (first if option == question.options[0] else option) in known]
    wanted = named or list(options[:1])
    return {one: read_outcome(path, declared, question, districts=districts, option=one) for one in wanted}


def read_outcome(
    path: Path, declared: Backtest, question: Question, *, districts: pl.Series, option: str | None = None
) -> Outcome:
    """Read the rows of a truth or benchmark that belong to one option of a question.

    Parameters
    ----------
    path
        Table with ``geography``, ``option``, ``share`` and optionally ``se``.
    declared
        May name the first option as the table calls it.
    districts
        Codes of the survey's districts.
    option
        Of the question; default: the first.

    Raises
    ------
    BacktestImpossible
        If a column is missing, no row has the option, a district occurs
        twice, or a district of the table is not one of the survey.
    """
    table = _with_columns(path, ("geography", "option", "share"))
    if option is None or option == question.options[0]:
        option = declared.option or question.options[0]
    rows = table.filter(pl.col("option") == option).sort("geography")
    if rows.is_empty():
        known = ", ".join(sorted(table["option"].unique().drop_nulls()))
        raise BacktestImpossible(
            f"{path.name} has no option {option!r}; it has {known}. Name one in [backtest] option."
        )
    _check_districts(rows, path, districts, f" and {option!r}")
    share = rows["share"].cast(pl.Float64)
    if share.null_count() or not share.is_between(0, 1).all():
        raise BacktestImpossible(f"{path.name} has shares of {option!r} outside 0 and 1, or none at all in some row.")
    se = rows["se"].cast(pl.Float64).to_numpy() if "se" in rows.columns else None
    return Outcome(tuple(rows["geography"]), share.to_numpy(), se)


def _read_means(path: Path, districts: pl.Series) -> Outcome:
    rows = _with_columns(path, ("geography", "mean")).sort("geography")
    _check_districts(rows, path, districts, "")
    mean = rows["mean"].cast(pl.Float64, strict=False)
    if mean.null_count() or not mean.is_finite().all():
        raise BacktestImpossible(f"{path.name} has a mean that is no finite number; leave that district out.")
    se = rows["se"].cast(pl.Float64).to_numpy() if "se" in rows.columns else None
    return Outcome(tuple(rows["geography"]), mean.to_numpy(), se)


def _with_columns(path: Path, names: tuple[str, ...]) -> pl.DataFrame:
    table = read_table(path)
    if missing := [name for name in names if name not in table.columns]:
        raise BacktestImpossible(f"{path.name} has no column {missing[0]!r}; it has {', '.join(table.columns)}.")
    return table


def _check_districts(rows: pl.DataFrame, path: Path, districts: pl.Series, of: str) -> None:
    if (twice := rows.filter(pl.col("geography").is_duplicated())).height:
        raise BacktestImpossible(f"{path.name} has more than one row for {twice['geography'][0]}{of}.")
    if (strange := rows.filter(~pl.col("geography").is_in(districts.to_list()))).height:
        raise BacktestImpossible(f"{path.name} has {strange['geography'][0]!r}, which is no district of the survey.")


def district_estimates(
    districts: pl.DataFrame, estimated: AreaDraws, counts: pl.DataFrame, *, district: str, interval: float = 0.9
) -> pl.DataFrame:
    """One row per district of the survey, in the order of the draws' areas.

    Parameters
    ----------
    districts
        ``code`` and ``name``.
    estimated
        Draws per district, shape (draw, district).
    counts
        ``n`` interviews and ``y`` of them for the option, or the ``mean`` of their answers, per cell.
    district
        Name of the district column in draws and counts.
    interval
        Probability of the central interval.

    Returns
    -------
    polars.DataFrame
        ``district``, ``name``, ``n_interviews``, ``raw`` (null where nobody
        was interviewed), ``share`` (of numbers ``mean``), ``low``, ``high``, ``sd``.
    """
    table = summarise(estimated, interval=interval).rename({district: "district"})
    answers = pl.col("y") if estimated.kind == "share" else pl.col("n") * pl.col("mean")
    interviewed = counts.group_by(pl.col(district).alias("district")).agg(
        pl.col("n").sum().alias("n_interviews"), (answers.sum() / pl.col("n").sum()).alias("raw")
    )
    names = districts.select(pl.col("code").alias("district"), "name")
    return (
        table.join(names, on="district", how="left", maintain_order="left")
        .join(interviewed, on="district", how="left", maintain_order="left")
        .with_columns(pl.col("n_interviews").fill_null(0))
        .select("district", "name", "n_interviews", "raw", estimated.kind, "low", "high", "sd")
    )
