"""Both engines on every kind of term: the same estimates within their Monte-Carlo error, publishable by either."""

import numpy as np
import pytest

from mrp import Priors, area_draws, from_datatree, judge_nuts, sample_nuts, term_parity
from mrp.agreement import Moments, agreement, moments
from mrp.convergence import convergence
from mrp.design import Design
from mrp.laplace.engine import fit_laplace
from mrp.latents import LatentDraws
from tests.mrp.polls import WORLD, fit_inputs


def estimates(latents: LatentDraws, design: Design) -> Moments:
    """All district and one-way demographic estimates, and those of the first period where there is one."""
    by = [(), ("district",), ("sex",), ("age",)]
    designs = [design] if design.period is None else [design, design.at_period(design.observed["period"][0])]
    return moments(*(area_draws(latents, each, WORLD, by=one) for each in designs for one in by))


def check(formula: str) -> None:
    design, counts = fit_inputs(formula)
    nuts = sample_nuts(design, counts, Priors(), seed=2)
    laplace = fit_laplace(design, counts, Priors(), seed=1)

    assert judge_nuts(nuts, term_parity(design, WORLD)).problems == ()
    assert set(laplace["posterior"].data_vars) == set(nuts["posterior"].data_vars)
    assert laplace.attrs["k_hat_sd"] < 0.7
    assert laplace.attrs["k_hat_joint"] < 0.7
    both = [estimates(from_datatree(tree, design), design) for tree in (laplace, nuts)]
    assert agreement(*both).problems == ()
    for row in convergence(nuts):
        if row.group == "posterior" and row.name.split()[0] in {"sd", "correlation", "autocorrelation", "mixing"}:
            name, _, label = row.name.partition("[")
            draws = laplace["posterior"][name]
            if label:
                draws = draws.sel({draws.dims[2]: label[:-1]})
            error = np.hypot(row.mcse, float(draws.std()) / np.sqrt(laplace.attrs["ess_sd"]))
            assert abs(float(draws.mean()) - row.mean) < 4 * error, row.name


@pytest.mark.parametrize(
    "formula",
    [
        "bym2(district) + (sex|age) + ar1(period) + house(pollster)",
        "sex + rw1(age) + rw1(period|region) + icar(district)",
    ],
)
def test_models_of_several_kinds_of_terms_agree(formula: str):
    check(formula)


# Alone they have one estimate a period, and the limit of the typical difference needs many.
ALONE = [f"(1|district) + (1|age) + {term}" for term in ("ar1(period)", "rw1(period)", "mode(mode)", "icar(district)")]
ALONE.append("(1|age) + bym2(district)")


@pytest.mark.slow
@pytest.mark.parametrize(
    "formula",
    ["rw1(age)", "rw2(age)", "(lean|age)", "(sex||age)", "(region|age)", *ALONE],
)
def test_each_kind_of_term_agrees(formula: str):
    check(formula)
