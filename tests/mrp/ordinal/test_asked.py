"""What is asked of a fit of an ordered scale besides shares: does it describe the interviews, does a wave surprise?"""

from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from mrp import Priors
from mrp.chances import above
from mrp.checks.margins import margins_of
from mrp.checks.of_options import predictive_of_options
from mrp.errors import CountsError, DrawsError
from mrp.laplace.engine import LaplaceSettings
from mrp.ordinal import OrdinalFit, collapse_ordinal, fit_ordinal, ordinal_draws
from mrp.ordinal.cells import cell_scale
from mrp.ordinal.surprise import ordinal_surprise
from tests.mrp.ordinal import scales
from tests.mrp.ordinal.scales import SCALE, WORLD, cell_shares, counted, design, latents

DESIGN = design()
AT = latents(DESIGN, seed=8)
POLL = scales.poll(DESIGN, n=1500, seed=7, at=AT)


@cache
def fitted() -> OrdinalFit:
    counts, few = counted(DESIGN, POLL.interviews), LaplaceSettings(points=100, draws=500)
    return fit_ordinal(DESIGN, WORLD, counts, Priors(), engine="laplace", seed=1, laplace=few)


def wave(*, seed: int, turned: bool = False) -> pl.DataFrame:
    interviews = scales.poll(DESIGN, n=400, seed=seed, at=AT).interviews
    if turned:
        backwards = dict(zip(SCALE, SCALE[::-1], strict=True))
        interviews = interviews.with_columns(pl.col("view").replace_strict(backwards))
    return counted(DESIGN, interviews)


def test_shares_of_cells_are_those_of_plain_loops():
    draws = fitted().latents
    found = cell_scale(draws, DESIGN, WORLD.frame, most_draws=100)

    assert found.shape == (5, 100, WORLD.frame.height)
    for s in (0, 99):
        shares = cell_shares(DESIGN, draws.draws[5 * s].astype(np.float64), WORLD.frame)
        assert_allclose(found[:, s].T, shares, rtol=1e-3, atol=1e-6)


def test_a_wave_of_the_same_opinion_does_not_surprise_and_a_scale_turned_round_does():
    fit = fitted()
    calm = [ordinal_surprise(fit.latents, DESIGN, wave(seed=seed), seed=1) for seed in range(50, 60)]
    # Of 50 chances of honest waves the smallest is below a thousandth once in twenty.
    assert min(one.chance for found in calm for one in found.values()) > 1e-3

    found = ordinal_surprise(fit.latents, DESIGN, wave(seed=60, turned=True), seed=1)
    assert list(found) == list(SCALE)
    assert min(one.chance for one in found.values()) < 1e-6


def test_a_wave_that_cannot_be_compared_is_refused():
    fit = fitted()
    with pytest.raises(CountsError, match=r"the counts have no column 'y\[neither\]'"):
        ordinal_surprise(fit.latents, DESIGN, wave(seed=1).drop("y[neither]"), seed=1)
    with pytest.raises(DrawsError, match="not of the same fit"):
        ordinal_surprise(fit.latents, design(options=SCALE[:4]), wave(seed=1), seed=1)


def test_every_option_is_checked_by_margins_and_what_is_wrong_shows():
    fit, by = fitted(), WORLD.cell_columns
    counts = collapse_ordinal(POLL.interviews, by=by, answer="view", options=SCALE)
    margins = margins_of(WORLD, counts)
    found = predictive_of_options(fit.latents, DESIGN, WORLD, counts, margins)
    whole = [found[option][0].groups[0] for option in SCALE]

    assert list(found) == list(SCALE)
    total = counts.select(pl.sum(*[f"y[{option}]" for option in SCALE])).row(0)
    assert_allclose([one.observed for one in whole], np.array(total) / sum(total), atol=1e-9)
    assert_allclose([one.predicted for one in whole], [one.observed for one in whole], atol=0.03)

    # All who are 65 and older said the highest.
    old, names = pl.col("age") == "65+", [f"y[{option}]" for option in SCALE]
    wrong = counts.with_columns(
        pl.when(old).then(pl.col("n") if name == names[-1] else 0).otherwise(pl.col(name)).alias(name) for name in names
    )
    by_age = next(
        one
        for one in predictive_of_options(fit.latents, DESIGN, WORLD, wrong, margins)[SCALE[-1]]
        if one.margin.columns == ("age",)
    )
    worst = max(by_age.groups, key=lambda one: abs(one.observed - one.predicted))
    assert worst.levels == ("65+",)


def test_chances_are_asked_of_means_of_scores():
    mean = ordinal_draws(fitted().latents, DESIGN, WORLD).mean((-2, -1, 0, 1, 2))
    (one,) = above(mean, 0.0)
    assert one.value == pytest.approx((mean.draws > 0).mean(), abs=1e-9)
