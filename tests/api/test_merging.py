"""Merged levels and merged districts: one group with all of their people, as loops over the cells give it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from api.label_text import merges_from
from api.labels import Merged
from tests.api.slow import areas_of, check_data_share, check_ends, slow_mean, slow_people, slow_ranks, slow_shares
from tests.api.world import AGES, DISTRICTS, GENDERS, SILENT, SMALL, SURVEY, World

RAIL = f"/v1/surveys/{SURVEY}/questions/rail"
LEVELS = {"age": AGES, "gender": GENDERS, "district": DISTRICTS, "region": ("North", "South")}


def ask(world: World, what: str, **parameters: Any) -> dict[str, Any]:
    reply = world.get(f"{RAIL}/{what}", params=parameters)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def refused(world: World, what: str, **parameters: Any) -> dict[str, Any]:
    reply = world.get(f"{RAIL}/{what}", params=parameters)
    assert reply.status_code == 422, reply.text
    body: dict[str, Any] = reply.json()
    return body


# How it is written


@pytest.mark.parametrize(
    ("text", "merges"),
    [
        ("age:18-29|30-39=young", [("age", ("18-29", "30-39"), "young")]),
        ("age:a|b=x,gender:c|d=y", [("age", ("a", "b"), "x"), ("gender", ("c", "d"), "y")]),
        (" age : a | b = old and frail ", [("age", ("a", "b"), "old and frail")]),
        ("age:65+|a, b|c=d=rest", [("age", ("65+", "a, b", "c=d"), "rest")]),
        ("when:12:00|13:00=noon", [("when", ("12:00", "13:00"), "noon")]),
        (None, []),
    ],
)
def test_a_level_may_have_commas_signs_and_spaces_in_it(
    text: str | None, merges: list[tuple[str, tuple[str, ...], str]]
):
    assert merges_from(text) == tuple(Merged(*one) for one in merges)


@pytest.mark.parametrize(
    "text", ["young", "age", "age:", "age:young|old", "age:young||old=x", ":young|old=x", "age:a|b="]
)
def test_a_merger_without_column_levels_or_name_is_refused(served: World, text: str):
    told = refused(served, "estimates", by="age", merge=text)["detail"]
    assert "such as age:18-29|30-39=young" in told
    assert repr(text) in told


# What it answers


@st.composite
def mergers(draw: st.DrawFn) -> dict[str, list[tuple[str, ...]]]:
    """Of some columns, levels that are taken together."""
    found = {}
    for column, levels in LEVELS.items():
        left = list(draw(st.permutations(levels)))
        sizes = draw(st.lists(st.integers(2, 4), max_size=2))
        groups = []
        for size in sizes:
            if len(left) >= size:
                groups.append(tuple(left[:size]))
                left = left[size:]
        found[column] = groups
    return found


def slow_labels(column: str, groups: list[tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Of each group of levels, the levels; in declared order, merged ones where their first level was."""
    found: dict[str, tuple[str, ...]] = {}
    for level in LEVELS[column]:
        n = next((n for n, members in enumerate(groups) if level in members), None)
        if n is None:
            found[level] = (level,)
        else:
            found.setdefault(f"{column} {n}", groups[n])
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mergers(),
    st.sampled_from(["nation", "region", "district"]),
    st.lists(st.sampled_from(["age", "gender"]), unique=True),
    st.lists(st.sampled_from(AGES), unique=True),
)
def test_any_merger_has_the_numbers_of_the_loops(
    served: World, merged: dict[str, list[tuple[str, ...]]], level: str, by: list[str], ages: list[str]
):
    columns = [*([level] if level != "nation" else []), *by]
    text = ",".join(
        f"{column}:{'|'.join(levels)}={column} {n}" for column in columns for n, levels in enumerate(merged[column])
    )
    body = ask(served, "estimates", level=level, by=",".join(by), merge=text, where=",".join(f"age:{a}" for a in ages))

    expected: list[tuple[tuple[str, ...], dict[str, Any]]] = [((), {"age": tuple(ages)} if ages else {})]
    for column in columns:
        expected = [
            ((*labels, label), wanted | {column: tuple(one for one in levels if one in wanted.get(column, (one,)))})
            for labels, wanted in expected
            for label, levels in slow_labels(column, merged[column]).items()
        ]
    people = {labels: slow_people(wanted) for labels, wanted in expected}
    answered = [labels for labels in people if people[labels] >= 100]
    assert sorted(_labels(row, level) for row in body["estimates"]) == sorted(answered)
    wanted_of = dict(expected)
    for row in body["estimates"]:
        draws = slow_shares(served, wanted_of[_labels(row, level)])
        assert_allclose(row["share"], slow_mean(draws), rtol=1e-5)
        check_ends(row, draws, 0.9)
        check_data_share(row, draws)
        assert row["n_people"] == people[_labels(row, level)]


def _labels(row: dict[str, Any], level: str) -> tuple[str, ...]:
    return (*([row["area"]] if level != "nation" else []), *row["groups"].values())


def test_interviews_of_merged_levels_are_the_sum_of_theirs(served: World):
    apart = {row["groups"]["age"]: row["n_interviews"] for row in ask(served, "estimates", by="age")["estimates"]}
    young, old = ask(served, "estimates", by="age", merge="age:young|middle=below 60")["estimates"]

    assert young["groups"] == {"age": "below 60"}
    assert young["n_interviews"] == apart["young"] + apart["middle"]
    assert old["n_interviews"] == apart["old"]
    body = ask(served, "estimates", by="age", merge="age:young|middle=below 60")
    assert body["merge"] == {"age": {"below 60": ["young", "middle"]}}


def test_merged_districts_are_an_area_among_districts(served: World):
    body = ask(served, "estimates", merge="district:D1|D4=Coast")

    assert body["level"] == "district"
    assert [row["area"] for row in body["estimates"]] == ["Coast", "D2", "D3", "D5", "D6"]
    coast = body["estimates"][0]
    assert coast["area_name"] == "Coast"
    apart = {row["area"]: row["n_interviews"] for row in ask(served, "estimates", level="district")["estimates"]}
    assert coast["n_interviews"] == apart["D1"] + apart["D4"]
    ranked = ask(served, "rank", merge="district:D1|D4=Coast", districts="Coast")["ranks"]
    shares = [slow_shares(served, {"district": d}) for d in (("D1", "D4"), "D2", "D3", "D5", "D6")]
    assert [row["area"] for row in ranked] == ["Coast"]
    assert (ranked[0]["n_ranked"], ranked[0]["rank"]) == (5, pytest.approx(slow_mean(slow_ranks(shares)[0])))


def test_a_small_group_is_answered_together_with_another_and_not_alone(served: World):
    district, gender, age = SMALL
    alone = ask(served, "estimates", districts=district, by="age", where=f"gender:{gender}")
    together = ask(
        served, "estimates", districts=district, by="age", where=f"gender:{gender}", merge="age:old|middle=x"
    )

    assert [one["groups"] for one in alone["withheld"]] == [{"age": age}]
    assert (together["withheld"], len(together["estimates"])) == ([], 2)


def test_districts_without_interviews_are_flagged_only_if_none_has_any(served: World):
    rows = ask(served, "estimates", merge=f"district:{SILENT}|D1=x")["estimates"]

    assert {row["area"]: row["flags"] for row in rows}["x"] == []


def test_contrasts_and_profiles_take_levels_together_too(served: World):
    body = ask(served, "contrast", first="gender:man", second="gender:woman", by="age", merge="age:old|middle=x")
    assert [row["groups"]["age"] for row in body["contrasts"]] == ["young", "x"]
    shares = [slow_shares(served, {"gender": g, "age": ("middle", "old")}) for g in ("man", "woman")]
    assert_allclose(body["contrasts"][1]["difference"], slow_mean(shares[0] - shares[1]), atol=1e-6)

    profile = ask(served, "districts/D2", merge="age:old|middle=x")
    assert profile["merge"] == {"age": {"x": ["old", "middle"]}}
    groups = [row["groups"] for row in profile["groups"]]
    assert groups == [{"gender": "woman"}, {"gender": "man"}, {"age": "young"}, {"age": "x"}]


@pytest.mark.parametrize(
    ("what", "parameters", "type_", "told"),
    [
        ("estimates", {"by": "age", "merge": "age:young|odl=x"}, "unknown-choice", "Did you mean 'old'?"),
        ("estimates", {"by": "age", "merge": "agee:young|old=x"}, "unknown-choice", "Did you mean 'age'?"),
        ("estimates", {"merge": "district:D1|D9=x"}, "unknown-choice", "There is no district 'D9'."),
        ("estimates", {"merge": "age:young|old=x"}, "bad-estimate-query", "name age in by"),
        ("estimates", {"merge": "region:North|South=x"}, "bad-estimate-query", "name region in level"),
        ("estimates", {"level": "region", "merge": "district:D1|D2=x"}, "bad-estimate-query", "name district in level"),
        ("estimates", {"by": "age", "merge": "age:young|old=middle"}, "bad-estimate-query", "which is a level of age"),
        ("estimates", {"by": "age", "merge": "age:young|old=old"}, "bad-estimate-query", "which is a level of age"),
        ("estimates", {"by": "age", "merge": "age:young|young=x"}, "bad-estimate-query", "one level of age for 'x'"),
        (
            "estimates",
            {"by": "age", "merge": "age:young|old=x,age:middle|old=y"},
            "bad-estimate-query",
            "puts age 'old' into 'x' and into 'y'",
        ),
        (
            "estimates",
            {"merge": "district:D1|D2=x,district:D3|D4=x"},
            "bad-estimate-query",
            "the name of other merged levels",
        ),
        ("estimates", {"merge": "district:D1|D2=x", "districts": "D1"}, "bad-estimate-query", "merged into 'x'"),
        ("estimates", {"merge": "district:D1|D2=x", "districts": "y"}, "unknown-choice", "There is no district 'y'."),
        ("seats", {"merge": "district:D1|D2=x"}, "bad-estimate-query", "Leave level, by and merge out."),
        ("districts/D1", {"merge": "district:D1|D2=x"}, "bad-estimate-query", "The district is named already."),
        ("districts/D1", {"merge": "region:North|South=x"}, "bad-estimate-query", "name region in level"),
    ],
)
def test_what_cannot_be_merged_is_refused(served: World, what: str, parameters: dict[str, str], type_: str, told: str):
    body = refused(served, what, **parameters)

    assert body["type"] == type_
    assert told in body["detail"]


def test_every_area_can_be_one(served: World):
    (row,) = ask(served, "estimates", level="region", merge="region:North|South=both")["estimates"]
    (nation,) = ask(served, "estimates")["estimates"]

    assert len(areas_of("region")) == 2
    assert (row["area"], row["area_name"]) == ("both", "both")
    numbers = ("share", "low", "high")
    assert_allclose([row[name] for name in numbers], [nation[name] for name in numbers], rtol=1e-5)
    assert row["n_interviews"] == nation["n_interviews"]
