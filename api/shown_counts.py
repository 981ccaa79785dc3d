"""The interviews of a release as they may be told: perturbed once, in the finest cells by which anything is told.

These are the cells of the frame, by period where the model has periods. Every number is a sum of theirs, whether it is
of one period or of all: a total with noise of its own, beside parts with theirs, could be compared with their sum.
"""

import polars as pl

from mrp.electorate import Electorate
from polling.disclosure import perturb_counts
from polling.perturbed_totals import perturb_totals
from polling.store.records import ReleaseRecord

__all__ = ["PERIOD", "shown_counts"]

PERIOD = "period"


def shown_counts(
    counts: pl.DataFrame,
    electorate: Electorate,
    release: ReleaseRecord,
    *,
    key: bytes,
    within: tuple[float, float] | None = None,
) -> pl.DataFrame:
    """Perturb the counts that a fit was made of.

    Parameters
    ----------
    counts
        As `polling.store.fits.load_counts` keeps them; see `mrp.counts.collapse`.
    release
        Whose counts they are.
    key
        The installation's disclosure key.
    within
        The least and the greatest answer, of numbers whose range is declared.

    Returns
    -------
    polars.DataFrame
        One row per cell that was interviewed: district, demographics, parents, ``period`` if the counts have it, ``n``
        and ``y``, or ``y[option]`` for each of several options, or ``total`` of numbers within a range (see
        `polling.perturbed_totals`); of other numbers, and of weighted ones, ``n`` alone. Not to be told row by row.
    """
    by = tuple(dict.fromkeys((*electorate.cell_columns, *([PERIOD] if PERIOD in counts.columns else []))))
    whose = {"survey": release.survey_id, "question": release.question_id}
    shown = perturb_counts(counts, by=by, **whose, key=key)
    # The mean of weighted answers would move by more than the noise is for.
    if within is not None and "mean" in counts.columns and "weight" not in counts.columns:
        shown = shown.join(perturb_totals(counts, by=by, within=within, **whose, key=key), on=by, how="left")
    parents = electorate.districts.select(pl.col("code").alias(electorate.district), *electorate.parents)
    return shown.join(parents, on=electorate.district, how="left")
