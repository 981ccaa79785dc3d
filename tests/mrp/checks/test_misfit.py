"""Many comparisons judged at once: what parts explain, how often chance calls a right model wrong, power."""

import math

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binom, chi2, norm

from mrp.checks.margins import Margin, margins_of
from mrp.checks.misfit import FALSE_ALARM, judge_margins
from mrp.checks.predictive import GroupCheck, MarginCheck, posterior_predictive
from mrp.design import build_design
from mrp.latents import LatentDraws
from tests.mrp.checks.worlds import PERIODS, POLLSTERS, WORLD

DESIGN = build_design("sex", WORLD)


def margin(
    columns: tuple[str, ...], groups: list[tuple[tuple[str, ...], float, float]], *, n: int = 400
) -> MarginCheck:
    """Groups with a difference and a standard deviation, around one half."""
    return MarginCheck(
        Margin(columns),
        tuple(
            GroupCheck(levels, n, 0.5 + d, 0.5, sd, 0.5 - 1.6 * sd, 0.5 + 1.6 * sd, d / sd, norm.cdf(d / sd), 0.0)
            for levels, d, sd in groups
        ),
    )


def test_one_group_that_is_off_by_hand():
    check = margin(
        ("pollster",), [(("A",), -0.08, 0.02), (("B",), 0.0, 0.02), (("C",), 0.0, 0.02), (("D",), 0.0, 0.02)]
    )

    (found,) = judge_margins([check], DESIGN)

    # The mean of -0.02 is everybody's; the rest of A, -0.06, has the standard deviation 0.02 sqrt(3/4).
    z = -0.06 / (0.02 * math.sqrt(0.75))
    (worst,) = found.worst
    assert worst.group.levels == ("A",)
    assert_allclose([worst.difference, worst.z, worst.sd], [-0.06, z, 0.02 * math.sqrt(0.75)])
    assert_allclose(math.exp(worst.log_chance), 2 * norm.cdf(z) * 4 * 2)  # two-sided, four groups, two tests
    squares = (0.06**2 + 3 * 0.02**2) / 0.02**2
    assert_allclose(math.exp(found.log_chance_spread), chi2.sf(squares, 3))
    assert found.is_misfit


def test_an_additive_misfit_of_two_columns_is_none_of_the_pair():
    rows = {"a": -0.1, "b": 0.0, "c": 0.2}
    columns = {"x": 0.05, "y": -0.05}
    groups = [((r, c), rows[r] + columns[c], 0.01) for r in rows for c in columns]

    (found,) = judge_margins([margin(("one", "two"), groups)], DESIGN)

    assert (found.is_misfit, found.worst) == (False, ())
    assert_allclose(found.log_chance_spread, 0.0, atol=1e-9)


def test_an_interaction_is_found_whatever_the_columns_do_by_themselves():
    signs = {("a", "x"): 1, ("a", "y"): -1, ("b", "x"): -1, ("b", "y"): 1}
    groups = [(levels, 0.3 * (levels[0] == "a") + 0.05 * sign, 0.01) for levels, sign in signs.items()]

    (found,) = judge_margins([margin(("one", "two"), groups)], DESIGN)

    assert found.is_misfit
    assert_allclose(sorted(one.difference for one in found.worst), [-0.05, -0.05, 0.05, 0.05])


def test_what_is_certain_and_too_small_to_matter_is_no_misfit():
    groups = [(("A",), 0.008, 0.0005), (("B",), -0.008, 0.0005)]

    (found,) = judge_margins([margin(("pollster",), groups, n=10**6)], DESIGN)

    assert found.log_chance < math.log(1e-9)
    assert not found.is_misfit


def test_groups_with_few_interviews_are_not_looked_at():
    check = margin(("pollster",), [(("A",), -0.5, 0.05), (("B",), 0.5, 0.05)], n=29)

    assert judge_margins([check], DESIGN) == ()


def test_a_margin_with_a_term_of_its_own_needs_more_to_be_a_misfit():
    checks = [margin((name,), [(("A",), -0.05, 0.02), (("B",), 0.05, 0.02)]) for name in ("sex", "pollster")]

    modelled, other = judge_margins(checks, DESIGN)

    assert_allclose(modelled.log_chance - other.log_chance, math.log(10))


@pytest.mark.parametrize("n", [40, 400])
def test_a_right_model_is_called_wrong_no_more_often_than_stated(n: int):
    # The truth is one of the draws and was not fitted: p values have no reason to be conservative.
    design = build_design("sex + (1|district) + (1|age)", WORLD)
    rng = np.random.default_rng(n)
    draws = np.array([-1.5, *[0.0] * (design.n_latents - 1)]) + rng.normal(0, 0.1, (200, design.n_latents))
    latents = LatentDraws(draws.astype(np.float32), design.latent_names)
    cells = WORLD.frame.drop("n_people")
    rows = design.rows(cells)
    n_surveys, alarms = 60, 0
    for survey in range(n_surveys):
        truth = latents.draws[survey].astype(float)
        eta = truth[0] + rows.x @ truth[1:2] + truth[rows.index].sum(axis=1)
        asked = rng.integers(0, cells.height, n)
        counts = cells[asked].with_columns(
            n=pl.lit(1),
            y=pl.Series((rng.random(n) < 1 / (1 + np.exp(-eta[asked]))).astype(int)),
            pollster=pl.Series(rng.choice(POLLSTERS, n)),
            period=pl.Series(rng.choice(PERIODS, n)),
        )
        found = posterior_predictive(latents, design, WORLD, counts, margins_of(WORLD, counts))
        alarms += any(one.is_misfit for one in judge_margins(found, design))

    assert alarms <= binom.ppf(0.999, n_surveys, FALSE_ALARM)


def test_the_order_of_the_groups_does_not_matter():
    groups = [((f"{i}",), d, 0.02) for i, d in enumerate((0.1, -0.03, 0.0, 0.05))]

    one, other = (judge_margins([margin(("pollster",), order)], DESIGN)[0] for order in (groups, groups[::-1]))

    assert_allclose(one.log_chance, other.log_chance)
    assert [w.group.levels for w in one.worst] == [w.group.levels for w in other.worst]
