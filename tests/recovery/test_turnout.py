"""Turnout that goes with opinion: estimates among voters know how far off they are, those of adults do not."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from mrp import Grouping, LatentDraws, Priors, build_design, collapse, from_datatree
from mrp.design import Design
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from mrp.outcomes import draws_many
from mrp.turnout import Turnout, voter_draws_many
from tests.mrp.worlds import Opinion, electorate, interview
from tests.recovery.calibration import assert_coverage

WORLD = electorate(n_districts=6, seed=4)
FORMULA = "(1|district) + (1|age) + (1|sex:age)"
DESIGN = build_design(FORMULA, WORLD)
ALIKE = 0.8
"""Correlation of what a group thinks and how much it votes."""
MANY, FEW = 3000, 700
"""Interviews of a survey."""
N_SURVEYS = 24
NATION = [Grouping()]


@dataclass(frozen=True, slots=True)
class Survey:
    """Planted shares, and draws of them, of the nation."""

    truth: float
    """Among voters."""
    voters: np.ndarray
    adults: np.ndarray
    voting: float
    turnout: np.ndarray


def planted(rng: np.random.Generator) -> tuple[Opinion, Opinion]:
    """Opinion and turnout whose effects hang together; either by itself is from the prior of the sds used."""
    effects = rng.multivariate_normal([0, 0], [[1, ALIKE], [ALIKE, 1]], DESIGN.n_latents)
    effects[1:] *= 0.7
    effects[0] = -0.3, 0.2
    return tuple(Opinion(one, shares(DESIGN, one)) for one in effects.T)  # type: ignore[return-value]


def shares(design: Design, latents: np.ndarray) -> np.ndarray:
    rows = design.rows(WORLD.frame)
    return np.asarray(1 / (1 + np.exp(-latents[0] - latents[rows.index].sum(axis=1))))


def fitted(opinion: Opinion, *, n: int, seed: int) -> LatentDraws:
    asked = interview(WORLD, opinion, n=n, seed=seed)
    counts = collapse(asked, by=DESIGN.count_columns, answer="answer", option="yes")
    settings = LaplaceSettings(points=100, draws=400, threads=1)
    return from_datatree(fit_laplace(DESIGN, counts, Priors(), seed=seed, settings=settings), DESIGN)


@cache
def surveys(n: int = MANY) -> tuple[Survey, ...]:
    people, made = WORLD.frame["n_people"].to_numpy(), []
    for number in range(N_SURVEYS):
        rng = np.random.default_rng([41, number])
        opinion, turnout = planted(rng)
        votes = people * turnout.cell_share
        latents, voting = fitted(opinion, n=n, seed=2 * number), fitted(turnout, n=n, seed=2 * number + 1)
        (among,) = voter_draws_many(latents, DESIGN, WORLD, [Turnout(voting, DESIGN)], NATION)
        (adults,) = draws_many(latents, DESIGN, WORLD, NATION)
        made.append(
            Survey(
                float(opinion.cell_share @ votes / votes.sum()),
                among.drawn.draws[:, 0, 0],
                adults.draws[:, 0, 0],
                float(votes.sum() / people.sum()),
                among.turnout.draws[:, 0],
            )
        )
    return tuple(made)


def bias(drawn: list[np.ndarray], truth: list[float]) -> float:
    """Mean error in standard errors of that mean, over surveys."""
    errors = np.array([one.mean() for one in drawn]) - truth
    return float(errors.mean() / (errors.std(ddof=1) / np.sqrt(errors.size)))


def test_estimates_among_voters_are_unbiased_and_covered_as_often_as_stated():
    truth = [one.truth for one in surveys()]
    drawn = [one.voters for one in surveys()]
    assert abs(bias(drawn, truth)) < 3.3  # one in a thousand
    assert_coverage(np.column_stack(drawn), np.array(truth))
    assert_coverage(np.column_stack(drawn), np.array(truth), interval=0.5)


def test_how_many_vote_is_covered_as_often_as_stated():
    assert_coverage(np.column_stack([one.turnout for one in surveys()]), np.array([one.voting for one in surveys()]))


def test_estimates_among_adults_are_visibly_not_those_among_voters():
    truth = [one.truth for one in surveys()]
    drawn = [one.adults for one in surveys()]
    assert bias(drawn, truth) < -5  # who votes says yes more often
    with pytest.raises(AssertionError, match="intervals covered"):
        assert_coverage(np.column_stack(drawn), np.array(truth))


@pytest.mark.slow
def test_with_few_interviews_part_of_what_turnout_and_opinion_have_in_common_is_not_seen():
    """Either fit draws its groups towards its mean, knowing nothing of the other: stated in `mrp.turnout`."""
    truth = [one.truth for one in surveys(FEW)]
    voters, adults = ([getattr(one, who) for one in surveys(FEW)] for who in ("voters", "adults"))
    missed, whole = (truth - np.mean(of, axis=1) for of in (voters, adults))
    assert bias(voters, truth) < -3.3
    assert 0.05 < missed.mean() / whole.mean() < 0.4  # a fifth of the way to the adults
