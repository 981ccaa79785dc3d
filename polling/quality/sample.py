"""Flags of who was interviewed: weights, composition beside the frame, drift from earlier waves.

The distance of two compositions is the total variation, half the sum of the absolute differences of shares: the part of
the sample that would have to be somebody else. A sample of ``n`` interviews from shares ``f`` is at a distance of

    E = 1/2 sum_k sqrt(2/pi f[k] (1 - f[k]) deff / n)

by chance (means of absolute normal errors); of two samples, 1/n is 1/n1 + 1/n2. The value is the distance beyond E, and
0 where the chi-square over its design effect is within four standard deviations of its expectation, df.

References
----------
Kish (1965), Survey Sampling: the design effect of weights, n sum w^2 / (sum w)^2.
Rao and Scott (1981), "The analysis of categorical data from complex sample surveys", JASA 76(374): chi-square over the
design effect.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polling.declaration import SurveyDeclaration
from polling.quality.flag import LEAST_INTERVIEWS, Flag, flag

__all__ = ["composition_flags", "composition_of", "drift_flags", "weight_flags"]

type Composition = Mapping[str, Mapping[str, int]]


def weight_flags(interviews: pl.DataFrame, declaration: SurveyDeclaration) -> list[Flag]:
    """Flags of weights; none where the wave has none, or fewer than 50."""
    quality = declaration.quality
    weight = interviews["weight"].drop_nulls().to_numpy()
    if len(weight) < LEAST_INTERVIEWS:
        return []
    relative = weight / weight.mean()
    found = []
    if quality.weight_ratio is not None:
        largest = float(relative.max())
        words = f"The largest weight is {largest:.1f} times the mean, the limit is {quality.weight_ratio:g}."
        found.append(flag("weight_ratio", largest, quality.weight_ratio, words))
    if quality.design_effect is not None:
        effect = float((relative**2).mean())
        words = (
            f"The design effect of the weights is {effect:.2f}, the limit is {quality.design_effect:g}: "
            f"{len(weight):,} interviews are worth {len(weight) / effect:,.0f}."
        )
        found.append(flag("design_effect", effect, quality.design_effect, words))
    return found


def composition_of(interviews: pl.DataFrame, declaration: SurveyDeclaration) -> dict[str, dict[str, int]]:
    """Interviews per level, of the district and every demographic; blanks are left out."""
    names = declaration.cell_columns
    lazy = interviews.lazy()
    counted = pl.collect_all([lazy.group_by(pl.col(name).alias("level")).len().drop_nulls() for name in names])
    return {
        name: {str(level): int(n) for level, n in one.iter_rows()} for name, one in zip(names, counted, strict=True)
    }


def composition_flags(
    composition: Composition, frame: pl.DataFrame, declaration: SurveyDeclaration, *, design_effect: float = 1.0
) -> list[Flag]:
    """Flags of the distance between a sample and the population.

    Parameters
    ----------
    composition
        See ``composition_of``.
    frame
        The survey's cells with ``n_people``.
    design_effect
        Of the sample, 1 or more: what chance is multiplied by.
    """
    limit = declaration.quality.composition
    found: list[Flag] = []
    for name in declaration.cell_columns if limit is not None else ():
        people = frame.group_by(name).agg(pl.col("n_people").sum())
        expected = {str(level): float(n) for level, n in people.iter_rows()}
        one = _distance_flag("composition", name, composition[name], expected, None, limit or 0.0, design_effect)
        found += [] if one is None else [one]
    return found


def drift_flags(
    composition: Composition,
    earlier: Sequence[Composition],
    declaration: SurveyDeclaration,
    *,
    design_effect: float = 1.0,
) -> list[Flag]:
    """Flags of the distance between a sample and those that its pollster sent before, taken together."""
    limit = declaration.quality.drift
    found: list[Flag] = []
    for name in declaration.cell_columns if limit is not None else ():
        before: dict[str, float] = {}
        for one_wave in earlier:
            for level, n in one_wave.get(name, {}).items():
                before[level] = before.get(level, 0.0) + n
        if (n_before := sum(before.values())) >= LEAST_INTERVIEWS:
            one = _distance_flag("drift", name, composition[name], before, n_before, limit or 0.0, design_effect)
            found += [] if one is None else [one]
    return found


def _distance_flag(  # noqa: PLR0917
    kind: str,
    name: str,
    sample: Mapping[str, int],
    other: Mapping[str, float],
    n_other: float | None,
    limit: float,
    design_effect: float,
) -> Flag | None:
    levels = sorted({*sample, *(level for level, n in other.items() if n > 0)})
    n = sum(sample.values())
    if n < LEAST_INTERVIEWS or len(levels) < 2:
        return None
    mine = np.array([sample.get(level, 0) for level in levels]) / n
    theirs = np.array([other.get(level, 0.0) for level in levels])
    theirs /= theirs.sum()
    per_interview = design_effect * (1 / n + (0 if n_other is None else 1 / n_other))
    distance, by_chance = _distance(mine, theirs if n_other is None else None, theirs, per_interview)
    measured = distance - by_chance if _is_beyond_chance(mine, theirs, per_interview) else 0.0
    most = int(np.abs(mine - theirs).argmax())
    than = "the frame" if kind == "composition" else "the pollster's earlier waves"
    words = (
        f"By {name} the sample is {distance:.1%} away from {than}, {by_chance:.1%} of it by chance; most by "
        f"'{levels[most]}', {mine[most]:.1%} instead of {theirs[most]:.1%}. Beyond chance the limit is {limit:.1%}."
    )
    return flag(kind, max(0.0, measured), limit, words, about=name)


def _distance(
    mine: NDArray[np.float64], fixed: NDArray[np.float64] | None, theirs: NDArray[np.float64], per_interview: float
) -> tuple[float, float]:
    """Total variation, and its expectation under chance."""
    shares = theirs if fixed is not None else (mine + theirs) / 2
    expected = 0.5 * float(np.sqrt(2 / np.pi * shares * (1 - shares) * per_interview).sum())
    return 0.5 * float(np.abs(mine - theirs).sum()), min(expected, 1.0)


def _is_beyond_chance(mine: NDArray[np.float64], theirs: NDArray[np.float64], per_interview: float) -> bool:
    """Whether the chi-square is more than four standard deviations above its expectation; infinite where a level has
    nobody in the frame."""
    shares = np.maximum(theirs, 1e-9)
    statistic, df = float(((mine - theirs) ** 2 / shares).sum() / per_interview), len(mine) - 1
    return bool(statistic > df + 4 * (2 * df) ** 0.5)
