"""What may leave: perturbed counts, and the smallest groups that are answered.

Exact counts of interviews can be subtracted from each other until one person is left. Every count of a cell
therefore gets noise of -1, 0 or +1 with probability 1/3 each,

    shown = count + noise,   noise = HMAC-SHA256(key, survey, cell, count) mod 3 - 1,   0 stays 0,

which is unbiased, cannot make a count negative, and follows from the cell and its count alone. It is the same in every
query, for every question and, as long as nobody is added to the cell, in every release: noise of its own for each
would be gone from the mean of many. Counts of groups are sums of shown counts, never noisy sums: parts always add up to
the whole, and the difference of two groups has the noise of the cells between them. The variance of a group's count is
2/3 times the number of its occupied cells. Thresholds apply to shown counts, because an exact threshold is a count too.

How many of a cell gave the first answer gets noise of its own by question, whatever the counts are: a cell may show
fewer than none or more than all, and only shares of groups are cut to [0, 1]. It is two-sided geometric,

    P(noise = k) = (1 - r) / (1 + r) r^|k|,   r = 1/3,   variance 2 r / (1 - r)^2 = 3/2,

so that one answer more or less makes anything that is told at most three times as probable: whoever knows that a
person is alone in a cell, and gets its number by subtraction, still knows the answer no better than three to one.

Of several options each has noise of its own. Whoever answers otherwise is one less in one number and one more in
another, so that each may tell the square root of that: r = 1 / sqrt(3), variance 2 r / (1 - r)^2 = 6.46.

References
----------
Thompson, Broadfoot and Elazar (2013), "Methodology for the automatic confidentialisation of statistical outputs from
remote servers at the Australian Bureau of Statistics", UNECE work session on statistical data confidentiality: noise
that follows from who is counted, so that neither repetition nor another way to the same count averages it out.
Ghosh, Roughgarden and Sundararajan (2012), "Universally utility-maximizing privacy mechanisms", SIAM Journal on
Computing 41(6), 1673-1693: the geometric mechanism.
"""

import hmac
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

__all__ = [
    "ANSWER_NOISE_VARIANCE",
    "COUNT_NOISE_VARIANCE",
    "OPTION_NOISE_VARIANCE",
    "DisclosureRules",
    "count_in_words",
    "group_counts",
    "perturb_counts",
    "rounded_count",
    "wide_noise",
]

COUNT_NOISE_VARIANCE: Final = 2 / 3
"""Of the interviews of each occupied cell."""
MOST_TELLING: Final = 3
"""How many times as probable one person's answer may make what is told."""
ANSWER_NOISE_VARIANCE: Final = 2 * MOST_TELLING / (MOST_TELLING - 1) ** 2
"""Of the first answers of each occupied cell."""
OPTION_NOISE_VARIANCE: Final = 2 * math.sqrt(MOST_TELLING) / (math.sqrt(MOST_TELLING) - 1) ** 2
"""Of the answers of each of several options in each occupied cell."""


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


def count_in_words(n: int, *, least: int = 10) -> str:
    """A total as it is told: "about 1,200", and of fewer than ``least`` "fewer than 10"."""
    return f"about {rounded_count(n):,}" if n >= least else f"fewer than {least}"


def perturb_counts(
    counts: pl.DataFrame, *, by: Sequence[str], survey: str, question: str | None = None, key: bytes
) -> pl.DataFrame:
    """Perturb the counts of cells, once and for all.

    Parameters
    ----------
    counts
        One row per cell: the ``by`` columns, ``n`` interviews and, where answers are counted, ``y`` with the first
        option, or ``y[...]`` with each; 0 <= y <= n. Rows with the same cell are counted together first.
    by
        The columns that identify a cell, in any order.
    survey
        Whose interviews these are. Another survey has other noise.
    question
        What was answered; only for answers.
    key
        The installation's disclosure key.

    Returns
    -------
    polars.DataFrame
        The ``by`` columns and ``n`` >= 0 (and answers, which may be below 0 or above ``n``), perturbed; one row per
        cell that was interviewed, sorted, also where the count shown is 0. Not to be served cell by cell: group it
        first. Of ``y[...]`` the noise is wider: whoever answers otherwise is in two of them.
    """
    answers = _answers(counts)
    most_telling = MOST_TELLING if answers == ["y"] else math.sqrt(MOST_TELLING)
    cells = counts.group_by(list(by)).agg(pl.col("n", *answers).cast(pl.Int64).sum()).sort(list(by))
    names = sorted(by)
    labels = [list(zip(names, row, strict=True)) for row in cells.select(names).iter_rows()]
    of_n = _noise(key, [("n", survey, n, label) for n, label in zip(cells["n"], labels, strict=True)])
    n = pl.col("n")
    shown = pl.when(n == 0).then(0).otherwise(n + of_n)
    told = [shown.alias("n")]
    for name in answers:
        cell = zip(cells["n"], cells[name], labels, strict=True)
        of_y = wide_noise(key, [(name, survey, question, *one) for one in cell], most_telling)
        told.append(pl.when(n == 0).then(0).otherwise(pl.col(name) + of_y).alias(name))
    return cells.with_columns(told)


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
        The ``by`` columns, ``n`` and answers, if they are there: sums over cells, null below ``min_interviews``.
    """
    numbers = ["n", *_answers(perturbed)]
    sums = [pl.col(name).sum() for name in numbers]
    groups = perturbed.group_by(list(by)).agg(sums).sort(list(by)) if by else perturbed.select(sums)
    enough = pl.col("n") >= rules.min_interviews
    return groups.with_columns(pl.when(enough).then(pl.col(name)).alias(name) for name in numbers)


def _answers(counts: pl.DataFrame) -> list[str]:
    """Columns of what was answered, see ``mrp.outcomes``."""
    return [name for name in counts.columns if name == "y" or (name.startswith("y[") and name.endswith("]"))]


def _noise(key: bytes, names: Sequence[object]) -> pl.Series:
    """-1, 0 or 1 for each name."""
    digests = (hmac.digest(key, json.dumps(name).encode(), "sha256") for name in names)
    return pl.Series([int.from_bytes(digest[:8]) % 3 - 1 for digest in digests], dtype=pl.Int64)


def wide_noise(key: bytes, names: Sequence[object], most_telling: float) -> pl.Series:
    """Two-sided geometric noise for each name: the difference of two geometric numbers, P(k) = (1 - r) r^k."""
    digests = (hmac.digest(key, json.dumps(name).encode(), "sha256") for name in names)
    rate = math.log(most_telling)
    return pl.Series([_geometric(one[:8], rate) - _geometric(one[8:16], rate) for one in digests], dtype=pl.Int64)


def _geometric(uniform: bytes, rate: float) -> int:
    return int(-math.log((int.from_bytes(uniform) + 1) / 2**64) / rate)
