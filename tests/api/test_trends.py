"""Trends over HTTP: every period of one fit as loops over its draws give it, and what is told of its interviews."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tests.api.slow import check_data_share, check_ends, slow_mean, slow_people, slow_shares
from tests.api.world import AGES, GENDERS, SMALL, SURVEY, WEEKS, World

TREND = f"/v1/surveys/{SURVEY}/questions/rail/trend"


def ask(world: World, **parameters: Any) -> dict[str, Any]:
    reply = world.get(TREND, params=parameters)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def refused(world: World, **parameters: Any) -> str:
    reply = world.get(TREND, params=parameters)
    assert reply.status_code == 422, reply.text
    return str(reply.json()["detail"])


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["nation", "region", "district"]),
    st.lists(st.sampled_from(["age", "gender"]), unique=True),
    st.lists(st.sampled_from(GENDERS), unique=True),
    st.lists(st.integers(0, 2), min_size=2, max_size=2).map(sorted),
    st.sampled_from(["yes", "no"]),
    st.lists(st.sampled_from([0.5, 0.8, 0.95]), unique=True, min_size=1),
)
def test_every_point_of_any_trend_has_the_numbers_of_the_loops(
    weekly: World, level: str, by: list[str], genders: list[str], ends: list[int], option: str, intervals: list[float]
):
    body = ask(
        weekly,
        level=level,
        by=",".join(by),
        where=",".join(f"gender:{gender}" for gender in genders),
        since=WEEKS[ends[0]],
        until=WEEKS[ends[1]],
        option=option,
        interval=",".join(map(str, intervals)),
    )

    periods = list(WEEKS[ends[0] : ends[1] + 1])
    assert (body["periods"], body["period"], body["option"]) == (periods, periods[-1], option)
    estimates = weekly.estimates(level=level, by=",".join(by), where=",".join(f"gender:{one}" for one in genders))
    told = [(*_group(row), period) for row in estimates["estimates"] for period in periods]
    assert [(*_group(point), point["period"]) for point in body["points"]] == told
    assert body["withheld"] == estimates["withheld"]
    for point in body["points"]:
        wanted: dict[str, Any] = {"gender": tuple(genders)} if genders else {}
        wanted |= ({} if level == "nation" else {level: point["area"]}) | point["groups"]
        draws = slow_shares(weekly, wanted, period=point["period"])
        draws = draws if option == "yes" else 1 - draws
        assert_allclose(point["share"], slow_mean(draws), rtol=1e-5)
        check_ends(point, draws, *intervals)
        check_data_share(point, draws)
        assert point["n_people"] == slow_people(wanted)


def _group(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["area"], row["area_name"], row["groups"]


def test_a_trend_has_every_period_of_the_model_and_ends_where_estimates_are(weekly: World):
    body = ask(weekly, level="district")

    assert body["periods"] == list(WEEKS)
    shares = [row["share"] for row in weekly.estimates(level="district")["estimates"]]
    assert_allclose([point["share"] for point in body["points"] if point["period"] == WEEKS[-1]], shares, rtol=1e-9)


def test_interviews_of_the_periods_add_up_to_those_of_the_estimate(weekly: World):
    first, none, last = ask(weekly)["points"]
    (estimate,) = weekly.estimates()["estimates"]

    assert first["n_interviews"] + last["n_interviews"] == estimate["n_interviews"]
    assert (none["n_interviews"], none["flags"], none["pooling"]) == (None, ["no-interviews"], 1)


def test_of_an_area_it_is_not_told_in_which_period_nobody_was_interviewed(weekly: World):
    points = ask(weekly, level="district")["points"] + ask(weekly, by="age", where="gender:man")["points"]

    for point in points:
        if point["period"] == WEEKS[1]:
            assert (point["flags"], point["n_interviews"], point["pooling"]) == (["few-interviews"], None, None)
    assert sum(point["period"] == WEEKS[1] for point in points) == 9


def test_small_groups_have_no_trend(weekly: World):
    body = ask(weekly, districts=SMALL[0], by="gender,age")

    assert [list(one["groups"].values()) for one in body["withheld"]] == [list(SMALL[1:])]
    assert len(body["points"]) == 3 * (len(AGES) * len(GENDERS) - 1)


def test_groups_made_piece_by_piece_are_the_same(weekly: World, monkeypatch: pytest.MonkeyPatch):
    whole = ask(weekly, level="district", by="age", interval=0.71)
    monkeypatch.setattr("api.breakdown.PIECE_MB", 0.005)
    weekly.services.answers._bodies = type(weekly.services.answers._bodies)(10)
    again = ask(weekly, level="district", by="age", interval=0.71)

    assert again == whole


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"since": "2026-W10"}, "There is no period '2026-W10'."),
        ({"since": WEEKS[2], "until": WEEKS[1]}, "since=2026-W09 is after until=2026-W08"),
        ({"period": WEEKS[0]}, "not in period"),
        ({"by": "agee"}, "Did you mean 'age'?"),
    ],
)
def test_what_is_no_trend_is_refused(weekly: World, parameters: dict[str, str], told: str):
    assert told in refused(weekly, **parameters)


def test_more_estimates_than_one_answer_has_are_refused(weekly: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("api.routes.trends.prepare_trend", _with_few_groups)
    weekly.forget_answers()

    told = refused(weekly, level="district")
    assert "6 groups in 3 periods are 18 estimates; one answer has at most 17" in told


def _with_few_groups(cache: Any, served: Any, query: Any, settings: Any) -> Any:
    from dataclasses import replace

    from api.trends import prepare_trend

    return prepare_trend(cache, served, query, replace(settings, max_groups=17))


def test_a_model_without_periods_has_no_trend(served: World):
    told = refused(served)
    assert "it pools its waves, and tells no series of them" in told
    assert "/revision" in told
