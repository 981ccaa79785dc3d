"""Compare a release with NUTS on the same inputs, and say in a sentence what came of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from jobs.fit_request import FitRequest, FitResult
from mrp.agreement import agreement, differences, moments, reference_quality
from mrp.categorical.poststratification import OptionDraws
from mrp.latents import LatentDraws
from mrp.outcomes import default_draws, design_from_json
from mrp.poststratification import AreaDraws
from mrp.shifts import as_fitted
from mrp.verdict import FitVerdict
from polling.store.columns import Json, json_sha256
from polling.store.records import FitRecord, ReleaseRecord

__all__ = ["Judgement", "PreparedConfirmation", "judge", "settled_nothing"]

MOST_ESTIMATES = 1000
"""Of which it is kept how far the engines are apart, for a picture."""


@dataclass(frozen=True, slots=True)
class PreparedConfirmation:
    """What NUTS is asked, and what its answer is compared with."""

    request: FitRequest
    release: ReleaseRecord
    fit: FitRecord
    latents: LatentDraws
    """Of the release."""
    design: Any
    """Of the release, in its JSON form."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What NUTS said."""

    state: str
    """agrees | disagrees | inconclusive"""
    sentence: str
    numbers: dict[str, Json]


def judge(prepared: PreparedConfirmation, result: FitResult) -> Judgement:
    """Compare a release with NUTS: the nation, every district, every demographic by itself."""
    release = prepared.release
    numbers: dict[str, Any] = {
        "seed": prepared.request.seed,
        "draws_per_chain": prepared.request.nuts.draws,
        "seconds": dict(result.seconds),
        "versions": dict(result.versions),
        "verdict": result.verdict,
    }
    why = [problem.message for problem in FitVerdict.from_json(result.verdict).problems]
    if json_sha256([result.design, result.priors]) != json_sha256([prepared.design, prepared.fit.priors]):
        why.append("this version of the program builds another model than the one that was fitted")
    if why:
        return Judgement("inconclusive", settled_nothing(release, why), numbers)
    electorate = prepared.request.electorate
    over = _mean_of_frames(prepared)
    if over:
        numbers["frame"] = over
    # As the engines gave them: what meets known totals in both would agree whatever they are.
    asked, answered = (
        default_draws(*as_fitted(latents, design_from_json(prepared.design)), electorate)
        for latents in (prepared.latents, LatentDraws.from_bytes(result.draws))
    )
    reference, own = _that_vary(answered, asked)
    quality = reference_quality(*reference)
    mine, theirs = moments(*own), moments(*reference)
    found = agreement(mine, theirs)
    # Of the estimates themselves nothing is kept: this stays when the draws are gone, and whoever sees the picture may
    # not see estimates of few people.
    numbers["apart"] = {name: values[:MOST_ESTIMATES] for name, values in differences(mine, theirs).items()}
    n = len(mine.names)
    numbers |= {"n_estimates": n, "reference": _finite(asdict(quality)), "agreement": _finite(asdict(found))}
    if quality.problems:
        return Judgement("inconclusive", settled_nothing(release, quality.problems), numbers)
    if found.agrees:
        sentence = (
            f"NUTS agrees with release {release.number}: the means of {n:,} estimates differ by typically "
            f"{found.typical:.2f} and at most {found.worst_mean:.2f} posterior sds ({found.worst_mean_of})."
            f"{over}"
        )
        return Judgement("agrees", sentence, numbers)
    if found.may_be_chance:
        chance = f"{found.problems[0]}, and chance alone may make it {found.typical_by_chance:.3f}"
        return Judgement("inconclusive", settled_nothing(release, [chance]), numbers)
    more = len(found.problems) - 1
    others = f"; {more} more limit{'s are' if more > 1 else ' is'} broken" if more else ""
    return Judgement(
        "disagrees", f"NUTS disagrees with release {release.number}: {found.problems[0]}{others}.{over}", numbers
    )


def _mean_of_frames(prepared: PreparedConfirmation) -> str:
    """Which frame both are compared over, where there are several; else empty.

    One and the same for every draw of both: what frames add to the spread has nothing to do with the engines, and would
    hide how they differ.
    """
    inputs: Any = prepared.fit.inputs
    drawn = inputs.get("frame_draws") if isinstance(inputs, dict) else None
    return f" Both are estimated over the mean of the {drawn['n']} frames." if drawn else ""


def _that_vary(reference: Sequence[OptionDraws], own: Sequence[OptionDraws]) -> tuple[list[AreaDraws], list[AreaDraws]]:
    """Everything that is estimated, side by side, without what is certain: shares of options that do not stand."""
    kept: tuple[list[AreaDraws], list[AreaDraws]] = ([], [])
    for pair in zip(reference, own, strict=True):
        flat = [one.by_option() if len(one.options) > 1 else one.of(one.options[0]) for one in pair]
        varies = np.flatnonzero(np.sum([np.ptp(one.draws, axis=0) for one in flat], axis=0) > 0)
        for one, some in zip(flat, kept, strict=True):
            some.append(replace(one, areas=one.areas[varies], draws=one.draws[:, varies]))
    return kept


def settled_nothing(release: ReleaseRecord, why: Sequence[str]) -> str:
    """The sentence about a run that is no reference."""
    return f"NUTS settled nothing about release {release.number}: {'; '.join(one.rstrip('.') for one in why)}."


def _finite(value: dict[str, Any]) -> dict[str, Any]:
    """Numbers that are not finite as None, which JSON does not have."""
    return {name: None if isinstance(one, float) and not np.isfinite(one) else one for name, one in value.items()}
