"""One of several options is chosen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from mrp.categorical.counts import collapse_options
from mrp.categorical.design import CategoricalDesign, SharedSd, build_categorical_design
from mrp.categorical.model import require_categorical_priors
from mrp.categorical.options import Options, take_own_terms
from mrp.dispersion import WEIGHTED_AND_DISPERSED
from mrp.electorate import Electorate
from mrp.errors import CountsError, MrpError
from mrp.formula_check import check_formula
from mrp.laplace.engine import LaplaceSettings
from mrp.nuts import NutsSettings
from mrp.outcomes.adding import add_numbers
from mrp.priors import Priors
from mrp.progress import Progress
from mrp.terms import OBSERVED

if TYPE_CHECKING:
    from mrp.categorical.fit import CategoricalFit
    from mrp.fit import Engine

__all__ = ["CategoricalOutcome"]


@dataclass(frozen=True, slots=True)
class CategoricalOutcome:
    """The shares of all options; see `mrp.categorical` and `mrp.outcomes.outcome.Outcome`."""

    kind: ClassVar[str] = "categorical"
    declared: Options
    sd: SharedSd = "shared"
    """Whether a varying term has one standard deviation for all options, or one "by option"."""
    dispersed: bool = False
    """Whether cells may scatter more than chance has it, see `mrp.dispersion`."""

    @property
    def options(self) -> tuple[str, ...]:
        return self.declared.labels

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "options": list(self.options),
            "columns": {name: dict(of) for name, of in self.declared.columns.items()},
            "only_in": {
                option: {column: list(levels) for column, levels in where.items()}
                for option, where in self.declared.only_in.items()
            },
            **({"sd": self.sd} if self.sd != "shared" else {}),
            **({"dispersed": True} if self.dispersed else {}),
        }

    def check(self, formula: str, electorate: Electorate) -> tuple[str, ...]:
        try:
            rest, _ = take_own_terms(formula)
            if problems := check_formula(rest, electorate):
                return problems
            # Waves bring the real periods and pollsters; two of each are enough to try the formula.
            self.build(formula, electorate, observed=dict.fromkeys(OBSERVED, ("1", "2")))
        except MrpError as error:
            return getattr(error, "problems", (str(error),))
        return ()

    def check_priors(self, priors: Priors, design: Any) -> None:
        require_categorical_priors(priors, design)

    def build(
        self, formula: str, electorate: Electorate, *, observed: Mapping[str, Sequence[str]] | None = None
    ) -> CategoricalDesign:
        return build_categorical_design(formula, electorate, self.declared, sd=self.sd, observed=observed)

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
        return collapse_options(interviews, by=by, answer=answer, options=self.options, drop=drop, weight=weight)

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
    ) -> "CategoricalFit":
        from mrp.categorical.fit import fit_categorical

        return fit_categorical(
            design,
            electorate,
            counts,
            priors,
            engine=engine,
            seed=seed,
            nuts=nuts,
            laplace=laplace,
            dispersion="dirichlet-multinomial" if self.dispersed else "none",
            on_progress=on_progress,
        )
