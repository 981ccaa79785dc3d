"""The map: a mark a district, coloured by share and uncertainty, named, and where it belongs."""

import polars as pl
import pytest

from api.answer_payloads import WithheldGroup
from api.charts import district_map, tiles_of
from tests.api.charts.drawn import links, marks, root_of, texts, tips
from tests.api.charts.payloads import answer, estimate
from tests.api.charts.tables import districts


@pytest.mark.parametrize("n", [1, 14, 50, 650])
def test_every_district_has_a_mark_and_a_link(n: int):
    rows = [estimate(f"D{i:03}", 0.3 + 0.4 * i / n, 0.25 + 0.4 * i / n, 0.36 + 0.4 * i / n) for i in range(n)]
    chart = district_map(answer(rows), rows, tiles_of(districts(n)), link=lambda row: f"d/{row.area}")

    boxes = [mark.box for mark in marks(chart, "districts")]
    assert sorted(links(chart).values()) == [f"d/D{i:03}" for i in range(n)]
    assert len({(left, top) for left, top, _, _ in boxes}) == n
    width, height = (float(root_of(chart).attrib[name]) for name in ("width", "height"))
    assert all(left >= 0 and left + w <= width and top >= 0 and top + h <= height for left, top, w, h in boxes)


def test_a_mark_says_share_and_interval_and_shows_both():
    rows = [
        estimate("D000", 0.54, 0.50, 0.58, name="Northmoor"),
        estimate("D001", 0.54, 0.24, 0.84, name="Ash", flags=["no-interviews"]),
        estimate("D002", 0.25, 0.21, 0.29, name="Vale"),
    ]
    chart = district_map(answer(rows), rows, tiles_of(districts(3)))

    assert tips(chart, "districts")[:2] == ["Northmoor: 54% (50 to 58)", "Ash: 54% (24 to 84), nobody interviewed"]
    sure, unsure, _ = (mark["fill"] for mark in marks(chart, "districts"))
    # The same share, told with less colour where less is known.
    assert sure.startswith("var(--chart-map-0-")
    assert unsure.startswith("var(--chart-map-3-")
    assert [mark.text for mark in marks(chart, "numbers")] == ["54", "54", "25"]
    assert [mark["fill"] for mark in marks(chart, "numbers")][:2] == [
        sure.replace(")", "-ink)"),
        unsure.replace(")", "-ink)"),
    ]


def test_a_district_without_an_estimate_says_why():
    rows = [estimate("D000", 0.54, 0.48, 0.60)]
    withheld = [WithheldGroup(area="D001", area_name="District 1", groups={}, reason="fewer than 100 people")]
    chart = district_map(answer(rows, withheld=withheld), rows, tiles_of(districts(3)), link=lambda row: row.area)

    assert tips(chart, "without") == ["District 1: fewer than 100 people", "District 2: no estimate"]
    assert all("stroke-dasharray" in mark.element.attrib for mark in marks(chart, "without"))
    assert links(chart)["District 2: no estimate"] == "D002"


def test_the_legend_has_every_colour_with_its_shares_and_widths():
    rows = [estimate("D000", 0.31, 0.28, 0.34), estimate("D001", 0.66, 0.60, 0.729)]
    chart = district_map(answer(rows), rows, tiles_of(districts(2)))

    assert len(marks(chart, "legend")) == 8 + 4 + 2 + 1
    assert {"30%", "40%", "50%", "60%", "70%", "up to 10 points wide", "10–20", "20–40", "over 40"} <= set(texts(chart))
    assert "90% interval" in texts(chart)


def test_tiles_are_where_the_table_says():
    table = districts(3).with_columns(pl.Series("tile_x", [5.0, 5.0, 7.0]), pl.Series("tile_y", [2.0, 3.0, 2.0]))

    assert [(tile.x, tile.y) for tile in tiles_of(table).tiles] == [(0, 0), (0, 1), (2, 0)]


def test_two_districts_on_one_tile_are_placed_otherwise():
    table = districts(2, n_regions=1).with_columns(pl.Series("tile_x", [1.0, 1.0]), pl.Series("tile_y", [2.0, 2.0]))

    assert len({(tile.x, tile.y) for tile in tiles_of(table).tiles}) == 2


def test_tiles_follow_longitude_and_latitude():
    # A square of four towns: north-west, north-east, south-west, south-east.
    table = districts(4).with_columns(
        pl.Series("lon", [0.0, 3.0, 0.0, 3.0]), pl.Series("lat", [52.0, 52.0, 50.0, 50.0])
    )
    west_north, east_north, west_south, east_south = tiles_of(table).tiles

    assert west_north.x == west_south.x < east_north.x == east_south.x
    assert west_north.y == east_north.y < west_south.y == east_south.y


def test_tiles_without_places_are_grouped_by_region():
    tiles = tiles_of(districts(25, n_regions=2))

    assert [text for _, text in tiles.headings] == ["Region 0", "Region 1"]
    assert len({(tile.x, tile.y) for tile in tiles.tiles}) == 25
    # 13 districts in rows of 10 are two rows, so the second region begins with the third.
    assert tiles.headings[1][0] == 2
