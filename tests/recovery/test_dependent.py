"""The assertions about dependent estimates: silent where all is well, loud where a fault is planted."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from tests.recovery.calibration import assert_coverage
from tests.recovery.dependent import Planted, assert_centred, assert_covered, assert_winners

N_SURVEYS = 20


def surveys(seed: int, *, n_draws: int = 500, n_estimates: int = 60, whole: bool = False) -> list[Planted]:
    """Calibrated: a truth and draws around it alike, with as much error in common as of each estimate's own."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(N_SURVEYS):
        both = rng.normal(20, 3, n_estimates) + rng.normal(0, 2, (n_draws + 1, 1))
        both = both + rng.normal(0, 2, (n_draws + 1, n_estimates))
        made.append(Planted(*((part.round() if whole else part) for part in (both[1:], both[0]))))
    return made


def moved(made: Sequence[Planted], *, width: float = 1.0, by: float = 0.0) -> list[Planted]:
    """Draws with another width, and all moved by so many of the old sds."""
    found = []
    for one in made:
        mean, sd = one.draws.mean(axis=0), one.draws.std(axis=0)
        found.append(replace(one, draws=mean + width * (one.draws - mean) + by * sd))
    return found


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_calibrated_passes(seed: int, whole: bool):
    made = surveys(seed, whole=whole)

    for interval in (0.5, 0.9):
        assert_covered(made, interval=interval)
    assert_centred(made)


@pytest.mark.parametrize("check", [assert_covered, assert_centred])
def test_what_is_calibrated_fails_as_seldom_as_is_said(check):
    failed = 0
    for seed in range(200):
        try:
            check(surveys(seed, n_draws=300, n_estimates=10), alpha=0.1)
        except AssertionError:
            failed += 1

    least, most = binom.interval(1 - 1e-3, 200, 0.1)
    assert least <= failed <= most


def test_what_is_calibrated_would_not_pass_as_independent():
    """Why there is a module for it: the truths of 20 surveys are not 1,200 trials."""
    failed = 0
    for seed in range(10):
        for one in surveys(seed):
            try:
                assert_coverage(one.draws, one.truth, interval=0.5)
            except AssertionError:
                failed += 1

    # Of 200 surveys a fifth of one by chance.
    assert failed > 10


@pytest.mark.parametrize(("width", "interval"), [(0.5, 0.5), (0.5, 0.9), (0.75, 0.9), (1.5, 0.5), (1.5, 0.9)])
def test_draws_of_another_width_are_found(width: float, interval: float):
    with pytest.raises(AssertionError, match="intervals covered"):
        assert_covered(moved(surveys(1), width=width), interval=interval)


def test_seats_of_half_the_width_are_found():
    with pytest.raises(AssertionError, match="intervals covered"):
        assert_covered(moved(surveys(1, whole=True), width=0.5))


@pytest.mark.parametrize("by", [-1.0, 1.0])
def test_means_that_are_an_sd_off_are_found(by: float):
    made = moved(surveys(1), by=by)

    with pytest.raises(AssertionError, match="sds above"):
        assert_centred(made)
    with pytest.raises(AssertionError, match="intervals covered"):
        assert_covered(made)


def contests(seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """True shares, and estimates of them with errors of two points."""
    rng = np.random.default_rng(seed)
    truths = [rng.dirichlet([7, 6, 3], 66) for _ in range(N_SURVEYS)]
    return [truth + rng.normal(0, 0.02, truth.shape) for truth in truths], truths


def test_winners_are_counted_where_the_lead_is_clear():
    truth = np.array([[0.5, 0.4, 0.1], [0.2, 0.7, 0.1], [0.45, 0.41, 0.14]])
    mean = np.array([[0.5, 0.4, 0.1], [0.4, 0.3, 0.3], [0.1, 0.8, 0.1]])

    # The third is close; of the others the second is wrong.
    assert assert_winners([mean], [truth], least=0.5) == (1, 2)
    with pytest.raises(AssertionError, match="right in 1 of 2 districts"):
        assert_winners([mean], [truth])
    with pytest.raises(AssertionError, match="no district"):
        assert_winners([mean], [truth], lead=0.6)


def test_winners_from_shuffled_districts_are_found():
    means, truths = contests(1)
    right, clear = assert_winners(means, truths)
    assert right / clear > 0.95
    assert clear > 500

    rng = np.random.default_rng(2)
    with pytest.raises(AssertionError, match="the winner is right"):
        assert_winners([mean[rng.permutation(len(mean))] for mean in means], truths)


def test_winners_with_two_options_changed_for_each_other_are_found():
    means, truths = contests(1)

    with pytest.raises(AssertionError, match="the winner is right"):
        assert_winners([mean[:, [1, 0, 2]] for mean in means], truths)
