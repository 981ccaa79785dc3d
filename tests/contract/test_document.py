"""The OpenAPI document is valid, has an example of every answer, and every example obeys it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from api.app import build
from api.openapi import document_of
from api.problem_kinds import PROBLEM_TYPES, RULES, examples
from polling.store.engine import open_store
from tests.api.world import World, make_world

OF_NO_ROUTE = {"forbidden", "not-found", "method-not-allowed", "unavailable"}
"""Answered where there is no such path or method, or by the framework alone."""


@pytest.fixture(scope="module")
def served(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("document")
    shutil.copy(_sqlite_template, folder / "hustings.db")
    store = open_store(f"sqlite:///{folder}/hustings.db")
    yield make_world(store, folder)
    store.close()


@pytest.fixture(scope="module")
def document(served: World) -> dict[str, Any]:
    return document_of(served.app)


def answers(document: dict[str, Any]) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Operation id, status, media type, what is said of it."""
    return [
        (one["operationId"], status, media_type, content)
        for path in document["paths"].values()
        for one in path.values()
        for status, response in one["responses"].items()
        for media_type, content in response.get("content", {}).items()
    ]


def obeys(document: dict[str, Any], schema: dict[str, Any], value: object) -> bool:
    return jsonschema_rs.validator_for({**schema, "components": document["components"]}).is_valid(value)


def test_it_is_valid(document: dict[str, Any]):
    assert document["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(document).validate()


def test_every_answer_has_an_example_and_every_example_obeys_its_schema(document: dict[str, Any]):
    for operation, status, media_type, content in answers(document):
        if int(status) >= 400:
            named = [document["components"]["examples"][name]["value"] for name in content["examples"]]
            assert named, (operation, status)
        elif media_type in ("application/json", "text/plain", "text/event-stream"):
            assert "example" in content, (operation, status, "run python -m tests.contract.examples")
            named = [content["example"]]
        else:
            continue  # another form of an answer that has an example
        for value in named:
            assert obeys(document, content["schema"], value), (operation, status, value)


def test_an_example_that_does_not_obey_would_be_found(document: dict[str, Any]):
    (content,) = [
        one
        for name, status, media_type, one in answers(document)
        if (name, status, media_type) == ("getEstimates", "200", "application/json")
    ]

    assert obeys(document, content["schema"], content["example"])
    assert not obeys(document, content["schema"], content["example"] | {"interval": "0.9"})
    assert not obeys(document, content["schema"], {"estimates": []})


def test_every_type_of_problem_is_documented_with_an_example_where_it_is_answered(document: dict[str, Any]):
    assert set(document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]) == set(PROBLEM_TYPES)
    assert examples().keys() == set(PROBLEM_TYPES)
    assert RULES.keys() == set(PROBLEM_TYPES) - OF_NO_ROUTE
    told = {name for _, status, _, content in answers(document) if int(status) >= 400 for name in content["examples"]}
    assert told == RULES.keys()


def test_every_problem_has_the_status_under_which_it_is_told(document: dict[str, Any]):
    for operation, status, _, content in answers(document):
        for name in content.get("examples", ()):
            value = document["components"]["examples"][name]["value"]
            assert value["status"] == int(status), (operation, name)
            assert len(value["detail"]) > 20, name


def test_only_what_is_public_needs_no_key(document: dict[str, Any]):
    free = {one["operationId"] for path in document["paths"].values() for one in path.values() if one["security"] == []}
    assert free == {"health", "ready"}
    assert document["components"]["securitySchemes"]["key"] == {"type": "http", "scheme": "bearer"}


def test_it_is_the_same_for_every_instance(served: World):
    assert document_of(build(served.services)) == document_of(served.app)
