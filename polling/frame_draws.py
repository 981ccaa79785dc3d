"""Check the draws of a frame: several frames of the same cells, each as likely as the others.

One row per draw and cell: a column ``draw``, the columns of the frame and its number of people. The frame itself is
their mean. Everybody lives in a cell in every draw or in none: how many is what the draws do not know for sure.
"""

import polars as pl

from polling.declaration import SurveyDeclaration
from polling.faults import FaultLog
from polling.folder_files import column_as_text, has_columns
from polling.tabular import Table

__all__ = ["DRAW", "MOST_DRAWS", "check_frame_draws"]

DRAW = "draw"
MOST_DRAWS = 100
TOLERANCE = 1e-4
"""By how much, of the people of a cell or of one person, the frame may miss the mean of the draws."""


def check_frame_draws(
    table: Table, frame: pl.DataFrame, declaration: SurveyDeclaration, log: FaultLog
) -> pl.DataFrame | None:
    """Bring the draws into canonical form.

    Parameters
    ----------
    table
        As read.
    frame
        In canonical form, see ``polling.frame_table``.
    log
        Receives every fault, under the table's file name.

    Returns
    -------
    polars.DataFrame or None
        ``draw`` (UInt32, from 0), district and demographics (String), ``n_people`` (Float64), sorted; None if there are
        faults.
    """
    cell, count = declaration.cell_columns, declaration.frame_count
    if not has_columns(table, (DRAW, *cell, count), (), ignore_key="", log=log):
        return None
    texts = [column_as_text(table.data[name], log) for name in cell]
    numbers = [table.data[name].cast(pl.Float64, strict=False) for name in (DRAW, count)]
    if log:
        return None
    draws = pl.DataFrame([numbers[0].alias(DRAW), *(one for one in texts if one is not None), numbers[1]])
    draws = draws.rename({count: "n_people"}).sort(DRAW, *cell)
    usable = draws.select(pl.col(DRAW, "n_people").is_finite().fill_null(value=False).all()).row(0)
    if not all(usable):
        log.add("a draw or a number of people is no number", "Write numbers.")
    elif (draws["n_people"] < 0).any():
        log.add("a number of people is negative", "Give 0 or more people.", column=count)
    elif not 2 <= (n := draws[DRAW].n_unique()) <= MOST_DRAWS:
        remedy = "Leave frame.draws out where there is one frame."
        log.add(f"there are {n:,} draws; 2 to {MOST_DRAWS} can be used", remedy, column=DRAW)
    elif draws.height != n * frame.height or not draws.select(cell).equals(pl.concat([frame.select(cell)] * n)):
        remedy = f"Every draw has the cells of {declaration.frame_file}, those without people too."
        log.add("a draw has other cells than the frame", remedy)
    else:
        _check_people(draws, frame, cell, declaration, log)
    if log:
        return None
    return draws.with_columns(pl.col(DRAW).rank("dense").cast(pl.UInt32) - 1)


def _check_people(
    draws: pl.DataFrame, frame: pl.DataFrame, cell: tuple[str, ...], declaration: SurveyDeclaration, log: FaultLog
) -> None:
    of = draws.group_by(cell).agg(pl.col("n_people").mean().alias("mean"), (pl.col("n_people") > 0).alias("lived_in"))
    of = frame.join(of, on=cell, how="left", maintain_order="left")
    off = of.filter((pl.col("mean") - pl.col("n_people")).abs() > TOLERANCE * pl.max_horizontal(pl.col("n_people"), 1))
    if not off.is_empty():
        found = f"{' / '.join(off.select(cell).row(0))}: {off['mean'][0]:,.6g} and {off['n_people'][0]:,.6g}"
        remedy = f"{declaration.frame_file} is the mean of the draws; `hustings frame build` writes both."
        log.add(f"the mean of the draws is not the frame, in {off.height:,} cells", remedy, value=found)
    some = of.filter(pl.col("lived_in").list.any() & ~pl.col("lived_in").list.all())
    if not some.is_empty():
        reason = f"{some.height:,} cells have people in some of the draws only"
        log.add(reason, "Merge them with others.", value=" / ".join(some.select(cell).row(0)))
