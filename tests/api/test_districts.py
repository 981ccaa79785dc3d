"""One district, the seats of all, and the closest of them: every number as loops over the draws give it."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from jobs.survey import load_survey, update_survey
from mrp.latents import LatentDraws
from mrp.quantity import probabilities, quantities
from tests.api.slow import check_ends, slow_mean, slow_probability, slow_quantile, slow_ranks, slow_shares
from tests.api.world import AGES, DISTRICTS, GENDERS, SILENT, SMALL, SURVEY, World, change_survey

RAIL = f"/v1/surveys/{SURVEY}/questions/rail"
SEATS = (3, 1, 2, 0, 4, 1)


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
    return LatentDraws(world.fit.draws, world.fit.design.latent_names, n_chains=4)


def shares_by_district(world: World) -> list[np.ndarray]:
    return [slow_shares(world, {"district": district}) for district in DISTRICTS]


# One district


def test_a_profile_has_the_estimate_the_rank_and_the_chance_to_lead(served: World):
    body = ask(served, "districts/D2")

    assert (body["code"], body["name"], body["parents"]) == ("D2", "District 2", {"region": "North"})
    shares = shares_by_district(served)
    rank = slow_ranks(shares)[1]
    one = body["district"]
    assert (one["area"], one["n_ranked"]) == ("D2", 6)
    assert_allclose([one["share"], one["rank"]], [slow_mean(shares[1]), slow_mean(rank)], rtol=1e-5)
    assert_allclose(one["p_first"], slow_mean(rank == 1), atol=1e-12)
    assert_allclose(one["p_lead"], slow_probability(shares[1], 0.5), atol=1e-12)
    (p,) = probabilities((shares[1] > 0.5).astype(float)[:, None], chains(served), behind=shares[1][:, None])
    assert_allclose(one["p_lead_mc_error"], p.mc_error, rtol=1e-6)


def test_pooling_compares_the_interviews_shown_with_what_the_posterior_is_worth(served: World):
    one = ask(served, "districts/D2")["district"]

    draws = slow_shares(served, {"district": "D2"})
    mean = slow_mean(draws)
    worth = mean * (1 - mean) / slow_mean((draws - mean) ** 2)
    assert one["n_effective"] == one["n_interviews"] > 30
    assert_allclose(one["n_equivalent"], worth, rtol=1e-4)
    assert_allclose(one["pooling"], min(1, max(0, 1 - one["n_effective"] / worth)), rtol=1e-4, atol=1e-9)
    assert one["n_equivalent_mc_error"] > 0


def test_where_nobody_was_interviewed_everything_is_borrowed(served: World):
    one = ask(served, f"districts/{SILENT}")["district"]

    assert (one["n_interviews"], one["n_effective"], one["pooling"], one["pooling_mc_error"]) == (None, 0, 1, 0)
    assert one["flags"] == ["no-interviews"]


def test_pooling_does_not_tell_how_few_interviews_there_are(served: World):
    one = ask(served, "districts/D6")["district"]

    assert one["flags"] == ["few-interviews"]
    assert (one["n_effective"], one["pooling"], one["pooling_mc_error"]) == (None, None, None)


def test_of_a_filtered_district_it_is_not_told_that_nobody_was_interviewed(served: World):
    one = ask(served, f"districts/{SILENT}", where="gender:man")["district"]
    assert (one["flags"], one["n_effective"], one["pooling"]) == (["few-interviews"], None, None)


def test_the_groups_within_are_the_levels_of_every_demographic(served: World):
    body = ask(served, "districts/D3")

    expected = [{"gender": gender} for gender in GENDERS] + [{"age": age} for age in AGES]
    assert [row["groups"] for row in body["groups"]] == expected
    for row in body["groups"]:
        draws = slow_shares(served, {"district": "D3"} | row["groups"])
        assert_allclose(row["share"], slow_mean(draws), rtol=1e-5)
        assert_allclose(row["low"], slow_quantile(draws, 0.05), rtol=1e-5)


def test_groups_within_can_be_chosen_and_small_ones_are_withheld(served: World):
    body = ask(served, f"districts/{SMALL[0]}", by="gender,age")

    assert body["by"] == ["gender", "age"]
    assert len(body["groups"]) == 5
    assert [list(one["groups"].values()) for one in body["withheld"]] == [list(SMALL[1:])]


def test_a_district_that_is_too_small_has_no_numbers(served: World):
    body = ask(served, f"districts/{SMALL[0]}", where=f"gender:{SMALL[1]},age:{SMALL[2]}")

    assert (body["district"], body["groups"]) == (None, [])
    assert body["withheld"]


def test_a_district_that_is_not_there_is_not_found(served: World):
    reply = served.get(f"{RAIL}/districts/D9")

    assert (reply.status_code, reply.json()["type"]) == (404, "district-not-found")
    assert reply.json()["allowed"] == list(DISTRICTS)
    assert "Leave level and districts out." in refused(served, "districts/D1", districts="D2")
    assert "Leave level and districts out." in refused(served, "districts/D1", level="region")


# Seats


def slow_seats(shares: list[np.ndarray], n_seats: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Seats of the option in every draw, and the district that tips the majority of either (-1: none)."""
    counts, tips = [], []
    for s in range(len(shares[0])):
        won = [shares[d][s] > 0.5 for d in range(len(shares))]
        mine = sum(n for n, is_won in zip(n_seats, won, strict=True) if is_won)
        counts.append(mine)
        tip = -1
        for side in (True, False):
            total = 0
            own = [d for d in range(len(shares)) if won[d] == side]
            for d in sorted(own, key=lambda d: -abs(shares[d][s] - 0.5)):
                before, total = total, total + n_seats[d]
                if before <= sum(n_seats) / 2 < total:
                    tip = d
        tips.append(tip)
    return np.array(counts, dtype=float), np.array(tips)


def check_seats(world: World, body: dict[str, Any], n_seats: tuple[int, ...]) -> None:
    total = sum(n_seats)
    count, tips = slow_seats(shares_by_district(world), n_seats)
    assert (body["n_seats"], [one["option"] for one in body["options"]]) == (total, ["yes", "no"])
    for one, seats in zip(body["options"], (count, total - count), strict=True):
        assert_allclose(one["seats"], slow_mean(seats), atol=1e-9)
        check_ends(one, seats, *(interval["interval"] for interval in one["intervals"]))
        (size,) = quantities(seats[:, None], chains(world))
        assert_allclose([one["sd"], one["mc_error"]], [size.sd, size.mc_error], rtol=1e-6)
        assert_allclose(one["p_majority"], slow_probability(seats, total / 2) - slow_mean(seats == total / 2) / 2)
        assert_allclose(one["p_most"], slow_probability(seats, total / 2))
        told = {chance["seats"]: chance["probability"] for chance in one["distribution"]}
        assert told == pytest.approx({int(n): slow_mean(seats == n) for n in set(seats)})
    tipping = {one["area"]: one["probability"] for one in body["tipping"]}
    expected = {district: slow_mean(tips == d) for d, district in enumerate(DISTRICTS)}
    assert tipping == pytest.approx({district: p for district, p in expected.items() if p})
    assert list(tipping.values()) == sorted(tipping.values(), reverse=True)


def test_seats_are_counted_in_every_draw(served: World):
    check_seats(served, ask(served, "seats", interval="0.9,0.5"), (1,) * 6)


def test_the_option_that_is_asked_for_comes_first(served: World):
    yes, no = ask(served, "seats")["options"], ask(served, "seats", option="no")["options"]

    assert [one["option"] for one in no] == ["no", "yes"]
    assert_allclose([one["seats"] for one in no], [one["seats"] for one in reversed(yes)])


def test_districts_may_have_several_seats(world: World):
    path = world.settings.data_dir / SURVEY / "districts.csv"
    pl.read_csv(path).with_columns(seats=pl.Series(SEATS)).write_csv(path)
    update_survey(world.store, world.secrets, world.settings, load_survey(path.parent), actor="test", now=world.now)
    world.release()

    check_seats(world, ask(world, "seats", seats="seats"), SEATS)
    rows = ask(world, "battleground", seats="seats")["districts"]
    assert {row["area"]: row["n_seats"] for row in rows} == dict(zip(DISTRICTS, SEATS, strict=True))


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"seats": "income"}, "is no number of seats in"),
        ({"seats": "incom"}, "Did you mean 'income'?"),
        ({"by": "age"}, "Leave level, by and merge out."),
        ({"level": "region"}, "Leave level, by and merge out."),
        ({"option": "maybe"}, "Allowed: yes, no."),
    ],
)
@pytest.mark.parametrize("what", ["seats", "battleground"])
def test_what_has_no_seats_is_refused(served: World, what: str, parameters: dict[str, str], told: str):
    assert told in refused(served, what, **parameters)


def test_with_a_wider_base_the_options_do_not_compete(world: World):
    base = 'dont_know = ["?"]\nbase = ["answered", "dont_know"]'
    change_survey(world, "survey.toml", "[questions.rail]", f"[questions.rail]\n{base}")
    world.release()

    assert "Only the share of 'yes' is estimated" in refused(world, "seats")


# The closest


@pytest.mark.parametrize("option", ["yes", "no"])
def test_a_battleground_goes_from_the_closest_district_to_the_safest(served: World, option: str):
    body = ask(served, "battleground", option=option, interval="0.8,0.5")

    assert body["versus"] == ({"yes", "no"} - {option}).pop()
    assert sorted(row["area"] for row in body["districts"]) == list(DISTRICTS)
    away = [abs(row["p_win"] - 0.5) for row in body["districts"]]
    assert away == sorted(away)
    shares = shares_by_district(served)
    _, tips = slow_seats(shares, (1,) * 6)
    for row in body["districts"]:
        place = DISTRICTS.index(row["area"])
        draws = shares[place] if option == "yes" else 1 - shares[place]
        gap = draws - (1 - draws)
        assert_allclose(row["share"], slow_mean(draws), rtol=1e-5)
        assert_allclose(row["p_win"], slow_probability(draws, 0.5), atol=1e-12)
        assert_allclose(row["lead"], slow_mean(gap), atol=1e-6)
        check_ends(row, gap, 0.8, 0.5, name="lead_")
        assert_allclose(row["p_tipping"], slow_mean(tips == place), atol=1e-12)
        assert row["n_seats"] == 1


def test_chosen_districts_alone_have_seats(served: World):
    body = ask(served, "seats", districts="D1,D4,D6")

    assert body["n_seats"] == 3
    assert {row["area"] for row in ask(served, "battleground", districts="D1,D4,D6")["districts"]} == {"D1", "D4", "D6"}


@pytest.mark.parametrize("what", ["districts/D1", "seats", "battleground"])
def test_who_has_the_answer_gets_304(served: World, what: str):
    tag = served.get(f"{RAIL}/{what}").headers["etag"]
    again = served.get(f"{RAIL}/{what}", headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")
    others = {
        served.get(f"{RAIL}/{one}").headers["etag"] for one in ("districts/D1", "districts/D2", "seats", "battleground")
    }
    assert len(others) == 4
