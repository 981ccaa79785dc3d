"""The OpenAPI document: what the framework makes of the handlers, and what their annotations cannot say.

That is which operations need a key, bodies that are not JSON, and answers that come in several forms.
"""

from copy import deepcopy
from typing import Any

from litestar import Litestar

from api.auth import PUBLIC

__all__ = ["document_of"]

FORMS = {("readRespondent", "200"): ("text/csv",)}
"""Operation and status -> media types of the answer besides its first."""

BATCH = {
    "description": "The interviews, one JSON object per line.",
    "required": True,
    "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
}
CLOSED = {"additionalProperties": False}


def document_of(app: Litestar) -> dict[str, Any]:
    """The OpenAPI 3.1 document of an application, made once."""
    document: dict[str, Any] | None = app.state.get("openapi")
    if document is None:
        document = _finished(deepcopy(app.openapi_schema.to_schema()))
        app.state["openapi"] = document
    return document


def _finished(document: dict[str, Any]) -> dict[str, Any]:
    for path in document["paths"].values():
        for operation in path.values():
            name = operation["operationId"]
            operation["security"] = [] if name in PUBLIC else [{"key": []}]
            for status, response in operation["responses"].items():
                for media_type in FORMS.get((name, status), ()):
                    response["content"][media_type] = {"schema": {"type": "string"}}
            for body in operation.get("requestBody", {}).get("content", {}).values():
                # Unknown fields are refused, in every body.
                document["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]] |= CLOSED
            if name == "receiveBatch":
                operation["requestBody"] = BATCH
    return document
