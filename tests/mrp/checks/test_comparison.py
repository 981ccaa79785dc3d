"""Candidate models side by side: the right one is ahead by every number, the first is the zero."""

from numpy.testing import assert_allclose

from mrp.checks.comparison import compare_models
from tests.mrp.checks.worlds import RIGHT, WORLD, counts_of, fit, interviews

RICHER = f"{RIGHT} + (1|sex:age)"


def test_the_model_with_the_planted_interaction_is_ahead_and_the_others_are_said_to_lack_it():
    counts = counts_of(interviews(seed=5, interaction=0.5))
    fits = {formula: fit(formula, counts)[:2] for formula in (RIGHT, RICHER, "sex")}

    first, richer, poorer = compare_models(fits, WORLD, counts)

    assert (first.formula, first.difference, first.se, first.nation_shift, first.district_shift) == (RIGHT, 0, 0, 0, 0)
    assert richer.difference > 3 * richer.se
    assert poorer.difference < -2 * poorer.se
    assert (first.misfits, richer.misfits) == (("sex and age",), ())
    assert {"district", "age"} <= set(poorer.misfits)
    crps = {one.formula: {score.level: score.crps for score in one.scores} for one in (first, richer, poorer)}
    assert crps[RIGHT]["district"] < crps["sex"]["district"]
    assert abs(poorer.district_shift) > 0.05
    assert_allclose(richer.nation_shift, 0, atol=0.02)
    assert poorer.district in WORLD.codes
