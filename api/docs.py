"""The interface described: ``/openapi.json`` and, for people, ``/docs``.

The page is Swagger UI from a package of this installation: nothing is loaded
from elsewhere, and its content security policy allows no inline script. That
Swagger UI reads OpenAPI 3.0 only, so it gets a translation of our 3.1
document; programs should read ``/openapi.json``.
"""

from pathlib import Path
from typing import Any

from litestar import Request, Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from api.openapi import document_of

__all__ = ["docs_routes", "to_openapi_30"]

FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
"""The files of Swagger UI that the page needs."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hustings: HTTP interface</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui">This page needs JavaScript; the document itself is <a href="/openapi.json">here</a>.</div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

START = """"use strict";
SwaggerUIBundle({
  url: "/docs/openapi-3.0.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
FILE_HEADERS = {"Cache-Control": "public, max-age=86400"}


@get("/openapi.json", operation_id="openapi", include_in_schema=False, sync_to_thread=False)
def openapi(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """The OpenAPI 3.1 document."""
    return Response(document_of(request.app), headers={"Cache-Control": "no-cache"})


@get("/docs", operation_id="docs", include_in_schema=False, sync_to_thread=False)
def docs() -> Response[str]:
    """The page for people."""
    return Response(PAGE, media_type="text/html", headers=PAGE_HEADERS)


@get("/docs/{file:str}", operation_id="docsFile", include_in_schema=False, sync_to_thread=True)
def docs_file(file: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    """What the page loads."""
    if file == "start.js":
        return Response(START, media_type="text/javascript", headers=FILE_HEADERS)
    if file == "openapi-3.0.json":
        return Response(to_openapi_30(document_of(request.app)), headers={"Cache-Control": "no-cache"})
    if file not in FILES:
        raise NotFoundException
    from swagger_ui_bundle import swagger_ui_path

    content = Path(str(swagger_ui_path / file)).read_bytes()
    return Response(content, media_type=FILES[file], headers=FILE_HEADERS)


docs_routes = Router("/", route_handlers=[openapi, docs, docs_file])


def to_openapi_30(node: Any) -> Any:
    """Say in OpenAPI 3.0 what a 3.1 document says, as far as the page shows it.

    ``null`` among the types becomes ``nullable``, ``const`` becomes ``enum``, an
    exclusive limit becomes a limit with a flag.
    """
    if isinstance(node, list):
        return [to_openapi_30(one) for one in node]
    if not isinstance(node, dict):
        return node
    out = {key: to_openapi_30(value) for key, value in node.items()}
    if "openapi" in out:
        out["openapi"] = "3.0.3"
    for key in ("oneOf", "anyOf"):
        if isinstance(out.get(key), list) and {"type": "null"} in out[key]:
            rest = [one for one in out.pop(key) if one != {"type": "null"}]
            # A reference may have no siblings in 3.0, so even a single one stays in a list.
            out |= (
                {key: rest, "nullable": True} if len(rest) > 1 or "$ref" in rest[0] else {**rest[0], "nullable": True}
            )
    if isinstance(out.get("type"), list):
        kinds = [one for one in out["type"] if one != "null"]
        out |= {"type": kinds[0] if kinds else "string", "nullable": "null" in out["type"]}
    if "const" in out and not isinstance(out["const"], dict):
        out["enum"] = [out.pop("const")]
    for limit, flag in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(out.get(flag), int | float) and not isinstance(out[flag], bool):
            out |= {limit: out[flag], flag: True}
    return out
