"""One option counts, or it does not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from mrp.common_passes import CommonPasses
from mrp.counts import collapse
from mrp.design import Design, build_design
from mrp.dispersion import WEIGHTED_AND_DISPERSED
from mrp.electorate import Electorate
from mrp.errors import CountsError
from mrp.formula_check import check_formula
from mrp.laplace.engine import LaplaceSettings
from mrp.nuts import NutsSettings
from mrp.outcomes.adding import add_numbers
from mrp.outcomes.designs import AnyDesign
from mrp.priors import Priors, require_priors
from mrp.progress import Progress

if TYPE_CHECKING:
    from mrp.fit import Engine, FittedModel

__all__ = ["BinaryOutcome"]


@dataclass(frozen=True, slots=True)
class BinaryOutcome:
    """The share of the first of the answers that count; the others are its denominator.

    See `mrp.outcomes.outcome.Outcome`.
    """

    kind: ClassVar[str] = "binary"
    options: tuple[str, ...]
    """All answers that count, the one whose share is estimated first."""
    dispersed: bool = False
    """Whether cells may scatter more than chance has it, see `mrp.dispersion`."""

    def to_json(self) -> dict[str, Any]:
        dispersed = {"dispersed": True} if self.dispersed else {}
        return {"kind": self.kind, "options": list(self.options), **dispersed}

    def check(self, formula: str, electorate: Electorate) -> tuple[str, ...]:
        return check_formula(formula, electorate)

    def check_priors(self, priors: Priors, design: AnyDesign) -> None:
        require_priors(priors, design.common)

    def build(
        self, formula: str, electorate: Electorate, *, observed: Mapping[str, Sequence[str]] | None = None
    ) -> Design:
        return build_design(formula, electorate, observed=observed)

    def collapse(
        self,
        interviews: pl.DataFrame,
        *,
        by: tuple[str, ...],
        answer: str,
        drop: tuple[str, ...] = (),
        weight: str | None = None,
    ) -> pl.DataFrame:
        if weight is not None and self.dispersed:
            raise CountsError(WEIGHTED_AND_DISPERSED)
        first = self.options[0]
        return collapse(interviews, by=by, answer=answer, option=first, options=self.options, drop=drop, weight=weight)

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
        common: CommonPasses | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> "FittedModel":
        from mrp.fit import fit_model

        return fit_model(
            design,
            electorate,
            counts,
            priors,
            engine=engine,
            seed=seed,
            nuts=nuts,
            laplace=laplace,
            dispersion="beta-binomial" if self.dispersed else "none",
            common=common,
            on_progress=on_progress,
        )
