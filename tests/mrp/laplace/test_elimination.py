"""Latents eliminated in blocks: which they are, and that nothing but the time depends on it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

from mrp.counts import collapse
from mrp.design import Design, build_design
from mrp.errors import FormulaError
from mrp.hyper import hyper_space
from mrp.laplace.conditional import Conditional
from mrp.laplace.elimination import choose_elimination
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from mrp.priors import Priors, parse_priors
from tests.mrp import polls
from tests.mrp.laplace.dense import dense, eliminated
from tests.mrp.worlds import electorate, interview, plant

PRIORS = parse_priors({"intercept": "normal(0.2, 1.5)", "lean": "normal(0.1, 0.7)", "(1|age)": "half_normal(1)"})
NESTED = (
    "(1|district)",
    "(1|district:age)",
    "(1|sex:district)",
    "(1|sex:age:district)",
    "(1|district:period)",
    "(0 + sex|district)",
    "(sex|district)",
    "(sex||district:age)",
    "rw1(period|district)",
    "rw1(age|district:sex)",
    "rw2(age|district)",
)
CROSSED = (
    "lean",
    "sex",
    "(1|age)",
    "(1|sex:age)",
    "(1|region)",
    "(1|region:age)",
    "(lean|age)",
    "(lean||sex:age)",
    "rw1(age)",
    "rw1(period|region)",
    "rw1(period|sex)",
    "ar1(period)",
    "house(pollster)",
    "mode(mode)",
    "icar(district)",
    "bym2(district)",
)


@settings(deadline=None, max_examples=60)
@given(
    terms=st.tuples(
        st.lists(st.sampled_from(NESTED), min_size=1, max_size=3, unique=True),
        st.lists(st.sampled_from(CROSSED), max_size=3, unique=True),
    ),
    n=st.integers(1, 400),
    seed=st.integers(0, 999),
)
@example(terms=(["(sex|district)", "rw1(period|district)", "(1|district:age)"], ["ar1(period)", "lean"]), n=300, seed=1)
@example(terms=(["(1|sex:age:district)", "(1|sex:district)"], ["rw1(age)", "(1|sex:age)"]), n=1, seed=2)
@example(terms=(["(1|sex:age:district)"], []), n=1, seed=3)
@example(terms=(["(1|district:age)", "rw1(period|district)"], ["bym2(district)", "rw1(age)"]), n=300, seed=4)
@example(terms=(["(1|district)", "(1|district:age)"], ["icar(district)", "ar1(period)"]), n=300, seed=5)
def test_blocks_give_what_dense_algebra_gives(terms: tuple[list[str], list[str]], n: int, seed: int):
    formula = " + ".join([*terms[0], *terms[1]])
    try:
        design = build_design(formula, polls.WORLD, observed=polls.OBSERVED)
    except FormulaError:
        assume(False)
    counts = collapse(polls.poll(n=n, seed=seed), by=design.count_columns, answer="answer", option="yes")
    space, rng = hyper_space(design, PRIORS), np.random.default_rng(seed)
    rest = (rng.uniform(-0.7, 0.7, len(space.shapes)), rng.uniform(0.1, 0.9, len(space.mixings)))
    hypers = np.concatenate([rng.uniform(0.1, 1.2, space.n_sds), *rest])
    conditional = Conditional(design, counts, PRIORS)
    assert conditional.n_own > 0

    found, expected = eliminated(conditional, hypers), dense(design, counts, PRIORS, hypers)

    for name, value in expected.items():
        # A gradient is a sum that cancels: it is as exact as its parts, which are of the size of one.
        size = max(np.abs(value).max(), 1.0 if name == "gradient" else 0.0)
        assert_allclose(found[name], value, rtol=1e-10, atol=1e-10 * size, err_msg=name)


@pytest.mark.parametrize(
    ("formula", "grouping", "terms"),
    [
        ("lean + (1|region) + (1|district)", ("district",), ("(1|district)",)),
        ("(1|district) + (1|district:age)", ("district",), ("(1|district)", "(1|district:age)")),
        ("(1|age) + (1|district:age)", ("district", "age"), ("(1|district:age)",)),
        (
            "(1|age) + (1|age:district) + (sex|district) + rw1(period|sex:district) + rw1(period|region)",
            ("district",),
            ("(1|age:district)", "(1+sex|district)", "rw1(period|sex:district)"),
        ),
        ("lean + sex + rw1(age) + house(pollster)", (), ()),
    ],
)
def test_what_a_step_costs_decides_what_is_eliminated(formula: str, grouping: tuple[str, ...], terms: tuple[str, ...]):
    world = electorate(n_districts=40)
    design = build_design(formula, world, observed=polls.OBSERVED)
    chosen = choose_elimination(design.effects, 1 + len(design.coefficient_names))

    assert chosen.grouping == grouping
    assert {design.effects[k].term for k in chosen.terms} == set(terms)


def test_every_effect_of_a_group_has_its_place_in_the_block_of_that_group():
    design = build_design("(1|age:district) + (sex|district)", electorate(n_districts=40))
    chosen = choose_elimination(design.effects, 1)
    where = np.concatenate(chosen.place)
    labels = [label for effect in design.effects for label in effect.labels]

    assert sorted(where) == list(range(len(labels)))
    of_block = np.array(
        [next(part for part in label.replace(", ", ":").split(":") if part[0] == "D") for label in labels]
    )
    for block in range(chosen.n_groups):
        inside = of_block[where // chosen.height == block]
        assert_array_equal(inside, [f"D{block:02d}"] * chosen.height)


def sparse_poll(n_districts: int, *, n: int) -> tuple[Design, pl.DataFrame]:
    """A few interviews in each of many districts."""
    world = electorate(n_districts=n_districts)
    design = build_design("lean + (1|district) + (1|district:age)", world)
    asked = interview(world, plant(design, world.frame, seed=1), n=n, seed=2)
    return design, collapse(asked, by=world.cell_columns, answer="answer", option="yes")


def test_the_likelihood_of_many_latents_is_corrected_for_what_the_laplace_formula_leaves_out(monkeypatch):
    """What that is at one set of sds and at another: the mean log ratio of exact to normal density says."""
    design, counts = sparse_poll(400, n=1500)
    some = np.array([[0.4, 0.2], [0.5, 0.4]])
    left = {}
    for least in (1000, 10**6):
        monkeypatch.setattr("mrp.laplace.conditional._MANY", least)
        conditional = Conditional(design, counts, PRIORS)
        noise = np.random.default_rng(3).standard_normal((100, conditional.n_coordinates))
        modes = [conditional.mode(sd) for sd in some]
        ratios = [conditional.draw(sd, mode, noise)[1] for sd, mode in zip(some, modes, strict=True)]
        gaps = [logsumexp(ratio) - np.log(100) - mode.log_likelihood for ratio, mode in zip(ratios, modes, strict=True)]
        left[least] = abs(gaps[1] - gaps[0])

    assert left[10**6] > 0.4
    assert left[1000] < 0.3 * left[10**6]


def test_a_few_interviews_in_each_of_many_districts_leave_a_fit_with_effective_draws():
    design, counts = sparse_poll(650, n=2000)
    facts = fit_laplace(design, counts, Priors(), seed=1, settings=LaplaceSettings(points=200, draws=1000)).attrs

    assert facts["k_hat_joint"] < 0.7
    assert facts["ess_joint"] > 700  # 459 without the correction
