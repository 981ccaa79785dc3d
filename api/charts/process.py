"""The process that draws charts: ``python -m api.charts.process``; see ``api.charts.renderer``.

Each line of stdin is an order in JSON, a Vega-Lite specification with the chart's ``title`` and ``description`` in its
``usermeta``. Each is answered with a line on stdout:

    {"svg": "<svg ...", "size_mb": 130.1}    or    {"error": "...", "size_mb": 130.1}

The process ends at the end of stdin, so also with its parent.
"""

import json
import os
import sys
from typing import Any

from api.charts.mend import mend

__all__ = ["draw", "main"]

WARM_UP = {"mark": "point", "data": {"values": [{"x": 1}]}, "encoding": {"x": {"field": "x", "type": "quantitative"}}}


def main() -> int:
    """Draw what is ordered until there are no more orders."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    draw(WARM_UP)
    for line in sys.stdin.buffer:
        try:
            answer = {"svg": draw(json.loads(line))}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
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


def _size_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123
        return round(int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


if __name__ == "__main__":
    sys.exit(main())
