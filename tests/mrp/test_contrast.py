import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose

from mrp.areas import complement
from mrp.change import change_between_periods
from mrp.contrast import contrast, contrasts, lead
from mrp.design import build_design
from mrp.errors import DrawsError, FrameError
from mrp.latents import LatentDraws
from mrp.poststratification import area_draws
from tests.mrp.answers import estimate_of, shares
from tests.mrp.worlds import electorate

WORLD = electorate()
BY_HAND = estimate_of([[0.5, 0.4], [0.6, 0.4], [0.3, 0.4], [0.4, 0.4]])


def test_a_difference_by_hand():
    found = contrast(BY_HAND, {"district": "A"}, {"district": "B"}, interval=0.5)
    # Differences: 0.1, 0.2, -0.1, 0; above 0 twice, a tie once.
    assert found.difference.mean == pytest.approx(0.05)
    assert found.difference.low == pytest.approx(-0.025)
    assert found.difference.high == pytest.approx(0.125)
    assert found.p_greater.value == 2.5 / 4
    assert (found.first, found.second) == ({"district": "A"}, {"district": "B"})


def test_errors_that_areas_have_in_common_cancel():
    rng = np.random.default_rng(1)
    common = rng.normal(0, 0.1, 4000)
    draws = np.column_stack([0.6 + common, 0.4 + common + rng.normal(0, 0.01, 4000)])
    found = contrast(estimate_of(draws), {"district": "A"}, {"district": "B"})
    # A tolerance of four standard errors of an sd: 4 * 0.01 / sqrt(2 * 4000).
    assert found.difference.sd == pytest.approx(0.01, abs=4 * 0.01 / np.sqrt(8000))
    assert found.p_greater.value == 1
    assert 0 < found.p_greater.mc_error < 0.001


@settings(deadline=None)
@given(shares())
def test_contrasts_agree_with_loops_and_turn_round(draws):
    estimate = estimate_of(draws)
    found = contrasts(estimate, {"district": "A"})
    assert [one.first["district"] for one in found] == estimate.areas["district"].to_list()[1:]
    for column, one in enumerate(found, start=1):
        differences = [row[column] - row[0] for row in draws]
        wins = sum(1.0 if d > 0 else 0.5 if d == 0 else 0.0 for d in differences)
        assert one.difference.mean == pytest.approx(sum(differences) / len(differences))
        assert one.p_greater.value == pytest.approx(wins / len(differences))
        turned = contrast(estimate, one.second, one.first)
        assert turned.p_greater.value == pytest.approx(1 - one.p_greater.value)
        assert turned.difference.mean == pytest.approx(-one.difference.mean)
        assert turned.difference.low == pytest.approx(-one.difference.high)


@settings(deadline=None)
@given(shares())
def test_lead_in_a_binary_question_is_twice_the_distance_from_a_half(draws):
    estimate = estimate_of(draws)
    for column, one in enumerate(lead(estimate)):
        assert one.difference.mean == pytest.approx(2 * draws[:, column].mean() - 1)
    for one, other in zip(lead(estimate), lead(complement(estimate)), strict=True):
        assert one.difference.mean == pytest.approx(-other.difference.mean)
        assert_allclose(one.p_greater.value, 1 - other.p_greater.value)


def test_an_area_that_is_not_there_is_an_error():
    with pytest.raises(FrameError, match="no single area district C; it has 2 areas by district"):
        contrast(BY_HAND, {"district": "C"}, {"district": "B"})
    with pytest.raises(FrameError, match="no single area the whole population"):
        contrasts(BY_HAND, {})


def test_options_must_be_for_the_same_areas():
    with pytest.raises(FrameError, match="ask both for the same breakdown"):
        lead(BY_HAND, estimate_of(BY_HAND.draws, names=["A", "C"]))


@pytest.mark.parametrize(
    "other",
    [
        estimate_of(BY_HAND.draws[:2]),
        estimate_of(BY_HAND.draws, n_chains=2),
        estimate_of(BY_HAND.draws, points=np.arange(4, dtype=np.int32)),
    ],
    ids=["fewer draws", "other chains", "other points"],
)
def test_draws_of_different_fits_are_not_compared_draw_by_draw(other):
    with pytest.raises(DrawsError, match="not joint draws of one fit"):
        lead(BY_HAND, other)


def test_as_many_draws_of_another_fit_are_not_taken_for_joint_draws():
    """Two fits by NUTS have the same numbers of draws and chains: only the draws themselves tell them apart."""
    design = build_design("(1|district)", WORLD)
    shape = (8, design.n_latents)
    one, other = (
        LatentDraws(np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32), design.latent_names, n_chains=4)
        for seed in (1, 2)
    )
    first, again, second = (
        area_draws(latents, design, WORLD, by=("region",))
        for latents in (one, LatentDraws.from_bytes(one.to_bytes()), other)
    )

    assert all(found.difference.mean == 0 for found in lead(first, again))
    with pytest.raises(DrawsError, match=r"are of two fits \(.*\), not joint draws of one; compare fits by"):
        lead(first, second)
    with pytest.raises(DrawsError, match="two fits"):
        lead(first, complement(second))
    with pytest.raises(DrawsError, match="two fits"):
        change_between_periods(first, second)
