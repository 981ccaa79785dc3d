"""The public cases that are timed, read through each survey's own codebook."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["CASES", "ROOT", "Inputs", "load"]

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("HUSTINGS_CASES", ROOT.parent / "shared" / "data"))
CASES = {
    "cces2018, 5,000 interviews": ("cces2018", "sample5000.parquet"),
    "cces2018, 59,810 interviews": ("cces2018", "responses.parquet"),
    "marriage2005": ("marriage2005", "responses.parquet"),
}


class Inputs(NamedTuple):
    design: Any
    electorate: Any
    counts: Any
    priors: Any
    overridden: dict[str, str]
    """Priors as the survey writes them, by term."""


def load(case: str) -> Inputs:
    """What the engines take, for one of ``CASES``."""
    import polars as pl

    from jobs.backtest_waves import plan_backtest, split_waves
    from jobs.refit import electorate_of
    from jobs.survey import load_survey
    from mrp import build_design, collapse, parse_priors
    from polling.wave_file import read_wave

    survey, interviews = CASES[case]
    bundle = load_survey(ROOT / "tests" / "cases" / survey, data_dir=DATA / survey)
    declaration = bundle.declaration
    question = declaration.questions[0]
    waves = split_waves(bundle, plan_backtest(bundle, None, interviews), DATA / survey, now=datetime.now(UTC))
    read = [read_wave(wave.content, declaration, pollster=wave.pollster).conversion.interviews for wave in waves]
    columns = [*declaration.cell_columns, question.id, "excluded"]
    kept = pl.concat([one.select(columns) for one in read]).filter(~pl.col("excluded"))
    electorate = electorate_of(bundle)
    design = build_design(question.model, electorate)
    counts = collapse(
        kept, by=declaration.cell_columns, answer=question.id, option=question.options[0], options=question.options
    )
    return Inputs(design, electorate, counts, parse_priors(question.priors), dict(question.priors))
