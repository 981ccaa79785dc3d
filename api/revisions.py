"""Compare the estimates of two releases of a question: the difference and its cause, without a probability.

Two fits of one question share most of their interviews, so that there is no probability of a change between them; see
``mrp.revision``. Where the model has periods, both releases are looked at in the last one that both have.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from api.answer_head import release_reference
from api.comparison_payloads import AreaRevision, ComparedWavePayload, RevisionPayload
from api.errors import EstimateRefused
from api.group_query import EstimateQuery, load_release, prepare_query
from api.pairs import Pairs, pair_groups
from api.provenance import fit_inputs, model_differences
from api.release_cache import LoadedRelease, ReleaseCache
from api.served import Served
from api.systematic_words import CANCELS
from api.whom import telling_differences
from jobs.settings import Settings
from mrp.poststratification import AreaDraws
from mrp.revision import FitInputs, causes_of, revision
from polling.store.restatement import ComparedWave

__all__ = ["PreparedRevision", "RevisionQuery", "answer_revision", "last_common_period", "prepare_revision"]


@dataclass(frozen=True, slots=True)
class RevisionQuery(EstimateQuery):
    """What is compared."""

    waves: tuple[ComparedWave, ...] = ()
    """The waves that the two fits use differently."""


@dataclass(frozen=True, slots=True)
class PreparedRevision:
    """Two releases whose groups are found."""

    pairs: Pairs
    """The earlier release first."""
    waves: tuple[ComparedWave, ...]

    @property
    def is_large(self) -> bool:
        """Whether the answer takes seconds."""
        return self.pairs.is_large


def prepare_revision(
    cache: ReleaseCache, served: Served, earlier: Served, query: RevisionQuery, settings: Settings
) -> PreparedRevision:
    """Understand the query in both releases; raises as `prepare_query`."""
    before, after = (load_release(cache, one, settings) for one in (earlier, served))
    query = replace(query, period=query.period or last_common_period(before, after))
    sides = [prepare_query(cache, one, query, settings) for one in (earlier, served)]
    return PreparedRevision(pair_groups(*sides), query.waves)


def answer_revision(prepared: PreparedRevision, settings: Settings) -> RevisionPayload:
    """Every difference that was asked for, and what it comes from."""
    pairs = prepared.pairs
    before, after = pairs.first.loaded, pairs.second.loaded
    inputs = fit_inputs(before), fit_inputs(after)
    return RevisionPayload(
        **pairs.head(settings) | {"uncertainty_meaning": CANCELS},
        before=release_reference(before.release),
        causes=list(causes_of(*inputs)),
        waves=[
            ComparedWavePayload(one.wave_id, one.pollster, one.reference, one.change, one.text)
            for one in prepared.waves
        ],
        reasons=[*model_differences(before, after), *telling_differences(pairs.first, pairs.second)],
        revisions=[
            AreaRevision(**names, before=first, after=second, **fields)
            for names, first, second, fields in pairs.compared(
                settings, partial(_differences, inputs=inputs, unit=pairs.second.unit)
            )
        ],
    )


def last_common_period(before: LoadedRelease, after: LoadedRelease) -> str | None:
    """The last period that the models of two releases have; None if one of them has none.

    Raises
    ------
    EstimateRefused
        If both have periods, and none in common.
    """
    grids = [loaded.design.common.observed.get("period", ()) for loaded in (before, after)]
    if not all(grids):
        return None
    common = [period for period in grids[1] if period in grids[0]]
    if not common:
        raise EstimateRefused(
            f"The models of releases {before.release.number} and {after.release.number} have no period in common."
        )
    return common[-1]


def _differences(
    before: AreaDraws, after: AreaDraws, *, inputs: tuple[FitInputs, FitInputs], unit: str
) -> Iterator[dict[str, Any]]:
    for one in revision(before, after, inputs_before=inputs[0], inputs_after=inputs[1]).areas:
        size = f"{100 * one.difference:+.1f} points"
        if after.kind == "mean":
            size = " ".join(filter(None, (f"{one.difference:+,.3g}", unit)))
        beyond = "more than" if one.beyond_simulation else "no more than"
        yield {
            "difference": one.difference,
            "mc_error": one.mc_error,
            "beyond_simulation": one.beyond_simulation,
            "sentence": f"{size}, {beyond} chance in the simulation explains",
        }
