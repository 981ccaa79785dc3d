"""What pages show of a question that is answered with numbers: means, in its unit."""

from typing import Any, Final

from api.page.asking import Asking
from api.page.figures import groups_figure, map_figure
from api.page.movement import movement_of
from api.served import Served

__all__ = ["means_of"]

ENDS: Final = 3
"""Districts that are named with the highest and with the lowest mean."""
PARENTS: Final = 2
"""Levels of larger areas that are shown."""


def means_of(asking: Asking, earlier: Served | None, *, linked: bool = True) -> dict[str, Any]:
    """What the first screen, and the report, say of opinion."""
    nation = asking.means()
    districts = asking.means(level="district")
    groups = [(one.name, asking.means(by=(one.name,))) for one in asking.loaded.declaration.demographics]
    ordered = sorted(districts.means, key=lambda row: (-row.mean, row.area))
    return {
        "answer": nation,
        "unit": nation.unit,
        "whole": nation.means[0] if nation.means else None,
        "districts": districts,
        "highest": ordered[:ENDS],
        "lowest": ordered[max(ENDS, len(ordered) - ENDS) :],
        "groups": groups,
        "movement": movement_of(asking, earlier),
        "parents": [(one, asking.means(level=one)) for one in asking.loaded.electorate.parents[:PARENTS]],
        "charts": {
            "map": map_figure(asking, districts, districts.means, linked=linked),
            "groups": groups_figure(
                groups[0][1],
                [row for _, of in groups for row in of.means],
                reference=nation.means[0].mean if nation.means else None,
                title="Means of groups",
            )
            if groups
            else None,
        },
    }
