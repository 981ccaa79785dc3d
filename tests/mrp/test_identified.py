"""The totals are the same model: proved by linear algebra, not by sampling."""

import itertools
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import block_diag

from mrp.design import Design, build_design
from mrp.identified import identify, restore
from mrp.priors import parse_priors
from tests.mrp.worlds import electorate

WORLD = electorate()
PRIORS = parse_priors({"intercept": "normal(0.3, 1.2)", "sex": "normal(0, 0.8)"})
FORMULAS = [
    "1",
    "lean",
    "(1|district)",
    "sex + (1|sex)",
    "lean + sex + (1|age) + (1|sex:age)",
    "age + (1|region) + (1|district) + (1|age:sex) + (1|region:age)",
    "sex + (1|district:sex:age) + (1|age:district) + (1|sex)",
]


class Impulses:
    """A source of "random" numbers that are the columns of an identity: what comes back is a linear map."""

    def __init__(self, n: int) -> None:
        self.left = np.eye(n)

    def standard_normal(self, shape: tuple[int, ...]) -> Any:
        size = int(np.prod(shape[1:]))
        taken, self.left = self.left[:, :size], self.left[:, size:]
        return taken.reshape(shape)


def every_cell() -> pl.DataFrame:
    levels = [WORLD.levels(column) for column in WORLD.cell_columns]
    return pl.DataFrame(list(itertools.product(*levels)), schema=list(WORLD.cell_columns), orient="row")


def incidence(design: Design) -> np.ndarray:
    """How each latent enters the linear predictor of each cell, in plain loops; shape (cell, latent)."""
    rows = design.rows(every_cell())
    matrix = np.zeros((rows.x.shape[0], design.n_latents))
    for cell in range(matrix.shape[0]):
        matrix[cell, 0] = 1
        matrix[cell, 1 : 1 + rows.x.shape[1]] = rows.x[cell]
        for k in range(rows.index.shape[1]):
            matrix[cell, rows.index[cell, k]] += 1
    return matrix


def prior_variance(design: Design, sd: np.ndarray) -> np.ndarray:
    coefficients = [PRIORS.for_predictor(p.name).sd ** 2 for p in design.predictors for _ in p.coefficients]
    effects = [np.full(effect.size, sd[k] ** 2) for k, effect in enumerate(design.effects)]
    return np.concatenate([[PRIORS.intercept.sd**2], coefficients, *effects])


def coordinates(formula: str):
    """Design, totals, the matrix of the coordinates that are sampled, and their prior variance for some sds."""
    design = build_design(formula, WORLD)
    identified = identify(design, PRIORS)
    sd = np.linspace(0.3, 1.1, len(design.effects))
    n_free = 1 + len(identified.design.coefficient_names)
    basis = incidence(identified.design) @ block_diag(np.eye(n_free), *identified.bases)
    variance = identified.fixed + identified.shares @ sd**2
    free = [PRIORS.for_predictor(p.name).sd ** 2 for p in identified.design.predictors for _ in p.coefficients]
    blocks = [np.full(b.shape[1], variance[1 + i]) for i, b in enumerate(identified.bases)]
    return design, identified, sd, basis, np.concatenate([[variance[0]], free, *blocks])


@pytest.mark.parametrize("formula", FORMULAS)
def test_totals_span_the_linear_predictor_and_have_independent_priors(formula: str):
    design, _, sd, basis, variance = coordinates(formula)
    latent_map = incidence(design)
    # Where a parent and its district both have coordinates the basis is not of full rank in general, so the map from
    # latents is written down by hand from the definition instead of being solved for.
    to_coordinates = totals_of_latents(formula)

    assert_allclose(basis @ to_coordinates, latent_map, atol=1e-12)
    covariance = to_coordinates @ np.diag(prior_variance(design, sd)) @ to_coordinates.T
    assert_allclose(covariance, np.diag(variance), atol=1e-12)


def totals_of_latents(formula: str) -> np.ndarray:
    """Coordinates of the totals of each latent, from the analysis of variance of one term at a time."""
    design, identified, _, _, variance = coordinates(formula)
    matrix = np.zeros((variance.size, design.n_latents))
    matrix[0, 0] = 1
    n_free = 1 + len(identified.design.coefficient_names)
    starts = np.cumsum([n_free, *(b.shape[1] for b in identified.bases)])
    kept = 1
    for predictor, (_, block) in zip(design.predictors, design.blocks[1:], strict=False):
        if predictor.name in identified.merged:
            b = identified.merged[predictor.name]
            matrix[starts[b] : starts[b + 1], block] = identified.bases[b].T @ np.array([[-0.5], [0.5]])
        else:
            width = block.stop - block.start
            matrix[kept : kept + width, block] = np.eye(width)
            kept += width
    for effect, offset in zip(design.effects, design.offsets, strict=True):
        names = [factor.name for factor in effect.factors]
        for level, picked in enumerate(itertools.product(*(range(n) for n in effect.shape))):
            at = dict(zip(names, picked, strict=True))
            matrix[0, offset + level] = 1 / effect.size
            for b, total in enumerate(identified.design.effects):
                factors = [factor.name for factor in total.factors]
                if set(factors) <= set(names):
                    # A unit effect has the mean 1 / (levels of the other factors) over the total's own level.
                    unit = np.zeros(total.shape)
                    unit[tuple(at[name] for name in factors)] = total.size / effect.size
                    matrix[starts[b] : starts[b + 1], offset + level] = identified.bases[b].T @ unit.ravel()
    return matrix


@pytest.mark.parametrize("formula", FORMULAS)
def test_restored_latents_have_the_conditional_distribution_given_the_totals(formula: str):
    design, identified, sd, _, variance = coordinates(formula)
    n_free = 1 + len(identified.design.coefficient_names)
    n_noise = sum(effect.size for effect in design.effects) + 1 + len(identified.merged)
    mean = np.zeros(design.n_latents)
    mean[0] = PRIORS.intercept.mean

    def restored(coordinates: np.ndarray, rng: Any) -> np.ndarray:
        """Latents for coordinates of shape (draw, coordinate)."""
        starts = np.cumsum([n_free, *(b.shape[1] for b in identified.bases)])
        totals = tuple(coordinates[:, starts[b] : starts[b + 1]] @ q.T for b, q in enumerate(identified.bases))
        found = restore(
            identified,
            design,
            PRIORS,
            intercept=coordinates[:, 0],
            coefficient=coordinates[:, 1:n_free],
            totals=totals,
            sd=np.tile(sd, (coordinates.shape[0], 1)),
            rng=rng,
        )
        return np.column_stack([found.intercept, found.coefficient, *found.effects])

    at_mean = np.zeros((n_noise, variance.size))
    at_mean[:, 0] = PRIORS.intercept.mean
    noise_map = (restored(at_mean, Impulses(n_noise)) - mean).T  # (latent, noise)

    class Silence:
        def standard_normal(self, shape: tuple[int, ...]) -> np.ndarray:
            return np.zeros(shape)

    shifted = np.eye(variance.size)
    shifted[:, 0] += PRIORS.intercept.mean
    gain = (restored(shifted, Silence()) - mean).T  # (latent, coordinate)

    prior = np.diag(prior_variance(design, sd))
    to_coordinates = totals_of_latents(formula)
    expected_gain = prior @ to_coordinates.T @ np.diag(1 / variance)
    assert_allclose(gain, expected_gain, atol=1e-12)
    assert_allclose(noise_map @ noise_map.T, prior - expected_gain @ to_coordinates @ prior, atol=1e-12)


def test_a_two_level_predictor_that_is_also_a_factor_becomes_part_of_a_total():
    design = build_design("sex + lean + (1|sex:age)", WORLD)
    identified = identify(design, PRIORS)

    assert identified.merged == {"sex": 0}
    assert identified.design.coefficient_names == ("lean",)


def test_a_predictor_with_a_prior_that_is_not_centred_stays_by_itself():
    design = build_design("sex + (1|sex:age)", WORLD)
    identified = identify(design, parse_priors({"sex": "normal(0.2, 1)"}))

    assert identified.merged == {}
    assert identified.design.coefficient_names == ("sex[male]",)
