"""A planted population, rebuilt from its margins alone: what estimates lose, and what tells so."""

import numpy as np
import polars as pl
import pytest

from mrp.frames import check_association, rake_cells, seed_cells

LEVELS = {"district": tuple("ABCDEF"), "age": ("18-44", "45-64", "65+"), "degree": ("no", "yes")}
MARGINS = ("district age", "district degree")


def population(*, association: float, seed: int) -> pl.DataFrame:
    """Districts that differ in age and degree; the log odds of a degree fall by ``association`` with each age."""
    rng = np.random.default_rng(seed)
    rows = []
    for district in LEVELS["district"]:
        ages, level = rng.dirichlet([8, 8, 6]), rng.normal(-0.3, 0.5)
        for a, age in enumerate(LEVELS["age"]):
            degree = 1 / (1 + np.exp(association * (a - 1) - level))
            rows += [(district, age, "no", ages[a] * (1 - degree)), (district, age, "yes", ages[a] * degree)]
    cells = pl.DataFrame(rows, schema=[*LEVELS, "n_people"], orient="row")
    return cells.with_columns(pl.col("n_people") * 10_000).sort(*LEVELS)


def margins(cells: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {name: cells.group_by(name.split()).agg(pl.col("n_people").sum()) for name in MARGINS}


def opinion(cells: pl.DataFrame) -> np.ndarray:
    """Old people without a degree think otherwise than age and degree by themselves would make them."""
    old, no = (cells["age"] == "65+").to_numpy(), (cells["degree"] == "no").to_numpy()
    return 0.3 + 0.1 * old + 0.1 * no + 0.4 * (old & no)


def estimate(cells: pl.DataFrame) -> np.ndarray:
    """Of every district."""
    yes = cells.with_columns(yes=pl.col("n_people") * pl.Series(opinion(cells)))
    areas = yes.group_by("district").agg(pl.col("yes", "n_people").sum()).sort("district")
    return (areas["yes"] / areas["n_people"]).to_numpy()


def ask(cells: pl.DataFrame, n: int, *, seed: int) -> pl.DataFrame:
    """How many interviews have each age and degree."""
    people = cells["n_people"].to_numpy()
    drawn = np.random.default_rng(seed).multinomial(n, people / people.sum())
    return cells.with_columns(n_people=pl.Series(drawn)).group_by("age", "degree").agg(pl.col("n_people").sum())


def test_where_age_and_degree_are_independent_margins_alone_are_enough():
    truth = population(association=0.0, seed=1)
    rebuilt = rake_cells(seed_cells(LEVELS), margins(truth), rounding=0).built
    assert estimate(rebuilt.cells) == pytest.approx(estimate(truth), abs=1e-6)
    assert any("age and degree together" in said for said in rebuilt.assumptions)
    # Districts differ in age and degree, so that the two go together in the nation, as the frame knows.
    assert check_association(rebuilt.cells, ask(truth, 2000, seed=2)).warning is None


def test_where_they_go_together_the_check_warns_and_bounds_the_error():
    truth = population(association=1.2, seed=1)
    rebuilt = rake_cells(seed_cells(LEVELS), margins(truth), rounding=0).built
    off = np.abs(estimate(rebuilt.cells) - estimate(truth))
    assert off.mean() > 0.02
    found = check_association(rebuilt.cells, ask(truth, 2000, seed=2))
    assert found.warning is not None
    whole = check_association(rebuilt.cells, truth.group_by("age", "degree").agg(pl.col("n_people").sum()))
    people = truth["n_people"].to_numpy()
    nation = abs((opinion(truth) * (rebuilt.cells["n_people"].to_numpy() - people)).sum()) / people.sum()
    # Opinion ranges from 0.3 to 0.9 between cells.
    assert nation <= whole.misplaced * 0.6
    # Of 2,000 interviews in 6 cells, misplaced is known to about 0.4 * sqrt(6 / 2000).
    assert found.misplaced == pytest.approx(whole.misplaced, abs=0.03)


def test_with_the_association_of_interviews_as_seed_the_error_is_gone():
    truth = population(association=1.2, seed=1)
    exact = truth.filter(pl.col("district") == "A").group_by("age", "degree").agg(pl.col("n_people").sum())
    rebuilt = rake_cells(seed_cells(LEVELS, exact), margins(truth), rounding=0).built.cells
    # One district's odds ratios are all districts'.
    assert estimate(rebuilt) == pytest.approx(estimate(truth), abs=1e-6)
    sampled = rake_cells(seed_cells(LEVELS, ask(truth, 2000, seed=3)), margins(truth), rounding=0).built.cells
    plain = rake_cells(seed_cells(LEVELS), margins(truth), rounding=0).built.cells
    off, off_plain = (np.abs(estimate(cells) - estimate(truth)).mean() for cells in (sampled, plain))
    assert off < off_plain / 4


def test_a_margin_that_is_a_sample_gives_what_is_missing():
    truth = population(association=1.2, seed=1)
    sample = {"interviews": ask(truth, 2000, seed=3)}
    rebuilt = rake_cells(seed_cells(LEVELS), margins(truth) | sample, proportions=["interviews"], rounding=0).built
    plain = rake_cells(seed_cells(LEVELS), margins(truth), rounding=0).built.cells
    off, off_plain = (np.abs(estimate(cells) - estimate(truth)).mean() for cells in (rebuilt.cells, plain))
    assert off < off_plain / 4
