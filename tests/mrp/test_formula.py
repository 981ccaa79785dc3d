import polars as pl
import pytest

from mrp.electorate import Electorate
from mrp.errors import FormulaError
from mrp.formula import parse_formula
from mrp.formula_check import check_formula
from mrp.terms import Predictor, VaryingIntercept
from tests.mrp.worlds import FORMULA, electorate

WORLD = electorate()


def test_predictors_come_first_then_varying_intercepts_as_written():
    parsed = parse_formula("(1|age) + lean + (1|sex:age) + region")

    assert parsed.terms == (
        Predictor("lean"),
        Predictor("region"),
        VaryingIntercept(("age",)),
        VaryingIntercept(("sex", "age")),
    )
    assert [str(term) for term in parsed.terms] == ["lean", "region", "(1|age)", "(1|sex:age)"]


def test_a_constant_alone_is_a_model():
    assert parse_formula("1").terms == ()


def test_a_term_written_twice_counts_once():
    assert parse_formula("lean + (1|age) + lean + (1|age)").terms == (Predictor("lean"), VaryingIntercept(("age",)))


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("", "it is empty"),
        ("y ~ lean", "right-hand side only"),
        ("lean + 1|age)", r"1\|age\) closes a parenthesis that nothing opens; write \(1\|g\)"),
        ("lean + (1|age + sex", r"\(1\|age opens a parenthesis that nothing closes"),
        ("lean + +", "cannot be read"),
        ("0 + lean", "the intercept cannot be removed"),
        ("lean:age", "interaction of coefficients"),
        ("(lean:sex|age)", "interaction of coefficients"),
        ("(lean + 0|age)", r"\(lean \+ 0\|age\) leaves out its intercept too late; write \(0 \+ lean\|age\)"),
        ("(sex-1||age)", r"write \(0 \+ sex\|\|age\)"),
        ("(lean - 1 + sex|age)", r"write \(0 \+ lean \+ sex\|age\)"),
        ("(1|p|q|age)", r"\(1\|p\|q\|age\) has more bars than a term can have; write \(1\|p\|g\), with one label p"),
        ("(1||p|age)", r"\(1\|\|p\|age\) has more bars than a term can have"),
        ("(lean|p|age)", r"correlates slopes between questions, .* write \(1\|p\|age\) and \(0 \+ lean\|age\)"),
        ("(1 + lean|p|age)", r"write \(1\|p\|age\) and \(0 \+ lean\|age\)"),
        ("(1|2|age)", r"\(1\|2\|age\) has the label '2', which is no name; write \(1\|p\|age\)"),
        ("(1|p|age/sex)", r"\(1\|p\|age/sex\) cannot be read: after its label come factors, as in \(1\|p\|g:h\)"),
        ("(1|sex-1)", r"\(1\|sex-1\) puts together what does not go together"),
        ("((1|age))", "more parentheses than it needs"),
        ("log(lean)", r"log\(lean\) is not supported; understood are x, \(1\|g\)"),
        ("rw1(age + sex)", "cannot be read"),
        ("rw1(age|sex|district)", "cannot be read"),
        ("rw2(age|sex)", "only rw1 can be given by group"),
        ("house(mode)", r"write house\(pollster\)"),
        ("icar(district|sex)", "only rw1 can be given by group"),
        ("bym2(district + sex)", "cannot be read"),
        ("ar1(age)", r"write ar1\(period\)"),
    ],
)
def test_what_is_not_understood_is_refused_and_what_is_understood_named(formula: str, message: str):
    with pytest.raises(FormulaError, match=message):
        parse_formula(formula)


def test_a_formula_that_fits_the_electorate_has_no_problems():
    assert check_formula(FORMULA + " + region", WORLD) == ()


@pytest.mark.parametrize(
    ("formula", "problem"),
    [
        ("income", "income names nothing; this electorate has district, region, sex, age, lean"),
        ("(1|sex:income)", "income in (1|sex:income) names nothing"),
        ("district", "district is the district itself; write (1|district)"),
        ("(1|lean)", "lean in (1|lean) is numeric; varying intercepts need levels"),
        ("(1|sex:age) + (1|age:sex)", "(1|age:sex) has the same factors as (1|sex:age)"),
    ],
)
def test_a_term_that_does_not_fit_is_explained(formula: str, problem: str):
    (found,) = check_formula(formula, WORLD)

    assert problem in found


def test_all_problems_are_reported_at_once():
    assert len(check_formula("income + (1|lean) + (1|town)", WORLD)) == 3


def test_a_factor_with_one_level_and_a_constant_or_missing_predictor_explain_nothing():
    districts = WORLD.districts.with_columns(
        country=pl.lit("Home"), flat=pl.lit(1.0), gap=pl.when(pl.col("code") > "D03").then(1.5)
    )
    world = Electorate(WORLD.frame, districts, "district", WORLD.demographics)

    problems = check_formula("flat + gap + (1|country)", world)

    assert problems == (
        "flat is the same in every district, so it cannot explain anything",
        "gap has no value in D00, D01, D02 and 1 more",
        "country in (1|country) has one level (Home), so it cannot explain anything",
    )
