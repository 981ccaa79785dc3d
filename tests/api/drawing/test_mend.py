"""What becomes of the converter's SVG, element by element."""

from xml.etree import ElementTree

from api.drawing.mend import BASE_URL, mend, xml_text

HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" class="marks" width="9" '
    'height="7" viewBox="0 0 9 7">'
)


def mended(inner: str) -> str:
    """The inside of the mended SVG, without title and description."""
    whole = mend(f"{HEAD}{inner}</svg>", title="T", description="D")
    return whole.split("</desc>")[1].removesuffix("</svg>").replace(" />", "/>")


def test_the_root_says_what_it_is():
    root = ElementTree.fromstring(mend(f"{HEAD}<g/></svg>", title="A & B", description="Some <points>."))

    assert (root.attrib["role"], root.attrib["viewBox"]) == ("img", "0 0 9 7")
    title, description = root
    assert (title.text, description.text) == ("A & B", "Some <points>.")
    assert root.attrib["aria-labelledby"] == title.attrib["id"]
    assert root.attrib["aria-describedby"] == description.attrib["id"]


def test_styles_fonts_and_roles_go_and_looks_stay():
    path = '<path d="M0,0L1,1" style="mix-blend-mode: multiply;" font-family="sans-serif" role="x" stroke="red"/>'

    assert mended(path) == '<path d="M0,0L1,1" stroke="red"/>'


def test_a_label_becomes_what_is_shown_where_the_pointer_rests():
    assert mended('<path aria-label="A: 5%" d="M0,0"/>') == '<path d="M0,0"><title>A: 5%</title></path>'


def test_a_link_leads_where_it_was_told_to_and_is_called_like_its_mark():
    link = f'<a xlink:href="{BASE_URL}/d/A"><path aria-label="A" d="M0,0"/></a>'

    assert mended(link) == '<a href="/d/A" aria-label="A"><path d="M0,0"><title>A</title></path></a>'
    assert 'role="group"' in mend(f"{HEAD}{link}</svg>", title="T", description="D")
    assert 'href="https://example.org/"' in mended('<a xlink:href="https://example.org/"><path d="M0,0"/></a>')


def test_what_is_not_seen_is_not_there():
    frame = '<path class="background" d="M0,0h0v0h0Z"/><path class="foreground" d="" display="none"/>'

    assert mended(f'<g>{frame}<text opacity="0">30%</text><text/></g>') == ""
    assert mended('<path class="background" fill="red" d="M0,0h5"/>') == '<path fill="red" d="M0,0h5"/>'


def test_groups_that_say_nothing_go_and_axes_are_hidden_from_screen_readers():
    axis = '<g class="mark-group role-axis"><g transform="translate(0,0)"><text aria-hidden="true">5%</text></g></g>'

    assert mended(f"<g>{axis}</g>") == '<g aria-hidden="true"><text>5%</text></g>'
    assert (
        mended('<g class="mark-rect role-mark layer_marks"><path d="M0,0"/></g>')
        == '<g class="layer"><path d="M0,0"/></g>'
    )


def test_numbers_have_two_decimals_and_zero_no_sign():
    assert mended('<path d="M0.12345,-0.00012L-7.5,1e-7L12345.678,3"/>') == '<path d="M0.12,0L-7.5,1e-7L12345.68,3"/>'
    assert mended('<line transform="translate(1.005,2.999)" x2="10.100000001"/>') == (
        '<line transform="translate(1,3)" x2="10.1"/>'
    )


def test_ids_that_are_counted_over_all_charts_become_the_charts_own():
    path, rect = (
        '<g clip-path="url(#clip{n})"><path d="M0,0"/></g>',
        '<clipPath id="clip{n}"><rect width="1"/></clipPath>',
    )
    clip = f"{path}<defs>{rect}</defs>"
    first, later = (mended(clip.replace("{n}", number)) for number in ("1", "77"))

    assert first.count("chart-") == 2
    assert "clip77" not in later
    # The same chart after others is the same.
    assert first == later


def test_characters_that_xml_does_not_have_are_replaced():
    assert xml_text("a\x00b\x0bc\ufffed\u00e9🗳") == "a\ufffdb\ufffdc\ufffdd\u00e9🗳"
