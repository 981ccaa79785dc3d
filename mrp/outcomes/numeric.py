"""A number is answered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from mrp.electorate import Electorate
from mrp.formula_check import check_formula
from mrp.laplace.engine import LaplaceSettings
from mrp.numeric.counts import add_numeric, collapse_numeric
from mrp.numeric.design import NumericDesign, build_numeric_design
from mrp.numeric.residual import require_numeric_priors
from mrp.numeric.unit import Unit
from mrp.nuts import NutsSettings
from mrp.priors import Priors
from mrp.progress import Progress

if TYPE_CHECKING:
    from mrp.judged import Engine
    from mrp.numeric.fit import NumericFit

__all__ = ["NumericOutcome"]


@dataclass(frozen=True, slots=True)
class NumericOutcome:
    """The mean of the answers; see `mrp.numeric` and `mrp.outcomes.outcome.Outcome`."""

    kind: ClassVar[str] = "numeric"
    within: tuple[float, float] | None = None
    """The least and the largest answer there can be, if it is declared; then also what the answers are measured by."""

    @property
    def options(self) -> tuple[str, ...]:
        return ()

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "options": [], "within": None if self.within is None else list(self.within)}

    def check(self, formula: str, electorate: Electorate) -> tuple[str, ...]:
        return check_formula(formula, electorate)

    def check_priors(self, priors: Priors, design: Any) -> None:
        require_numeric_priors(priors, design.common)

    def build(
        self, formula: str, electorate: Electorate, *, observed: Mapping[str, Sequence[str]] | None = None
    ) -> NumericDesign:
        """Without a declared range the design has no unit yet: what is stored is the design of the fit."""
        unit = None if self.within is None else Unit.of_range(*self.within)
        return build_numeric_design(formula, electorate, unit, observed=observed)

    def collapse(
        self,
        interviews: pl.DataFrame,
        *,
        by: tuple[str, ...],
        answer: str,
        drop: tuple[str, ...] = (),
        weight: str | None = None,
    ) -> pl.DataFrame:
        numbers = tuple(float(one) for one in drop)
        return collapse_numeric(interviews, by=by, answer=answer, within=self.within, drop=numbers, weight=weight)

    def add(self, tables: Sequence[pl.DataFrame], by: tuple[str, ...]) -> pl.DataFrame:
        return add_numeric(tables, by)

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
    ) -> "NumericFit":
        from mrp.numeric.fit import fit_numeric

        return fit_numeric(
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
