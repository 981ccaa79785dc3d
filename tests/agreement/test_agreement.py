"""The Laplace engine against stored NUTS references of real and synthetic surveys: the rule of `mrp.agreement`.

References are made by ``make references`` and hold quantities, not draws. Every survey is compared as it is and thinned
to 300 interviews; faults are planted to see that the comparison finds them.
"""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mrp import Priors, judge_nuts, parse_priors, sample_nuts
from mrp.agreement import Agreement, agreement
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from tests.agreement import references
from tests.agreement.cases import CASES, FORMULAS, PUBLIC, Case, CaseMissing, load_case
from tests.agreement.references import MAX_R_HAT, MIN_ESS, SEEDS, read_reference, write_reference

PRECISE = LaplaceSettings(points=1600, draws=16_000)
"""A third of the Monte-Carlo error of the defaults."""
DOUBLED = parse_priors({"sd": "half_normal(1)"})
assert DOUBLED.sd.scale == 2 * Priors().sd.scale


def each(names: tuple[str, ...]) -> list[Any]:
    return [
        pytest.param(name, marks=[pytest.mark.cases] if name.removesuffix("_thin") in PUBLIC else []) for name in names
    ]


THIN = tuple(name for name in CASES if name.endswith("_thin"))


@cache
def case_of(name: str) -> Case:
    return load_case(name)


def case(name: str) -> Case:
    try:
        return case_of(name)
    except CaseMissing as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def compare(fitted: Case, *, seed: int = 1, settings: LaplaceSettings = LaplaceSettings()) -> Agreement:
    """A Laplace fit, beside the reference of the case that it is a fit of or a fault in."""
    tree = fit_laplace(fitted.design, fitted.counts, fitted.priors, seed=seed, settings=settings)
    return agreement(fitted.moments(tree), read_reference(fitted.name).moments)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", each(CASES))
def test_a_reference_is_of_this_survey_and_model_and_known_well_enough(name: str, seed: int):
    facts, moments = (reference := read_reference(name, seed)).facts, reference.moments
    now = case(name)

    assert (facts["case"], facts["seed"]) == (name, seed)
    # If one of these differs, the case was changed on purpose: run make references.
    assert facts["model"] == now.formula
    # A default that has been added since is of terms that the model does not have.
    assert facts["priors"].items() <= now.priors.to_json().items()
    assert facts["sha256"] == now.hashes()
    assert facts["max_r_hat"] <= MAX_R_HAT
    assert facts["min_ess"] >= MIN_ESS
    assert facts["divergences"] == 0
    # What the sizes promise: errors of a mean of at most a sixtieth of a posterior sd.
    assert (moments.mean_error <= 1.01 * moments.sd / np.sqrt(MIN_ESS)).all()


def test_a_reference_that_is_read_and_written_is_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stored = (references.HERE / "georgia2016-1.json").read_bytes()
    reference = read_reference("georgia2016")
    monkeypatch.setattr(references, "HERE", tmp_path)

    assert write_reference("georgia2016", reference).read_bytes() == stored


@pytest.mark.parametrize("name", CASES)
def test_two_seeds_of_nuts_agree(name: str):
    first, second = (read_reference(name, seed).moments for seed in SEEDS)

    assert agreement(second, first).problems == ()
    assert not np.array_equal(first.mean, second.mean)


@pytest.mark.parametrize("name", each(CASES))
def test_the_laplace_engine_agrees_with_nuts(name: str):
    assert compare(case(name)).problems == ()


@pytest.mark.parametrize("name", each(THIN))
def test_prior_scales_of_sds_that_are_twice_as_large_are_found(name: str):
    """In thinned surveys: where thousands of interviews decide, twice the scale moves nothing."""
    assert not compare(replace(case(name), priors=DOUBLED)).agrees


@pytest.mark.parametrize(
    ("name", "term"),
    [
        pytest.param("cces2018_thin", "(1|ethnicity)", marks=pytest.mark.cases),
        pytest.param("marriage2005_thin", "house(pollster)", marks=pytest.mark.cases),
        pytest.param("georgia2016_thin", "(1|cd)", marks=pytest.mark.cases),
        ("rw1_thin", "rw1(age)"),
        ("ar1_thin", "ar1(period)"),
        ("rw1_by_region_thin", "rw1(period|region)"),
        ("bym2_thin", "bym2(district)"),
    ],
)
def test_a_term_left_out_is_found(name: str, term: str):
    assert not compare(case(name).without(term)).agrees


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", each(CASES))
def test_the_laplace_engine_agrees_with_nuts_when_its_own_noise_is_small(name: str):
    for seed in (2, 3):
        assert compare(case(name), seed=seed, settings=PRECISE).problems == ()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [*each(("cces2018_thin", "georgia2016_thin")), "rw1_by_region_thin"])
def test_the_sampler_as_it_is_now_agrees_with_the_stored_reference(name: str):
    now = case(name)
    tree = sample_nuts(now.design, now.counts, now.priors, seed=3)

    assert judge_nuts(tree).problems == ()
    assert agreement(now.moments(tree), read_reference(name).moments).problems == ()


TOO_SMALL = {"(1|education:age)", "(1|education:ethnicity)"}
"""Crossings of cces2018 with sds near zero: without them no estimate of a single district or demographic moves."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", each(tuple(FORMULAS)))
def test_every_term_left_out_is_found(name: str):
    whole = case(name)
    missed = {term for term in whole.terms if compare(whole.without(term), settings=PRECISE).agrees}

    assert missed == (TOO_SMALL if name == "cces2018" else set())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "terms"),
    [
        pytest.param("georgia2016_thin", ("(1+gender|educ)", "(1|cd)"), marks=pytest.mark.cases),
        ("rw1_thin", ("(1|district)",)),
    ],
)
def test_the_prior_scale_of_one_sd_that_is_twice_as_large_is_found(name: str, terms: tuple[str, ...]):
    for term in terms:
        wider = replace(case(name), priors=parse_priors({term: str(DOUBLED.sd)}))
        assert not compare(wider, settings=PRECISE).agrees, term
