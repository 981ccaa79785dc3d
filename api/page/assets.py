"""The style sheet, the script and the icon of the page, under names that change with their content.

So a browser keeps them for ever, and has the new one as soon as a page names it.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from api.charts import stylesheet

__all__ = ["asset_text", "asset_url", "page_file"]

FOLDER: Final = Path(__file__).parent / "static"
TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
HEADERS: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class _Asset:
    name: str
    media_type: str
    content: bytes


def asset_url(name: str) -> str:
    """Where a file of the folder ``static`` is served."""
    return f"/page/{next(one.name for given, one in _assets().items() if given == name)}"


def asset_text(name: str) -> str:
    """A file of the folder ``static``, for what is not served."""
    return _assets()[name].content.decode()


@get("/page/{file:str}", operation_id="pageFile", include_in_schema=False, sync_to_thread=False)
def page_file(file: FromPath[str]) -> Response[Any]:
    """What pages load."""
    asset = next((one for one in _assets().values() if one.name == file), None)
    if asset is None:
        raise NotFoundException
    return Response(asset.content, media_type=asset.media_type, headers=HEADERS)


@cache
def _assets() -> dict[str, _Asset]:
    """Every file of the folder, by its own name."""
    return {path.name: _asset(path) for path in sorted(FOLDER.iterdir()) if path.suffix[1:] in TYPES}


def _asset(path: Path) -> _Asset:
    content = path.read_bytes()
    if path.name == "style.css":
        content += stylesheet().encode()
    digest = hashlib.sha256(content).hexdigest()[:12]
    return _Asset(f"{path.stem}.{digest}{path.suffix}", TYPES[path.suffix[1:]], content)
