"""The OpenAPI document: what the framework makes of the handlers, and what their annotations cannot say.

That is which operations need a key, bodies that are not JSON, answers that come in several forms, which types of
problems each operation answers, and examples. Those of answers are real ones (``openapi_examples.json``; `python -m
tests.contract.examples` makes them anew), those of problems are made from the errors themselves.
"""

from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar

from api.auth import PUBLIC
from api.problem_kinds import PROBLEM_TYPES, examples, types_of
from api.problems import MEDIA_TYPE

__all__ = ["EXAMPLES", "document_of"]

EXAMPLES = Path(__file__).with_name("openapi_examples.json")
"""Operation id -> status -> media type -> an answer, its long lists cut."""

FORMS = {("readRespondent", "200"): ("text/csv",)}
"""Operation and status -> media types of the answer besides its first."""

RAW_BODIES = {
    "receiveBatch": {
        "description": "The interviews, one JSON object per line.",
        "required": True,
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    },
    "putBoundaries": {
        "description": "GeoJSON (a FeatureCollection) or TopoJSON (a Topology).",
        "required": True,
        "content": {"application/geo+json": {"schema": {"type": "object"}}},
    },
}
"""Operations that read their body themselves -> what it is."""
CLOSED = {"additionalProperties": False}
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


def document_of(app: Litestar) -> dict[str, Any]:
    """The OpenAPI 3.1 document of an application, made once."""
    document: dict[str, Any] | None = app.state.get("openapi")
    if document is None:
        document = _finished(deepcopy(app.openapi_schema.to_schema()))
        app.state["openapi"] = document
    return document


def _finished(document: dict[str, Any]) -> dict[str, Any]:
    answers = msgspec.json.decode(EXAMPLES.read_bytes()) if EXAMPLES.exists() else {}
    components = document["components"]
    components["schemas"]["Problem"]["properties"]["type"]["enum"] = list(PROBLEM_TYPES)
    components["examples"] = {name: {"summary": one["title"], "value": one} for name, one in examples().items()}
    for path in document["paths"].values():
        for operation in path.values():
            name = operation["operationId"]
            operation["security"] = [] if name in PUBLIC else [{"key": []}]
            for body in operation.get("requestBody", {}).get("content", {}).values():
                # Unknown fields are refused, in every body.
                components["schemas"][body["schema"]["$ref"].rpartition("/")[2]] |= CLOSED
            if name in RAW_BODIES:
                operation["requestBody"] = RAW_BODIES[name]
            for status, response in operation["responses"].items():
                for media_type in FORMS.get((name, status), ()):
                    response["content"][media_type] = {"schema": {"type": "string"}}
                if int(status) >= 400:
                    _describe_problems(name, operation, int(status), response)
                for media_type, value in answers.get(name, {}).get(status, {}).items():
                    if media_type in response.get("content", {}):
                        response["content"][media_type]["example"] = value
    return document


def _describe_problems(name: str, operation: dict[str, Any], status: int, response: dict[str, Any]) -> None:
    """Name the types of problems that are answered with a status, with an example of each."""
    types = types_of(name, operation, status)
    content = response["content"][MEDIA_TYPE]
    content["schema"] = {"allOf": [content["schema"], {"properties": {"type": {"enum": types}}}]}
    content["examples"] = {one: {"$ref": f"#/components/examples/{one}"} for one in types}
    if status in (429, 503):
        response["headers"] = RETRY_AFTER
