"""A release beside what happened: levels, groups, what follows from districts, baselines, and what is not said."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from jobs.release_scores import ReleaseDraws, score_release
from mrp.categorical.design import build_categorical_design
from mrp.categorical.options import Options
from mrp.categorical.poststratification import option_draws_many
from mrp.design import build_design
from mrp.electorate import Electorate
from mrp.frames import FrameDraws, voters_over_frames
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.misreport import Misreport
from mrp.poststratification import area_draws
from mrp.scoring import score
from mrp.systematic import SystematicError, with_systematic_error
from mrp.turnout import Turnout, voter_draws_many
from polling.declaration import LastResult, Question
from polling.disclosure import DisclosureRules

QUESTION = Question("vote", "vote", "?", "binary", ("yes", "no"), "sex + (1|place)")
RULES = DisclosureRules(min_people=100, min_interviews=30)
PLACES = ("A", "B", "C", "D")


def electorate() -> Electorate:
    rows = [(p, s, 1000.0 * (i + 1) + 100 * j) for i, p in enumerate(PLACES) for j, s in enumerate(("f", "m"))]
    rows += [("D", "x", 10.0)]
    frame = pl.DataFrame(rows, schema=["place", "sex", "n_people"], orient="row")
    frame = frame.vstack(pl.DataFrame({"place": ["A", "B", "C"], "sex": ["x"] * 3, "n_people": [10.0] * 3}))
    districts = pl.DataFrame(
        {"code": PLACES, "name": PLACES, "region": ["N", "N", "S", "S"], "before": [0.4, 0.5, 0.6, 0.55]}
    )
    return Electorate(frame, districts, district="place", demographics={"sex": ("f", "m", "x")})


@pytest.fixture(scope="module")
def release() -> ReleaseDraws:
    people = electorate()
    design = build_design(QUESTION.model, people)
    draws = np.random.default_rng(5).normal(0.1, 0.3, (400, design.n_latents)).astype(np.float32)
    counts = pl.DataFrame({"place": ["A", "B", "C"], "sex": ["f", "m", "f"], "n": [60, 40, 10], "y": [30, 30, 5]})
    latents = LatentDraws(draws=draws, names=design.latent_names)
    return ReleaseDraws(latents, design, people, QUESTION, LastResult("before"), counts)


def known(*rows: tuple[Any, ...], columns: Iterable[str] = ("level", "area", "share")) -> pl.DataFrame:
    table = pl.DataFrame(rows, schema=list(columns), orient="row").with_columns(option=pl.lit("yes"))
    return table if "se" in table.columns else table.with_columns(se=pl.lit(None, pl.Float64))


DISTRICTS = [("place", p, s) for p, s in zip(PLACES, (0.45, 0.55, 0.6, 0.52), strict=True)]


def rows_of(release: ReleaseDraws, table: pl.DataFrame) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {(row["method"], row["level"], *row["by"]): row for row in score_release(release, table, rules=RULES)}


def test_a_district_row_is_the_score_of_the_draws(release: ReleaseDraws):
    found = rows_of(release, known(*DISTRICTS))["mrp", "place"]
    draws = area_draws(release.latents, release.design, release.electorate, by=("place",)).draws
    expected = score(draws, np.array([0.45, 0.55, 0.6, 0.52])).to_json()
    expected["n_areas"] = expected.pop("n_districts")
    assert found == {"method": "mrp", "level": "place", "by": [], "derived": False, "perturbed": False, **expected}


def test_a_question_about_voters_is_compared_among_them(release: ReleaseDraws):
    of = build_design("sex", release.electorate)
    draws = np.random.default_rng(8).normal(0, 1.0, (400, of.n_latents)).astype(np.float32)
    turnout = (Turnout(LatentDraws(draws=draws, names=of.latent_names), of),)
    (among,) = voter_draws_many(release.latents, release.design, release.electorate, turnout, [Grouping(("place",))])
    expected = score(among.drawn.draws[:, :, 0], np.array([0.45, 0.55, 0.6, 0.52])).to_json()
    found = rows_of(replace(release, turnout=turnout), known(*DISTRICTS))["mrp", "place"]
    assert found["rmse"] == pytest.approx(expected["rmse"])
    assert found["rmse"] != pytest.approx(rows_of(release, known(*DISTRICTS))["mrp", "place"]["rmse"], rel=1e-6)


def test_reports_that_are_wrong_at_times_are_scored_as_what_people_did(release: ReleaseDraws):
    told = Misreport(0.9, 0.95)
    found = rows_of(replace(release, misreport=told), known(*DISTRICTS))
    draws = area_draws(release.latents, release.design, release.electorate, by=("place",)).draws
    expected = score(np.clip((draws - 0.05) / 0.85, 0, 1), np.array([0.45, 0.55, 0.6, 0.52])).to_json()

    row = found["mrp", "place"]
    assert row["estimand"] == "truth"
    assert (row["rmse"], row["coverage"]) == (pytest.approx(expected["rmse"]), expected["coverage"])
    # What rests on counts is of reports, as it was.
    plain = rows_of(release, known(*DISTRICTS))
    assert {key: row for key, row in found.items() if key[0] != "mrp"} == {
        key: row for key, row in plain.items() if key[0] != "mrp"
    }
    assert not any("estimand" in row for row in plain.values())


def test_draws_with_the_systematic_error_are_scored_beside_the_others(release: ReleaseDraws):
    second, longer = with_systematic_error(
        release.latents, release.design, release.electorate, SystematicError(0.1, 0.7), seed=3
    )
    found = rows_of(replace(release, second=second), known(*DISTRICTS))
    draws = area_draws(second, longer, release.electorate, by=("place",)).draws
    expected = score(draws, np.array([0.45, 0.55, 0.6, 0.52])).to_json()

    # What is not of the second draws is as without them.
    plain = rows_of(release, known(*DISTRICTS))
    assert {key: row for key, row in found.items() if key[0] != "mrp_with_systematic_error"} == plain
    own = found["mrp_with_systematic_error", "place"]
    assert {name: own[name] for name in ("coverage", "interval_score", "mean_width")} == {
        name: expected[name] for name in ("coverage", "interval_score", "mean_width")
    }
    assert own["mean_width"] > found["mrp", "place"]["mean_width"] + 0.05
    assert {level for method, level in found if method == "mrp_with_systematic_error"} == {"place", "region", "nation"}


def test_of_voters_the_second_draws_are_scored_with_their_own_turnout(release: ReleaseDraws):
    of = build_design("sex", release.electorate)
    told = [
        Turnout(LatentDraws(draws=np.full((400, of.n_latents), size, np.float32), names=of.latent_names), of)
        for size in (0.0, 2.0)
    ]
    two = replace(release, second=release.latents, turnout=(told[0],), second_turnout=(told[1],))

    assert two.with_error is not None
    assert (two.with_error.turnout, two.with_error.second) == ((told[1],), None)


def test_among_voters_a_release_is_compared_over_its_frames(release: ReleaseDraws):
    cells = release.electorate.frame.drop("n_people")
    people = release.electorate.frame["n_people"].to_numpy()
    odd = np.where(cells["sex"] == "f", 1.8, 0.2)
    frames = FrameDraws(cells, np.array([people * odd, people * (2 - odd)]))
    turnout = (Turnout(release.latents, release.design),)
    of = (release.latents, release.design, release.electorate)
    (among,) = voters_over_frames(*of, turnout, [Grouping(("place",))], frames=frames)
    expected = score(among.drawn.draws[:, :, 0], np.array([0.45, 0.55, 0.6, 0.52])).to_json()
    found = rows_of(replace(release, turnout=turnout, frames=frames), known(*DISTRICTS))["mrp", "place"]
    assert found["mean_width"] == pytest.approx(expected["mean_width"])
    one = rows_of(replace(release, turnout=turnout), known(*DISTRICTS))["mrp", "place"]
    assert found["mean_width"] != pytest.approx(one["mean_width"], rel=1e-6)


def test_what_happened_in_larger_areas_follows_from_districts_by_their_people(release: ReleaseDraws):
    found = rows_of(release, known(*DISTRICTS))
    people = dict(release.electorate.frame.group_by("place").agg(pl.col("n_people").sum()).iter_rows())
    weights = [people[p] for p in PLACES]
    truth = np.average([0.45, 0.55, 0.6, 0.52], weights=weights)
    nation = area_draws(release.latents, release.design, release.electorate).draws.mean()

    assert found["mrp", "nation"]["derived"]
    assert found["mrp", "nation"]["bias"] == pytest.approx(nation - truth)
    assert (found["mrp", "region"]["derived"], found["mrp", "region"]["n_areas"]) == (True, 2)


def test_what_is_told_is_not_derived_and_areas_that_lack_a_district_are_left_out(release: ReleaseDraws):
    told = rows_of(release, known(("nation", "all", 0.5), *DISTRICTS))
    assert not told["mrp", "nation"]["derived"]

    part = rows_of(release, known(*DISTRICTS[:3]))
    assert ("mrp", "nation") not in part
    assert part["mrp", "region"]["n_areas"] == 1


def test_groups_are_levels_of_their_own_and_too_few_people_are_not_scored(release: ReleaseDraws):
    table = known(
        ("nation", "all", 0.6, "f"),
        ("nation", "all", 0.4, "m"),
        ("nation", "all", 0.9, "x"),
        ("place", "A", 0.4, "f"),
        columns=("level", "area", "share", "sex"),
    )
    found = rows_of(release, table)
    assert set(found) == {("mrp", "nation", "sex"), ("mrp", "place", "sex")}
    # 40 people are of the third.
    assert found["mrp", "nation", "sex"]["n_areas"] == 2
    draws = area_draws(release.latents, release.design, release.electorate, by=("sex",)).draws
    assert found["mrp", "nation", "sex"]["mae"] == pytest.approx(
        (abs(draws[:, 0].mean() - 0.6) + abs(draws[:, 1].mean() - 0.4)) / 2
    )


def test_raw_shares_are_scored_where_they_may_be_told(release: ReleaseDraws):
    found = rows_of(release, known(*DISTRICTS))
    # Of district C 10 interviews are shown, of D none.
    assert found["raw", "place"]["n_areas"] == 2
    assert found["raw", "place"]["bias"] == pytest.approx((30 / 60 - 0.45 + 30 / 40 - 0.55) / 2)
    assert found["last_result", "place"]["bias"] == pytest.approx(
        (0.4 + 0.5 + 0.6 + 0.55 - 0.45 - 0.55 - 0.6 - 0.52) / 4
    )
    assert {method for method, *_ in found} == {
        *("mrp", "raw", "national_mean", "predictors_alone", "last_result", "uniform_swing")
    }


def test_without_counts_there_are_no_baselines(release: ReleaseDraws):
    bare = ReleaseDraws(release.latents, release.design, release.electorate, QUESTION, None, None)
    assert {method for method, *_ in rows_of(bare, known(*DISTRICTS))} == {"mrp"}


def test_an_error_of_what_happened_widens_intervals(release: ReleaseDraws):
    rows = [(*row, 0.1) for row in DISTRICTS]
    wide = rows_of(release, known(*rows, columns=("level", "area", "share", "se")))["mrp", "place"]
    assert wide["mean_width"] > rows_of(release, known(*DISTRICTS))["mrp", "place"]["mean_width"] + 0.1


def test_what_has_nothing_in_common_has_no_row(release: ReleaseDraws):
    assert score_release(release, known(("county", "X", 0.5)), rules=RULES) == []
    assert score_release(release, known(("place", "Z", 0.5)), rules=RULES) == []


def test_intervals_cover_planted_truths_as_often_as_they_say():
    """What happened is one more draw from what the draws are from: then the intervals are right by construction.

    of 2,500 districts with effects of their own, and nothing else that varies: 2,500 independent trials.
    """
    places = [f"P{i:04d}" for i in range(2500)]
    frame = pl.DataFrame({"place": places, "n_people": [1000.0] * 2500})
    districts = pl.DataFrame({"code": places, "name": places})
    people = Electorate(frame, districts, district="place", demographics={})
    design = build_design("(1|place)", people)
    own = [name != "intercept" for name in design.latent_names]
    assert sum(own) == 2500

    def drawn(n: int, seed: int) -> LatentDraws:
        draws = np.where(own, np.random.default_rng(seed).normal(0.1, 0.5, (n, len(own))), 0.0)
        return LatentDraws(draws=draws.astype(np.float32), names=design.latent_names)

    truth = area_draws(drawn(1, 7), design, people, by=("place",)).draws[0]
    question = replace(QUESTION, model="(1|place)")
    planted = ReleaseDraws(drawn(2000, 6), design, people, question, None, None)
    [row, _] = score_release(planted, known(*zip(["place"] * 2500, places, truth, strict=True)), rules=RULES)

    assert (row["level"], row["n_areas"]) == ("place", 2500)
    for nominal, covered in row["coverage"].items():
        least, most = stats.binom.interval(0.999, 2500, float(nominal))
        # The ends of an interval from 2,000 draws are wrong by chance too, but differently in each district.
        assert least <= covered * 2500 <= most, nominal
    # Transforms are uniform: chi-squared with nine degrees of freedom.
    assert stats.chisquare(row["pit"]).pvalue > 0.001
    # A calibrated probability p has the Brier score p (1 - p) on average, whose sd in one trial is below 1/4.
    p = (area_draws(planted.latents, design, people, by=("place",)).draws > 0.5).mean()
    assert row["brier"] == pytest.approx(p * (1 - p), abs=4 * 0.25 / np.sqrt(2500))


def test_an_option_is_scored_where_it_stands():
    people = electorate()
    options = Options(("Rail", "Town", "Isles"), only_in={"Isles": {"region": ("S",)}})
    design = build_categorical_design("(1|place)", people, options)
    question = replace(QUESTION, kind="categorical", options=options.labels, only_in=options.only_in)
    draws = np.random.default_rng(9).normal(0, 0.3, (400, design.n_latents)).astype(np.float32)
    names = design.latent_names
    release = ReleaseDraws(LatentDraws(draws=draws, names=names, link="softmax"), design, people, question, None, None)
    of_isles = [("place", p, s, "Isles") for p, s in zip(PLACES, (0.0, 0.0, 0.3, 0.4), strict=True)]
    regions = [("region", "N", 0.0, "Isles"), ("region", "S", 0.35, "Isles")]
    table = pl.DataFrame([*of_isles, *regions], schema=["level", "area", "share", "option"], orient="row")
    found = score_release(release, table.with_columns(se=pl.lit(None, pl.Float64)), rules=RULES)
    rows = {row["level"]: row for row in found if row["method"] == "mrp"}

    (drawn,) = option_draws_many(release.latents, design, people, [Grouping(("place",))])
    expected = score(drawn.of("Isles").draws[:, 2:], np.array([0.3, 0.4])).to_json()
    # Where it does not stand 0 is right and says nothing of the model.
    assert (rows["place"]["n_areas"], rows["region"]["n_areas"]) == (2, 1)
    assert rows["place"]["rmse"] == pytest.approx(expected["rmse"])
    assert rows["place"]["coverage"] == pytest.approx(expected["coverage"])
