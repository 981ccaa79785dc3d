"""The estimates of a fit beside what happened: option by option, all options together, and district by district."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from jobs.backtest_methods import JOINT, Methods, baselines_of, estimated_names, model_estimates
from jobs.backtest_report import OptionReport, TogetherReport
from jobs.backtest_score import Outcomes, baseline_columns, score_against, score_estimates, score_methods
from jobs.backtest_tables import district_estimates, read_outcomes
from jobs.backtest_waves import BacktestPlan
from jobs.outcomes import counts_of_option
from mrp.baselines import Baseline
from mrp.categorical.poststratification import OptionDraws
from mrp.electorate import Electorate
from mrp.outcomes import AnyDesign
from mrp.poststratification import AreaDraws
from polling.bundle import SurveyBundle

__all__ = ["ReportedOptions", "outcomes_of", "report_options"]


@dataclass(frozen=True, slots=True)
class ReportedOptions:
    """What a backtest says of every option."""

    options: dict[str, OptionReport]
    """By option, that which is counted first; of a number its mean."""
    together: TogetherReport | None
    """All options, if there are several."""
    districts: pl.DataFrame
    """As `jobs.backtest_report.BacktestReport.districts`."""


def outcomes_of(bundle: SurveyBundle, plan: BacktestPlan, tables: Path, names: tuple[str, ...]) -> dict[str, Outcomes]:
    """What is known of the options of a question, or of the mean of its numbers.

    Raises
    ------
    BacktestImpossible
        If a table of truths cannot be compared.
    """
    question, codes = bundle.declaration.question(plan.question), bundle.districts["code"]
    truth, benchmark = (
        read_outcomes(tables / name, plan.declared, question, districts=codes, options=names) if name else {}
        for name in (plan.declared.truth, plan.declared.benchmark)
    )
    is_mean = question.kind == "numeric"
    return {name: Outcomes(truth.get(name), benchmark.get(name), is_mean) for name in names}


def report_options(
    bundle: SurveyBundle,
    plan: BacktestPlan,
    tables: Path,
    drawn: OptionDraws,
    *,
    counts: pl.DataFrame,
    design: AnyDesign,
    electorate: Electorate,
) -> ReportedOptions:
    """Score the district estimates of a fit, and those of simpler methods on the same counts.

    Parameters
    ----------
    tables
        Folder of the truth.
    drawn
        Draws of every district.
    """
    question = bundle.declaration.question(plan.question)
    names = estimated_names(question, design)
    known = outcomes_of(bundle, plan, tables, tuple(names))
    own = model_estimates(drawn, design, electorate, question)
    methods = baselines_of(counts, electorate, design, question, plan.declared.last_result)
    reports, table = {}, []
    for option, name in names.items():
        draws = drawn.of(name)
        reports[option] = _report(option, draws, own[option], methods, known[option])
        rows = _district_table(
            bundle, counts, draws, option=option, outcomes=known[option], baselines=methods.of(option)
        )
        table.append(rows.select(pl.lit(option).alias("option"), pl.all()) if len(names) > 1 else rows)
    together = None
    if len(names) > 1:
        together = TogetherReport(
            score_estimates(known, own).whole,
            {name: one.whole for name, one in score_methods(known, methods.estimates, joint=JOINT).items()},
        )
    return ReportedOptions(reports, together, pl.concat(table, how="diagonal"))


def _report(option: str, drawn: AreaDraws, own: Baseline, methods: Methods, known: Outcomes) -> OptionReport:
    people = drawn.areas["n_people"].to_numpy()
    nation = drawn.draws @ (people / people.sum())  # what a second pass over all cells would give
    return OptionReport(
        national_mean=float(nation.mean()),
        national_sd=float(nation.std(ddof=1)),
        scores=score_against(known, own),
        baselines={name: score_against(known, baseline) for name, baseline in methods.of(option).items()},
        absent=methods.absent.get(option, {}),
    )


def _district_table(
    bundle: SurveyBundle,
    counts: pl.DataFrame,
    drawn: AreaDraws,
    *,
    option: str,
    outcomes: Outcomes,
    baselines: Mapping[str, Baseline],
) -> pl.DataFrame:
    own = counts if outcomes.is_mean else counts_of_option(counts, option)
    table = district_estimates(bundle.districts, drawn, own, district=bundle.declaration.geography.district)
    for name, outcome in (("truth", outcomes.truth), ("benchmark", outcomes.benchmark)):
        if outcome is not None:
            known = pl.DataFrame({"district": outcome.codes, name: outcome.share})
            if outcome.se is not None:
                known = known.with_columns(pl.Series(f"{name}_se", outcome.se))
            table = table.join(known, on="district", how="left", maintain_order="left")
    return baseline_columns(table, baselines)
