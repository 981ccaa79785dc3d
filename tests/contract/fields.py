"""The names that others have written into their programs: every parameter and every field of every body.

    python -m tests.contract.fields    add new ones to the snapshot; lets none go

``fields.json`` holds them. What is in it stays: see "What stays" in the README.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from polling.store.engine import open_store
from tests.api.world import make_world
from tests.conftest import migrate

__all__ = ["SNAPSHOT", "broken", "names_of"]

SNAPSHOT = Path(__file__).with_name("fields.json")

type Names = dict[str, dict[str, list[str]]]
"""Operation id -> part of it -> names, sorted."""


def names_of(document: dict[str, Any]) -> Names:
    """Every name in an OpenAPI document: parameters, fields of bodies and of answers, with their types.

    A field is written as its place and type, such as ``estimates[].share: number``. What a caller has to send is listed
    once more under ``required``.
    """
    found: Names = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parameters = operation.get("parameters", [])
            parts = {
                "route": [f"{method} {path}"],
                "parameters": [f"{one['in']} {one['name']}" for one in parameters],
                "required": [f"{one['in']} {one['name']}" for one in parameters if one["required"]],
            }
            for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
                parts[f"body {media_type}"] = _fields(document, content["schema"], "")
                parts["required"] += _resolved(document, content["schema"]).get("required", [])
            for status, response in operation["responses"].items():
                for media_type, content in response.get("content", {}).items():
                    if int(status) < 400:
                        parts[f"{status} {media_type}"] = _fields(document, content["schema"], "")
                    else:
                        parts[f"{status} problems"] = sorted(content["examples"])
            found[operation["operationId"]] = {name: sorted(set(names)) for name, names in sorted(parts.items())}
    problem = {"$ref": "#/components/schemas/Problem"}
    found["(problem)"] = {"fields": sorted(_fields(document, problem, ""))}
    return dict(sorted(found.items()))


def broken(before: Names, now: Names) -> list[str]:
    """What somebody's program may have read or sent, and cannot any more."""
    gone = [
        f"{operation}: {part}: {name}"
        for operation, parts in before.items()
        for part, names in parts.items()
        if part != "required"
        for name in names
        if name not in now.get(operation, {}).get(part, ())
    ]
    demanded = [
        f"{operation}: newly required: {name}"
        for operation, parts in before.items()
        for name in now.get(operation, {}).get("required", ())
        if name not in parts["required"]
    ]
    return gone + demanded


def _fields(document: dict[str, Any], schema: dict[str, Any], place: str, inside: tuple[str, ...] = ()) -> list[str]:
    """Places and types of the fields in a schema."""
    found = []
    for one in schema.get("oneOf", [schema]):
        name = one.get("$ref", "")
        if name in inside:
            continue
        resolved = _resolved(document, one)
        kind = resolved.get("type", "anything")
        within = (*inside, name) if name else inside
        if kind != "object" and place:
            found.append(f"{place}: {kind}")
        for field, about in resolved.get("properties", {}).items():
            found += _fields(document, about, f"{place}.{field}" if place else field, within)
        if kind == "array":
            found += _fields(document, resolved.get("items", {}), f"{place}[]", within)
        if kind == "object" and not resolved.get("properties"):
            found.append(f"{place}: object")
    return found


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref")
    found: dict[str, Any] = document["components"]["schemas"][name.rpartition("/")[2]] if name else schema
    return found


def main() -> int:
    """Add what is new; 1 if something of the snapshot is gone, and then nothing is written."""
    folder = Path(tempfile.mkdtemp())
    try:
        migrate(url := f"sqlite:///{folder}/hustings.db")
        store = open_store(url)
        world = make_world(store, folder)
        with world.client:
            now = names_of(world.client.get("/openapi.json").json())
        store.close()
    finally:
        shutil.rmtree(folder)
    if SNAPSHOT.exists() and (wrong := broken(json.loads(SNAPSHOT.read_text(encoding="utf-8")), now)):
        print(*wrong, sep="\n")
        return 1
    SNAPSHOT.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
