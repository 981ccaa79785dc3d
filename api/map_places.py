"""Where a survey's districts are on its maps: the shapes that it was given, tiles without."""

import msgspec
import polars as pl

from api.charts.places import Places, Shapes, tiles_of
from api.services import Services
from polling.store import boundaries

__all__ = ["find_places"]


def find_places(
    services: Services, survey_id: str, *, version: int, districts: pl.DataFrame
) -> tuple[Places, str | None]:
    """Where the districts of a survey are, and the hash of the boundaries that say so; None for tiles.

    Parameters
    ----------
    version
        Of the survey, as the release that is shown used it.
    districts
        Of that version.
    """
    with services.store.read() as session:
        found = boundaries.find_boundaries(session, survey_id)
        sha256 = None if found is None else found.sha256
        key = (survey_id, version, sha256)
        if (known := services.places.find(key)) is not None:
            return known, sha256
        drawn = None if found is None else boundaries.get_content(session, found.sha256, drawn=True)
    if found is None or drawn is None:
        return services.places.get(key, lambda: tiles_of(districts)), sha256
    shapes = Shapes(
        geometries=msgspec.json.decode(drawn, type=dict[str, msgspec.Raw]),
        names=dict(zip(districts["code"].to_list(), districts["name"].to_list(), strict=True)),
        projection=found.projection,
        aspect=found.aspect,
    )
    return services.places.get(key, lambda: shapes), sha256
