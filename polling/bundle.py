"""A survey as it is loaded, stored and fitted: declaration, frame and districts."""

from dataclasses import dataclass

import polars as pl

from polling.declaration import SurveyDeclaration

__all__ = ["SurveyBundle"]

_NOT_PREDICTORS = ("code", "name", "neighbours")


@dataclass(frozen=True, slots=True)
class SurveyBundle:
    """A checked survey with its tables in canonical form."""

    declaration: SurveyDeclaration
    frame: pl.DataFrame
    """District and demographics (String), ``n_people`` (Float64, >= 0, finite); one row per cell, sorted."""
    districts: pl.DataFrame
    """``code``, ``name``, parents (String), predictors (Float64), optional ``neighbours`` (List of codes); by code."""
    frame_draws: pl.DataFrame | None = None
    """Several frames whose mean ``frame`` is, see ``polling.frame_draws``; None where there is one."""

    @property
    def parents(self) -> tuple[str, ...]:
        """Text columns of the districts that are larger areas."""
        return self._district_columns(pl.String)

    @property
    def predictors(self) -> tuple[str, ...]:
        """Numeric columns of the districts."""
        return self._district_columns(pl.Float64)

    def _district_columns(self, dtype: type[pl.DataType]) -> tuple[str, ...]:
        schema = self.districts.schema
        return tuple(name for name, held in schema.items() if held == dtype and name not in _NOT_PREDICTORS)
