"""Tables of answers: columns that stay what they are, and what a spreadsheet would take for a formula."""

import io
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

import msgspec
import polars as pl
import pytest

from api.answer_payloads import EstimatesPayload, TwoIntervals, WithheldGroup
from api.flat_tables import ROWS, flat_table, head_of
from api.payloads import ConfirmationPayload
from api.table_files import file_name, write_table
from polling.spreadsheet import defuse
from tests.api.world import SURVEY, World, wave_csv

RAIL = f"/v1/surveys/{SURVEY}/questions/rail"
TEXT, NUMBER, COUNT, YES_NO = pl.String(), pl.Float64(), pl.Int64(), pl.Boolean()
DAY, MOMENT = pl.Date(), pl.Datetime("us", "UTC")

NAMES = {"area": TEXT, "area_name": TEXT}
SHARE = dict.fromkeys(("share", "low", "high", "sd", "mc_error", "n_people", "n_effective", "n_equivalent"), NUMBER)
SHARE |= dict.fromkeys(("n_equivalent_mc_error", "pooling", "pooling_mc_error"), NUMBER)
ESTIMATE = NAMES | SHARE | {"n_interviews": COUNT, "flags": TEXT}
HEAD = {
    "withheld": TEXT,
    **dict.fromkeys(("survey", "question", "option"), TEXT),
    "interval": NUMBER,
    **dict.fromkeys(("period", "level", "where", "release_id"), TEXT),
    "release_number": COUNT,
    "published_at": MOMENT,
    "data_through": DAY,
    "stale_since": MOMENT,
}


def side(name: str) -> dict[str, pl.DataType]:
    return {f"{name}_{column}": kind for column, kind in (SHARE | {"n_interviews": COUNT, "flags": TEXT}).items()}


PROMISED: dict[str, dict[str, pl.DataType]] = {
    "estimates": ESTIMATE | HEAD,
    "probability": ESTIMATE | dict.fromkeys(("probability", "probability_mc_error", "threshold"), NUMBER) | HEAD,
    "rank?level=region": ESTIMATE
    | {"n_ranked": COUNT, "ranked": TEXT}
    | dict.fromkeys(("rank", "rank_low", "rank_high", "rank_mc_error", "p_first", "p_first_mc_error"), NUMBER)
    | HEAD,
    "contrast?first=age:old&second=age:young": NAMES
    | side("first")
    | side("second")
    | dict.fromkeys(("difference", "low", "high", "sd", "mc_error", "p_larger", "p_larger_mc_error"), NUMBER)
    | dict.fromkeys(("words", "sentence", "first", "second"), TEXT)
    | HEAD,
    "revision": NAMES
    | side("before")
    | side("after")
    | {"difference": NUMBER, "mc_error": NUMBER, "beyond_simulation": YES_NO, "sentence": TEXT}
    | {"before_release_id": TEXT, "before_release_number": COUNT, "causes": TEXT, "reasons": TEXT}
    | HEAD,
    "change": NAMES
    | side("before")
    | side("after")
    | dict.fromkeys(("difference", "low", "high", "sd", "mc_error", "p_rise", "p_rise_mc_error"), NUMBER)
    | dict.fromkeys(("words", "sentence", "between", "since", "before_release_id"), TEXT)
    | HEAD,
    "districts/D1": ESTIMATE
    | {"n_ranked": COUNT, "code": TEXT, "name": TEXT, "parents": TEXT, "gender": TEXT, "age": TEXT}
    | dict.fromkeys(("rank", "p_lead", "n_effective", "n_equivalent", "pooling", "pooling_mc_error"), NUMBER)
    | HEAD,
    "seats": NAMES | dict.fromkeys(("seats", "low", "high", "sd", "p_majority", "p_most"), NUMBER) | HEAD,
    "battleground": ESTIMATE
    | {"n_seats": COUNT, "versus": TEXT}
    | dict.fromkeys(("p_win", "lead", "lead_low", "lead_high", "lead_mc_error", "p_tipping"), NUMBER)
    | HEAD,
}
"""Of each answer the columns that programs may rely on; there may come others."""


@pytest.fixture(scope="module")
def twice(served: World) -> World:
    """A second release, so that there is a revision."""
    served.release("w2", wave_csv(100, start=9000))
    return served


@pytest.mark.parametrize("path", PROMISED)
def test_columns_have_the_names_and_types_that_are_promised(twice: World, path: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("api.changes.wave_ids", lambda _: frozenset())  # as if the two shared none
    first = twice.get(f"{RAIL}/releases").json()["releases"][-1]["id"]

    reply = twice.get(
        f"{RAIL}/{path}",
        headers={"Accept": "application/vnd.apache.parquet"},
        params={"before": first} if path == "change" else None,
    )

    assert reply.status_code == 200, reply.text
    found = pl.read_parquet(io.BytesIO(reply.content)).schema
    assert {name: found.get(name) for name in PROMISED[path]} == PROMISED[path]


def test_a_trend_has_a_row_for_every_period_of_every_area(weekly: World):
    told = weekly.get(f"{RAIL}/trend", params={"level": "region", "by": "gender"}).json()

    reply = weekly.get(f"{RAIL}/trend", params={"level": "region", "by": "gender", "format": "parquet"})
    table = pl.read_parquet(io.BytesIO(reply.content))

    assert table.select("area", "gender", "period", "share").rows() == [
        (one["area"], one["groups"]["gender"], one["period"], one["share"]) for one in told["points"]
    ]
    assert dict(table.schema).items() >= (ESTIMATE | HEAD).items()


def test_every_answer_that_takes_a_format_has_a_table(served: World):
    document = served.client.get("/openapi.json").json()
    routes = [one["get"] for one in document["paths"].values() if "get" in one]
    tabular = {
        one["operationId"]: one["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for one in routes
        if "text/csv" in one["responses"]["200"].get("content", {})
        and "application/json" in one["responses"]["200"]["content"]
    }
    assert "getEstimates" in tabular
    assert set(tabular.values()) == {payload.__name__ for payload in ROWS}
    for payload, names in ROWS.items():
        hints = get_type_hints(payload)
        assert all(get_args(hints[name]) for name in names)


def answer(**changes: Any) -> EstimatesPayload:
    groups = {"share": "=1+1", "gender": "+x"}
    numbers = dict.fromkeys(("n_effective", "n_equivalent", "n_equivalent_mc_error", "pooling", "pooling_mc_error"))
    numbers |= dict.fromkeys(("total_low", "total_high", "total_intervals", "total_sd"))
    numbers |= {"share": 0.5, "low": 0.4, "high": 0.6, "intervals": [], "sd": 0.1, "mc_error": 0.01, "n_people": 1e3}
    about = {"n_interviews": None, "flags": ["a", "b"], "part_standing": 1.0}
    row = TwoIntervals("@D", 'Ünter, "den"\r\nLinden', groups, "-1", **numbers, **about)
    fields: dict[str, Any] = dict.fromkeys(EstimatesPayload.__struct_fields__)
    fields |= {
        "survey": "s",
        "question": "q",
        "text": "-Why?",
        "option": "-1",
        "base": ["answered"],
        "interval": 0.9,
        "release_id": "r",
        "release_number": 3,
        "published_at": datetime(2026, 3, 2, 12, tzinfo=UTC),
        "warnings": [],
        "data_notes": [],
        "of_reports": False,
        "confirmation": ConfirmationPayload("none", None, "No."),
        "level": "district",
        "by": ["share", "gender"],
        "where": {"age": ["old", "young"], "gender": ["woman"]},
        "withheld": [WithheldGroup("E", "\tTab", groups, "Few.")],
        "estimates": [row],
    }
    return EstimatesPayload(**fields | changes)


def test_a_demographic_that_is_called_like_a_column_keeps_apart_from_it():
    table = flat_table(answer())

    assert table.columns[:5] == ["area", "area_name", "by.share", "gender", "option"]
    assert table["share"].to_list() == [0.5, None]
    assert table["by.share"].to_list() == ["=1+1"] * 2
    upper = answer(by=["Share"], estimates=[], withheld=[])
    assert "by.Share" in flat_table(upper).columns  # readers that know no case


def test_an_empty_answer_has_the_same_columns():
    assert flat_table(answer(estimates=[], withheld=[])).schema == flat_table(answer()).schema


def test_texts_of_several_values_are_joined():
    row = flat_table(answer()).row(0, named=True)
    assert (row["flags"], row["where"]) == ("a;b", "age:old,age:young,gender:woman")


def test_cells_of_csv_that_begin_like_formulas_are_defused_and_others_quoted():
    content = write_table(answer(), "csv").decode()

    header, first, *_ = content.split("\r\n")
    assert header.startswith("area,area_name,by.share,gender,option,share,")
    assert first == '\'@D,"Ünter, ""den""'
    table = pl.read_csv(content.encode())
    assert table["area_name"].to_list() == ['Ünter, "den"\r\nLinden', "'\tTab"]
    assert table["by.share"].to_list() == ["'=1+1"] * 2
    assert table["option"].to_list() == ["'-1"] * 2
    # Parquet is opened by programs, which take nothing for a formula.
    assert pl.read_parquet(io.BytesIO(write_table(answer(), "parquet")))["option"].to_list() == ["-1"] * 2


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_every_beginning_of_a_formula_is_defused_in_cells_and_headers(begin: str):
    table = pl.DataFrame({f"{begin}name": [f"{begin}1", "1", None], "number": [-1.0, 0.0, None]})

    defused = defuse(table)

    assert defused.columns == [f"'{begin}name", "number"]
    assert defused.to_series(0).to_list() == [f"'{begin}1", "1", None]
    assert defused["number"].to_list() == [-1.0, 0.0, None]


def test_what_is_not_a_row_is_the_head():
    head = head_of(answer())

    assert "estimates" not in head
    assert "withheld" not in head
    assert (head["text"], head["release_number"]) == ("-Why?", 3)
    assert msgspec.json.encode(head)


def test_a_file_name_has_harmless_characters_only():
    assert file_name("csv", "town", "rail", 'a"/../b\r\n', 3) == "town-rail-a-..-b--3.csv"
