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
    sha256 = services.memory.find_boundaries(survey_id)
    places = services.places.get(
        (survey_id, version, sha256),
        lambda: tiles_of(districts) if sha256 is None else _shapes(services, survey_id, sha256, districts),
    )
    return places, sha256


def _shapes(services: Services, survey_id: str, sha256: str, districts: pl.DataFrame) -> Places:
    with services.store.read() as session:
        found = boundaries.get_boundaries(session, survey_id, sha256)
        drawn = boundaries.get_content(session, sha256, drawn=True)
    return Shapes(
        geometries=msgspec.json.decode(drawn, type=dict[str, msgspec.Raw]),
        names=dict(zip(districts["code"].to_list(), districts["name"].to_list(), strict=True)),
        projection=found.projection,
        aspect=found.aspect,
    )
