"""Score a survey with a second interval whose scale comes from the record of other surveys, and from nothing else.

Each survey is fitted once. The errors of its nation's shares, less what its fit expected of them, say how large the
error is that polls share (``mrp.systematic.national_sd_of``); the survey that is scored says nothing of its own scale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from jobs.adjustments import adjustments_of, frames_of
from jobs.backtest_fits import BacktestFit, Bench
from jobs.backtest_score import Scored
from jobs.errors import BacktestImpossible
from mrp.frames.totals_over_draws import calibrate_over_frames
from mrp.systematic import SystematicError, national_sd_of, with_systematic_error

__all__ = ["NationalErrors", "RecordReport", "fit_all", "national_errors", "scale_of", "score_with_record"]


@dataclass(frozen=True, slots=True)
class NationalErrors:
    """How far a survey's shares of the nation were off."""

    survey: str
    errors: Mapping[str, float]
    """Option -> estimate less result."""
    shares: Mapping[str, float]
    """Results."""
    sds: Mapping[str, float]
    """What the fit expected."""


@dataclass(frozen=True, slots=True)
class RecordReport:
    """Both intervals beside what happened."""

    national_sd: float
    correlation: float
    record: tuple[NationalErrors, ...]
    """Of the other surveys."""
    model: Scored
    """The first interval."""
    total: Scored
    """With the systematic error."""

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes."""
        return {
            "national_sd": self.national_sd,
            "correlation": self.correlation,
            "record": [asdict(one) for one in self.record],
            "model": self.model.to_json(),
            "total": self.total.to_json(),
        }


def fit_all(bench: Bench, *, seed: int) -> BacktestFit:
    """One fit of all waves of a survey."""
    bench.expect(1)
    return bench.fit(bench.add(list(bench.counts().values())), name="fit", seed=seed)


def national_errors(bench: Bench, fit: BacktestFit) -> NationalErrors:
    """How far a fit's shares of the nation are off, weighted by the people of the districts whose result is known.

    Raises
    ------
    BacktestImpossible
        If nothing is known, or the question has no shares.
    """
    electorate, question = bench.electorate, bench.question
    known = {option: one.truth for option, one in bench.outcomes.items() if one.truth is not None and not one.is_mean}
    if not known:
        raise BacktestImpossible(
            f"Nothing is known of what happened to the shares of {question.id}: a record needs [backtest] truth."
        )
    drawn = bench.district_draws(fit)
    codes, people = list(drawn.areas[electorate.district]), drawn.areas["n_people"].to_numpy()
    errors, shares, sds = {}, {}, {}
    for option, truth in known.items():
        at = [codes.index(code) for code in truth.codes if code in codes]
        weight = people[at] / people[at].sum()
        of = drawn.of(option if len(drawn.options) > 1 else drawn.options[0])
        nation = of.draws[:, at] @ weight
        result = float(truth.share[[code in codes for code in truth.codes]] @ weight)
        errors[option], shares[option], sds[option] = float(nation.mean()) - result, result, float(nation.std(ddof=1))
    if question.kind == "binary":  # the error of the other option is the same, and a scale needs two
        (option,) = known
        other = next(one for one in question.options if one != option)
        errors[other], shares[other], sds[other] = -errors[option], 1 - shares[option], sds[option]
    return NationalErrors(bench.house.bundle.declaration.id, errors, shares, sds)


def scale_of(record: Sequence[NationalErrors]) -> float:
    """The scale that the record suggests, see ``mrp.systematic.national_sd_of``.

    Raises
    ------
    BacktestImpossible
        If the errors are no larger than their fits expected.
    """
    parts = ([value for one in record for value in getattr(one, name).values()] for name in ("errors", "shares", "sds"))
    scale = national_sd_of(*parts)
    if scale == 0:
        raise BacktestImpossible(
            "The errors of the other surveys are no larger than their fits expected: they suggest no systematic error."
        )
    return scale


def score_with_record(bench: Bench, record: Sequence[NationalErrors], *, correlation: float, seed: int) -> RecordReport:
    """Fit a survey, and score it with and without a systematic error of the scale that others suggest.

    Raises
    ------
    BacktestImpossible
        If its truth is not known, or the record suggests no error.
    MrpError
        If the correlation is impossible.
    """
    fit, scale = fit_all(bench, seed=seed), scale_of(record)
    national_errors(bench, fit)  # refuses what cannot be scored
    error = SystematicError(min(scale, 0.25), correlation)
    return RecordReport(
        national_sd=error.national_sd,
        correlation=correlation,
        record=tuple(record),
        model=bench.score(fit),
        total=bench.score(_erring(bench, fit, error, seed=seed)),
    )


def _erring(bench: Bench, fit: BacktestFit, error: SystematicError, *, seed: int) -> BacktestFit:
    """The fit with the error; what is known stays known, as in the second draws of a release (``mrp.adjusted``)."""
    electorate = bench.electorate
    latents, design = with_systematic_error(fit.latents, fit.design, electorate, error, seed=seed)
    totals = adjustments_of(bench.question, bench.house.bundle, partners=()).totals
    if totals is not None:
        frames = frames_of(bench.house.bundle)
        latents = calibrate_over_frames(latents, design, electorate, totals.met, frames=frames, by=totals.by).latents
    return replace(fit, latents=latents, design=design)
