r"""Whether a frame's association of some columns is that of a table which has them together.

Margins do not tell how columns go together; raking takes it from the seed and a product takes it to be none. Where
interviews, or a table of a larger area, have the columns together, the two can be compared. The frame is raked to the
one-way margins of the table, so that only association is left to differ, and gives the numbers e that were expected of
the n observed; o are those observed:

    misplaced = sum_c |o[c] - e[c]| / 2 n                              share of the people in wrong cells
    G2        = 2 sum_c o[c] log(o[c] / e[c]) n_effective / n          about chi-squared if the frame is right

An estimate of opinion that ranges over r between cells errs by at most misplaced * r, and mostly by far less: what adds
up over the columns loses nothing (Leemann and Wasserfallen 2017). Of interviews that are no random sample, such as
those of an opt-in panel, the association is theirs, and not the people's.

References
----------
Bishop, Fienberg and Holland (1975), "Discrete multivariate analysis", MIT Press, chapter 4.
Leemann and Wasserfallen (2017), see `mrp.frames.joints`.
Kish (1965), see `mrp.frames.people`, for the effective number of weighted interviews.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from mrp.errors import FrameError
from mrp.frames.cells import PEOPLE, columns_of, named, require_cells
from mrp.frames.margins import rake_cells

__all__ = ["AssociationCheck", "check_association"]

SIGNIFICANT = 0.01
"""A smaller probability is a warning."""


@dataclass(frozen=True, slots=True)
class AssociationCheck:
    """How far a frame and a table differ in how columns go together."""

    columns: tuple[str, ...]
    misplaced: float
    """Share of the people, in [0, 1]. Of a sample it is above 0 by chance alone."""
    g2: float
    degrees: int
    p_value: float
    """Chance of a G2 at least this large if the frame is right."""

    @property
    def warning(self) -> str | None:
        """What may be wrong with the frame, in words; None if the table gives no reason to doubt it."""
        if self.p_value >= SIGNIFICANT:
            return None
        return (
            f"{' and '.join(self.columns)} go together otherwise than in the frame (G2 = {self.g2:.1f} on "
            f"{self.degrees} degrees of freedom, p = {self.p_value:.2g}): {self.misplaced:.1%} of the people are in "
            "wrong cells, if the table is a random sample of them, and estimates err by at most as much times the "
            "largest difference of opinion between cells. Give the table as seed, or fit a model of one of the columns."
        )


def check_association(
    cells: pl.DataFrame, table: pl.DataFrame, *, n_effective: float | None = None
) -> AssociationCheck:
    """Compare a frame with a table that has some of its columns together.

    Parameters
    ----------
    cells
        The frame.
    table
        Two or more of its columns and ``n_people``: interviews or people in each combination of their levels.
    n_effective
        What a sample is worth after weighting; None: the sum of the table.

    Raises
    ------
    FrameError
        If the table has fewer than two columns or one that the frame has not, or somebody in a cell where the frame has
        nobody.
    """
    cells, table = require_cells("the frame", cells), require_cells("the table", table)
    columns = columns_of(table)
    if len(columns) < 2 or (strange := [column for column in columns if column not in columns_of(cells)]):
        what = f"a column {strange[0]!r} that the frame has not" if len(columns) > 1 else "only one column"
        raise FrameError(f"the table has {what}; an association needs two or more columns of the frame")
    joint = cells.group_by(columns).agg(pl.col(PEOPLE).sum()).filter(pl.col(PEOPLE) > 0).sort(columns)
    observed = table.filter(pl.col(PEOPLE) > 0)
    lost = observed.join(joint, on=columns, how="anti")
    if lost.height:
        raise FrameError(
            f"the table has {lost[PEOPLE][0]:,.0f} in {named(lost)[0]}, where the frame has nobody; a frame that is "
            "right would have people there"
        )
    margins = {column: observed.group_by(column).agg(pl.col(PEOPLE).sum()) for column in columns}
    # A level that the table does not have is no evidence on how columns go together.
    for column in columns:
        joint = joint.filter(pl.col(column).is_in(margins[column][column].implode()))
    expected = rake_cells(joint, margins).built.cells
    both = expected.join(observed.rename({PEOPLE: "o"}), on=columns, how="left").fill_null(0.0)
    e, o = both[PEOPLE].to_numpy(), both["o"].to_numpy()
    from scipy.special import chdtrc, xlogy

    n = o.sum()
    g2 = float(2 * (xlogy(o, o) - xlogy(o, np.where(o > 0, e, 1.0))).sum() * ((n_effective or n) / n))
    degrees = max(both.height - 1 - sum(both[column].n_unique() - 1 for column in columns), 1)
    return AssociationCheck(
        columns, float(np.abs(o - e).sum() / (2 * n)), max(g2, 0.0), degrees, float(chdtrc(degrees, max(g2, 0.0)))
    )
