r"""One table of cells from two that share some columns: the synthetic joint by product.

    N[a, b | s] = N1[a, s] N2[b, s] / N2[s]

for the levels s of the columns that both have, a and b of those that one has. It takes a and b for independent given s,
such as age and education within a district. Where they are not, the joint is wrong by what they go together; what
estimates lose by that is mostly little, as far as opinion adds up over a and b (Leemann and Wasserfallen 2017).
`mrp.frames.extension` has the joint by a model, which learns the association from interviews.

References
----------
Leemann and Wasserfallen (2017), "Extending the use and prediction precision of subnational public opinion estimation",
American Journal of Political Science 61(4), 1003-1022.
"""

import polars as pl

from mrp.errors import FrameError
from mrp.frames.agreement import disagreements
from mrp.frames.cells import PEOPLE, Built, columns_of, named, require_cells

__all__ = ["product_joint"]


def product_joint(
    first: pl.DataFrame,
    second: pl.DataFrame,
    *,
    names: tuple[str, str] = ("the first", "the second"),
    rounding: float = 0.5,
) -> Built:
    """Join two tables of the same people.

    Parameters
    ----------
    first, second
        Tables of cells that share at least one column, such as the district. The people of the first are kept to a
        person; of the second only what it says within the shared levels.
    names
        What errors and reports call them.
    rounding
        As for `mrp.frames.margins.rake_cells`.

    Raises
    ------
    FrameError
        If they share nothing or everything, contradict each other in what they share, or people live at a shared level
        where the second has nobody.
    """
    first, second = require_cells(names[0], first), require_cells(names[1], second)
    shared = [column for column in columns_of(first) if column in columns_of(second)]
    own = [column for column in columns_of(second) if column not in shared]
    rest = [column for column in columns_of(first) if column not in shared]
    if not shared or not own:
        what = "share no column" if not shared else f"have {names[1]} with nothing that {names[0]} has not"
        raise FrameError(f"the tables {names[0]} and {names[1]} {what}; a joint needs a shared and a further column")
    away = disagreements({names[0]: first, names[1]: second}, rounding=rounding)
    within = second.with_columns((pl.col(PEOPLE) / pl.col(PEOPLE).sum().over(shared)).alias("\x00share")).drop(PEOPLE)
    joint = first.join(within, on=shared, how="left", maintain_order="left")
    lost = joint.filter(~pl.col("\x00share").is_finite().fill_null(value=False) & (pl.col(PEOPLE) > 0))
    if lost.height:
        raise FrameError(
            f"{lost[PEOPLE][0]:,.0f} people of {names[0]} are at {named(lost.select(*shared, PEOPLE))[0]}, where "
            f"{names[1]} has nobody; complete it, or merge the level into another"
        )
    joint = joint.with_columns((pl.col(PEOPLE) * pl.col("\x00share").fill_nan(0.0)).alias(PEOPLE))
    joint = joint.filter(pl.col(own[0]).is_not_null())
    cells = joint.select(*columns_of(first), *own, PEOPLE).sort(*columns_of(first), *own)
    told = [f"{names[0]} and {names[1]} were joined on {', '.join(shared)}: {cells.height:,} cells."]
    if away > 0:
        told.append(f"They differ by up to {away:,.1f} people in what they share, as rounding may; {names[0]} is kept.")
    independent = f"{' and '.join(rest) or 'Nothing'} and {' and '.join(own)} are independent given {', '.join(shared)}"
    return Built(cells, tuple(told), (f"{independent}.",) if rest else ())
