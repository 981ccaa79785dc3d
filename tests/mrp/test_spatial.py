"""Effects on a map: against matrices written by hand, generalised inverses, and whatever order districts come in."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.mixing import mixing_prior
from mrp.spatial import components, map_basis, map_directions, map_precision
from tests.mrp.maps import EIGHT, grid, parts, slow_covariance, slow_mixing_density

GRID = grid(4, 5)


@st.composite
def maps(draw: st.DrawFn) -> tuple[int, tuple[tuple[int, int], ...]]:
    n = draw(st.integers(1, 12))
    possible = [(i, j) for i in range(n) for j in range(i + 1, n)]
    chosen = draw(st.lists(st.sampled_from(possible), unique=True, max_size=20)) if possible else []
    return n, tuple(sorted(chosen))


def test_the_precision_has_a_minus_one_for_neighbours_and_their_number_on_the_diagonal():
    by_hand = [[2, -1, -1, 0], [-1, 2, -1, 0], [-1, -1, 2, 0], [0, 0, 0, 0]]
    assert_allclose(map_precision(4, ((0, 1), (0, 2), (1, 2))), by_hand)


def test_two_neighbours_are_one_difference_and_an_island_is_by_itself():
    # The generalised inverse of [[1, -1], [-1, 1]] is a quarter of it: scaled to variances of one, it is itself.
    assert_allclose(
        map_basis(3, ((0, 2),)) @ map_basis(3, ((0, 2),)).T, [[1, 0, -1], [0, 1, 0], [-1, 0, 1]], atol=1e-12
    )


def test_districts_in_a_row_are_a_random_walk():
    from mrp.structure import walk_basis

    row = tuple((i, i + 1) for i in range(6))
    assert_allclose(map_basis(7, row) @ map_basis(7, row).T, walk_basis(7, 1) @ walk_basis(7, 1).T, atol=1e-12)


@given(maps())
@example((8, EIGHT))
@example((20, GRID))
def test_any_map_is_scaled_and_sums_to_zero_part_by_part_and_is_the_generalised_inverse(case):
    n, pairs = case
    basis = map_basis(n, pairs)
    covariance = basis @ basis.T

    assert [list(one) for one in components(n, pairs)] == parts(n, pairs)
    assert_allclose(covariance, slow_covariance(n, pairs), atol=1e-9)
    for part in parts(n, pairs):
        assert np.exp(np.log(np.diag(covariance)[part]).mean()) == pytest.approx(1)
        if len(part) > 1:
            assert_allclose(basis[part].sum(axis=0), 0, atol=1e-9)
    # As many coordinates as there are numbers free to vary.
    assert basis.shape[1] == sum(max(len(part) - 1, 1) for part in parts(n, pairs))
    assert np.linalg.matrix_rank(covariance, tol=1e-6) == basis.shape[1]


@given(maps(), st.floats(0.01, 0.99))
@example((8, EIGHT), 0.4)
def test_a_mixed_map_is_the_sum_of_independent_effects_and_effects_alike_between_neighbours(case, phi):
    n, pairs = case
    vectors, values = map_directions(n, pairs)

    assert_allclose(vectors.T @ vectors, np.eye(n), atol=1e-9)
    expected = (1 - phi) * np.eye(n) + phi * slow_covariance(n, pairs)
    assert_allclose((vectors * (1 - phi + phi * values)) @ vectors.T, expected, atol=1e-9)


@given(maps(), st.randoms(use_true_random=False))
def test_the_names_of_districts_do_not_matter(case, random):
    n, pairs = case
    new = list(range(n))
    random.shuffle(new)
    renamed = tuple(sorted((min(new[i], new[j]), max(new[i], new[j])) for i, j in pairs))

    one, other = map_basis(n, pairs), map_basis(n, renamed)
    assert_allclose((one @ one.T), (other @ other.T)[np.ix_(new, new)], atol=1e-9)


@pytest.mark.parametrize(("n", "pairs"), [(2, ((0, 1),)), (8, EIGHT), (20, GRID)], ids=["two", "eight", "grid"])
@pytest.mark.parametrize(("upper", "probability"), [(0.5, 0.67), (0.5, 0.5), (0.2, 0.9), (0.5, 0.1)])
def test_the_prior_of_the_mixing_is_what_its_words_say(n, pairs, upper, probability):
    prior = mixing_prior(map_directions(n, pairs)[1], upper, probability)
    phi = np.array([0.01, 0.2, 0.5, 0.8, 0.99])
    density = np.exp(prior.log_density(phi))

    assert_allclose(density, slow_mixing_density(n, pairs, upper, probability, phi), rtol=1e-5)
    fine = np.linspace(0, 1, 20_001)
    by_phi = np.exp(prior.log_density(fine))
    assert np.trapezoid(by_phi, fine) == pytest.approx(1, abs=1e-5)
    below = fine <= upper
    assert np.trapezoid(by_phi[below], fine[below]) == pytest.approx(probability, abs=1e-3)


def test_the_density_of_the_mixing_is_smooth_from_end_to_end_and_its_slope_that_of_differences():
    prior = mixing_prior(map_directions(20, GRID)[1], 0.5, 0.67)

    # The first of each pair is computed by a series, the second by the difference that it stands for.
    for phi in (1e-12, 1e-6, 5e-4, 2e-3, 0.3, 0.999):
        step = 1e-4 * phi
        slope = float(prior.log_density(phi + step) - prior.log_density(phi - step)) / (2 * step)
        if phi > 1e-4:
            assert prior.slope(phi) == pytest.approx(slope, rel=1e-5, abs=1e-5)
    assert np.isfinite(prior.log_density(np.array([0.0, 1e-300, 1e-12, 1.0]))).all()
    assert float(prior.log_density(0.0)) == pytest.approx(float(prior.log_density(1e-9)), abs=1e-6)


def test_draws_of_the_mixing_have_its_distribution():
    prior = mixing_prior(map_directions(20, GRID)[1], 0.3, 0.5)
    draws = prior.draw(np.random.default_rng(1), 20_000)

    for x in (0.1, 0.3, 0.6, 0.9):
        fine = np.linspace(0, x, 2001)
        expected = float(np.trapezoid(np.exp(prior.log_density(fine)), fine))
        assert abs((draws < x).mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / draws.size)


def test_islands_have_no_say_in_the_mixing():
    with_islands = mixing_prior(map_directions(23, GRID)[1], 0.5, 0.67)
    without = mixing_prior(map_directions(20, GRID)[1], 0.5, 0.67)

    phi = np.linspace(0.1, 0.9, 5)
    assert_allclose(with_islands.log_density(phi), without.log_density(phi), atol=1e-12)
