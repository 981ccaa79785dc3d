"""What the rest says of a pollster or a part of the country: planted biases are named, usual differences are not."""

import numpy as np
import polars as pl
import pytest

from mrp.checks.held_out import (
    area_concerns,
    area_held_out,
    largest_first,
    pollster_concerns,
    pollster_held_out,
    without,
)
from tests.mrp.checks.worlds import RIGHT, WORLD, counts_of, fit, fitted, interviews


def pollsters(*names: str, **planted: float):
    latents, design, counts = fitted(RIGHT, **planted)
    found = []
    for name in names:
        rest, own = without(counts, WORLD, "pollster", name)
        found += pollster_held_out((latents, design), fit(RIGHT, rest)[:2], WORLD, own, pollster=name, seed=1)
    return tuple(found)


def test_a_pollster_that_the_others_contradict_is_named_with_what_rests_on_it():
    blue, red = pollsters("Blue", "Red", bias=0.8)

    assert blue.total.observed < blue.total.expected - 0.1
    assert blue.shift < 0 < red.shift
    (concern,) = pollster_concerns((blue, red))
    assert (concern.columns, concern.levels) == (("pollster",), ("Blue",))
    assert "lower than those of the others say, and more than polls usually differ" in concern.sentence
    assert concern.size == pytest.approx(blue.total.observed - blue.total.expected, rel=0.22)


def test_pollsters_that_agree_are_no_concern_and_the_counts_are_divided():
    found = pollsters("Blue", "Red")

    assert pollster_concerns(found) == ()
    counts = fitted(RIGHT)[2]
    rest, own = without(counts, WORLD, "pollster", "Blue")
    assert rest["n"].sum() + own["n"].sum() == counts["n"].sum() == 3000
    assert found[0].n == own["n"].sum()


def test_an_area_that_is_another_country_is_named_and_the_others_are_not():
    rng = np.random.default_rng(3)
    table = interviews(seed=3)
    regions = dict(zip(WORLD.districts["code"], WORLD.districts["region"], strict=True))
    north = table["district"].replace_strict(regions) == "North"
    # Six in seven of the North say no whatever they said before.
    changed = pl.Series(north.to_numpy() & (rng.random(table.height) < 6 / 7))
    counts = counts_of(table.with_columns(answer=pl.when(changed).then(pl.lit("no")).otherwise("answer")))
    found = []
    for area in ("North", "South", "West"):
        rest, own = without(counts, WORLD, "region", area)
        found += area_held_out(fit(RIGHT, rest, {"(1|district)": "half_normal(0.2)"})[:2], WORLD, own, area=area)

    concerns = area_concerns(tuple(found), "region")

    assert concerns[0].levels == ("North",)
    assert "lower than the rest of the country predicts" in concerns[0].sentence
    assert "(1|region)" in concerns[0].advice


def test_areas_alike_are_no_concern():
    counts = fitted(RIGHT)[2]
    rest, own = without(counts, WORLD, "region", "South")

    (found,) = area_held_out(fit(RIGHT, rest)[:2], WORLD, own, area="South")

    assert area_concerns((found,), "region") == ()
    assert found.covered >= 0.5


def test_what_a_fit_does_not_know_is_left_out():
    formula = f"{RIGHT} + house(pollster)"
    counts = fitted(RIGHT)[2]
    rest, own = without(counts, WORLD, "region", "South")
    latents, design, _ = fit(formula, rest.filter(pl.col("pollster") != "Blue"))

    (found,) = area_held_out((latents, design), WORLD, own, area="South")

    assert found.group.n == own.filter(pl.col("pollster") != "Blue")["n"].sum()
    assert area_held_out((latents, design), WORLD, own.filter(pl.col("pollster") == "Blue"), area="South") == ()


def test_the_largest_come_first():
    counts = pl.DataFrame(
        {"district": ["D00", "D01", "D02"], "pollster": ["a", "b", "c"], "n": [5, 50, 10], "y": [0, 0, 0]}
    )

    assert largest_first(counts, WORLD, "pollster", least=10) == ("b", "c")
