"""Where a survey's districts are on its maps: the shapes that it was given, tiles without."""

from typing import Final

import msgspec

from api.charts.places import Places, Shapes, tiles_of
from api.services import Services
from polling.once import Once
from polling.store import boundaries
from polling.store.records import StoredSurvey

__all__ = ["find_places"]

_PLACES: Final[Once[tuple[str, str | None], Places]] = Once(8)
"""By the hashes of districts table and boundaries; the shapes of 650 districts are some 2 MB."""


def find_places(services: Services, survey: StoredSurvey) -> Places:
    """Where the districts of a survey are.

    Parameters
    ----------
    survey
        In the version that the release which is shown used.
    """
    with services.store.read() as session:
        found = boundaries.find_boundaries(session, survey.id)
        key = (survey.districts_sha256, None if found is None else found.sha256)
        if (known := _PLACES.find(key)) is not None:
            return known
        drawn = None if found is None else boundaries.get_content(session, found.sha256, drawn=True)
    districts = survey.bundle.districts
    if found is None or drawn is None:
        return _PLACES.get(key, lambda: tiles_of(districts))
    shapes = Shapes(
        geometries=msgspec.json.decode(drawn, type=dict[str, msgspec.Raw]),
        names=dict(zip(districts["code"].to_list(), districts["name"].to_list(), strict=True)),
        projection=found.projection,
        aspect=found.aspect,
    )
    return _PLACES.get(key, lambda: shapes)
