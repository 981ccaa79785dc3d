"""An answer on an ordered scale is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from mrp.categorical.options import Options
from mrp.electorate import Electorate
from mrp.errors import FrameError
from mrp.formula_check import check_formula
from mrp.laplace.engine import LaplaceSettings
from mrp.nuts import NutsSettings
from mrp.ordinal.counts import collapse_ordinal
from mrp.ordinal.design import OrdinalDesign, build_ordinal_design
from mrp.outcomes.adding import add_numbers
from mrp.priors import Priors, require_priors
from mrp.progress import Progress

if TYPE_CHECKING:
    from mrp.fit import Engine
    from mrp.ordinal.fit import OrdinalFit

__all__ = ["OrdinalOutcome"]


@dataclass(frozen=True, slots=True)
class OrdinalOutcome:
    """The shares of all options of a scale, and means of scores; see `mrp.ordinal` and `mrp.outcomes.outcome.Outcome`.

    Raises
    ------
    FrameError
        If options make no scale, or scores are not one finite number for each.
    """

    kind: ClassVar[str] = "ordinal"
    options: tuple[str, ...]
    """From the lowest to the highest."""
    scores: tuple[float, ...] = ()
    """Of the options, in their order; by default 1, 2, 3 ..."""

    def __post_init__(self) -> None:
        Options(self.options)
        if not self.scores:
            object.__setattr__(self, "scores", tuple(float(one) for one in range(1, len(self.options) + 1)))
        if len(self.scores) != len(self.options) or not np.isfinite(self.scores).all():
            raise FrameError(
                f"the scores are {list(self.scores)}; {len(self.options)} finite numbers are needed, one for each of "
                f"{', '.join(self.options)}"
            )

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "options": list(self.options), "scores": list(self.scores)}

    def check(self, formula: str, electorate: Electorate) -> tuple[str, ...]:
        return check_formula(formula, electorate)

    def check_priors(self, priors: Priors, design: Any) -> None:
        require_priors(priors, design.common, own="log_width")

    def build(
        self, formula: str, electorate: Electorate, *, observed: Mapping[str, Sequence[str]] | None = None
    ) -> OrdinalDesign:
        return build_ordinal_design(formula, electorate, self.options, observed=observed)

    def collapse(
        self,
        interviews: pl.DataFrame,
        *,
        by: tuple[str, ...],
        answer: str,
        drop: tuple[str, ...] = (),
        weight: str | None = None,
    ) -> pl.DataFrame:
        return collapse_ordinal(interviews, by=by, answer=answer, options=self.options, drop=drop, weight=weight)

    def add(self, tables: Sequence[pl.DataFrame], by: tuple[str, ...]) -> pl.DataFrame:
        return add_numbers(tables, by)

    def fit(
        self,
        design: Any,
        electorate: Electorate,
        counts: pl.DataFrame,
        priors: Priors,
        *,
        engine: "Engine",
        seed: int,
        nuts: NutsSettings = NutsSettings(),
        laplace: LaplaceSettings = LaplaceSettings(),
        on_progress: Callable[[Progress], None] | None = None,
    ) -> "OrdinalFit":
        from mrp.ordinal.fit import fit_ordinal

        return fit_ordinal(
            design,
            electorate,
            counts,
            priors,
            engine=engine,
            seed=seed,
            nuts=nuts,
            laplace=laplace,
            on_progress=on_progress,
        )
