"""Probabilities, ranks and contrasts over HTTP: every number as loops over the draws give it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.latents import LatentDraws
from mrp.quantity import probabilities, quantities
from tests.api.slow import (
    areas_of,
    check_data_share,
    check_ends,
    slow_mean,
    slow_people,
    slow_probability,
    slow_ranks,
    slow_shares,
)
from tests.api.world import AGES, DISTRICTS, GENDERS, SILENT, SMALL, SURVEY, World

RAIL = f"/v1/surveys/{SURVEY}/questions/rail"
LEVELS = ("nation", "region", "district")


def ask(world: World, what: str, **parameters: Any) -> dict[str, Any]:
    reply = world.get(f"{RAIL}/{what}", params=parameters)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def refused(world: World, what: str, **parameters: Any) -> str:
    reply = world.get(f"{RAIL}/{what}", params=parameters)
    assert reply.status_code == 422, reply.text
    return str(reply.json()["detail"])


def chains(world: World) -> LatentDraws:
    """How the draws depend on each other, for Monte-Carlo errors."""
    return LatentDraws(world.fit.draws, world.fit.design.latent_names, n_chains=4)


def labels(row: dict[str, Any], level: str, where: dict[str, Any] | None = None) -> dict[str, Any]:
    """The labels of the cells that a row is about."""
    area = {} if level == "nation" else {level: row["area"]}
    return {**area, **row["groups"], **(where or {})}


def check_share(row: dict[str, Any], draws: np.ndarray, *intervals: float) -> None:
    assert_allclose(row["share"], slow_mean(draws), rtol=1e-5)
    check_ends(row, draws, *intervals)
    check_data_share(row, draws)


# How probable


@pytest.mark.parametrize("option", ["yes", "no"])
def test_a_probability_is_the_part_of_the_draws_above_the_threshold(served: World, option: str):
    body = ask(served, "probability", level="district", threshold=0.55, option=option, interval=0.8)

    assert (body["threshold"], body["interval"], body["level"]) == (0.55, 0.8, "district")
    assert [row["area"] for row in body["probabilities"]] == list(DISTRICTS)
    for row in body["probabilities"]:
        draws = slow_shares(served, {"district": row["area"]})
        draws = draws if option == "yes" else 1 - draws
        assert_allclose(row["probability"], slow_probability(draws, 0.55), atol=1e-12)
        (known,) = probabilities((draws > 0.55).astype(float)[:, None], chains(served), behind=draws[:, None])
        assert_allclose(row["probability_mc_error"], known.mc_error, rtol=1e-6)
        check_share(row, draws, 0.8)


def test_the_majority_is_the_threshold_unless_another_is_asked_for(served: World):
    assert ask(served, "probability") == ask(served, "probability", threshold=0.5)


def test_what_happened_in_every_draw_is_not_certain(served: World):
    (row,) = ask(served, "probability", threshold=0)["probabilities"]

    assert row["probability"] == 1
    assert row["probability_mc_error"] > 0


@pytest.mark.parametrize("threshold", ["-0.1", "1.01", "nan"])
def test_a_threshold_that_is_no_share_is_refused(served: World, threshold: str):
    assert "threshold must be a share" in refused(served, "probability", threshold=threshold)


def test_small_groups_have_no_probability_and_few_interviews_are_not_counted(served: World):
    body = ask(served, "probability", level="district", by="gender,age")

    assert [(one["area"], *one["groups"].values()) for one in body["withheld"]] == [SMALL]
    rows = {row["area"]: row for row in ask(served, "probability", level="district")["probabilities"]}
    assert (rows["D6"]["n_interviews"], rows["D6"]["flags"]) == (None, ["few-interviews"])
    assert rows[SILENT]["flags"] == ["no-interviews"]


# Who is first


def test_ranks_count_the_areas_above_in_every_draw(served: World):
    body = ask(served, "rank", level="district", interval=0.8)

    assert body["ranked"] == "areas"
    shares = [slow_shares(served, {"district": district}) for district in DISTRICTS]
    for row, draws, rank in zip(body["ranks"], shares, slow_ranks(shares), strict=True):
        assert row["n_ranked"] == len(DISTRICTS)
        assert_allclose(row["rank"], slow_mean(rank), atol=1e-12)
        assert_allclose(row["p_first"], slow_mean(rank == 1), atol=1e-12)
        (known,) = quantities(rank[:, None], chains(served))
        assert_allclose(row["rank_mc_error"], known.mc_error, rtol=1e-6)
        assert np.mean((rank >= row["rank_low"]) & (rank <= row["rank_high"])) >= 0.8
        assert {row["rank_low"], row["rank_high"]} <= set(rank)
        check_share(row, draws, 0.8)
    assert_allclose(sum(row["p_first"] for row in body["ranks"]), 1)
    assert_allclose(sum(row["rank"] for row in body["ranks"]), 21)


def test_of_the_other_option_the_ranks_are_turned_round(served: World):
    yes = ask(served, "rank", level="district")["ranks"]
    no = ask(served, "rank", level="district", option="no")["ranks"]

    assert_allclose([one["rank"] + other["rank"] for one, other in zip(yes, no, strict=True)], 7)


def test_areas_are_ranked_within_groups_and_not_with_those_that_are_withheld(served: World):
    body = ask(served, "rank", level="district", by="gender,age")

    for row in body["ranks"]:
        small = (row["groups"]["gender"], row["groups"]["age"]) == SMALL[1:]
        among = [d for d in DISTRICTS if not (small and d == SMALL[0])]
        shares = [slow_shares(served, {"district": district, **row["groups"]}) for district in among]
        rank = slow_ranks(shares)[among.index(row["area"])]
        assert (row["n_ranked"], len(body["withheld"])) == (len(among), 1)
        assert_allclose(row["rank"], slow_mean(rank), atol=1e-12)


def test_chosen_districts_are_ranked_among_all(served: World):
    everybody = {row["area"]: row for row in ask(served, "rank", level="district")["ranks"]}

    assert ask(served, "rank", districts="D4,D2")["ranks"] == [everybody["D2"], everybody["D4"]]


def test_groups_of_the_nation_are_ranked_with_each_other(served: World):
    body = ask(served, "rank", by="gender,age")

    groups = [{"gender": gender, "age": age} for gender in GENDERS for age in AGES]
    assert (body["ranked"], [row["groups"] for row in body["ranks"]]) == ("groups", groups)
    expected = slow_ranks([slow_shares(served, group) for group in groups])
    assert_allclose([row["rank"] for row in body["ranks"]], [slow_mean(rank) for rank in expected], atol=1e-12)


def test_the_nation_alone_has_no_rank(served: World):
    assert "Name a level" in refused(served, "rank")


def test_too_many_groups_to_rank_are_refused(served: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("api.release_cache.MAX_BREAKDOWN_MB", 0.002)
    assert "Ranks compare all groups at once, and 6 are too many" in refused(
        served, "rank", level="district", interval=0.77
    )


# How different


def check_contrast(row: dict[str, Any], first: np.ndarray, second: np.ndarray, world: World, *intervals: float) -> None:
    check_share(row["first"], first, *intervals)
    check_share(row["second"], second, *intervals)
    gap = first - second
    assert_allclose(row["difference"], slow_mean(gap), atol=1e-6)
    check_ends(row, gap, *intervals)
    (size,) = quantities(gap[:, None], chains(world))
    assert_allclose([row["sd"], row["mc_error"]], [size.sd, size.mc_error], atol=1e-6)
    p = slow_probability(gap, 0)
    assert_allclose(row["p_larger"], p, atol=1e-12)
    assert row["words"] == ("larger" if p >= 0.95 else "smaller" if p <= 0.05 else "no clear difference")
    assert row["sentence"].startswith(f"{row['words']}: {100 * slow_mean(gap):+.1f} points")


def test_two_groups_are_compared_draw_by_draw_in_every_area(served: World):
    body = ask(served, "contrast", first="age:old,gender:woman", second="age:young,age:middle", level="region")

    assert body["first"] == {"age": ["old"], "gender": ["woman"]}
    assert body["second"] == {"age": ["young", "middle"]}
    assert [row["area"] for row in body["contrasts"]] == ["North", "South"]
    for row in body["contrasts"]:
        first = {"region": row["area"], "age": "old", "gender": "woman"}
        second = {"region": row["area"], "age": ("young", "middle")}
        shares = slow_shares(served, first), slow_shares(served, second)
        check_contrast(row, *shares, served, 0.9)
        assert (row["first"]["n_people"], row["second"]["n_people"]) == (slow_people(first), slow_people(second))


def test_two_districts_are_compared_and_so_are_areas_of_two_levels(served: World):
    for first, second in ({"district": "D1"}, {"district": "D2"}), ({"district": "D6"}, {"region": "North"}):
        told = [f"{column}:{level}" for side in (first, second) for column, level in side.items()]
        body = ask(served, "contrast", first=told[0], second=told[1], by="gender", interval=0.5)
        assert [row["groups"]["gender"] for row in body["contrasts"]] == list(GENDERS)
        for row in body["contrasts"]:
            shares = [slow_shares(served, side | row["groups"]) for side in (first, second)]
            check_contrast(row, *shares, served, 0.5)


def test_the_lead_of_an_option_is_twice_what_it_has_above_half(served: World):
    body = ask(served, "contrast", option="no", versus="yes", level="district")

    assert (body["first"], body["second"]) == ({"option": ["no"]}, {"option": ["yes"]})
    assert len(body["contrasts"]) == len(DISTRICTS)
    for row in body["contrasts"]:
        yes = slow_shares(served, {"district": row["area"]})
        check_contrast(row, 1 - yes, yes, served, 0.9)


def test_contrasts_have_every_interval_that_is_asked_for(served: World):
    (row,) = ask(served, "contrast", first="age:old", second="age:young", interval="0.95, 0.5,0.8")["contrasts"]

    check_contrast(row, *(slow_shares(served, {"age": age}) for age in ("old", "young")), served, 0.95, 0.5, 0.8)
    assert "95% interval" in row["sentence"]


def test_every_word_occurs_and_is_the_one_of_the_probability(served: World):
    rows = [
        row
        for level in LEVELS
        for option, versus in (("yes", "no"), ("no", "yes"))
        for row in ask(served, "contrast", option=option, versus=versus, level=level)["contrasts"]
    ]
    words = {row["words"] for row in rows}
    assert words <= {"larger", "smaller", "no clear difference"}
    assert "no clear difference" in words


def test_a_group_that_is_small_on_one_side_is_withheld(served: World):
    body = ask(served, "contrast", first="gender:man", second="gender:woman", level="district", by="age")

    (withheld,) = body["withheld"]
    assert (withheld["area"], withheld["groups"]) == (SMALL[0], {"age": SMALL[2]})
    assert withheld["reason"] == "Fewer than 100 people in the frame on one of the two sides."
    assert len(body["contrasts"]) == 17


def test_areas_that_have_one_of_the_sides_only_are_withheld(served: World):
    body = ask(served, "contrast", first="district:D1", second="district:D4", level="region")

    assert body["contrasts"] == []
    assert [one["area"] for one in body["withheld"]] == ["North", "South"]


def test_few_interviews_are_not_counted_on_either_side(served: World):
    (row,) = ask(served, "contrast", first=f"district:{SILENT}", second="district:D1")["contrasts"]

    assert (row["first"]["n_interviews"], row["first"]["flags"]) == (None, ["few-interviews"])
    assert row["second"]["n_interviews"] > 30


def test_a_filter_holds_for_both_sides(served: World):
    body = ask(served, "contrast", first="age:old", second="age:young", where="gender:woman,region:South")

    assert body["where"] == {"gender": ["woman"], "region": ["South"]}
    common = {"gender": "woman", "region": "South"}
    shares = [slow_shares(served, common | {"age": age}) for age in ("old", "young")]
    check_contrast(body["contrasts"][0], *shares, served, 0.9)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({}, "Name two groups"),
        ({"first": "age:old"}, "Name two groups"),
        ({"first": "age:old", "second": "age:old"}, "the same group"),
        ({"first": "age:old", "second": "age:odl"}, "Did you mean 'old'?"),
        ({"first": "age:old", "second": "aeg:young"}, "Did you mean 'age'?"),
        ({"first": "age:old", "second": "young"}, "second names a column and its level"),
        ({"first": "age:old", "second": "age:young", "by": "age"}, "by age"),
        ({"first": "age:old", "second": "age:young", "where": "age:middle"}, "by age"),
        ({"first": "district:D1", "second": "district:D2", "level": "district"}, "by district"),
        ({"versus": "yes"}, "compared with itself"),
        ({"versus": "maybe"}, "Allowed: yes, no."),
        ({"versus": "no", "first": "age:old"}, "Ask for one of them."),
    ],
)
def test_a_comparison_that_is_not_clear_is_refused(served: World, parameters: dict[str, str], told: str):
    assert told in refused(served, "contrast", **parameters)


# Asked and sent like estimates


QUERIES = {
    "probability": {"threshold": 0.6},
    "rank": {"level": "district"},
    "contrast": {"versus": "no"},
}


@pytest.mark.parametrize("what", QUERIES)
def test_the_answer_says_what_estimates_say_of_their_release(served: World, what: str):
    rows = ("estimates", "probabilities", "ranks", "contrasts")
    asked = {"level": "district"} | QUERIES[what]
    estimates = served.estimates(**{k: v for k, v in asked.items() if k not in ("threshold", "versus")})
    body = ask(served, what, **asked)

    assert {name: body[name] for name in estimates if name not in rows} == {
        name: value for name, value in estimates.items() if name not in rows
    }


@pytest.mark.parametrize("what", QUERIES)
def test_who_has_the_answer_gets_304_and_another_query_another_tag(served: World, what: str):
    url = f"{RAIL}/{what}"
    first = served.get(url, params=QUERIES[what])
    again = served.get(url, params=QUERIES[what], headers={"If-None-Match": first.headers["etag"]})
    other = served.get(url, params=QUERIES[what] | {"interval": 0.5})

    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["etag"] != other.headers["etag"]
    assert first.headers["cache-control"].startswith("private")
    tags = {served.get(f"{RAIL}/{name}", params=QUERIES["rank"]).headers.get("etag") for name in ("rank", "estimates")}
    assert len(tags) == 2


@pytest.mark.parametrize("what", QUERIES)
def test_an_older_release_and_a_moment_answer_as_they_did(world: World, what: str):
    first = world.release()
    then = world.now.isoformat()
    before = ask(world, what, **QUERIES[what])
    draws = world.fit.draws
    world.release("w2", b"id,district,gender,age,rail\nz,D1,man,old,yes\n")

    by_name = ask(world, what, release=first.id, **QUERIES[what])
    by_time = ask(world, what, as_of=then, **QUERIES[what])
    rows = next(name for name in ("probabilities", "ranks", "contrasts") if name in before)
    assert by_name[rows] == by_time[rows] == before[rows]
    assert ask(world, what, **QUERIES[what])[rows] != before[rows]
    assert (draws.shape, by_name["stale_reason"]) == (world.fit.draws.shape, "Release 2 replaced it.")


# Any query


def some(choices: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(choices), unique=True, max_size=2)


@st.composite
def queries(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """A query in its parameters, and its filter as labels of cells."""
    by = draw(some(("gender", "age")))
    where = {
        column: tuple(levels)
        for column, choices in (("gender", GENDERS), ("age", AGES), ("region", ("North", "South")))
        if (levels := draw(some(choices)))
    }
    told = ",".join(f"{column}:{level}" for column, levels in where.items() for level in levels)
    parameters = {"level": draw(st.sampled_from(LEVELS)), "by": ",".join(by), "where": told}
    intervals = draw(st.lists(st.sampled_from((0.5, 0.8, 0.95)), unique=True, min_size=1))
    return parameters | {"interval": ",".join(map(str, intervals))}, where


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(queries(), st.floats(0.3, 0.8))
def test_any_query_has_the_numbers_of_the_loops(
    served: World, query: tuple[dict[str, str], dict[str, tuple[str, ...]]], threshold: float
):
    parameters, where = query
    level, intervals = parameters["level"], [float(one) for one in parameters["interval"].split(",")]
    by = [name for name in parameters["by"].split(",") if name]

    told = ask(served, "probability", threshold=threshold, **parameters)["probabilities"]
    ranked = ask(served, "rank", **parameters)["ranks"] if level != "nation" or by else []

    expected = []
    for area in areas_of(level):
        for gender in GENDERS if "gender" in by else (None,):
            for age in AGES if "age" in by else (None,):
                group = {name: value for name, value in (("gender", gender), ("age", age)) if value}
                if all(value in where.get(name, (value,)) for name, value in group.items()):
                    wanted = where | area | group
                    n = slow_people(wanted) if "region" not in where or _lies_in(area, where["region"]) else 0
                    if n >= 100:
                        expected.append((sorted(group.items()), next(iter(area.values()), "all"), wanted))
    assert [(sorted(row["groups"].items()), row["area"]) for row in sorted(told, key=_order)] == sorted(
        one[:2] for one in expected
    )
    by_key = {(str(group), area): wanted for group, area, wanted in expected}
    for row in told:
        draws = slow_shares(served, by_key[str(sorted(row["groups"].items())), row["area"]])
        assert row["n_people"] == slow_people(by_key[str(sorted(row["groups"].items())), row["area"]])
        check_share(row, draws, *intervals)
        assert_allclose(row["probability"], slow_probability(draws, threshold), atol=1e-12)
    for row in ranked:
        key = str(sorted(row["groups"].items()))
        among = [
            slow_shares(served, wanted) for (group, _), wanted in by_key.items() if level == "nation" or group == key
        ]
        own = slow_shares(served, by_key[key, row["area"]])
        rank = [1 + sum(other[s] > own[s] for other in among) for s in range(len(own))]
        assert_allclose(row["rank"], slow_mean(np.array(rank)), atol=1e-12)
        assert row["n_ranked"] == len(among)
        assert [one["interval"] for one in row["rank_intervals"]] == intervals
        for one in row["rank_intervals"]:
            assert {one["low"], one["high"]} <= set(rank)
            assert np.mean((np.array(rank) >= one["low"]) & (np.array(rank) <= one["high"])) >= one["interval"]


def _order(row: dict[str, Any]) -> tuple[Any, str]:
    return sorted(row["groups"].items()), row["area"]


def _lies_in(area: dict[str, str], regions: tuple[str, ...]) -> bool:
    from tests.api.world import REGIONS

    region = area.get("region") or REGIONS.get(area.get("district", ""))
    return region is None or region in regions
