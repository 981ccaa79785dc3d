"""Plant a truth, interview some people, and see whether the intervals know how far off they are."""

import numpy as np
import pytest

from mrp import Priors, area_draws, build_design, collapse, from_datatree, judge_nuts, sample_nuts
from mrp.baselines import raw_by_district
from mrp.electorate import Electorate
from mrp.poststratification import AreaDraws, poststratify
from tests.mrp.worlds import Opinion, electorate, interview, plant
from tests.recovery.calibration import assert_coverage


def fit(world: Electorate, formula: str, opinion: Opinion, *, n: int, seed: int, by: tuple[str, ...]) -> AreaDraws:
    design = build_design(formula, world)
    interviews = interview(world, opinion, n=n, seed=seed)
    counts = collapse(interviews, by=world.cell_columns, answer="answer", option="yes")
    tree = sample_nuts(design, counts, Priors(), seed=seed)
    assert judge_nuts(tree).problems == ()
    return area_draws(from_datatree(tree, design), design, world, by=by)


def true_shares(world: Electorate, opinion: Opinion, by: tuple[str, ...]) -> np.ndarray:
    return poststratify(opinion.cell_share[None, :], world.frame, by=by).draws[0]


@pytest.mark.timeout(600)
def test_districts_of_one_survey_are_covered_as_often_as_stated_and_beat_the_raw_shares():
    world = electorate(n_districts=60, seed=11)
    formula = "lean + sex + (1|district) + (1|age) + (1|region)"
    opinion = plant(build_design(formula, world), world.frame, seed=12, sd=0.5)
    estimate = fit(world, formula, opinion, n=1800, seed=13, by=("district",))
    truth = true_shares(world, opinion, ("district",))

    assert_coverage(estimate.draws, truth)
    interviews = interview(world, opinion, n=1800, seed=13)
    raw = raw_by_district(collapse(interviews, by=("district",), answer="answer", option="yes"), world)
    assert raw.codes == world.codes
    model_error = np.sqrt(np.mean((estimate.draws.mean(axis=0) - truth) ** 2))
    assert model_error < 0.8 * np.sqrt(np.mean((raw.share - truth) ** 2))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_one_group_per_survey_is_covered_as_often_as_stated_when_truths_come_from_the_prior():
    """Simulation-based calibration: sds, coefficients and effects are drawn from the priors, one area per survey."""
    world = electorate(n_districts=8, seed=21)
    formula = "lean + sex + (1|district) + (1|age) + (1|sex:age)"
    design = build_design(formula, world)
    truths, columns = [], []
    for survey in range(30):
        rng = np.random.default_rng([22, survey])
        latents = np.concatenate(
            [
                [rng.normal(0, 1.5)],
                rng.normal(0, 1, len(design.coefficient_names)),
                *(abs(rng.normal(0, 0.5)) * rng.standard_normal(effect.size) for effect in design.effects),
            ]
        )
        rows = design.rows(world.frame)
        eta = latents[0] + rows.x @ latents[1 : 1 + rows.x.shape[1]] + latents[rows.index].sum(axis=1)
        opinion = Opinion(latents, 1 / (1 + np.exp(-eta)))
        estimate = fit(world, formula, opinion, n=300, seed=survey, by=("district", "sex"))
        area = survey % estimate.areas.height
        columns.append(estimate.draws[:4000, area])
        truths.append(true_shares(world, opinion, ("district", "sex"))[area])

    assert_coverage(np.column_stack(columns), np.array(truths), interval=0.8)
    assert_coverage(np.column_stack(columns), np.array(truths), interval=0.5)


def test_the_check_of_coverage_can_fail():
    rng = np.random.default_rng(31)
    truth = rng.random(200)
    draws = truth + rng.normal(0, 0.1, 200) + rng.normal(0, 0.1, (1000, 200))

    assert_coverage(draws, truth)
    for wrong in (0.5, 2.0):  # half and twice as wide as they should be
        with pytest.raises(AssertionError, match="intervals covered"):
            assert_coverage(draws.mean(axis=0) + wrong * (draws - draws.mean(axis=0)), truth)
