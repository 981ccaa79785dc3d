"""Data at the edge: hardly any, all the same, a great deal in one place. Wide intervals, or one clear error."""

import time
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from mrp.counts import coarsest, collapse, design_effect
from mrp.design import Design, build_design
from mrp.electorate import Electorate
from mrp.errors import CountsError, FormulaError, FrameError
from mrp.fit import default_estimates, fit_model
from mrp.grouping import Grouping
from mrp.hyper import hyper_space
from mrp.laplace.conditional import Conditional
from mrp.laplace.engine import fit_laplace
from mrp.latents import LatentDraws, from_datatree
from mrp.model import build_model
from mrp.parity import term_parity
from mrp.poststratification import area_draws, area_draws_many
from mrp.priors import Priors
from mrp.verdict import judge_laplace
from tests.mrp.laplace.test_terms import random_point
from tests.mrp.maps import EIGHT, on_map
from tests.mrp.worlds import FORMULA, electorate, interview, plant
from tests.recovery.calibration import assert_coverage

type Floats = NDArray[np.float64]

WORLD = electorate()
DESIGN = build_design(FORMULA, WORLD)
CELLS = WORLD.frame.drop("n_people")
BREAKDOWNS = [Grouping(by=by) for by in ((), ("district",), ("sex",), ("age",))]


def counts_of(*cells: tuple[int, int, int], world: Electorate = WORLD) -> pl.DataFrame:
    """Counts from (cell of the frame, interviews, of them for the option)."""
    where, n, y = zip(*cells, strict=True)
    numbers = pl.DataFrame({"n": n, "y": y}, schema={"n": pl.Int64, "y": pl.Int64})
    return world.frame.drop("n_people")[list(where)].hstack(numbers)


def answer(design: Design, counts: pl.DataFrame, world: Electorate = WORLD, *, seed: int = 1) -> LatentDraws:
    """Latents of a fit with a finite estimate for everything a release is asked first.

    And one that may be published.
    """
    tree = fit_laplace(design, counts, Priors(), seed=seed)
    latents = from_datatree(tree, design)
    estimates = default_estimates(latents, design, world)
    verdict = judge_laplace(tree, estimates, term_parity(design, world))
    assert verdict.problems == ()
    populated = world.frame.filter(pl.col("n_people") > 0)
    assert [one.areas.height for one in estimates[1:]] == [
        populated[name].n_unique() for name in (world.district, *world.demographics)
    ]
    assert all(((one.draws > 0) & (one.draws < 1)).all() for one in estimates)
    return latents


def shares(latents: LatentDraws, design: Design, world: Electorate = WORLD) -> Floats:
    """Draws of the nation, every district, sex and age, shape (draw, group)."""
    return np.concatenate([one.draws for one in area_draws_many(latents, design, world, BREAKDOWNS)], axis=1)


def prior_latents(design: Design, n: int, seed: int) -> Floats:
    """Draws from the prior of varying intercepts: the model's definition, one line per kind of latent."""
    rng, priors = np.random.default_rng(seed), Priors()
    free = 1 + len(design.coefficient_names)
    latents = rng.standard_normal((n, design.n_latents))
    latents[:, 0] *= priors.intercept.sd
    latents[:, 1:free] *= priors.coefficient.sd
    for effect, offset in zip(design.effects, design.offsets, strict=True):
        latents[:, offset : offset + effect.size] *= np.abs(rng.normal(0, priors.sd.scale, (n, 1)))
    return latents


def by_weighting_the_prior(
    design: Design, counts: pl.DataFrame, *, n: int = 60_000, seed: int = 9
) -> tuple[Floats, Floats, float]:
    """Posterior means and sds of `shares` and the effective number of draws: exact but for chance, no engine."""
    latents = prior_latents(design, n, seed)
    rows = design.rows(counts)
    eta = latents[:, :1] + latents[:, 1 : 1 + rows.x.shape[1]] @ rows.x.T
    eta += latents[:, rows.index].sum(axis=2)
    log_weight = eta @ counts["y"].to_numpy() - np.logaddexp(0, eta) @ counts["n"].to_numpy()
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    order = np.argsort(-weight)
    kept = order[: int(np.searchsorted(np.cumsum(weight[order]), 1 - 1e-6)) + 1]  # the others weigh nothing
    share = shares(LatentDraws(latents[kept].astype(np.float32), design.latent_names, n_chains=1), design)
    weight = weight[kept] / weight[kept].sum()
    mean = weight @ share
    return mean, np.sqrt(weight @ (share - mean) ** 2), float(1 / (weight**2).sum())


@pytest.mark.parametrize(
    ("formula", "cells"),
    [
        pytest.param(FORMULA, [(0, 1, 1)], id="one interview"),
        pytest.param(FORMULA, [(8, 3, 1), (9, 2, 2), (12, 2, 0)], id="interviews in one district"),
        pytest.param(FORMULA, [(10 * i, 1, 1) for i in range(9)], id="all answers the same"),
        pytest.param("sex + (1|district)", [(0, 3, 3), (4, 3, 0), (20, 2, 0)], id="answers that sex separates"),
        pytest.param("(1|sex)", [(0, 4, 3), (4, 4, 1)], id="a factor with two levels"),
    ],
)
def test_little_data_give_the_intervals_that_weighting_the_prior_gives(formula: str, cells: list[tuple[int, int, int]]):
    design = build_design(formula, WORLD)
    ours = shares(answer(design, counts_of(*cells)), design)
    mean, sd, n_effective = by_weighting_the_prior(design, coarsest(design, counts_of(*cells)))

    # 300: the fit's own effective number of draws is higher for every one of these estimates.
    error = np.sqrt(1 / n_effective + 1 / 300)
    assert n_effective > 1_000
    assert np.abs((ours.mean(axis=0) - mean) / sd).max() < 0.05 + 3.5 * error
    assert np.abs(np.log(ours.std(axis=0) / sd)).max() < 0.05 + 3.5 * error / np.sqrt(2)


def test_one_interview_is_answered_by_whichever_engine_passes():
    fitted = fit_model(DESIGN, WORLD, counts_of((0, 1, 1)), Priors(), engine="laplace", seed=1)

    assert fitted.verdict.problems == ()
    nation = area_draws(fitted.latents, DESIGN, WORLD).draws[:, 0]
    assert np.quantile(nation, 0.95) - np.quantile(nation, 0.05) > 0.6


def test_a_district_without_interviews_keeps_nearly_all_of_its_prior_width():
    ours = shares(answer(DESIGN, counts_of((0, 1, 1))), DESIGN)
    before = prior_latents(DESIGN, 20_000, seed=3).astype(np.float32)
    prior = shares(LatentDraws(before, DESIGN.latent_names, n_chains=1), DESIGN)

    assert ours.std(axis=0).min() > 0.8 * prior.std(axis=0).min()
    low, high = np.quantile(ours[:, -3], [0.05, 0.95])
    assert high - low > 0.5


def test_districts_without_interviews_are_wider_than_those_with():
    asked = counts_of(*((cell, 20, 9) for cell in range(16)))  # all in the first two of twelve districts
    widths = shares(answer(DESIGN, asked), DESIGN)[:, 1:13].std(axis=0)

    assert widths[2:].min() > 1.5 * widths[:2].max()


def test_all_answers_the_same_are_mirrored_by_all_answers_the_other_way():
    """Separation: the likelihood has no maximum, the posterior has."""
    yes, no = (shares(answer(DESIGN, counts_of(*((c, 21, y) for c in range(96)))), DESIGN)[:, 0] for y in (21, 0))

    odds_yes, odds_no = np.log(yes / (1 - yes)), np.log(no / (1 - no))
    error = np.sqrt(2 / 300)
    assert abs(odds_yes.mean() + odds_no.mean()) / odds_yes.std() < 3.5 * error
    assert abs(np.log(odds_yes.std() / odds_no.std())) < 3.5 * error / np.sqrt(2)
    # 2,016 of 2,016: by the rule of three less than 0.0015 otherwise if all people were alike, and more if they differ.
    assert 0.001 < np.quantile(1 - yes, 0.95) < 0.005
    assert odds_yes.std() > 0.3


def with_level(world: Electorate, name: str, *, people: float) -> Electorate:
    """The same with a further age, of so many people in every cell."""
    more = world.frame.filter(pl.col("age") == "65+").with_columns(age=pl.lit(name), n_people=pl.lit(people))
    frame = pl.concat([world.frame, more])
    return replace(world, frame=frame, demographics={**world.demographics, "age": (*world.levels("age"), name)})


def test_a_level_that_nobody_interviewed_has_is_answered_from_the_prior():
    world = with_level(WORLD, "80+", people=500.0)
    design = build_design("sex + (1|district) + (1|age)", world)
    interviews = interview(WORLD, plant(DESIGN, WORLD.frame, seed=2), n=1500, seed=3)
    counts = collapse(interviews, by=world.cell_columns, answer="answer", option="yes")
    by_age = area_draws(answer(design, counts, world), design, world, by=("age",))

    sd = dict(zip(by_age.areas["age"], by_age.draws.std(axis=0), strict=True))
    assert sd["80+"] > 2 * max(value for age, value in sd.items() if age != "80+")


def test_a_level_of_which_there_is_nobody_at_all_changes_no_other():
    world = with_level(WORLD, "100+", people=0.0)
    design = build_design("sex + (1|district) + (1|age)", world)
    by_age = area_draws(answer(design, counts_of((0, 9, 4), (1, 9, 6)), world), design, world, by=("age",))

    assert by_age.areas["age"].to_list() == list(WORLD.levels("age"))


def test_a_predictor_that_is_the_same_everywhere_is_refused_by_name():
    flat = replace(WORLD, districts=WORLD.districts.with_columns(lean=pl.lit(0.5)))
    with pytest.raises(FormulaError, match="lean is the same in every district"):
        build_design(FORMULA, flat)


def test_a_predictor_that_is_the_same_where_people_were_interviewed_keeps_its_prior():
    lean = pl.when(pl.col("code") < "D06").then(0.4).otherwise(0.6)
    world = replace(WORLD, districts=WORLD.districts.with_columns(lean=lean))
    design = build_design("lean + (1|district)", world)
    latents = answer(design, counts_of(*((cell, 20, 9) for cell in range(48)), world=world), world)

    # Intercept and slope are told apart by their priors alone.
    slope = latents.draws[:, design.latent_names.index("lean")]
    assert 0.6 < slope.std() < 1.0


@pytest.mark.parametrize("others", [(), ((9, 4, 4), (40, 3, 0))], ids=["alone", "and two others"])
def test_a_million_interviews_in_one_cell_decide_that_cell_and_no_other(others: tuple[tuple[int, int, int], ...]):
    counts = counts_of((5, 1_000_000, 523_000), *others)
    latents = answer(DESIGN, counts)
    cell = CELLS.row(5, named=True)
    by_cell = area_draws(latents, DESIGN, WORLD, by=tuple(cell))
    found = by_cell.draws[
        :,
        int(
            np.argmax(
                (by_cell.areas.select(*cell) == pl.DataFrame([cell])[[0] * by_cell.areas.height]).to_numpy().all(axis=1)
            )
        ),
    ]
    se = np.sqrt(0.523 * 0.477 / 1e6)

    assert found.mean() == pytest.approx(0.523, abs=0.3 * se)
    assert found.std() == pytest.approx(se, rel=0.15)
    assert shares(latents, DESIGN)[:, 0].std() > 0.05


def test_two_thousand_districts_are_answered_in_seconds_and_cover_the_truth():
    world = electorate(n_districts=2000)
    design = build_design(FORMULA, world)
    opinion = plant(design, world.frame, seed=2)
    counts = collapse(interview(world, opinion, n=20_000, seed=3), by=world.cell_columns, answer="answer", option="yes")
    began = time.process_time()
    latents = answer(design, counts, world)

    assert time.process_time() - began < 60
    districts = area_draws(latents, design, world, by=("district",))
    truth = (
        world.frame.with_columns(share=pl.Series(opinion.cell_share))
        .group_by("district")
        .agg((pl.col("share") * pl.col("n_people")).sum() / pl.col("n_people").sum())
    )
    known = districts.areas.join(truth, on="district", how="left", maintain_order="left")["share"].to_numpy()
    assert_coverage(districts.draws, known)


def test_rows_that_come_twice_are_added_up():
    counts = counts_of((0, 4, 1), (9, 4, 4), (40, 3, 0))
    twice = pl.concat([counts, counts])
    doubled = counts.with_columns(pl.col("n", "y") * 2)

    one, two = (fit_laplace(DESIGN, table, Priors(), seed=2) for table in (twice, doubled))
    assert_array_equal(one["posterior"]["intercept"], two["posterior"]["intercept"])


def test_cells_and_districts_that_come_twice_are_refused_by_name():
    with pytest.raises(FrameError, match="more than one row for the cell D00 / female / 18-29"):
        replace(WORLD, frame=pl.concat([WORLD.frame, WORLD.frame.head(1)]))
    with pytest.raises(FrameError, match="D00"):
        replace(WORLD, districts=pl.concat([WORLD.districts, WORLD.districts.head(1)]))


def test_cells_without_interviews_change_nothing_and_make_no_fit_by_themselves():
    counts = counts_of((0, 4, 1), (9, 4, 4))
    empty = counts.with_columns(n=pl.lit(0), y=pl.lit(0))
    more = pl.concat([counts, counts_of((50, 0, 0), (70, 0, 0))])

    one, two = (
        shares(from_datatree(fit_laplace(DESIGN, table, Priors(), seed=2), DESIGN), DESIGN) for table in (counts, more)
    )
    assert_allclose(one, two, atol=1e-5)
    with pytest.raises(CountsError, match="there is no answer to fit"):
        fit_laplace(DESIGN, empty, Priors(), seed=2)


def test_an_interview_that_outweighs_all_others_leaves_wide_intervals():
    rng = np.random.default_rng(4)
    interviews = interview(WORLD, plant(DESIGN, WORLD.frame, seed=2), n=400, seed=3)
    weight = np.where(np.arange(400) == 0, 1e6, rng.gamma(2, 1, 400))
    design = build_design("(1|sex)", WORLD)
    by = {"by": design.count_columns, "answer": "answer", "option": "yes"}
    plain = collapse(interviews, **by)
    counts = collapse(interviews.with_columns(weight=pl.Series(weight)), weight="weight", **by)

    assert design_effect(design, counts) > 50
    assert coarsest(design, counts)["n"].sum() < 8
    wide, narrow = (shares(answer(design, table), design).std(axis=0) for table in (counts, plain))
    assert (wide > 3 * narrow).all()


@pytest.mark.parametrize("term", ["ar1(period)", "rw1(period)"])
def test_a_period_without_interviews_is_between_its_neighbours_and_less_certain(term: str):
    observed = {"period": ("2024-W01", "2024-W03")}
    design = build_design(term, WORLD, observed=observed)
    counts = pl.DataFrame({"period": ["2024-W01", "2024-W03"], "n": [900, 900], "y": [300, 600]})
    latents = from_datatree(fit_laplace(design, counts, Priors(), seed=3), design)
    nation = {
        period: area_draws(latents, design.at_period(period), WORLD).draws[:, 0]
        for period in ("2024-W01", "2024-W02", "2024-W03")
    }

    first, gap, last = nation.values()
    assert first.mean() == pytest.approx(1 / 3, abs=0.02)
    assert last.mean() == pytest.approx(2 / 3, abs=0.02)
    # Answers are mirrored in time, so that the gap is a toss-up, of which interviews of other weeks say less.
    assert gap.mean() == pytest.approx(0.5, abs=3.5 * gap.std() / np.sqrt(300))
    assert gap.std() > 2 * max(first.std(), last.std())


@pytest.mark.parametrize("call", ["icar", "bym2"])
@pytest.mark.parametrize(
    "cells",
    [
        pytest.param([(0, 1, 1)], id="one interview"),
        pytest.param([(8 * i, 30, 30) for i in range(9)], id="all answers the same"),
        pytest.param([(5, 3000, 1570), (9, 4, 3)], id="nearly all in one district"),
    ],
)
def test_a_map_answers_hardly_any_interviews_and_answers_that_are_all_the_same(
    call: str, cells: list[tuple[int, int, int]]
):
    world = on_map(WORLD, EIGHT)
    answer(build_design(f"sex + {call}(district)", world), counts_of(*cells, world=world), world)


@pytest.mark.parametrize("call", ["icar", "bym2"])
def test_a_district_without_interviews_is_between_its_neighbours_and_an_island_is_told_nothing(call: str):
    """Districts in a row, the third of five without interviews, and an island."""
    world = on_map(electorate(n_districts=6, empty=0.0), ((0, 1), (1, 2), (2, 3), (3, 4)))
    design = build_design(f"{call}(district)", world)
    counts = pl.DataFrame({"district": ["D00", "D01", "D03", "D04"], "n": [400] * 4, "y": [100, 100, 300, 300]})
    latents = from_datatree(fit_laplace(design, counts, Priors(), seed=3), design)
    draws = area_draws(latents, design, world, by=("district",)).draws
    mean, sd = draws.mean(axis=0), draws.std(axis=0)

    # A quarter of answers on the one side, three quarters on the other: the district between them is a toss-up.
    assert mean[2] == pytest.approx(0.5, abs=3.5 * sd[2] / np.sqrt(300))
    assert mean[1] < mean[2] < mean[3]
    # Of the island the interviews say nothing but how much districts differ: it is as uncertain as any, and more.
    assert sd[5] > sd[2] > 2 * max(sd[[0, 1, 3, 4]])


@pytest.mark.parametrize("term", ["house(pollster)", "ar1(period)", "rw1(period)"])
def test_a_single_pollster_or_period_is_answered(term: str):
    name = term.split("(")[1].rstrip(")")
    design = build_design(f"sex + {term}", WORLD, observed={name: ("2024-W01",)})
    counts = pl.DataFrame({"sex": ["male", "female"], name: ["2024-W01"] * 2, "n": [50, 50], "y": [20, 30]})

    tree = fit_laplace(design, counts, Priors(), seed=3)
    nation = area_draws(from_datatree(tree, design), design, WORLD).draws[:, 0]
    assert nation.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param([(0, 1, 1)], id="one interview"),
        pytest.param([(10 * i, 30, 30) for i in range(9)], id="all answers the same"),
        pytest.param([(5, 1_000_000, 523_000), (9, 4, 4)], id="a million in one cell"),
    ],
)
def test_the_definition_has_the_density_of_the_engine_at_the_edge(cells: list[tuple[int, int, int]]):
    design = build_design("sex + (1|district)", WORLD)
    counts = coarsest(design, counts_of(*cells))
    model = build_model(design, counts, Priors())
    log_density = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    space, conditional, rng = (
        hyper_space(design, Priors()),
        Conditional(design, counts, Priors()),
        np.random.default_rng(5),
    )
    gaps, sizes = [], []
    for _ in range(4):
        point, latents, hypers, prior = random_point(design, space, model, rng)
        value = float(log_density(point))
        gaps.append(value - float(conditional.log_joint(latents[None], hypers)[0]) - prior)
        sizes.append(abs(value))

    assert_allclose(gaps, gaps[0], rtol=0, atol=1e-8 * max(*sizes, 1.0))
