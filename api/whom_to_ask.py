"""Answer from the draws of one release whom to ask next: what further interviews in each group would narrow.

The groups who could be asked are those of ``level``, ``by`` and ``where``; the estimates that are to become narrower
are of the level and the demographics of ``targets``. Both have ``min_people`` people at least. See `mrp.whom_to_ask`.

Where a systematic error is declared, the intervals are those with it unless the query asks for the model's: what
interviews take off them is less, for that error stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from api.answer_head import groups_head
from api.errors import EstimateRefused, UnknownChoice
from api.group_facts import group_facts, group_names
from api.group_query import EstimateQuery, Prepared, levels_of, prepare_estimates, prepare_query
from api.group_query import load_release as load
from api.labels import DISTRICT
from api.measures import MEAN
from api.misreport import refuse_truth
from api.release_cache import ReleaseCache
from api.served import Served
from api.systematic_words import uncertainty_head
from api.whom_to_ask_payloads import GroupNarrowing, NarrowedTarget, WhomToAskPayload
from jobs.settings import Settings
from mrp.electorate import Electorate
from mrp.whom_to_ask import Narrowing, expected_narrowing, expected_narrowing_of_options

__all__ = ["MOST_INTERVIEWS", "WhomToAskQuery", "answer_whom_to_ask", "prepare_whom_to_ask"]

MOST_INTERVIEWS = 100_000
"""In one group."""
WHO = ("level", "districts", "by", "where", "merge")
"""Parts of a query that say which groups are meant; the others are of the targets too."""
MOST_NUMBERS = 20_000_000
"""Draws of groups and targets, and pairs of them, that one answer may hold: 160 MB."""


@dataclass(frozen=True, slots=True)
class WhomToAskQuery(EstimateQuery):
    """Which groups could be asked, and what is to become narrower."""

    n: int = 100
    """Interviews in the one group."""
    targets: tuple[str, ...] = (DISTRICT,)
    """A level, demographics, or both."""

    @property
    def is_chance(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class PreparedNarrowing:
    """Groups and targets that are understood; no draws are made yet."""

    groups: Prepared
    targets: Prepared
    """Both of draws without the systematic error: it tells nothing of one answer from another."""
    is_total: bool
    """Whether the intervals that become narrower are those with the systematic error."""

    @property
    def is_large(self) -> bool:
        """Whether the answer takes seconds."""
        return not self.groups.loaded.keeps(int(self.groups.answered.sum() + self.targets.answered.sum()))


def prepare_whom_to_ask(
    cache: ReleaseCache, served: Served, query: WhomToAskQuery, settings: Settings
) -> PreparedNarrowing:
    """Understand the query.

    Raises
    ------
    EstimateRefused
        As `api.group_query.prepare_query`; or if ``n`` is no number of interviews, nobody could be asked, nothing could
        become narrower, or groups and targets are too many to be compared.
    """
    if not 1 <= query.n <= MOST_INTERVIEWS:
        raise EstimateRefused(f"n must be a number of interviews from 1 to {MOST_INTERVIEWS:,}; got {query.n:,}.")
    refuse_truth(
        query.estimand, "By what part intervals become narrower is the same of what is reported and of the truth."
    )
    loaded = load(cache, served, settings)
    level, by = _named(query.targets, loaded.electorate)
    about = {name: getattr(query, name) for name in EstimateQuery.__dataclass_fields__ if name not in WHO}
    about["uncertainty"] = "model"
    is_one = query.measure == MEAN or loaded.question.kind == "numeric"
    prepare = prepare_query if is_one else prepare_estimates
    is_total = prepare(cache, served, query, settings).loaded.uncertainty == "total"
    groups = prepare(cache, served, replace(query, uncertainty="model"), settings)
    targets = prepare(cache, served, EstimateQuery(level=level, by=by, **about), settings)
    if len(groups.options) == 1:
        # Interviews where an option does not stand tell nothing of it, and there is nothing to be told there.
        groups, targets = groups.where_it_stands(), targets.where_it_stands()
    n_groups, n_targets = (int(one.answered.sum()) for one in (groups, targets))
    if not n_groups or not n_targets:
        what = "Nobody could be asked" if not n_groups else "Nothing could become narrower"
        raise EstimateRefused(
            f"{what}: every group has fewer than {settings.min_people} people in the frame, or the option does not "
            "stand there."
        )
    n_draws, n_options = loaded.latents.draws.shape[0], max(1, len(groups.options))
    n_kinds = 2 if is_total else 1
    if n_options * (n_draws * (n_groups + n_kinds * n_targets) + n_groups * n_targets) > MOST_NUMBERS:
        raise EstimateRefused(
            f"{n_groups:,} groups and {n_targets:,} targets are too many to be compared. Name fewer demographics in by "
            "or targets, or one option."
        )
    return PreparedNarrowing(groups, targets, is_total)


def answer_whom_to_ask(prepared: PreparedNarrowing, settings: Settings) -> WhomToAskPayload:
    """What the interviews would narrow, group by group, most first."""
    groups, targets, query = prepared.groups, prepared.targets, prepared.groups.query
    assert isinstance(query, WhomToAskQuery)
    found = _narrowing(prepared, query.n / groups.loaded.design_effect)
    # Where an option does not stand there is nothing to become narrower.
    unsure = np.flatnonzero(found.sd_before > 0)
    lost, names = found.narrower[:, unsure], [_target_names(targets)[i] for i in unsure]
    if not names:
        raise EstimateRefused("Nothing could become narrower: every target is known for sure.")
    rows = [
        GroupNarrowing(
            **facts.names,
            **facts.counted,
            narrower=float(of_group.mean()),
            most=NarrowedTarget(**names[best], narrower=float(of_group[best])),
            sentence=_sentence(facts.names, query, names[best], of_group, is_total=prepared.is_total),
        )
        for facts, of_group in zip(group_facts(groups, settings), lost, strict=True)
        for best in (int(of_group.argmax()),)
    ]
    return WhomToAskPayload(
        **groups_head(groups, settings) | _uncertainty(prepared),
        n=query.n,
        targets=list(query.targets),
        n_targets=len(names),
        groups=sorted(rows, key=lambda row: -row.narrower),
    )


def _narrowing(prepared: PreparedNarrowing, n: float) -> Narrowing:
    """Of weighted interviews, so many are worth ``n``."""
    groups, targets = prepared.groups, prepared.targets
    rows, wanted = np.flatnonzero(groups.answered), np.flatnonzero(targets.answered)
    n = max(n, 1.0)
    if len(groups.options) > 1:
        by_option = [one.draws_by_option(which) for one, which in ((targets, wanted), (groups, rows))]
        of_targets, of_groups = (dict(zip(groups.options, one, strict=True)) for one in by_option)
        found = expected_narrowing_of_options(of_targets, of_groups, n=n)
    else:
        asked = groups.measured(rows)
        found = expected_narrowing(targets.draws(wanted), asked.areas, n=n, answer_variance=asked.answer_variance)
    second = targets.with_error if prepared.is_total else None
    if second is None:
        return found
    of_second = second.draws_by_option(wanted) if len(groups.options) > 1 else (second.draws(wanted),)
    return found.with_error(np.concatenate([one.draws.std(axis=0) for one in of_second]))


def _uncertainty(prepared: PreparedNarrowing) -> dict[str, Any]:
    """What the head says of the intervals."""
    if not prepared.is_total:
        return {}
    about = uncertainty_head(prepared.groups.loaded)
    declared = about["systematic_error"]
    assert declared is not None  # else there are no draws with it
    words = (
        "The intervals that would become narrower hold the systematic error too, which no interview narrows: with "
        f"uncertainty=model they are the model's alone, of which interviews take a larger part. {declared.meaning}"
    )
    return {**about, "uncertainty": "total", "uncertainty_meaning": words}


def _named(targets: Sequence[str], electorate: Electorate) -> tuple[str, tuple[str, ...]]:
    """The level and the demographics that targets name."""
    levels = levels_of(electorate.parents)
    known = dict.fromkeys((*levels, *electorate.demographics))
    found = [DISTRICT if name == electorate.district else name for name in targets]
    for name in found:
        if name not in known:
            raise UnknownChoice("target", name, known, parameter="targets")
    if len(set(found)) < len(found):
        raise EstimateRefused(f"targets names something twice: {', '.join(targets)}.")
    of_level = [name for name in found if name in levels]
    if len(of_level) > 1:
        raise EstimateRefused(f"targets names {len(of_level)} levels, {', '.join(of_level)}. Name one.")
    return of_level[0] if of_level else levels[0], tuple(name for name in found if name not in levels)


def _target_names(targets: Prepared) -> list[dict[str, Any]]:
    """Area, its name, groups and option of every target, in the order of the columns of a `Narrowing`."""
    names = group_names(targets, targets.answered)
    return [{**one, "option": option or None} for option in targets.options or ("",) for one in names]


def _sentence(
    group: Mapping[str, Any],
    query: WhomToAskQuery,
    target: Mapping[str, Any],
    lost: "np.ndarray[Any, Any]",
    *,
    is_total: bool,
) -> str:
    of = f" of “{target['option']}”" if target["option"] else ""
    first = (
        f"{query.n:,} further interviews in {_told(group)} would narrow the {100 * query.interval:g}% interval{of} in "
        f"{_told(target)}{' with the error that polls share' if is_total else ''} by {_part(float(lost.max()))}"
    )
    whole = (
        f"{first}."
        if len(lost) == 1
        else f"{first}, the most, and all {len(lost):,} by {_part(float(lost.mean()))} on average."
    )
    return f"{whole} That error itself does not shrink with interviews." if is_total else whole


def _told(names: Mapping[str, Any]) -> str:
    return ", ".join((names["area_name"], *names["groups"].values()))


def _part(part: float) -> str:
    return "less than 1%" if part < 0.01 else f"about {100 * part:.0f}%"
