"""No name that somebody may have written into a program goes away, and nothing is demanded that was not."""

import json
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from api.openapi import document_of
from polling.store.engine import open_store
from tests.api.world import make_world
from tests.contract.fields import SNAPSHOT, broken, names_of


@pytest.fixture(scope="module")
def document(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("fields")
    shutil.copy(_sqlite_template, folder / "hustings.db")
    store = open_store(f"sqlite:///{folder}/hustings.db")
    yield document_of(make_world(store, folder).app)
    store.close()


def test_what_was_promised_is_there(document: dict[str, Any]):
    before, now = json.loads(SNAPSHOT.read_text(encoding="utf-8")), names_of(document)

    assert broken(before, now) == []
    missing = [name for name in now if name not in before]
    assert missing == [], "run python -m tests.contract.fields, which adds them"


def test_it_reads_names_as_people_write_them(document: dict[str, Any]):
    names = names_of(document)

    assert names["getEstimates"]["route"] == ["get /v1/surveys/{survey_id}/questions/{question_id}/estimates"]
    assert "query level" in names["getEstimates"]["parameters"]
    assert "estimates[].share: number" in names["getEstimates"]["200 application/json"]
    assert "estimates[].n_interviews: null" in names["getEstimates"]["200 application/json"]
    assert "unknown-choice" in names["getEstimates"]["422 problems"]
    assert names["createKey"]["required"] == ["path survey_id", "role"]
    assert "parameter: string" in names["(problem)"]["fields"]


def rename(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["TwoIntervals"]["properties"]
    fields["mean"] = fields.pop("share")


def retype(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["TwoIntervals"]["properties"]["share"] = {"type": "string"}


def demand(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["CreateKeyBody"]["required"].append("label")


def close(document: dict[str, Any]) -> None:
    del document["paths"]["/v1/surveys/{survey_id}/districts"]


def move(document: dict[str, Any]) -> None:
    document["paths"]["/v2/surveys"] = document["paths"].pop("/v1/surveys")


def lose_parameter(document: dict[str, Any]) -> None:
    document["paths"]["/v1/surveys/{survey_id}/waves"]["get"]["parameters"].pop()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (rename, "getEstimates: 200 application/json: estimates[].share: number"),
        (retype, "getEstimates: 200 application/json: estimates[].share: number"),
        (demand, "createKey: newly required: label"),
        (close, "listDistricts: route: get /v1/surveys/{survey_id}/districts"),
        (move, "listSurveys: route: get /v1/surveys"),
        (lose_parameter, "listWaves: parameters: query as_of"),
    ],
)
def test_a_broken_promise_is_found(document: dict[str, Any], change: Callable[[dict[str, Any]], None], found: str):
    changed = deepcopy(document)
    change(changed)
    assert found in broken(names_of(document), names_of(changed))


def test_what_is_added_breaks_nothing(document: dict[str, Any]):
    changed = deepcopy(document)
    changed["components"]["schemas"]["TwoIntervals"]["properties"]["new"] = {"type": "number"}
    changed["paths"]["/v1/news"] = {"get": {"operationId": "news", "responses": {}}}
    changed["components"]["schemas"]["CreateKeyBody"]["properties"]["new"] = {"type": "string"}

    assert broken(names_of(document), names_of(changed)) == []
    assert broken(names_of(changed), names_of(document)) != []
