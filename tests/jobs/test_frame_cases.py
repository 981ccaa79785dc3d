"""The frame of a public case, known jointly, rebuilt from less: what estimates lose by it.

The tables lie where HUSTINGS_CASES points, or in ``../shared/data`` beside the project; see test_backtest_cases.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mrp import Electorate, Priors, frames
from mrp.grouping import Grouping
from mrp.outcomes import AnyDesign, BinaryOutcome, Fitted, draws_many
from polling.folder import load_survey_folder

PROJECT = Path(__file__).resolve().parents[2]
CASE = PROJECT / "tests" / "cases" / "cces2018"

pytestmark = [pytest.mark.cases, pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Known:
    """The case with its fit on the true frame."""

    electorate: Electorate
    interviews: pl.DataFrame
    fitted: Fitted
    design: AnyDesign

    def margin(self, *columns: str) -> pl.DataFrame:
        return self.electorate.frame.group_by(columns).agg(pl.col("n_people").sum())

    def states(self, cells: pl.DataFrame) -> np.ndarray:
        """Posterior means of the states, poststratified over other cells."""
        columns = list(self.electorate.cell_columns)
        whole = self.electorate.frame.select(columns).join(cells, on=columns, how="left")
        there = self.electorate.with_cells(whole.with_columns(pl.col("n_people").fill_null(0.0)))
        (drawn,) = draws_many(self.fitted.latents, self.design, there, [Grouping(by=("state",))])
        return drawn.draws[:, :, 0].mean(axis=0)

    def moved(self, cells: pl.DataFrame) -> np.ndarray:
        return np.abs(self.states(cells) - self.states(self.electorate.frame))


@pytest.fixture(scope="module")
def case() -> Known:
    tables = Path(os.environ.get("HUSTINGS_CASES", PROJECT.parent / "shared" / "data")) / "cces2018"
    if not tables.is_dir():
        message = f"no tables of cces2018 in {tables.parent}: set HUSTINGS_CASES"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    survey = load_survey_folder(CASE, data_dir=tables)
    demographics = {one.name: tuple(one.levels) for one in survey.declaration.demographics}
    ordered = frozenset({"age", "education"})
    electorate = Electorate(survey.frame, survey.districts, "state", demographics, ordered)
    interviews = pl.read_parquet(tables / "sample5000.parquet")
    outcome = BinaryOutcome(("Support", "Oppose"))
    design = outcome.build(survey.declaration.questions[0].model, electorate)
    counts = outcome.collapse(interviews, by=design.count_columns, answer="outcome")
    return Known(
        electorate, interviews, outcome.fit(design, electorate, counts, Priors(), engine="laplace", seed=1), design
    )


def test_the_margins_of_the_states_are_enough_and_those_of_the_nation_are_not(case: Known):
    world = case.electorate
    seed = frames.seed_cells({"state": world.codes, **world.demographics})
    of_states = {name: case.margin("state", name) for name in world.demographics}
    of_nation = {name: case.margin(name) for name in world.cell_columns}
    rebuilt, poorer = (frames.rake_cells(seed, margins).built.cells for margins in (of_states, of_nation))
    wrong = frames.check_association(rebuilt, case.margin(*world.demographics))
    # Many are in wrong cells, and estimates hardly move: a posterior sd is 0.04.
    assert wrong.misplaced == pytest.approx(0.124, abs=0.005)
    assert case.moved(rebuilt).max() < 0.002
    assert 0.005 < case.moved(poorer).mean() < 0.02


def test_education_by_a_model_of_an_opt_in_panel_needs_its_margins(case: Known):
    """The panel has too many graduates within its cells; the states' known margins put that right."""
    world = case.electorate
    rest = {name: levels for name, levels in world.demographics.items() if name != "education"}
    lacking = Electorate(case.margin("state", *rest), world.districts, "state", rest, frozenset({"age"}))
    fitted = frames.fit_variable(
        case.interviews,
        lacking,
        variable="education",
        levels=world.demographics["education"],
        formula="gender + (1|state) + (1|ethnicity) + (1|age)",
        seed=1,
    )
    plain = frames.modelled_joint(fitted, lacking, variable="education").cells
    known = {"education": case.margin("state", "education")}
    adjusted = frames.modelled_joint(fitted, lacking, variable="education", margins=known).cells
    assert case.moved(plain).mean() > 0.003
    assert case.moved(adjusted).mean() < 0.001
