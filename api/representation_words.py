"""A representation report for laypeople: whom the sample lacks, what the model does about it, where to be careful."""

from collections.abc import Callable, Sequence
from functools import partial

from api.representation_payloads import ColumnAccuracy, LevelBalance, WidthSpread
from api.sample_balance import Balance
from polling.disclosure import DisclosureRules

__all__ = ["sentences_of"]

MOST_NAMED = 3
"""Groups that a sentence names."""
NOTABLY_WIDE = 1.5


def sentences_of(
    balance: Balance,
    levels: Sequence[LevelBalance],
    *,
    rules: DisclosureRules,
    spread: WidthSpread | None = None,
    accuracy: Sequence[ColumnAccuracy] = (),
    interval: float = 0.9,
    is_of_means: bool = False,
    unit: str = "",
) -> list[str]:
    """Four to eight sentences.

    Parameters
    ----------
    levels
        With the widths of their intervals, where there are draws.
    spread
        Of districts.
    accuracy
        Where it is known what happened.
    is_of_means, unit
        Whether the widths are those of means, and what they are counted in, where that has a name.
    """
    sample, demographics = balance.sample, [one for one in levels if one.area == "all"]
    said = []
    if sample.n_interviews is None:
        said.append(
            f"Fewer than {rules.min_interviews} interviews are shown, so that nothing is told of who they are: the "
            "estimates rest on little but the model."
        )
    else:
        said.append(_who(demographics))
        said += _areas(levels)
        said += _missing(balance)
        if sample.design_effect is not None and sample.converged:
            said.append(
                f"Weighting the {sample.n_interviews:,} interviews to the population leaves the precision of about "
                f"{sample.n_effective:,.0f} (design effect {sample.design_effect:g})."
            )
        elif sample.design_effect is not None:
            said.append(
                "No weights give the sample the make-up of the population, so that weighted figures remain off; the "
                "estimates do not need such weights."
            )
    said.append(
        "The model estimates the opinion of every kind of person in every district and counts each as often as it "
        "lives there: too many or too few interviews of a group change how sure an estimate is, not what the group "
        "weighs."
    )
    said += _accuracy(levels, accuracy, interval) or _widths(
        demographics, spread, interval, partial(_half, is_of_means, unit)
    )
    said.append(
        "It cannot know whether people of a kind who answer polls think like those of the same kind who do not: be "
        "careful where few were interviewed."
    )
    return said


def _who(levels: Sequence[LevelBalance]) -> str:
    over, under = (_furthest(levels, standing) for standing in ("over", "under"))
    if not over and not under:
        return "Among the demographics that can be compared, the sample looks like the population."
    parts = []
    if over:
        parts.append(f"too many of {'; '.join(map(_compared, over))}")
    if under:
        parts.append(f"too few of {'; '.join(map(_compared, under))}")
    return f"The sample has {', and '.join(parts)}."


def _furthest(levels: Sequence[LevelBalance], standing: str) -> list[LevelBalance]:
    found = [one for one in levels if one.standing == standing]
    return sorted(found, key=lambda one: -abs(one.difference or 0.0))[:MOST_NAMED]


def _compared(one: LevelBalance) -> str:
    return f"{one.column} {one.level} ({one.sample_share or 0.0:.0%} against {one.frame_share:.0%} of the people)"


def _areas(levels: Sequence[LevelBalance]) -> list[str]:
    empty = sorted((one for one in levels if one.standing == "nobody"), key=lambda one: -one.n_people)
    if not empty:
        return []
    named = ", ".join(one.area_name for one in empty[:MOST_NAMED])
    rest = f" and {len(empty) - MOST_NAMED:,} more areas" if len(empty) > MOST_NAMED else ""
    return [f"Nobody was interviewed in {named}{rest}: what is said of them comes from places and people like them."]


def _missing(balance: Balance) -> list[str]:
    parts = []
    if balance.missing.groups:
        named = ", ".join("/".join(one.groups.values()) for one in balance.missing.groups[:MOST_NAMED])
        parts.append(f"few or none were interviewed of sizeable groups such as {named}")
    share = balance.missing.share_in_cells_without
    if share is not None and share >= 0.01:
        parts.append(
            f"about {share:.0%} of the people are of a kind (district and demographics together) of which the sample "
            "shows nobody"
        )
    said = "; ".join(parts)
    return [f"{said[0].upper()}{said[1:]}."] if said else []


def _accuracy(levels: Sequence[LevelBalance], accuracy: Sequence[ColumnAccuracy], interval: float) -> list[str]:
    """How right it was, where most levels are compared."""
    if not accuracy:
        return []
    one = max(accuracy, key=lambda each: each.n_levels)
    compared = [level for level in levels if level.column == one.column and level.error is not None]
    worst = max(compared, key=lambda level: abs(level.error or 0.0))
    name = worst.level if worst.area == "all" else worst.area_name
    held = round(one.coverage * one.n_levels)
    said = (
        f"What happened on {one.refers_to} is known for {one.n_levels:,} levels of {one.column}: estimates were off by "
        f"{100 * one.mean_absolute_error:.1f} points on average, and {held:,} of {one.n_levels:,} intervals held it, "
        f"where about {interval:.0%} should; furthest off was {name}, by {abs(100 * (worst.error or 0.0)):.1f} points."
    )
    return [said]


def _half(is_of_means: bool, unit: str, width: float) -> str:
    """Half of an interval, in points or in the unit of means."""
    return f"±{width / 2:,.3g} {unit}".rstrip() if is_of_means else f"±{50 * width:.1f} points"


def _widths(
    levels: Sequence[LevelBalance], spread: WidthSpread | None, interval: float, half: Callable[[float], str]
) -> list[str]:
    told = [one for one in levels if one.width is not None]
    said = []
    if told:
        widest = max(told, key=lambda one: one.width or 0.0)
        ratio = widest.width_ratio or 1.0
        margin = half(widest.width or 0.0)
        if ratio >= NOTABLY_WIDE:
            said.append(
                f"Among demographics, estimates are least sure for {widest.column} {widest.level}: {margin}, "
                f"{ratio:.1f} times as wide as for the surest."
            )
        else:
            said.append(
                f"Estimates are about equally sure for all demographics, the widest {margin} ({interval:.0%} interval)."
            )
    if spread is not None:
        said.append(
            f"Half of the districts have an interval of {half(spread.median)} or less, the widest "
            f"{half(spread.widest)}."
        )
    return said
