"""Boundaries over HTTP and on the command line, and the map that is drawn with them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.charts import Shapes, Tiles, district_map
from api.cli import cli
from api.map_places import find_places
from polling.store import audit
from tests.api.charts.drawn import marks, tips
from tests.api.charts.payloads import answer, estimate
from tests.api.page.browser import sign_in
from tests.api.shapes import collection, feature, geo_json, square
from tests.api.world import DISTRICTS, SURVEY, World

URL = f"/v1/surveys/{SURVEY}/boundaries"


def put(world: World, content: bytes | None = None, query: str = "", role: str = "analyst") -> Any:
    headers = world.bearer(role) | {"Content-Type": "application/geo+json"}
    return world.client.put(URL + query, headers=headers, content=content or geo_json())


def actions(world: World) -> list[str]:
    with world.store.read() as session:
        return [entry.action for entry in audit.read_entries(session) if entry.action.startswith("boundaries")]


def test_what_was_sent_is_given_away_until_it_is_taken_away(world: World):
    assert world.get(URL).status_code == 404

    told = put(world).json()
    assert (told["created"], told["n_districts"], told["code_property"]) == (True, 6, "code")
    assert (told["without_shape"], told["left_out"], told["projection"]) == ([], [], "mercator")
    given = world.get(URL, "pollster")
    assert given.headers["content-type"] == "application/geo+json"
    assert given.headers["etag"] == f'"{told["sha256"]}"'
    assert [one["properties"]["code"] for one in given.json()["features"]] == list(DISTRICTS)
    assert world.get(URL, headers={"If-None-Match": given.headers["etag"]}).status_code == 304

    assert not put(world).json()["created"]
    changed = put(world, geo_json(DISTRICTS[:2])).json()
    assert changed["version"] > told["version"]
    assert world.get(URL, headers={"If-None-Match": given.headers["etag"]}).status_code == 200

    assert world.client.delete(URL, headers=world.bearer("admin")).status_code == 204
    assert world.get(URL).status_code == 404
    assert actions(world) == ["boundaries-stored", "boundaries-stored", "boundaries-removed"]


def test_faults_are_all_told_and_nothing_is_stored(world: World):
    document = collection()
    document["features"] += [feature("D1", {"type": "Point", "coordinates": [0, 50]}), feature("D2", None)]
    reply = put(world, json.dumps(document).encode())

    problem = reply.json()
    assert (reply.status_code, problem["type"], problem["n_faults"]) == (422, "boundaries-refused", 2)
    assert [fault["row"] for fault in problem["faults"]] == [7, 8]
    assert world.get(URL).status_code == 404
    assert actions(world) == []


def test_a_file_that_is_too_large_is_told_how_to_become_smaller(world: World):
    reply = put(world, b" " * 10_000_001)

    assert reply.status_code == 413
    assert "mapshaper" in reply.json()["detail"]


def test_the_map_is_drawn_with_the_shapes_that_the_survey_has(world: World):
    def places() -> Any:
        survey = world.services.memory.find_survey(SURVEY)
        found, sha256 = find_places(world.services, SURVEY, version=survey.version, districts=survey.bundle.districts)
        assert (sha256 is None) == isinstance(found, Tiles)
        return found

    rows = [estimate(code, 0.5, 0.4, 0.6) for code in DISTRICTS]
    assert isinstance(places(), Tiles)
    put(world)
    shapes = places()
    assert isinstance(shapes, Shapes)
    assert places() is shapes

    chart = district_map(answer(rows), rows, shapes, link=lambda row: f"d/{row.area}")
    assert tips(chart, "districts") == [f"{code}: 50% (40 to 60)" for code in DISTRICTS]
    assert chart.description.startswith("Map of 6 districts. Colour")
    # Two rows of three squares: D1 at the bottom left, and each an area of its own, not the rest of the globe.
    corners = [_corners(mark["d"], mark.x, mark.y) for mark in marks(chart, "districts")]
    (left, right, top, bottom), d6 = corners[0], corners[5]
    assert d6[0] > right - 1
    assert d6[3] < top + 1
    assert all(one[1] - one[0] < 440 / 2 for one in corners)
    assert all(0 <= one[0] < one[1] <= 440 for one in corners)
    assert left < d6[0]
    assert bottom > d6[3]

    put(world, geo_json(DISTRICTS[:5]))
    chart = district_map(answer(rows), rows, places())
    assert chart.description.startswith("Map of 6 districts. 1 of them has no shape and cannot be seen here.")

    world.client.delete(URL, headers=world.bearer("admin"))
    assert isinstance(places(), Tiles)


def test_pages_are_drawn_anew_with_other_boundaries(world: World):
    world.release()
    sign_in(world, world.key("reader"))
    page = f"/surveys/{SURVEY}/questions/rail"

    def map_on_page() -> str:
        reply = world.client.get(page)
        assert reply.status_code == 200
        return (
            "shapes"
            if "Map of 6 districts" in reply.text
            else "tiles"
            if "Tile map of 6 districts" in reply.text
            else ""
        )

    assert map_on_page() == "tiles"
    put(world)
    assert map_on_page() == "shapes"
    world.client.delete(URL, headers=world.bearer("admin"))
    assert map_on_page() == "tiles"


def _corners(path: str, x: float, y: float) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of a path of straight lines."""
    points = [tuple(map(float, point.split(","))) for point in path.removeprefix("M").removesuffix("Z").split("L")]
    return (
        x + min(point[0] for point in points),
        x + max(point[0] for point in points),
        y + min(point[1] for point in points),
        y + max(point[1] for point in points),
    )


@pytest.fixture
def run(world: World, tmp_path: Path) -> Callable[..., Result]:
    place = {
        "HUSTINGS_DATA_DIR": str(world.settings.data_dir),
        "HUSTINGS_SECRETS_FILE": str(world.settings.secrets_file),
        "HUSTINGS_DATABASE_URL": f"sqlite:///{world.store.path}",
    }

    def run_one(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, ["survey", "boundaries", *map(str, arguments)], env=place)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return run_one


def test_the_command_line_stores_shows_and_removes(world: World, run: Callable[..., Result], tmp_path: Path):
    file = tmp_path / "districts.json"
    file.write_text(json.dumps(collection([*DISTRICTS[1:], "D9"])))

    assert "has no boundaries" in run(SURVEY).output
    told = run(SURVEY, file).output
    assert "5 districts, known by the property 'code'" in told
    assert "Without a shape: D1." in told
    assert "no district of the survey: D9." in told
    assert "are there already" in run(SURVEY, file).output
    assert json.loads(run(SURVEY, "--json").output)["boundaries"]["n_districts"] == 5
    assert "removed" in run(SURVEY, "--remove").output
    assert "has no boundaries" in run(SURVEY, "--remove", code=1).output
    assert actions(world) == ["boundaries-stored", "boundaries-removed"]


def test_the_command_line_refuses_what_does_not_go_together(run: Callable[..., Result], tmp_path: Path):
    file = tmp_path / "districts.json"
    file.write_text(json.dumps(feature("D1", square(530_000, 180_000))))

    assert "takes no FILE" in run(SURVEY, file, "--remove", code=2).output
    assert "go with a FILE" in run(SURVEY, "--property", "code", code=2).output
    assert "mercator, albersUsa" in run(SURVEY, file, "--projection", "globe", code=2).output
    assert "no longitude and latitude" in run(SURVEY, file, code=1).output
    assert "There is no survey" in run("none", file, code=2).output
