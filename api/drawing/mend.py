"""Turn what the converter writes into SVG that a strict page can take as it is.

The converter's SVG has roles and labels of its own, empty paths, fonts, and inline styles that a content security
policy blocks. Here it becomes smaller and says what it is:

* the root is named by ``<title>`` and ``<desc>``; it is one image, or, where marks are links, a group of links;
* a mark's description becomes a ``<title>`` in it, which browsers show when the pointer rests on it;
* links have ``href`` as it was asked for, and the mark's description as their name;
* text takes the page's font; nothing has a ``style``; ids are the chart's own; numbers have two decimals.
"""

import hashlib
import re
from collections.abc import Iterator
from xml.etree import ElementTree

__all__ = ["BASE_URL", "mend", "xml_text"]

BASE_URL = "https://vega.github.io/vega-datasets/"
"""What the converter puts before a relative address."""
SVG = "{http://www.w3.org/2000/svg}"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
HIDDEN = ("role-axis", "role-legend", "role-title")
"""Groups that repeat for the eye what names and description say."""
DROPPED = (
    "aria-hidden",
    "aria-label",
    "aria-roledescription",
    "class",
    "font-family",
    "pointer-events",
    "role",
    "stroke-miterlimit",
    "style",
)
LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}(?:e[+-]?\d+)?")
REFERENCE = re.compile(r"url\(#([^)]+)\)")
NUMERIC = ("d", "transform", "x", "y", "x1", "x2", "y1", "y2", "width", "height")


def mend(svg: str, *, title: str, description: str) -> str:
    """The chart as it goes into a page.

    Parameters
    ----------
    svg
        As the converter wrote it.
    title, description
        What the chart shows, and what is to be seen in it.
    """
    # Our own converter wrote it in this process, with every text escaped: no entities, no stranger's document.
    root = ElementTree.fromstring(svg)  # noqa: S314
    children = [made for child in root for made in _mended(child)]
    has_links = any(made.tag == "a" for child in children for made in child.iter())
    mended = ElementTree.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": root.attrib["width"],
            "height": root.attrib["height"],
            "viewBox": root.attrib["viewBox"],
            "role": "group" if has_links else "img",
        },
    )
    for tag, text in (("title", title), ("desc", description)):
        ElementTree.SubElement(mended, tag).text = xml_text(text)
    mended.extend(children)
    # The converter counts ids over all charts of a process; those of a chart are named after what is in it.
    _rename_ids(mended, "chart")
    name = f"chart-{hashlib.sha256(ElementTree.tostring(mended)).hexdigest()[:10]}"
    _rename_ids(mended, name)
    for element, attribute in ((mended[0], "aria-labelledby"), (mended[1], "aria-describedby")):
        mended.attrib[attribute] = element.attrib["id"] = f"{name}-{element.tag}"
    return ElementTree.tostring(mended, encoding="unicode")


def _mended(element: ElementTree.Element, *, is_hidden: bool = False) -> Iterator[ElementTree.Element]:
    """What stands in the place of an element: itself, its children, or nothing."""
    tag = element.tag.removeprefix(SVG)
    kept = _attributes(element)
    if is_hidden:
        kept.pop("aria-hidden", None)
    if _is_invisible(tag, element):
        return
    hides = is_hidden or "aria-hidden" in kept
    children = [made for child in element for made in _mended(child, is_hidden=hides)]
    if tag == "g" and (not children or not kept):
        yield from children
        return
    made = ElementTree.Element(tag, kept)
    made.text = element.text
    label = element.get("aria-label")
    if tag == "a":
        made.attrib["href"] = element.attrib[XLINK_HREF].removeprefix(BASE_URL)
        if labelled := next((child.get("aria-label") for child in element if child.get("aria-label")), None):
            made.attrib["aria-label"] = labelled
    elif label and tag != "g":
        ElementTree.SubElement(made, "title").text = label
    made.extend(children)
    yield made


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    kept = {
        name: LONG_NUMBER.sub(_short, value) if name in NUMERIC else value
        for name, value in element.attrib.items()
        if name not in DROPPED and name != XLINK_HREF and (name, value) not in (("opacity", "1"), ("fill", "none"))
    }
    # The outermost group says that nothing is filled unless it says so; shapes without a fill rely on it.
    if element.get("fill") == "none":
        kept["fill"] = "none"
    if kept.get("transform") == "translate(0,0)":
        del kept["transform"]
    classes = element.get("class", "").split()
    if element.get("aria-hidden") == "true" or any(name in HIDDEN for name in classes):
        kept["aria-hidden"] = "true"
    if named := [name.removesuffix("_marks") for name in classes if name.endswith("_marks")]:
        kept["class"] = " ".join(named)
    return kept


def _is_invisible(tag: str, element: ElementTree.Element) -> bool:
    if element.get("display") == "none" or element.get("opacity") == "0":
        return True
    if tag == "path":
        is_frame = element.get("class") in ("background", "foreground")
        return is_frame and element.get("fill") is None and element.get("stroke") is None
    return tag == "text" and not element.text and not len(element)


def _short(number: re.Match[str]) -> str:
    text = f"{float(number.group()):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _rename_ids(root: ElementTree.Element, name: str) -> None:
    """Number the ids after a name."""
    named = [element for element in root.iter() if "id" in element.attrib]
    ids = {element.attrib["id"]: f"{name}-{number}" for number, element in enumerate(named)}
    for element in root.iter():
        for attribute, value in element.attrib.items():
            if attribute == "id":
                element.attrib["id"] = ids[value]
            elif attribute not in ("href", "aria-label") and "url(#" in value:
                element.attrib[attribute] = REFERENCE.sub(lambda found: f"url(#{ids[found.group(1)]})", value)


def xml_text(text: str) -> str:
    """The text without characters that XML cannot have."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
