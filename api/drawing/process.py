"""The process that draws charts: ``python -m api.drawing.process``; see ``api.drawing.renderer``.

Each line of stdin is an order in JSON, a Vega-Lite specification with the chart's ``title`` and ``description`` in its
``usermeta``. Each is answered with a line on stdout:

    {"svg": "<svg ...", "size_mb": 130.1}    or    {"error": "...", "size_mb": 130.1}

The process ends at the end of stdin, so also with its parent.
"""

import json
import os
import re
import sys
from typing import Any

from api.drawing.mend import mend, xml_text

__all__ = ["draw", "main"]

# How JSON writes control characters, and U+FFFE and U+FFFF in UTF-8.
SUSPECT = re.compile(rb"\\u00[01]|\\u007f|\\[bf]|\xef\xbf[\xbe\xbf]")
WARM_UP = {"mark": "point", "data": {"values": [{"x": 1}]}, "encoding": {"x": {"field": "x", "type": "quantitative"}}}


def main() -> int:
    """Draw what is ordered until there are no more orders."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    draw(WARM_UP)
    for line in sys.stdin.buffer:
        try:
            answer = {"svg": draw(_printable(line))}
        except Exception as error:
            # What follows the first lines are places in the converter's own programs.
            answer = {"error": " ".join(str(error).splitlines()[:2])}
        json.dump({**answer, "size_mb": _size_mb()}, answers)
        answers.write("\n")
        answers.flush()
    return 0


def draw(spec: dict[str, Any]) -> str:
    """The SVG of a specification."""
    import vl_convert

    about = spec.get("usermeta", {})
    # Without addresses that it may load from, it loads nothing.
    svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return mend(svg, title=about.get("title", ""), description=about.get("description", ""))


def _printable(line: bytes) -> Any:
    """An order, without the characters that XML cannot have: they make the converter abort its process."""
    order = json.loads(line)
    return _replaced(order) if SUSPECT.search(line) else order


def _replaced(part: Any) -> Any:
    if isinstance(part, str):
        return xml_text(part)
    if isinstance(part, dict):
        return {name: _replaced(value) for name, value in part.items()}
    return [_replaced(value) for value in part] if isinstance(part, list) else part


def _size_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123
        return round(int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


if __name__ == "__main__":
    sys.exit(main())
