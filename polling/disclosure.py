"""What may leave: perturbed counts, and the smallest groups that are answered.

Exact counts of interviews can be subtracted from each other until one person is left. Every count of a cell
therefore gets noise of -1, 0 or +1 with probability 1/3 each,

    shown = count + noise,   noise = HMAC-SHA256(key, survey, cell, count) mod 3 - 1,   0 stays 0,

which is unbiased, cannot make a count negative, and follows from the cell and its count alone. It is the same in every
query, for every question and, as long as nobody is added to the cell, in every release: noise of its own for each
would be gone from the mean of many. Counts of groups are sums of shown counts, never noisy sums: parts always add up to
the whole, and the difference of two groups has the noise of the cells between them. The variance of a group's count is
2/3 times the number of its occupied cells. Thresholds apply to shown counts, because an exact threshold is a count too.

How many of a cell gave the first answer gets noise of its own by question; there is none where one more would be more
than the cell is shown to have, nor where all gave the same answer, which then stands for the whole cell.

References
----------
Thompson, Broadfoot and Elazar (2013), "Methodology for the automatic confidentialisation of statistical outputs from
remote servers at the Australian Bureau of Statistics", UNECE work session on statistical data confidentiality: noise
that follows from who is counted, so that neither repetition nor another way to the same count averages it out.
"""

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

__all__ = ["DisclosureRules", "group_counts", "perturb_counts", "rounded_count"]


@dataclass(frozen=True, slots=True)
class DisclosureRules:
    """The smallest groups about which something is said."""

    min_people: int = 100
    """Model estimates need this many people in the frame, however many were interviewed."""
    min_interviews: int = 30
    """Raw and weighted figures and interview counts need this many shown interviews."""

    def answers_estimate(self, n_people: float) -> bool:
        """Whether a group is large enough for a model estimate."""
        return n_people >= self.min_people

    def shown_interviews(self, n_shown: int) -> int | None:
        """The number of interviews that may be told, from a perturbed count; None where there are too few."""
        return n_shown if n_shown >= self.min_interviews else None


def rounded_count(n: int) -> int:
    """A total to two digits, and to tens at least: beside perturbed counts an exact one would tell their noise."""
    unit: int = max(10, 10 ** (len(str(n)) - 2))
    return unit * round(n / unit)


def perturb_counts(
    counts: pl.DataFrame, *, by: Sequence[str], survey: str, question: str | None = None, key: bytes
) -> pl.DataFrame:
    """Perturb the counts of cells, once and for all.

    Parameters
    ----------
    counts
        One row per cell: the ``by`` columns, ``n`` interviews and, where answers are counted, ``y`` with the first
        option; 0 <= y <= n. Rows with the same cell are counted together first.
    by
        The columns that identify a cell, in any order.
    survey
        Whose interviews these are. Another survey has other noise.
    question
        What was answered; only for ``y``.
    key
        The installation's disclosure key.

    Returns
    -------
    polars.DataFrame
        The ``by`` columns and ``n`` (and ``y``), perturbed, with 0 <= y <= n; one row per cell that was interviewed,
        sorted, also where the count shown is 0. Not to be served cell by cell: group it first.
    """
    answers = ["y"] if "y" in counts.columns else []
    cells = counts.group_by(list(by)).agg(pl.col("n", *answers).cast(pl.Int64).sum()).sort(list(by))
    names = sorted(by)
    labels = [list(zip(names, row, strict=True)) for row in cells.select(names).iter_rows()]
    of_n = _noise(key, [("n", survey, n, label) for n, label in zip(cells["n"], labels, strict=True)])
    n = pl.col("n")
    shown = pl.when(n == 0).then(0).otherwise(n + of_n)
    if not answers:
        return cells.with_columns(n=shown)
    told = zip(cells["n"], cells["y"], labels, strict=True)
    of_y = _noise(key, [("y", survey, question, *one) for one in told])
    y = pl.col("y")
    # A share can neither leave [0, 1] nor contradict its counts, and stays unbiased: the noise that goes has mean 0.
    shown_y = (
        pl.when(y == 0).then(0).when(y == n).then(shown).when((y == n - 1) & (of_n == -1)).then(y).otherwise(y + of_y)
    )
    return cells.with_columns(n=shown, y=shown_y)


def group_counts(perturbed: pl.DataFrame, *, by: Sequence[str], rules: DisclosureRules) -> pl.DataFrame:
    """Counts of groups, as they may be told.

    Parameters
    ----------
    perturbed
        What ``perturb_counts`` made.
    by
        Columns that identify a group; empty: everybody.
    rules
        The thresholds.

    Returns
    -------
    polars.DataFrame
        The ``by`` columns, ``n`` and, if it is there, ``y``: sums over cells, null below ``min_interviews``.
    """
    numbers = [name for name in ("n", "y") if name in perturbed.columns]
    sums = [pl.col(name).sum() for name in numbers]
    groups = perturbed.group_by(list(by)).agg(sums).sort(list(by)) if by else perturbed.select(sums)
    enough = pl.col("n") >= rules.min_interviews
    return groups.with_columns(pl.when(enough).then(pl.col(name)).alias(name) for name in numbers)


def _noise(key: bytes, names: Sequence[object]) -> pl.Series:
    """-1, 0 or 1 for each name."""
    digests = (hmac.digest(key, json.dumps(name).encode(), "sha256") for name in names)
    return pl.Series([int.from_bytes(digest[:8]) % 3 - 1 for digest in digests], dtype=pl.Int64)
