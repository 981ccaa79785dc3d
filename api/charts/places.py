"""Where districts are on a map: shapes where the survey has boundaries, tiles of equal size otherwise.

Tiles are at the columns ``tile_x`` and ``tile_y`` of the districts table (counted from the top left), or as near as
tiles can be to ``lon`` and ``lat``, or else in a neat grid, grouped by the first of the parents, in order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl

__all__ = ["Places", "Shapes", "Tile", "Tiles", "tiles_of"]

FILLED = 0.72
"""Share of a grid that has tiles on it, where they follow longitude and latitude: some sea around the land."""
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
    codes, names = districts["code"].to_list(), districts["name"].to_list()
    if _has(districts, "tile_x", "tile_y"):
        x, y = (districts[name].cast(pl.Int64).to_numpy() for name in ("tile_x", "tile_y"))
        if len({*zip(x.tolist(), y.tolist(), strict=True)}) == len(codes):
            places = zip((x - x.min()).tolist(), (y - y.min()).tolist(), strict=True)
            return Tiles(tuple(Tile(*named, *place) for named, place in zip(_pairs(codes, names), places, strict=True)))
    if _has(districts, "lon", "lat"):
        places = _near(districts["lon"].to_numpy(), districts["lat"].to_numpy())
        return Tiles(tuple(Tile(*named, *place) for named, place in zip(_pairs(codes, names), places, strict=True)))
    parents = [name for name, dtype in districts.schema.items() if dtype == pl.String and name not in ("code", "name")]
    group = districts[parents[0]].to_list() if parents else [""] * len(codes)
    return _grouped(list(zip(codes, names, group, strict=True)))


def _pairs(codes: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(codes, names, strict=True))


def _has(districts: pl.DataFrame, *columns: str) -> bool:
    return all(
        name in districts.columns and districts[name].dtype.is_numeric() and not districts[name].null_count()
        for name in columns
    ) and not districts.is_empty()


def _near(lon: np.ndarray, lat: np.ndarray) -> list[tuple[int, int]]:
    """The tile of each district: together as near to where it is as tiles can be.

    The districts are moved to a grid of the country's shape by the assignment with the least sum of squared distances.
    """
    from scipy.optimize import linear_sum_assignment

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
