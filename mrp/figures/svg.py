"""Drawings of Matplotlib as small, deterministic SVG elements that need no style sheet and describe themselves.

Text stays text. Declarations of style become plain attributes, so that a page whose content security policy forbids
inline styles may contain the picture; ids begin with the picture's name, so that it may contain several. The picture
lies on a white card, readable on a dark page too.
"""

import io
import re
from typing import Any
from xml.sax.saxutils import escape

from mrp.figures.catalogue import FigureKind

__all__ = ["to_svg"]

# What Matplotlib says of itself is nothing to whoever has it read out.
_LEFT_OUT = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL)
_STYLE = re.compile(r'style="([^"]*)"')
_FONT = re.compile(r"font: (?:(bold|italic) )?(?:\d+ )?([\d.]+)px [^;\"]+")
_FRACTION = re.compile(r"(\d+\.\d)\d+")
_WHOLE = re.compile(r"(?<=\d)\.0(?=[ \"\n])")


def to_svg(drawing: Any, kind: FigureKind) -> str:
    """One SVG element of a ``matplotlib.figure.Figure``."""
    file = io.StringIO()
    drawing.savefig(file, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")
    text = _LEFT_OUT.sub("", file.getvalue()[file.getvalue().index("<svg") :])
    text = _STYLE.sub(_as_attributes, text)
    text = re.sub(r'\bid="', f'id="{kind.name}-', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{kind.name}-", text)
    # A tenth of a point is less than anybody sees.
    text = _WHOLE.sub("", re.sub(r'(?<= d=")[^"]*', lambda path: _FRACTION.sub(r"\1", path[0]), text))
    text = re.sub(r"\s*\n\s*", "\n", text)
    head, body = text.split(">", 1)
    name = f"figure-{kind.name}"
    role = f' role="img" aria-labelledby="{name}" stroke-linejoin="round" stroke-linecap="butt"'
    return f'{head}{role}><title id="{name}">{escape(kind.title)}</title><desc>{escape(kind.caption)}</desc>{body}'


def _as_attributes(style: re.Match[str]) -> str:
    """Declarations of a style attribute as attributes of their own."""
    declared, attributes = style[1], []
    if font := _FONT.search(declared):
        weight = {"bold": ' font-weight="bold"', "italic": ' font-style="italic"'}.get(font[1] or "", "")
        attributes.append(f'font-size="{font[2]}px" font-family="sans-serif"{weight}')
        declared = declared.replace(font[0], "")
    pairs = (declaration.partition(":") for declaration in declared.split(";"))
    attributes += [f'{name.strip()}="{value.strip()}"' for name, _, value in pairs if name.strip()]
    return " ".join(attributes)
