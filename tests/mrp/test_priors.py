import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from mrp.design import build_design
from mrp.errors import PriorError
from mrp.fit import fit_model
from mrp.laplace.engine import fit_laplace
from mrp.model import build_model
from mrp.nuts import sample_nuts
from mrp.priors import AutoBeta, HalfNormal, Lkj, Normal, PcMixing, Priors, parse_priors
from tests.mrp.worlds import FORMULA, electorate

DESIGN = build_design(FORMULA, electorate())


def test_the_defaults_hold_where_nothing_else_is_said():
    priors = parse_priors({"(1|age)": "half_normal(1)", "lean": "normal(0.5, 2)"})

    assert priors.for_sd("(1|age)") == HalfNormal(1)
    assert priors.for_sd("(1|district)") == HalfNormal(0.5)
    assert priors.for_predictor("lean") == Normal(0.5, 2)
    assert priors.for_predictor("sex") == Normal(0, 1)


def test_the_defaults_themselves_can_be_replaced():
    priors = parse_priors({"intercept": "normal(-1, 2)", "coefficient": "normal(0, 3)", "sd": "half_normal(0.2)"})

    assert priors == Priors(Normal(-1, 2), Normal(0, 3), HalfNormal(0.2))


def test_priors_survive_json():
    priors = parse_priors({"(1|sex:age)": "half_normal(0.25)", "intercept": "normal(-1, 2)"})

    assert parse_priors(json.loads(json.dumps(priors.to_json()))) == priors


@pytest.mark.parametrize(
    ("formula", "key"),
    [
        ("(lean|region)", "(lean|region)"),
        ("(lean|region)", "(1 + lean | region)"),
        ("(lean||region)", "(lean||region)"),
        ("(1|age:sex)", "(1|sex:age)"),
        ("(lean + sex|age)", "(sex + lean|age)"),
        ("(0 + lean|age)", "( 0 +lean|age)"),
        ("rw1(age | region:sex)", "rw1(age|sex:region)"),
    ],
)
def test_a_term_is_understood_however_it_is_written(formula: str, key: str):
    design = build_design(formula, electorate())
    (term,) = (effect.term for effect in design.effects)

    for priors in (parse_priors({key: "half_normal(1)"}), Priors(by_term={key: HalfNormal(1)})):
        priors.check(design)
        assert priors.for_sd(term) == HalfNormal(1)
        assert "half_normal(1)" in priors.describe(design)[term]
        assert parse_priors(priors.to_json()) == priors


@pytest.mark.parametrize("key", ["(1|age:sex)", "(1 | sex:age)"])
def test_two_priors_of_one_term_are_refused_however_they_are_written(key: str):
    with pytest.raises(PriorError, match=r"two of one kind|two priors of one kind"):
        parse_priors({"(1|sex:age)": "half_normal(1)", key: "half_normal(2)"})


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        (None, r"priors is None \(NoneType\); it has to be Priors: write mrp.Priors\(\) for the defaults"),
        (
            {"lean": "normal(0, 1)"},
            r"priors is {.*} \(dict\); it has to be Priors: write mrp.parse_priors\(...\) of it",
        ),
    ],
)
def test_what_is_no_priors_is_refused_by_everything_that_fits(priors: Any, message: str):
    world = electorate()
    counts = world.frame.select(*DESIGN.count_columns, n=pl.lit(2), y=pl.lit(1))
    for fit in (
        lambda: fit_model(DESIGN, world, counts, priors, engine="laplace", seed=1),
        lambda: fit_laplace(DESIGN, counts, priors, seed=1),
        lambda: sample_nuts(DESIGN, counts, priors, seed=1),
        lambda: build_model(DESIGN, counts, priors),
    ):
        with pytest.raises(PriorError, match=message):
            fit()


@pytest.mark.parametrize(
    "text", ["cauchy(0, 1)", "normal(0)", "half_normal(1, 2)", "normal(0, -1)", "normal(a, 1)", "half_normal(0)", ""]
)
def test_a_prior_that_is_not_understood_is_refused(text: str):
    with pytest.raises(PriorError, match=r"the prior of lean is"):
        parse_priors({"lean": text})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"income": "normal(0, 1)"}, "a prior for income, which is not a term; the terms are lean, sex"),
        ({"lean": "half_normal(1)"}, r"a coefficient needs normal"),
        ({"(1|age)": "normal(0, 1)"}, r"a standard deviation needs half_normal"),
    ],
)
def test_a_prior_that_does_not_fit_the_model_is_refused(text: dict[str, str], message: str):
    with pytest.raises(PriorError, match=message):
        parse_priors(text).check(DESIGN)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normal(0, 0), r"there is no prior normal\(0, 0\); it needs a finite mean and an sd above 0"),
        (lambda: Normal(0, 1e-300), r"normal\(0, 1e-300\); it needs .* an sd above 0, from 1e-06 to 1e\+06"),
        (
            lambda: parse_priors({"lean": "normal(1e300, 1)"}),
            r"it needs a finite mean and an sd above 0, from 1e-06 to",
        ),
        (lambda: HalfNormal(1e300), "from 1e-06 to"),
        (lambda: HalfNormal(-1), r"no prior half_normal\(-1\); it needs a finite scale above 0"),
        (lambda: Lkj(float("nan")), "a finite eta above 0"),
        (lambda: AutoBeta(1, 0), "finite a and b above 0"),
        (lambda: PcMixing(0, 0.5), r"no prior pc\(0, 0.5\); it needs two numbers between 0 and 1"),
        (lambda: PcMixing(0.5, float("nan")), "two numbers between 0 and 1"),
        (lambda: Priors(sd=Normal(0, 1)), r"the prior of sd is normal\(0, 1\); it needs half_normal\(scale\)"),
        (lambda: parse_priors({"sd": "half_normal(1), half_normal(2)"}), "two of one kind; keep one"),
        (lambda: parse_priors({"(1|age)": "half_normal(1), normal(0, 1)"}), "two of one kind; keep one"),
        (lambda: parse_priors({"ar1(period)": "beta(1, 2), lkj(2)"}), "two of one kind; keep one"),
        (lambda: parse_priors({"lean": 3}), "the prior of lean is 3, which is not text; write normal"),
    ],
)
def test_a_prior_that_is_none_is_refused_where_it_is_made(make: Callable[[], object], message: str):
    with pytest.raises(PriorError, match=message):
        make()


@pytest.mark.parametrize("text", [{"sd": "normal(0, 1)"}, {"intercept": "half_normal(1)"}])
def test_a_default_of_the_wrong_kind_is_refused(text: dict[str, str]):
    with pytest.raises(PriorError, match=r"needs? "):
        parse_priors(text)


def test_every_term_is_described_in_words():
    words = Priors().describe(DESIGN)

    assert list(words) == [name for name, _ in DESIGN.blocks]
    assert words["lean"] == "normal(0, 1) per standard deviation over people"
    assert words["sex"] == "normal(0, 1) per contrast of levels"
    assert words["(1|age)"] == "normal(0, sd) with sd ~ half_normal(0.5)"


def test_a_prior_that_is_not_the_default_is_described_as_it_is():
    words = parse_priors({"(1|age)": "half_normal(1)", "lean": "normal(0.5, 2)", "sd": "half_normal(0.3)"}).describe(
        DESIGN
    )

    assert words["lean"] == "normal(0.5, 2) per standard deviation over people"
    assert words["(1|age)"] == "normal(0, sd) with sd ~ half_normal(1)"
    assert words["(1|district)"] == "normal(0, sd) with sd ~ half_normal(0.3)"
