"""What every kind of question can do, and what every fit has."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import polars as pl

from mrp.electorate import Electorate
from mrp.evidence import Evidence
from mrp.laplace.engine import LaplaceSettings
from mrp.latents import LatentDraws
from mrp.nuts import NutsSettings
from mrp.outcomes.designs import AnyDesign
from mrp.priors import Priors
from mrp.progress import Progress
from mrp.verdict import FitVerdict, Problem

if TYPE_CHECKING:
    from xarray import DataTree

    from mrp.fit import Engine

__all__ = ["Fitted", "Outcome"]


class Fitted(Protocol):
    """A fit with everything that decides on its publication; see `mrp.fit.FittedModel`."""

    @property
    def design(self) -> AnyDesign: ...
    @property
    def priors(self) -> Priors: ...
    @property
    def tree(self) -> "DataTree": ...
    @property
    def latents(self) -> LatentDraws: ...
    @property
    def verdict(self) -> FitVerdict: ...
    @property
    def engine(self) -> "Engine": ...
    @property
    def escalated(self) -> tuple[Problem, ...]: ...
    @property
    def evidence(self) -> Evidence: ...
    def diagnostics(self) -> dict[str, Any]: ...


class Outcome(Protocol):
    """Answers of one kind, and what is declared of them."""

    kind: ClassVar[str]

    @property
    def options(self) -> tuple[str, ...]:
        """What can be answered, in the order declared; empty where numbers are."""

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes, with the kind; `mrp.outcomes.outcome_from_json` reads it."""

    def check(self, formula: str, electorate: Electorate) -> tuple[str, ...]:
        """Everything that stops a formula from being fitted, in words; see `mrp.formula_check.check_formula`."""

    def check_priors(self, priors: Priors, design: AnyDesign) -> None:
        """Refuse priors that do not belong to a design with a `mrp.errors.PriorError`."""

    def build(
        self, formula: str, electorate: Electorate, *, observed: Mapping[str, Sequence[str]] | None = None
    ) -> AnyDesign:
        """Code every term of a formula; see `mrp.design.build_design`."""

    def collapse(
        self,
        interviews: pl.DataFrame,
        *,
        by: tuple[str, ...],
        answer: str,
        drop: tuple[str, ...] = (),
        weight: str | None = None,
    ) -> pl.DataFrame:
        """Collapse interviews to counts per cell, which add up over deliveries by `add`; see `mrp.counts.collapse`."""

    def add(self, tables: Sequence[pl.DataFrame], by: tuple[str, ...]) -> pl.DataFrame:
        """Add up the counts of several deliveries, sorted by ``by``."""

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
    ) -> Fitted:
        """Fit and judge; see `mrp.fit.fit_model`."""
