"""Long answers page by page: nothing twice, nothing missing, never two releases in one answer."""

import io
from typing import Any
from urllib.parse import quote

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from api.cursors import read_cursor, write_cursor
from api.errors import CursorRefused
from tests.api.world import SURVEY, World, wave_csv

RAIL = f"/v1/surveys/{SURVEY}/questions/rail"
GROUPS = {"level": "district", "by": "gender,age"}


def pages(world: World, path: str, *, limit: int, **parameters: Any) -> list[Any]:
    """Every page, by following next_cursor."""
    asked = parameters | {"limit": limit}
    found = [world.get(path, params=asked)]
    while (cursor := found[-1].json()["next_cursor"]) is not None:
        found.append(world.get(path, params=asked | {"cursor": cursor}))
        assert len(found) < 100
    return [page.json() for page in found]


@pytest.mark.parametrize(
    ("what", "rows", "parameters"),
    [
        ("estimates", "estimates", GROUPS),
        ("rank", "ranks", {"level": "district"}),
        ("probability", "probabilities", {"by": "age"}),
        ("contrast", "contrasts", {"first": "gender:man", "second": "gender:woman", "level": "district"}),
        ("battleground", "districts", {}),
        ("districts/D6", "groups", {"by": "gender,age"}),
        ("seats", "options", {}),
    ],
)
@given(limit=st.integers(1, 40))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_pages_together_are_the_whole(served: World, what: str, rows: str, parameters: dict[str, str], limit: int):
    whole = served.get(f"{RAIL}/{what}", params=parameters).json()

    found = pages(served, f"{RAIL}/{what}", limit=limit, **parameters)

    assert [row for page in found for row in page[rows]] == whole[rows]
    assert [row for page in found for row in page["withheld"]] == whole["withheld"]
    assert [page["district"] for page in found if page.get("district")] == [
        *([whole["district"]] if "district" in whole else [])
    ]
    sizes = [len(page[rows]) + len(page["withheld"]) + bool(page.get("district")) for page in found]
    assert all(size == limit for size in sizes[:-1])
    assert 1 <= sizes[-1] <= limit
    heads = [{k: v for k, v in one.items() if k not in (rows, "withheld", "district", "next_cursor")} for one in found]
    assert all(head == heads[0] for head in heads)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_link_leads_through_every_form(served: World, form: str):
    whole = served.get(f"{RAIL}/estimates", params=GROUPS | {"format": form})
    url, parts = f"{RAIL}/estimates?level=district&by={quote('gender,age')}&format={form}&limit=10", []

    while url:
        reply = served.get(url)
        parts.append(table(form, reply.content))
        link = reply.headers.get("link", "")
        assert not link or link.endswith('>; rel="next"')
        url = link.partition(">")[0].removeprefix("<")

    assert [part.height for part in parts] == [10, 10, 10, 6]
    assert pl.concat(parts).equals(table(form, whole.content))


def table(form: str, content: bytes) -> pl.DataFrame:
    if form == "csv":
        return pl.read_csv(content, infer_schema=False)
    return pl.read_parquet(io.BytesIO(content))


def test_without_a_limit_there_is_one_page(served: World):
    reply = served.get(f"{RAIL}/estimates", params=GROUPS)
    assert reply.json()["next_cursor"] is None
    assert "link" not in reply.headers


def test_what_follows_a_page_may_be_asked_for_at_once_and_in_another_form(served: World):
    whole = served.estimates(**GROUPS)
    cursor = served.estimates(**GROUPS, limit=7)["next_cursor"]

    assert served.estimates(**GROUPS, cursor=cursor)["estimates"] == whole["estimates"][7:]
    reply = served.get(f"{RAIL}/estimates", params=GROUPS | {"cursor": cursor, "limit": 3, "format": "csv"})
    shares = pl.read_csv(reply.content)["share"].to_list()
    assert shares == [row["share"] for row in whole["estimates"][7:10]]


def test_pages_have_validators_of_their_own(served: World):
    def ask(**more: Any) -> Any:
        return served.get(f"{RAIL}/estimates", params=GROUPS | more)

    cursor = ask(limit=7).json()["next_cursor"]
    replies = [ask(), ask(limit=7), ask(limit=8), ask(limit=7, cursor=cursor), ask(cursor=cursor)]

    tags = [reply.headers["etag"] for reply in replies]
    assert len(set(tags)) == len(tags)
    again = served.get(f"{RAIL}/estimates", params=GROUPS | {"limit": 7}, headers={"If-None-Match": tags[1]})
    assert again.status_code == 304


@pytest.mark.parametrize("limit", [0, -1, 10**7])
def test_a_limit_is_a_number_of_rows(served: World, limit: int):
    reply = served.get(f"{RAIL}/estimates", params={"limit": limit})
    assert (reply.status_code, reply.json()["type"]) == (422, "bad-estimate-query")
    assert "from 1 to 1,000,000" in reply.json()["detail"]


def refused(world: World, path: str, **parameters: Any) -> str:
    reply = world.get(f"{RAIL}/{path}", params=parameters)
    assert (reply.status_code, reply.json()["type"]) == (422, "bad-cursor"), reply.text
    return str(reply.json()["detail"])


FORGED = [write_cursor(key, start, "forged") for key, start in (("a\0b", 1), ("x" * 65, 1), ("a'b", 1), ("a", -1))]


@pytest.mark.parametrize("cursor", [*FORGED, "", "x", "é", "AAAA", "*", "a" * 600, "null", "eyJhIjoxfQ"])
def test_what_is_no_cursor_is_refused(served: World, cursor: str):
    assert "none that was given out here" in refused(served, "estimates", cursor=cursor, limit=5)


def test_a_cursor_of_another_query_or_another_place_is_refused(served: World):
    cursor = served.estimates(**GROUPS, limit=5)["next_cursor"]

    for changed in ({"by": "age"}, {"interval": 0.5}, {"where": "age:old"}, {"option": "no"}):
        assert "belongs to another query" in refused(served, "estimates", **(GROUPS | changed), cursor=cursor)
    assert "another query" in refused(served, "rank", **GROUPS, cursor=cursor)
    held = read_cursor(cursor)
    moved = write_cursor(held.key, 6, "forged")
    assert "another query" in refused(served, "estimates", **GROUPS, cursor=moved)
    nowhere = write_cursor("0" * 32, 5, "forged")
    assert "another question, or was altered" in refused(served, "estimates", **GROUPS, cursor=nowhere)


@given(place=st.integers(0, 200), change=st.integers(1, 63))
@settings(max_examples=40, deadline=None)
def test_a_cursor_that_was_altered_anywhere_is_refused(place: int, change: int):
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    good = write_cursor("a" * 32, 10, "asked")
    place %= len(good) - 1  # the last letter has bits that mean nothing
    altered = letters[(letters.index(good[place]) + change) % 64]

    def use(cursor: str) -> None:
        read_cursor(cursor).require("asked")

    use(good)
    with pytest.raises(CursorRefused):
        use(good[:place] + altered + good[place + 1 :])


def test_pages_stay_with_their_release_until_its_draws_are_gone(world: World):
    old = world.release()
    whole = world.estimates(**GROUPS)
    first = world.estimates(**GROUPS, limit=20)
    new = world.release("w2", wave_csv(100, start=9000))
    assert world.estimates()["release_id"] == new.id

    second = world.estimates(**GROUPS, limit=20, cursor=first["next_cursor"])

    assert second["release_id"] == old.id
    assert first["estimates"] + second["estimates"] == whole["estimates"]
    assert second["stale_reason"]
    # Who names the other release does not get it by this cursor.
    assert "another release" in refused(world, "estimates", **GROUPS, cursor=first["next_cursor"], release=new.id)
    assert world.estimates(**GROUPS, cursor=first["next_cursor"], release=old.id)["release_id"] == old.id

    with world.store.write() as session:
        session.execute(text("DELETE FROM fit_draws WHERE fit_id = :id"), {"id": old.fit_id})
        session.execute(text("UPDATE question_state SET version = version + 1"))  # as what deletes draws does
    reply = world.get(f"{RAIL}/estimates", params=GROUPS | {"interval": 0.9, "cursor": first["next_cursor"]})
    assert (reply.status_code, reply.json()["type"]) == (410, "draws-gone")
