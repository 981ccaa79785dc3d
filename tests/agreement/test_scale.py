"""An agreement scale: the Laplace engine against stored NUTS references, by the rule of `mrp.agreement`."""

from functools import cache

import pytest

from mrp import Priors, parse_priors
from mrp.agreement import Agreement, agreement
from mrp.laplace.engine import LaplaceSettings
from mrp.ordinal import fit_ordinal_laplace
from tests.agreement.references import MAX_R_HAT, MIN_ESS, read_reference
from tests.agreement.scale import CASES, SEED, Scale, load_scale
from tests.mrp.ordinal.scales import FORMULA


@cache
def case(name: str) -> Scale:
    return load_scale(name)


def compare(name: str, *, priors: Priors | None = None, seed: int = 1) -> Agreement:
    settings = LaplaceSettings(points=1600, draws=8000)
    mine = case(name)
    tree = fit_ordinal_laplace(mine.design, mine.counts, priors or Priors(), seed=seed, settings=settings)
    assert max(tree.attrs["k_hat_sd"], tree.attrs["k_hat_joint"]) <= 0.7
    return agreement(mine.moments(tree), read_reference(name, SEED).moments)


@pytest.mark.parametrize("name", CASES)
def test_a_reference_is_of_this_survey_and_model_and_known_well_enough(name: str):
    facts = read_reference(name, SEED).facts

    # If one of these differs, the case was changed on purpose: sample the references anew.
    assert facts["model"] == FORMULA
    assert facts["priors"].items() <= (Priors().to_json() | {"log_width": str(Priors().log_width)}).items()
    assert facts["sha256"] == case(name).hashes()
    assert facts["divergences"] == 0
    assert facts["max_r_hat"] <= MAX_R_HAT
    assert facts["min_ess"] >= MIN_ESS


@pytest.mark.parametrize("name", CASES)
def test_the_laplace_engine_agrees_with_nuts(name: str):
    assert compare(name).problems == ()


def test_a_prior_of_widths_that_is_another_is_found():
    assert not compare("scale_rare", priors=parse_priors({"log_width": "normal(0, 2)"})).agrees
