"""The interface described: the document and the page."""

import json
import re

import pytest

from api.docs import to_openapi_30
from tests.api.world import World


def test_the_document_describes_every_route_but_the_page(served: World):
    document = served.client.get("/openapi.json").json()

    assert document["openapi"].startswith("3.1")
    operations = {one["operationId"] for path in document["paths"].values() for one in path.values()}
    assert {"getEstimates", "receiveWave", "health"} <= operations
    assert "docs" not in operations
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_every_refusal_is_described_as_a_problem(served: World):
    document = served.client.get("/openapi.json").json()

    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"], operation["operationId"]


def test_every_operation_field_and_parameter_is_explained(served: World):
    document = served.client.get("/openapi.json").json()

    for path in document["paths"].values():
        for operation in path.values():
            assert operation["summary"]
            assert operation["description"], operation["operationId"]
            for parameter in operation.get("parameters", []):
                assert parameter["in"] == "path" or parameter["description"]
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description") or schema["title"], name


def test_the_page_loads_nothing_from_elsewhere_and_has_no_inline_script(served: World):
    reply = served.client.get("/docs")

    assert reply.headers["content-type"].startswith("text/html")
    links = re.findall(r'(?:src|href)="([^"]+)"', reply.text)
    assert links
    assert all(link.startswith("/") for link in links)
    assert re.findall(r"<script(?![^>]*\bsrc=)", reply.text) == []
    assert "unsafe-inline" not in reply.headers["content-security-policy"]
    for link in links:
        assert served.client.get(link).status_code == 200


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ({"openapi": "3.1.0"}, {"openapi": "3.0.3"}),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string", "nullable": True}),
        ({"oneOf": [{"$ref": "#/x"}, {"type": "null"}]}, {"oneOf": [{"$ref": "#/x"}], "nullable": True}),
        ({"type": ["object", "null"]}, {"type": "object", "nullable": True}),
        ({"const": "a"}, {"enum": ["a"]}),
        ({"exclusiveMinimum": 0}, {"minimum": 0, "exclusiveMinimum": True}),
        ([{"type": "integer"}], [{"type": "integer"}]),
    ],
)
def test_newer_forms_are_said_in_the_older_language_of_the_page(new: object, old: object):
    assert to_openapi_30(new) == old


def test_the_translated_document_has_no_null_type_left(served: World):
    text = json.dumps(served.client.get("/docs/openapi-3.0.json").json())
    assert '"null"' not in text
