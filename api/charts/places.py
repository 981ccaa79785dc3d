"""Where districts are on a map: shapes where the survey has boundaries, tiles of equal size otherwise.

Tiles are at the columns ``tile_x`` and ``tile_y`` of the districts table (counted from the top left), or as near as
tiles can be to ``lon`` and ``lat``, or else in a neat grid, grouped by the first of the parents, in order.
"""

import math
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl

__all__ = ["Places", "Shapes", "Tile", "Tiles", "tiles_of"]

FILLED = 0.72
"""Share of a grid that has tiles on it, where they follow longitude and latitude: some sea around the land."""
MOST_TILES = 200
"""Beside or below each other: a grid that is larger is no grid, but coordinates of something else."""
ROW_OF_TILES = 10
"""Tiles beside each other in a neat grid, at least; more if there are very many."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A district's place in a grid."""

    code: str
    name: str
    x: int
    y: float
    """In tiles; below a heading by a part of one."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """Districts as tiles."""

    tiles: tuple[Tile, ...]
    headings: tuple[tuple[float, str], ...] = ()
    """Where each group begins, in tiles from the top, and what it is called."""

    @property
    def size(self) -> tuple[int, float]:
        """Columns and rows."""
        return (
            max((tile.x + 1 for tile in self.tiles), default=1),
            max((tile.y + 1 for tile in self.tiles), default=1.0),
        )


@dataclass(frozen=True, slots=True)
class Shapes:
    """Districts as shapes."""

    geometries: dict[str, msgspec.Raw]
    """Code -> its geometry in GeoJSON, exterior rings clockwise as d3 wants them."""
    names: dict[str, str]
    """Code -> name of every district of the survey, also of those without a shape."""
    projection: str
    """"mercator", "albersUsa", or "identity" for coordinates that are projected already."""
    aspect: float
    """Height over width, projected."""


type Places = Tiles | Shapes


def tiles_of(districts: pl.DataFrame) -> Tiles:
    """Tiles for a districts table.

    Parameters
    ----------
    districts
        ``code``, ``name``, parents (String), predictors (Float64): as `polling.district_table` leaves it.
    """
    named = list(zip(districts["code"].to_list(), districts["name"].to_list(), strict=True))
    if (places := _declared(districts) or _near(districts)) is not None:
        return Tiles(tuple(Tile(code, name, *place) for (code, name), place in zip(named, places, strict=True)))
    group = _grouping(districts)
    return _grouped([(code, name, member) for (code, name), member in zip(named, group, strict=True)])


def _declared(districts: pl.DataFrame) -> list[tuple[int, int]] | None:
    """The columns ``tile_x`` and ``tile_y``, if they are there and say of every district another tile of a grid."""
    if not _has(districts, "tile_x", "tile_y"):
        return None
    x, y = (districts[name].round().cast(pl.Int64) for name in ("tile_x", "tile_y"))
    x, y = x - int(x.min()), y - int(y.min())  # type: ignore[arg-type]
    places = list(zip(x.to_list(), y.to_list(), strict=True))
    is_grid = len(set(places)) == len(places) and max(map(max, places)) < MOST_TILES
    return places if is_grid else None


def _grouping(districts: pl.DataFrame) -> list[str]:
    """Of each district its area of the first parent that has several districts in several areas."""
    for name, dtype in districts.schema.items():
        if name not in ("code", "name") and dtype == pl.String and 1 < districts[name].n_unique() < districts.height:
            return districts[name].to_list()
    return [""] * districts.height


def _has(districts: pl.DataFrame, *columns: str) -> bool:
    return (
        all(
            name in districts.columns and districts[name].dtype.is_numeric() and not districts[name].null_count()
            for name in columns
        )
        and not districts.is_empty()
    )


def _near(districts: pl.DataFrame) -> list[tuple[int, int]] | None:
    """The tile of each district, together as near to ``lon`` and ``lat`` as tiles can be; None without these.

    The districts are moved to a grid of the country's shape by the assignment with the least sum of squared distances.
    """
    if not _has(districts, "lon", "lat"):
        return None
    from scipy.optimize import linear_sum_assignment

    lon, lat = districts["lon"].to_numpy(), districts["lat"].to_numpy()

    x = (lon - lon.min()) * math.cos(math.radians(float(np.clip(lat.mean(), -80, 80))))
    y = lat.max() - lat
    width, height = max(float(x.max()), 1e-9), max(float(y.max()), 1e-9)
    n_cells = len(lon) / FILLED
    ratio = min(max(width / height, 0.25), 4.0)
    columns = max(1, round(math.sqrt(n_cells * ratio)))
    rows = max(1, math.ceil(n_cells / columns))
    cell_x, cell_y = (part.ravel() for part in np.meshgrid(np.arange(columns), np.arange(rows)))
    at_x, at_y = x / width * (columns - 1), y / height * (rows - 1)
    cost = (at_x[:, None] - cell_x) ** 2 + (at_y[:, None] - cell_y) ** 2
    _, cells = linear_sum_assignment(cost)
    left, top = cell_x[cells].min(), cell_y[cells].min()
    return [(int(cell_x[cell] - left), int(cell_y[cell] - top)) for cell in cells]


def _grouped(districts: list[tuple[str, str, str]]) -> Tiles:
    """A neat grid: under the name of each group its districts in order."""
    columns = max(ROW_OF_TILES, round(math.sqrt(len(districts) * 0.9)))
    groups: dict[str, list[tuple[str, str]]] = {}
    for code, name, group in districts:
        groups.setdefault(group, []).append((code, name))
    tiles: list[Tile] = []
    headings: list[tuple[float, str]] = []
    # A heading takes as much room whatever the size of tiles: the map adds it.
    y = 0.0
    for group in sorted(groups):
        if group:
            headings.append((y, group))
        members = groups[group]
        tiles += [
            Tile(code, name, number % columns, y + number // columns) for number, (code, name) in enumerate(members)
        ]
        y += math.ceil(len(members) / columns)
    return Tiles(tuple(tiles), tuple(headings))
