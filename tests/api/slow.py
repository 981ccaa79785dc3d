"""Slow, obvious references: shares of the world's first question from its draws, cell by cell and draw by draw."""

from typing import Any

import numpy as np
from numpy.testing import assert_allclose

from tests.api.world import DISTRICTS, REGIONS, World, frame_table

__all__ = [
    "areas_of",
    "check_data_share",
    "check_ends",
    "slow_mean",
    "slow_people",
    "slow_probability",
    "slow_quantile",
    "slow_ranks",
    "slow_shares",
]


def slow_shares(
    world: World,
    wanted: dict[str, str | tuple[str, ...]],
    draws: np.ndarray | None = None,
    *,
    period: str | None = None,
) -> np.ndarray:
    """Draws of the share in the cells that have these labels, by loops: the definition."""
    names = list(world.fit.design.latent_names)
    draws = (world.fit.draws if draws is None else draws).astype(float)
    people = total = 0.0
    for district, gender, age, n in frame_table().iter_rows():
        if not _is_in(district, gender, age, wanted):
            continue
        eta = draws[:, 0] + (-0.5 if gender == "woman" else 0.5) * draws[:, 1]
        eta = eta + draws[:, names.index(f"(1|district)[{district}]")]
        if period is not None:
            eta = eta + draws[:, names.index(f"(1|period)[{period}]")]
        total = total + n / (1 + np.exp(-eta))
        people += n
    return np.asarray(total / people)


def slow_people(wanted: dict[str, str | tuple[str, ...]]) -> float:
    """People in those cells."""
    return float(sum(row[3] for row in frame_table().iter_rows() if _is_in(*row[:3], wanted)))


def areas_of(level: str) -> list[dict[str, str]]:
    """The areas of a level, as labels of cells."""
    return {
        "nation": [{}],
        "region": [{"region": region} for region in sorted(set(REGIONS.values()))],
        "district": [{"district": district} for district in DISTRICTS],
    }[level]


def slow_mean(values: np.ndarray) -> float:
    """Sum over draws, divided by their number."""
    total = 0.0
    for value in values:
        total += float(value)
    return total / len(values)


def check_data_share(row: dict[str, Any], draws: np.ndarray) -> None:
    """What a row says of how much is data: interviews that the draws are worth, and how that compares with its own."""
    mean = slow_mean(draws)
    worth = mean * (1 - mean) / slow_mean((draws - mean) ** 2)
    assert_allclose(row["n_equivalent"], worth, rtol=1e-4)
    assert row["n_equivalent_mc_error"] > 0
    if row["n_interviews"] is not None:
        n = row["n_effective"]
        assert_allclose(row["pooling"], min(1, max(0, 1 - n / worth)), rtol=1e-3, atol=1e-6)
        assert_allclose(row["pooling_mc_error"], n * row["n_equivalent_mc_error"] / worth**2, rtol=1e-3)
    elif row["flags"] == ["no-interviews"]:
        assert (row["n_effective"], row["pooling"], row["pooling_mc_error"]) == (0, 1, 0)
    else:
        assert row["flags"] == ["few-interviews"]
        assert (row["n_effective"], row["pooling"], row["pooling_mc_error"]) == (None, None, None)


def check_ends(row: dict[str, Any], draws: np.ndarray, *intervals: float, name: str = "") -> None:
    """The central intervals of a number, ``name`` before its fields: the first as low and high, all as a list."""
    told = row[f"{name}intervals"]
    assert [one["interval"] for one in told] == list(intervals)
    assert (row[f"{name}low"], row[f"{name}high"]) == (told[0]["low"], told[0]["high"])
    for one in told:
        ends = [slow_quantile(draws, (1 - one["interval"]) / 2), slow_quantile(draws, (1 + one["interval"]) / 2)]
        assert_allclose([one["low"], one["high"]], ends, rtol=1e-5, atol=1e-6)


def slow_probability(values: np.ndarray, threshold: float) -> float:
    """Draws above the threshold, those on it by half, divided by their number."""
    return slow_mean(np.array([1.0 if value > threshold else 0.5 if value == threshold else 0.0 for value in values]))


def slow_quantile(values: np.ndarray, p: float) -> float:
    """Between the two draws at whose place it is, in proportion."""
    ordered = sorted(map(float, values))
    place = p * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def slow_ranks(shares: list[np.ndarray]) -> list[np.ndarray]:
    """Rank of each in every draw: one more than there are above it."""
    return [
        np.array([1 + sum(other[s] > own[s] for other in shares) for s in range(len(own))], dtype=float)
        for own in shares
    ]


def _is_in(district: str, gender: str, age: str, wanted: dict[str, str | tuple[str, ...]]) -> bool:
    cell = {"district": district, "gender": gender, "age": age, "region": REGIONS[district]}
    return all(cell[name] in ((levels,) if isinstance(levels, str) else levels) for name, levels in wanted.items())
