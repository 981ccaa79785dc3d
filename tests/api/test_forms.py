"""One answer in every form: who gets which, and that validators, HEAD and compression know them apart."""

import gzip
import io
import json
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from api.errors import NotAcceptable, UnknownChoice
from api.forms import TABLES, accepts_gzip, find_form
from tests.api.world import SURVEY, World

URL = f"/v1/surveys/{SURVEY}/questions/rail/estimates"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
DISTRICTS = {"level": "district", "by": "gender"}
PLAIN = {"Accept-Encoding": "identity"}


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, "json"),
        ("", "json"),
        ("*/*", "json"),
        (BROWSER, "json"),
        ("application/json, text/plain, */*", "json"),
        ("application/*", "json"),
        ("text/*", "csv"),
        ("text/csv", "csv"),
        ("TEXT/CSV; charset=utf-8", "csv"),
        ("text/csv;q=0.5, application/json;q=0.4", "csv"),
        ("text/csv;q=0.5, application/json", "json"),
        ("text/csv, */*", "csv"),
        ("*/*, application/json;q=0", "csv"),
        ("application/*;q=0.9, application/json;q=0.1", "parquet"),
        ("application/vnd.apache.arrow.stream", "arrow"),
        ("application/vnd.apache.parquet;q=nonsense", "parquet"),
    ],
)
def test_the_form_is_what_accept_prefers(accept: str | None, form: str):
    assert find_form(None, accept) == form


@pytest.mark.parametrize("accept", ["image/png", "text/html", "application/json;q=0", "*/*;q=0", ",;,", "json"])
def test_an_accept_that_admits_no_form_is_told_which_there_are(accept: str):
    with pytest.raises(NotAcceptable, match=r"text/csv \(csv\)") as caught:
        find_form(None, accept)
    assert caught.value.allowed == tuple(TABLES.values())


def test_the_parameter_goes_before_the_header_and_must_name_a_form():
    assert find_form("csv", "image/png") == "csv"
    with pytest.raises(UnknownChoice, match=r"no format 'parket'. Did you mean 'parquet'\?"):
        find_form("parket", "text/csv")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("br", False),
        ("gzip;q=0, *", False),
        ("*", True),
        ("identity", False),
    ],
)
def test_gzip_is_used_where_it_is_accepted(header: str | None, expected: bool):
    assert accepts_gzip(header) is expected


def read(form: str, content: bytes) -> pl.DataFrame:
    if form == "csv":
        return pl.read_csv(content, try_parse_dates=True)
    if form == "parquet":
        return pl.read_parquet(io.BytesIO(content))
    table = pl.from_arrow(pa.ipc.open_stream(content).read_all())
    assert isinstance(table, pl.DataFrame)
    return table


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_every_form_has_the_numbers_of_the_json(served: World, form: str):
    body = served.estimates(**DISTRICTS, where="age:young,age:middle", interval=0.5)

    reply = served.get(URL, params=DISTRICTS | {"where": "age:young,age:middle", "interval": 0.5, "format": form})

    assert reply.headers["content-type"].partition(";")[0] == TABLES[form]
    table = read(form, reply.content)
    assert table.height == len(body["estimates"])
    for name in ("area", "area_name", "share", "low", "high", "sd", "mc_error", "n_people", "n_interviews"):
        assert table[name].to_list() == [row[name] for row in body["estimates"]]
    assert table["gender"].to_list() == [row["groups"]["gender"] for row in body["estimates"]]
    assert table["flags"].to_list() == [";".join(row["flags"]) or None for row in body["estimates"]]
    for name in ("survey", "question", "option", "interval", "level", "period", "release_id", "release_number"):
        assert table[name].unique().to_list() == [body[name]]
    assert table["where"].unique().to_list() == ["age:young,age:middle"]


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_a_withheld_group_is_a_row_without_numbers(served: World, form: str):
    parameters = {"level": "district", "by": "gender,age", "format": form}
    (row,) = read(form, served.get(URL, params=parameters).content).filter(pl.col("withheld").is_not_null()).to_dicts()

    assert (row["area"], row["gender"], row["age"]) == ("D6", "man", "old")
    assert row["withheld"] == "Fewer than 100 people in the frame."
    assert [row[name] for name in ("share", "low", "n_people", "n_interviews", "flags")] == [None] * 5


def test_parquet_and_arrow_carry_what_the_answer_says_of_itself(served: World):
    body = served.estimates(**DISTRICTS)
    expected = {name: value for name, value in body.items() if name not in ("estimates", "withheld")}

    parquet, arrow = (served.get(URL, params=DISTRICTS | {"format": form}).content for form in ("parquet", "arrow"))

    assert json.loads(pl.read_parquet_metadata(io.BytesIO(parquet))["hustings"]) == expected
    schema = pa.ipc.open_stream(arrow).schema
    assert json.loads(schema.metadata[b"hustings"]) == expected
    # Texts as every reader knows them.
    assert schema.field("area").type == pa.string()


def test_csv_is_a_download_in_utf_8_with_lines_as_rfc_4180_has_them(served: World):
    reply = served.get(URL, headers={"Accept": "text/csv"}, params=DISTRICTS)

    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-disposition"] == 'attachment; filename="town-rail-estimates-1.csv"'
    lines = reply.content.split(b"\r\n")
    assert lines[0].startswith(b"area,area_name,gender,option,share,low,high,")
    assert (len(lines), lines[-1]) == (1 + 12 + 1, b"")
    assert b"\n" not in reply.content.replace(b"\r\n", b"")
    assert b",2026-03-02T12:01:00Z," in lines[1]


def test_json_is_no_download(served: World):
    assert "content-disposition" not in served.get(URL).headers


@pytest.mark.parametrize("path", [f"{URL}?format=csv", f"{URL}?format=parquet", f"{URL}?format=arrow", URL])
def test_each_form_has_its_validator_and_head_tells_the_same(served: World, path: str):
    full = served.get(path)

    assert full.headers["vary"] == "Accept, Accept-Encoding, Authorization"
    assert full.headers["cache-control"] == "private, no-cache"
    head = served.client.head(path, headers=served.bearer("admin"))
    own = {"x-request-id", "ratelimit-remaining", "ratelimit-reset"}
    assert (head.status_code, head.content) == (200, b"")
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in full.headers.items() if k not in own
    }
    again = served.get(path, headers={"If-None-Match": full.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", full.headers["etag"])
    assert again.headers["vary"] == full.headers["vary"]


def test_no_two_forms_share_a_validator(served: World):
    replies = [
        served.get(URL, params=DISTRICTS | {"format": form}, headers=headers)
        for form in TABLES
        for headers in (PLAIN, {"Accept-Encoding": "gzip"})
    ]

    tags = [reply.headers["etag"] for reply in replies]
    # Parquet is not compressed again: it is the same bytes.
    assert len(set(tags)) == len(tags) - 1
    csv, json_ = tags[2], tags[0]
    assert not csv.startswith("W/")
    assert served.get(URL, params=DISTRICTS, headers=PLAIN | {"If-None-Match": csv}).status_code == 200
    assert served.get(URL, params=DISTRICTS, headers=PLAIN | {"If-None-Match": f"{csv}, {json_}"}).status_code == 304


def raw(world: World, path: str, encoding: str, **parameters: Any) -> tuple[Any, bytes]:
    headers = world.bearer("admin") | {"Accept-Encoding": encoding}
    with world.client.stream("GET", path, headers=headers, params=parameters) as reply:
        return reply, b"".join(reply.iter_raw())


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
def test_a_compressed_answer_is_the_answer(served: World, form: str):
    plain, content = raw(served, URL, "identity", **DISTRICTS, format=form)
    reply, packed = raw(served, URL, "gzip", **DISTRICTS, format=form)

    assert reply.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert len(packed) == int(reply.headers["content-length"]) < len(content)
    assert gzip.decompress(packed) == content


def test_small_answers_and_parquet_are_not_compressed(served: World):
    assert "content-encoding" not in raw(served, URL, "gzip", format="csv")[0].headers
    assert "content-encoding" not in raw(served, URL, "gzip", **DISTRICTS, format="parquet")[0].headers


def test_the_numbers_are_computed_once_whatever_the_form(served: World, monkeypatch: pytest.MonkeyPatch):
    made = []
    monkeypatch.setattr("api.routes.estimates.answer_query", None)

    def counting(prepared: Any, settings: Any) -> Any:
        from api.estimates import answer_query

        made.append(prepared)
        return answer_query(prepared, settings)

    monkeypatch.setattr("api.routes.estimates.answer_query", counting)
    for form in (*TABLES, *TABLES):
        assert served.get(URL, params={"interval": 0.61, "format": form}).status_code == 200

    assert len(made) == 1


def test_a_refusal_is_a_problem_in_json_whatever_was_accepted(served: World):
    reply = served.get(URL, headers={"Accept": "text/csv"}, params={"option": "moon"})
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")

    reply = served.get(URL, headers={"Accept": "image/png"})
    assert (reply.status_code, reply.json()["type"]) == (406, "not-acceptable")
    assert reply.json()["allowed"] == list(TABLES.values())

    reply = served.get(URL, params={"format": "xml"})
    assert (reply.status_code, reply.json()["allowed"]) == (422, list(TABLES))
