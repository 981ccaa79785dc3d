"""Read a chart back: what is where, what it is called, where it leads."""

import re
from dataclasses import dataclass
from xml.etree import ElementTree

from api.charts import Chart

SVG = "{http://www.w3.org/2000/svg}"
TRANSLATE = re.compile(r"translate\(([-\d.]+),([-\d.]+)\)")


@dataclass(frozen=True)
class Mark:
    """An element of a layer, and the point from which its own coordinates count."""

    element: ElementTree.Element
    x: float
    y: float

    @property
    def x2(self) -> float:
        """The other end of a horizontal line."""
        return self.x + float(self.element.get("x2", 0))

    @property
    def y2(self) -> float:
        """The other end of a vertical line."""
        return self.y + float(self.element.get("y2", 0))

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of a rectangle."""
        drawn = re.fullmatch(r"M([-\d.]+),([-\d.]+)h([-\d.]+)v([-\d.]+)h[-\d.]+Z", self.element.attrib["d"])
        assert drawn is not None, self.element.attrib["d"]
        left, top, width, height = map(float, drawn.groups())
        return self.x + left, self.y + top, width, height

    def __getitem__(self, name: str) -> str:
        return self.element.attrib[name]

    @property
    def text(self) -> str:
        return "".join(self.element.itertext())


def root_of(chart: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(chart.svg)


def marks(chart: Chart, layer: str) -> list[Mark]:
    """The marks of a layer, in order; those that are links without the link around them."""
    return _found(root_of(chart), layer, 0.0, 0.0, inside=False)


def _found(element: ElementTree.Element, layer: str, x: float, y: float, *, inside: bool) -> list[Mark]:
    if moved := TRANSLATE.search(element.get("transform", "")):
        x, y = x + float(moved.group(1)), y + float(moved.group(2))
    tag = element.tag.removeprefix(SVG)
    if inside and tag not in ("g", "a"):
        return [Mark(element, x, y)]
    here = inside or layer in element.get("class", "").split()
    return [mark for child in element for mark in _found(child, layer, x, y, inside=here)]


def links(chart: Chart) -> dict[str, str]:
    """Name of each link -> where it leads."""
    return {a.attrib["aria-label"]: a.attrib["href"] for a in root_of(chart).iter(f"{SVG}a")}


def tips(chart: Chart, layer: str) -> list[str]:
    """What is shown where the pointer rests on the marks of a layer."""
    return [mark.text for mark in marks(chart, layer)]


def texts(chart: Chart) -> list[str]:
    """Everything written on the chart."""
    return ["".join(text.itertext()) for text in root_of(chart).iter(f"{SVG}text")]
