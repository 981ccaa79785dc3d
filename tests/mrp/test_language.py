"""Every term of the language: how its rows are coded, what it predicts, what it refuses."""

import json

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from mrp.aliasing import aliased_terms, data_warnings, separate_parts
from mrp.counts import coarsest
from mrp.design import Design, build_design
from mrp.electorate import Electorate
from mrp.errors import CountsError, FormulaError, FrameError, PriorError
from mrp.formula import parse_formula
from mrp.formula_check import check_formula
from mrp.hyper import hyper_space
from mrp.laplace.engine import fit_laplace
from mrp.latents import LatentDraws, from_datatree
from mrp.parity import term_parity
from mrp.poststratification import area_draws
from mrp.priors import AutoBeta, HalfNormal, Lkj, PcMixing, Priors, parse_priors
from mrp.structure import correlation_root
from tests.mrp.maps import EIGHT, on_map
from tests.mrp.polls import FORMULAS, OBSERVED, PERIODS, WORLD, fit_inputs


def design_of(formula: str) -> Design:
    return build_design(formula, WORLD, observed=OBSERVED)


@pytest.mark.parametrize(
    ("formula", "terms"),
    [
        ("(x|g)", ["(1+x|g)"]),
        ("(1 + x|g)", ["(1+x|g)"]),
        ("(x||g)", ["(1+x||g)"]),
        ("(0 + x | g:h)", ["(0+x|g:h)"]),
        ("(x + z|g) + w", ["w", "(1+x+z|g)"]),
        ("(1|a/b)", ["(1|a)", "(1|a:b)"]),
        ("rw1( age ) + rw2(period)", ["rw1(age)", "rw2(period)"]),
        ("rw1(period|g:h)", ["rw1(period|g:h)"]),
        ("icar( state ) + (1|state)", ["icar(state)", "(1|state)"]),
        ("x + bym2(state)", ["x", "bym2(state)"]),
        ("ar1(period) + house(pollster) + mode(mode)", ["ar1(period)", "house(pollster)", "mode(mode)"]),
    ],
)
def test_terms_are_read_as_lme4_reads_them(formula: str, terms: list[str]):
    assert [str(term) for term in parse_formula(formula).terms] == terms


def test_a_slope_multiplies_its_effects_by_the_coded_predictor():
    design = design_of("lean + (lean + sex|age)")
    table = WORLD.frame.head(12)
    rows = design.rows(table)
    names = np.array(design.latent_names)

    for row, cell in enumerate(table.iter_rows(named=True)):
        assert list(names[rows.index[row]]) == [
            f"(1+lean+sex|age)[{cell['age']}, {column}]" for column in ("1", "lean", "sex[male]")
        ]
        assert rows.weight[row, 0] == 1
        assert rows.weight[row, 1] == rows.x[row, 0]
        assert rows.weight[row, 2] == (0.5 if cell["sex"] == "male" else -0.5)


def test_a_second_order_walk_keeps_its_slope_as_a_coefficient():
    design = design_of("rw2(age)")
    rows = design.rows(pl.DataFrame({"age": list(WORLD.levels("age"))}))

    assert design.coefficient_names == ("slope(age)",)
    assert_allclose(rows.x[:, 0], [-1 / 2, -1 / 6, 1 / 6, 1 / 2])


def test_a_period_without_interviews_is_on_the_grid_and_the_last_one_is_predicted():
    design = design_of("ar1(period)")

    assert design.observed == {"period": ("2024-W01", "2024-W02", "2024-W03", "2024-W04", "2024-W05")}
    assert design.period == "2024-W05"
    assert design.cell_columns == ()
    assert design.count_columns == ("period",)


def test_a_prediction_is_for_its_period_and_for_no_pollster():
    design = design_of("rw1(period) + house(pollster)")
    draws = np.zeros((1, design.n_latents), dtype=np.float32)
    draws[0, [design.latent_names.index(f"rw1(period)[{week}]") for week in ("2024-W02", "2024-W05")]] = (-1, 2)
    draws[0, design.latent_names.index("house(pollster)[Ask]")] = 5
    latents = LatentDraws(draws, design.latent_names)

    last = area_draws(latents, design, WORLD).draws
    second = area_draws(latents, design.at_period("2024-W02"), WORLD).draws
    asked = area_draws(latents, design, WORLD, at={"period": "2024-W02"}).draws

    assert_allclose([last[0, 0], second[0, 0], asked[0, 0]], 1 / (1 + np.exp([-2, 1, 1])), rtol=1e-6)


def test_a_table_with_pollsters_is_coded_with_them():
    design = design_of("house(pollster)")
    assert_array_equal(design.rows(pl.DataFrame({"pollster": ["Call", "Ask"]})).weight, 1)
    assert_array_equal(design.rows(WORLD.frame).weight, 0)


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_design_survives_storage(formula: str):
    design, counts = fit_inputs(formula, n=50)
    again = Design.from_json(json.loads(json.dumps(design.to_json())))

    assert again.latent_names == design.latent_names
    assert again.count_columns == design.count_columns
    for table in (counts, WORLD.frame):
        one, other = design.rows(table), again.rows(table)
        assert_array_equal(one.x, other.x)
        assert_array_equal(one.index, other.index)
        assert_array_equal(one.weight, other.weight)


@pytest.mark.parametrize("formula", FORMULAS)
def test_every_term_but_a_nuisance_moves_the_prediction(formula: str):
    assert term_parity(design_of(formula), WORLD) == ()


def test_a_nuisance_effect_in_the_prediction_and_a_slope_left_out_of_it_are_found(monkeypatch):
    import mrp.cell_pass

    add_terms = mrp.cell_pass._add_terms

    def plain(eta, by_latent, x, index, weight):
        add_terms(eta, by_latent, x, index, np.ones_like(weight))

    def without_slopes(eta, by_latent, x, index, weight):
        add_terms(eta, by_latent, x, index, np.where(weight == 1, weight, 0))

    monkeypatch.setattr("mrp.cell_pass._add_terms", plain)
    (problem,) = term_parity(design_of("house(pollster)"), WORLD)
    assert problem.message.startswith("house(pollster)[Ask]")
    monkeypatch.setattr("mrp.cell_pass._add_terms", without_slopes)
    (problem,) = term_parity(design_of("(sex|age)"), WORLD)
    assert problem.message.startswith("(1+sex|age)[18-29, sex[male]]")


FIRST_WAVE = {"period": ["2024-W01"], "pollster": ["Ask"], "mode": ["web"]}


@pytest.mark.parametrize(
    "term",
    [
        "house(pollster)",
        "mode(mode)",
        "rw1(period)",
        "rw2(period)",
        "ar1(period)",
        "(1|period)",
        "(lean|period)",
        "rw1(period|region)",
        "(1|age:period)",
    ],
)
def test_a_term_of_the_only_period_pollster_or_mode_is_left_out_and_the_fit_says_so(term: str):
    design = build_design(f"lean + (1|age) + {term}", WORLD, observed=FIRST_WAVE)

    assert design.coefficient_names == ("lean",)
    assert [effect.term for effect in design.effects] == ["(1|age)"]
    (said,) = design.left_out
    column = "pollster" if "pollster" in term else "mode" if "mode" in term else "period"
    assert f" is left out: there is one {column} only ({FIRST_WAVE[column][0]})" in said
    assert Design.from_json(json.loads(json.dumps(design.to_json()))).left_out == (said,)
    counts = pl.DataFrame({"age": ["18-29"], "period": "2024-W01", "pollster": "Ask", "mode": "web", "n": 5, "y": 2})
    assert said in data_warnings(design, counts)


def test_a_prior_of_a_term_that_is_left_out_is_kept_for_the_next_pollster():
    design = build_design("house(pollster)", WORLD, observed=FIRST_WAVE)
    parse_priors({"house(pollster)": "half_normal(1)"}).check(design)


def test_an_interaction_with_the_only_period_stays_where_no_other_term_has_its_groups():
    design = build_design("(1|age:period) + rw1(age|period)", WORLD, observed=FIRST_WAVE)
    assert [effect.term for effect in design.effects] == ["(1|age:period)", "rw1(age|period)"]
    assert design.left_out == ()


def test_a_second_order_walk_over_two_periods_is_its_slope_and_says_so():
    design = build_design("rw2(period)", WORLD, observed={"period": ["2024-W01", "2024-W02"]})
    assert (design.coefficient_names, design.effects) == (("slope(period)",), ())
    assert design.left_out[0].startswith("rw2(period) is left out but for its slope: there are two periods only")


def test_terms_of_several_periods_and_pollsters_stay():
    assert design_of("house(pollster) + mode(mode) + ar1(period) + (1|age:period)").left_out == ()


@pytest.mark.parametrize("formula", ["(1|region/district)", "(1|region) + (1|district:region)"])
def test_nested_areas_have_effects_of_the_combinations_that_there_are(formula: str):
    design = design_of(formula)
    crossed = design.effects[1]
    areas = WORLD.districts.sort("code").select("code", "region").rows()

    assert crossed.size == len(areas) == 8
    swapped = "district:region" in formula
    named = sorted(f"{code}:{region}" if swapped else f"{region}:{code}" for code, region in areas)
    assert sorted(crossed.labels) == named
    # Every district has its own effect, interviewed or not, and the one that bears its name.
    cells = pl.DataFrame({"district": [code for code, _ in areas]})
    of_district = [design.latent_names[at] for at in design.rows(cells).index[:, 1]]
    assert [name.split("[")[1].rstrip("]") for name in of_district] == [
        f"{code}:{region}" if swapped else f"{region}:{code}" for code, region in areas
    ]
    assert term_parity(design, WORLD) == ()


@pytest.mark.parametrize("formula", ["(1|region:age:district)", "rw1(age|region:district)", "(sex|region:district)"])
def test_areas_inside_an_interaction_are_one_factor(formula: str):
    design = design_of(formula)
    (effect,) = design.effects
    assert effect.n_groups == 8 * (4 if "age" in formula else 1)
    assert term_parity(design, WORLD) == ()
    assert Design.from_json(json.loads(json.dumps(design.to_json()))).latent_names == design.latent_names


def test_the_same_model_written_with_and_without_the_parent_area_has_the_same_estimates():
    counts = fit_inputs("(1|district:age)")[1]
    shares = []
    for formula in ("(1|district:age)", "(1|region:district:age)"):
        design = design_of(formula)
        latents = from_datatree(fit_laplace(design, counts, Priors(), seed=2), design)
        shares.append(area_draws(latents, design, WORLD, by=("district",)).draws.mean(axis=0))
    assert_allclose(shares[0], shares[1], atol=0.02)


@pytest.mark.parametrize(
    ("formula", "problem"),
    [
        ("rw1(sex)", "sex in rw1(sex) has no order; declare it as ordered, or write (1|sex). Ordered are age, period"),
        ("rw1(lean)", "lean in rw1(lean) names nothing that has an order"),
        ("rw1(age|age)", "rw1(age|age) walks over age by age"),
        ("rw1(period|period)", "rw1(period|period) walks over period by period"),
        ("rw1(age|town)", "town in rw1(age|town) names nothing"),
        ("(income|age)", "income in (1+income|age) names nothing"),
        ("(lean|district)", "lean in (1+lean|district) is the same throughout each district"),
        ("(big|region)", "big in (1+big|region) is the same throughout each region"),
        ("(height|region)", "height in (1+height|region) is the same throughout each region, so its slope cannot be"),
        ("(0 + height|region:age)", "height in (0+height|region:age) is the same throughout each region:age"),
        ("(1|district) + (1|region:district)", "(1|region:district) has the same groups as (1|district), each of"),
        ("(1|district:age) + (sex|region:age:district)", "has the same groups as (1|district:age)"),
        ("(1|region) + (1|big:region)", "(1|big:region) has the same groups as (1|region)"),
        ("(region|district:age)", "region in (1+region|district:age) is the same throughout each district:age"),
        ("(sex|sex)", "sex in (1+sex|sex) is the same throughout each sex"),
        ("(district|age)", "district in (1+district|age) is the district itself"),
        ("(sex|lean)", "lean in (1+sex|lean) is numeric"),
        ("(1|pollster)", "pollster in (1|pollster) says how people were asked; write house(pollster)"),
        ("(1|age) + (sex|age)", "(1+sex|age) has the same factors as (1|age); keep one"),
        ("rw1(period) + ar1(period)", "ar1(period) has the same factors as rw1(period); keep one"),
        (
            "icar(region)",
            "icar(region): neighbours are known of districts alone, and region is none; write icar(district)",
        ),
        ("bym2(age)", "bym2(age): neighbours are known of districts alone, and age is none; write bym2(district)"),
        ("icar(town)", "icar(town): neighbours are known of districts alone, and town is none; write icar(district)"),
        ("bym2(district) + (1|district)", "(1|district) has the same factors as bym2(district); keep one"),
        ("(sex|district) + bym2(district)", "bym2(district) has the same factors as (1+sex|district); keep one"),
        ("bym2(district) + (1|region:district)", "(1|region:district) has the same groups as bym2(district)"),
        ("bym2(district) + icar(district)", "icar(district) has the same factors as bym2(district); keep one"),
        (
            "(1|neighbours)",
            "neighbours in (1|neighbours) is a column of the districts that cannot be used: it says which",
        ),
        ("period", "period names nothing of the electorate; it is known of interviews: write rw1(period) or ar1(per"),
        ("pollster", "write house(pollster)"),
        ("mode", "write mode(mode)"),
    ],
)
def test_a_term_that_does_not_fit_is_explained(formula: str, problem: str):
    height = {"North": 1.0, "South": 2.0, "West": 2.5}
    districts = WORLD.districts.with_columns(
        big=pl.when(pl.col("region") == "West").then(pl.lit("Isles")).otherwise(pl.lit("Mainland")),
        # What is computed in two ways differs by rounding, and is no difference.
        height=pl.col("region").replace_strict(height) + pl.Series([1e-15 * i for i in range(8)]),
    )
    world = Electorate(WORLD.frame, districts, "district", WORLD.demographics, WORLD.ordered)
    (found,) = check_formula(formula, world, observed=OBSERVED)
    assert problem in found


@pytest.mark.parametrize("term", ["icar(district)", "bym2(district)"])
def test_a_map_is_needed_for_a_term_of_it(term: str):
    def found(districts: pl.DataFrame) -> tuple[str, ...]:
        return check_formula(term, Electorate(WORLD.frame, districts, "district", WORLD.demographics))

    assert found(WORLD.districts) == ()
    (without,) = found(WORLD.districts.drop("neighbours"))
    assert without == (
        f"{term} needs to know which districts are next to each other: add a column 'neighbours' to the table of "
        "districts, with their codes (a list, or text as in D2;D5), or write (1|district)"
    )
    (empty,) = found(WORLD.districts.with_columns(neighbours=pl.lit(None, dtype=pl.List(pl.String))))
    assert empty == (
        f"{term} has no map: no district has a neighbour; fill in the column 'neighbours', or write (1|district)"
    )
    assert found(WORLD.districts.drop("neighbours").with_columns(neighbors=pl.lit("D01")))[0].endswith(
        "; there is a column 'neighbors': rename it"
    )


def test_an_intrinsic_map_beside_effects_of_every_district_is_the_model_of_besag_york_and_mollie():
    assert check_formula("icar(district) + (1|district)", WORLD) == ()


def test_effects_on_a_map_are_those_of_the_districts_by_code_and_keep_their_neighbours_in_storage():
    design = design_of("bym2(district)")
    again = Design.from_json(json.loads(json.dumps(design.to_json())))

    assert design.latent_names[1:] == tuple(f"bym2(district)[{code}]" for code in WORLD.codes)
    assert design.effects[0].neighbours == EIGHT
    assert again.effects[0].neighbours == EIGHT
    # A design that was stored before there were maps has none.
    older = design_of("(1|district)").to_json()
    del older["effects"][0]["neighbours"]
    assert Design.from_json(older).effects[0].neighbours == ()


def test_a_walk_needs_a_level_more_than_its_order():
    world = Electorate(WORLD.frame, WORLD.districts, "district", WORLD.demographics, ordered=frozenset({"age", "sex"}))
    (found,) = check_formula("rw2(sex)", world)
    assert found == "sex in rw2(sex) has 2 levels, needs 3 or more"


def test_period_pollster_and_mode_are_taken_on_trust_until_there_are_interviews():
    formula = "ar1(period) + house(pollster) + mode(mode) + (1|region:period)"

    assert check_formula(formula, WORLD) == ()
    with pytest.raises(
        FormulaError, match=r"period in ar1.* is not known of the interviews, which have neither"
    ) as error:
        build_design(formula, WORLD)
    assert len(error.value.problems) == 4
    with pytest.raises(FormulaError, match=r"mode in mode.* which have period, pollster; count by mode"):
        build_design(formula, WORLD, observed={"period": PERIODS, "pollster": ("A", "B")})


def test_a_demographic_called_as_what_interviews_have_is_refused():
    frame = WORLD.frame.rename({"sex": "mode"})
    world = Electorate(frame, WORLD.districts, "district", {"mode": ("female", "male"), "age": WORLD.levels("age")})
    (found,) = check_formula("mode(mode)", world)
    assert "is a column of the electorate; rename it" in found


def test_counts_without_the_period_are_refused_rather_than_taken_for_the_last():
    design, counts = fit_inputs("ar1(period) + (1|age)")
    with pytest.raises(CountsError, match="the model reads period; count interviews by age, period"):
        coarsest(design, counts.drop("period"))


def test_an_unknown_period_is_refused():
    with pytest.raises(FrameError, match="'2024-W09' is not one of the 5 of the model, 2024-W01 to 2024-W05"):
        build_design("ar1(period)", WORLD, observed=OBSERVED, period="2024-W09")
    with pytest.raises(FrameError, match="has no term of period"):
        design_of("lean").at_period("2024-W01")


def test_priors_of_correlations_are_named_overridden_and_said_in_words():
    text = {"(1 + sex|age)": "half_normal(1), lkj(4)", "ar1(period)": "beta(3, 3)", "correlation": "lkj(1)"}
    priors = parse_priors(text)
    design = design_of("(sex|age) + ar1(period) + house(pollster) + rw1(age)")
    priors.check(design)
    words = priors.describe(design)

    assert priors.for_correlation("(1+sex|age)") == Lkj(4)
    assert priors.for_sd("(1+sex|age)") == HalfNormal(1)
    assert priors.for_autocorrelation("ar1(period)") == AutoBeta(3, 3)
    assert parse_priors(priors.to_json()) == priors
    assert words["(1+sex|age)"] == (
        "normal with an sd ~ half_normal(1) for each of intercept, sex[male], and correlations ~ lkj(4)"
    )
    assert "r, (r + 1) / 2 ~ beta(3, 3)" in words["ar1(period)"]
    assert "left out of the prediction" in words["house(pollster)"]
    assert "geometric mean" in words["rw1(age)"]


def test_the_prior_of_a_mixing_is_named_overridden_and_said_in_words():
    priors = parse_priors({"bym2(district)": "half_normal(1), pc(0.5, 0.3)", "mixing": "pc(0.4, 0.6)"})
    design = design_of("bym2(district)")
    priors.check(design)

    assert priors.for_mixing("bym2(district)") == PcMixing(0.5, 0.3)
    assert priors.for_mixing("bym2(state)") == PcMixing(0.4, 0.6)
    assert parse_priors(priors.to_json()) == priors
    assert Priors().to_json()["mixing"] == "pc(0.5, 0.67)"
    assert priors.describe(design)["bym2(district)"] == (
        "the sum of two parts, one normal around the mean of the neighbours on a map of 6 borders, summing to zero "
        "over each of 2 parts of the map, scaled so that a district varies by typically sd (geometric mean), but for 1 "
        "without neighbours, which are normal(0, sd), the other normal(0, sd) independently; the first has the share "
        "phi of the variance, phi ~ pc(0.5, 0.3), with sd ~ half_normal(1)"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"house(pollster)": "lkj(2)"}, r"house\(pollster\) has no correlation"),
        ({"ar1(period)": "lkj(2)"}, r"needs beta\(a, b\)"),
        ({"(1+sex|age)": "beta(2, 2)"}, r"needs lkj\(eta\)"),
        ({"(1+sex|age)": "normal(0, 1)"}, "a standard deviation needs half_normal"),
        ({"(sex|region)": "lkj(2)"}, r"not a term; the terms are \(1\+sex\|age\)"),
        ({"(1|region/age)": "half_normal(1)"}, r"stands for \(1\|region\) and \(1\|region:age\); give each its own"),
        ({"(sex|age)": "lkj(2)", "(1 + sex|age)": "lkj(3)"}, "two of one kind; keep one"),
        ({"bym2(district)": "beta(2, 2)"}, r"needs pc\(upper, probability\)"),
        ({"icar(region)": "pc(0.5, 0.5)"}, "which is not a term"),
        ({"ar1(period)": "pc(0.5, 0.5)"}, r"needs beta\(a, b\)"),
        ({"mixing": "beta(2, 2)"}, r"needs pc\(upper, probability\)"),
        ({"mixing": "pc(0.5, 1)"}, r"two numbers between 0 and 1, from 0.001 to 0.999"),
        ({"ar1(period)": "beta(2)"}, "write normal"),
        ({"ar1(period)": "beta(2, 0)"}, "its scale above 0"),
        ({"correlation": "half_normal(1)"}, r"needs lkj\(eta\)"),
    ],
)
def test_a_prior_that_does_not_belong_is_refused(text: dict[str, str], message: str):
    with pytest.raises(PriorError, match=message):
        parse_priors(text).check(design_of("(sex|age) + ar1(period) + house(pollster) + bym2(district)"))


def test_correlations_of_slopes_have_the_lkj_distribution():
    """Under LKJ(eta) every correlation of k columns has (r + 1) / 2 ~ Beta(eta - 1 + k / 2)."""
    eta, n = 2.0, 4000
    space = hyper_space(design_of("(region + sex|age)"), Priors())  # four columns
    rng = np.random.default_rng(7)
    partial = 2 * rng.beta(*space.shapes.T, size=(n, len(space.shapes))) - 1
    roots = np.array([correlation_root(row, 4) for row in partial])
    matrices = roots @ roots.transpose(0, 2, 1)
    marginal = stats.beta(eta - 1 + 2, eta - 1 + 2)
    for i, j in zip(*np.tril_indices(4, -1), strict=True):
        assert stats.kstest((matrices[:, i, j] + 1) / 2, marginal.cdf).pvalue > 1e-4


def test_parts_of_a_map_that_nothing_tells_apart_are_said_to_be_taken_for_alike():
    (warning,) = separate_parts(design_of("lean + icar(district) + (1|age)"))
    assert warning == (
        "icar(district) has a map in 2 separate parts (that of D00, that of D05) and sums to zero over each, so that "
        "their districts are taken to be alike on average; add a parent area that tells the parts apart, or write "
        "bym2(district)"
    )
    _, counts = fit_inputs("icar(district)", n=50)
    assert warning.partition("(")[0] in data_warnings(design_of("icar(district)"), counts)[0]
    for apart in ("bym2(district)", "icar(district) + (1|district)", "icar(district) + region", "(1|district)"):
        assert separate_parts(design_of(apart)) == ()
    world = on_map(WORLD, ((0, 1), (1, 2)))  # the others are islands, each by itself
    assert separate_parts(build_design("icar(district)", world)) == ()


def test_house_effects_that_follow_time_are_said_to():
    formula = "house(pollster) + ar1(period)"
    counts = pl.DataFrame({"pollster": ["A", "A", "B", "C"], "period": ["1", "2", "3", "4"], "n": [50, 50, 40, 60]})
    observed = {name: counts[name].to_list() for name in ("pollster", "period")}
    (warning,) = aliased_terms(build_design(formula, WORLD, observed=observed), counts)
    assert warning.startswith("house(pollster) and period are nearly aliased")

    crossed = pl.concat(
        [counts, counts.with_columns(pollster=pl.col("pollster").replace({"A": "B", "B": "C", "C": "A"}))]
    )
    assert aliased_terms(build_design(formula, WORLD, observed=observed), crossed) == ()
    assert aliased_terms(build_design("house(pollster)", WORLD, observed=observed), counts.drop("period")) == ()
