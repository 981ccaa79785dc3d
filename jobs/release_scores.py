"""Compare a release's draws with what happened, level by level.

A known result says shares of areas (nation, larger areas, districts) and perhaps of demographic groups. Each kind of
area or group in it is a level of its own and gives one row of scores (``mrp.scoring``). Where districts are known, what
happened in the larger areas that they make up follows: the mean over their people in the frame, as the estimates are
weighted, and so no official figure; such rows are ``derived``.

Draws with the systematic error, where one is declared, are scored as a method of their own beside those of the model
alone (`MODEL_WITH_ERROR`): each has its coverage and its interval score.

A question that is about a part of the population by its declaration, such as likely voters, is compared among these: a
result of an election is one of those who voted. The means over people stay those over all people in the frame.

Beside the model stand baselines (``mrp.baselines``) of the same interviews, by district; and for the nation the share
among all interviews. Of a question of several options each is compared by itself, as that of a binary question. They
rest on perturbed counts as everything raw that leaves (``polling.disclosure``), and shares that would not be told of a
district are not scored.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jobs.backtest_methods import Methods, baselines_of
from mrp.adjusted import second_design
from mrp.categorical.poststratification import OptionDraws
from mrp.electorate import Electorate
from mrp.errors import PriorError
from mrp.frames.extension import FrameDraws
from mrp.frames.over_draws import draws_over_frames, voters_over_frames
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.misreport import Misreport
from mrp.outcomes import AnyDesign, draws_many, estimands, stands_in
from mrp.poststratification import AreaDraws
from mrp.scoring import score
from mrp.turnout import Turnout, voter_draws_many
from polling.declaration import LastResult, Question
from polling.disclosure import DisclosureRules
from polling.known_result import NATION

__all__ = ["MODEL", "MODEL_WITH_ERROR", "RAW", "ReleaseDraws", "score_release"]

MODEL: Final = "mrp"
MODEL_WITH_ERROR: Final = "mrp_with_systematic_error"
"""Name of the estimates whose draws have the systematic error besides."""
RAW: Final = "raw"
"""Name of the share among a district's interviews, or the nation's."""

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ReleaseDraws:
    """A release, ready to be compared."""

    latents: LatentDraws
    design: AnyDesign
    electorate: Electorate
    question: Question
    last_result: LastResult | None
    counts: pl.DataFrame | None
    """``n`` interviews and their answers (``y``, or a column for each option), by district; None where they are not
    kept."""
    perturbed: bool = False
    """Whether the counts are perturbed for disclosure control."""
    turnout: tuple[Turnout, ...] = ()
    """What tells whom the question is about; empty: everybody."""

    frames: FrameDraws | None = None
    """Several frames, over which estimates are made; None: there is one."""

    second: LatentDraws | None = None
    """With the systematic error; None where none is declared."""
    second_turnout: tuple[Turnout, ...] = ()
    """As ``turnout``, with the systematic error where it is declared of what tells it."""

    misreport: Misreport | None = None
    """How often reports are right, if the draws are of reports that are wrong at times: a result is of what people did,
    and is compared with what the draws say of that. None: every report is right."""

    @property
    def with_error(self) -> "ReleaseDraws | None":
        """The release as its second draws tell it; None without."""
        if self.second is None:
            return None
        design = second_design(self.design, self.electorate)
        return replace(self, latents=self.second, design=design, turnout=self.second_turnout, second=None)

    def drawn(self, groupings: Sequence[Grouping]) -> tuple[OptionDraws, ...]:
        """Draws of all that is estimated, about those whom the question is about."""
        drawn = self._answered(groupings)
        if self.misreport is None:
            return drawn
        return tuple(replace(one, draws=self.misreport.turned_back(one.draws)) for one in drawn)

    def _answered(self, groupings: Sequence[Grouping]) -> tuple[OptionDraws, ...]:
        of = (self.latents, self.design, self.electorate)
        if not self.turnout:
            return draws_many(*of, groupings) if self.frames is None else draws_over_frames(*of, self.frames, groupings)
        if self.frames is None:
            among = voter_draws_many(*of, self.turnout, groupings)
        else:
            among = voters_over_frames(*of, self.turnout, groupings, frames=self.frames)
        return tuple(one.drawn for one in among)


@dataclass(frozen=True, slots=True)
class _Level:
    """What is known of one kind of areas or groups."""

    level: str
    by: tuple[str, ...]
    columns: tuple[str, ...]
    """Columns of areas and groups that identify a row."""
    known: pl.DataFrame
    """``columns``, ``share``, ``se``."""
    derived: bool = False


def score_release(release: ReleaseDraws, result: pl.DataFrame, *, rules: DisclosureRules) -> list[dict[str, Any]]:
    """Score a release against a known result.

    Parameters
    ----------
    result
        See ``polling.known_result``.
    rules
        Groups with fewer people are not answered and not scored; districts with fewer interviews have no raw share.

    Returns
    -------
    list of dict
        ``method`` (`MODEL`, `MODEL_WITH_ERROR` or the name of a baseline), ``level``, ``by`` (demographics),
        ``derived``, ``perturbed`` (whether it rests on perturbed counts), ``n_areas`` and the scores of
        ``mrp.scoring.Scores.to_json``; of several options also ``option``. What has no area in common with the release
        has no row. Of reports that were turned back, the estimates have ``estimand`` "truth".

    Raises
    ------
    MrpError
        If the release's draws and its frame do not go together.
    """
    of_options = [(option, one) for option in _options(release) for one in _levels(result, release, option)]
    groupings = list({one.columns: Grouping(one.columns) for _, one in of_options}.values())
    estimated = _estimated(release, groupings)
    with_error = release.with_error
    seconds = None if with_error is None else _estimated(with_error, groupings)
    names = estimands(release.design)
    methods = _methods(release) if any(not one.by for _, one in of_options) else None
    rows = []
    for option, one in of_options:
        name = option if len(names) > 1 else names[0]
        areas = estimated[one.columns].of(name)
        known = _known_of(areas, one, rules)
        told = known["share"].is_not_null().to_numpy()
        kept = np.flatnonzero(told & _stands(release, name, one, known))
        if not kept.size:
            continue
        found = [_row(MODEL, one, areas.draws[:, kept], known[kept], point=None)]
        if seconds is not None:
            second = seconds[one.columns].of(name)
            found.append(_row(MODEL_WITH_ERROR, one, second.draws[:, kept], known[kept], point=None))
        if not one.by and one.level in (NATION, release.electorate.district):
            found += _baseline_rows(release, methods, option, one=one, known=known[kept], rules=rules)
        if release.misreport is not None:
            found = [
                {**row, "estimand": "truth"} if row["method"] in (MODEL, MODEL_WITH_ERROR) else row for row in found
            ]
        rows += found if len(names) == 1 else [{"option": option, **row} for row in found]
    return rows


def _estimated(release: ReleaseDraws, groupings: Sequence[Grouping]) -> dict[tuple[str, ...], OptionDraws]:
    """Draws of each grouping, by its columns."""
    return dict(zip((one.by for one in groupings), release.drawn(groupings), strict=True))


def _options(release: ReleaseDraws) -> tuple[str, ...]:
    """Those that are estimated."""
    return release.question.options if len(estimands(release.design)) > 1 else release.question.options[:1]


def _levels(result: pl.DataFrame, release: ReleaseDraws, option: str) -> Iterator[_Level]:
    """Every kind of areas and groups that is known, coarse ones first, then what follows from districts."""
    electorate = release.electorate
    demographics = [name for name in electorate.demographics if name in result.columns]
    own = result.filter(pl.col("option") == option)
    places = (NATION, *electorate.parents, electorate.district)
    patterns: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for index, row in enumerate(own.iter_rows(named=True)):
        by = tuple(name for name in demographics if row[name] is not None)
        if row["level"] in places:
            patterns.setdefault((row["level"], by), []).append(index)
    for level, by in sorted(patterns, key=lambda one: (len(one[1]), places.index(one[0]), one[1])):
        columns = (*(() if level == NATION else (level,)), *by)
        known = own[patterns[level, by]]
        if level != NATION:
            known = known.with_columns(pl.col("area").alias(level))
        yield _Level(level, by, columns, known.select(*columns, "share", "se"))
    if (electorate.district, ()) in patterns:
        districts = own[patterns[electorate.district, ()]]
        larger = [one for one in electorate.parents if electorate.districts[one].n_unique() > 1]  # one is the nation
        for level in (NATION, *larger):
            if (level, ()) not in patterns and (derived := _derived(districts, level, electorate)) is not None:
                yield _Level(level, (), () if level == NATION else (level,), derived, derived=True)


def _derived(districts: pl.DataFrame, level: str, electorate: Electorate) -> pl.DataFrame | None:
    """Shares of larger areas all of whose districts are known; None if there is none."""
    people = electorate.frame.group_by(pl.col(electorate.district).alias("area")).agg(pl.col("n_people").sum())
    by = [] if level == NATION else [level]
    parents = electorate.districts.select(pl.col("code").alias("area"), *by)
    whole = people.join(parents, on="area").join(districts.select("area", "share", "se"), on="area", how="left")
    weight = pl.col("n_people") / pl.col("n_people").sum()
    added = [
        (weight * pl.col("share")).sum().alias("share"),
        pl.when(pl.col("se").count() > 0)
        .then(((weight * pl.col("se").fill_null(0)) ** 2).sum().sqrt())
        .otherwise(None)
        .alias("se"),
        pl.col("share").is_null().any().alias("lacking"),
    ]
    known = whole.filter(pl.col("n_people") > 0)
    known = known.group_by(by).agg(added) if by else known.select(added)
    known = known.filter(~pl.col("lacking")).drop("lacking")
    return known if known.height else None


def _known_of(areas: AreaDraws, one: _Level, rules: DisclosureRules) -> pl.DataFrame:
    """What is known of each area, in the order of the draws: share (null: nothing, or too few people) and se."""
    found = areas.areas.select(*one.columns, "n_people")
    if one.columns:
        found = found.join(one.known, on=list(one.columns), how="left", maintain_order="left")
    else:
        found = pl.concat([found, one.known.select("share", "se")], how="horizontal")
    enough = pl.col("n_people") >= rules.min_people
    return found.with_columns(pl.when(enough).then(pl.col("share")).alias("share"))


def _stands(release: ReleaseDraws, option: str, one: _Level, known: pl.DataFrame) -> NDArray[np.bool_]:
    """In which areas an option can be chosen by anybody, in the order of ``known``: where not, nothing is estimated."""
    electorate = release.electorate
    stands = stands_in(release.design, electorate, option)
    if stands.all():
        return np.ones(known.height, dtype=np.bool_)
    codes = [code for code, here in zip(electorate.codes, stands, strict=True) if here]
    parents = electorate.districts.select(pl.col("code").alias(electorate.district), *electorate.parents)
    cells = electorate.frame.filter(pl.col("n_people") > 0, pl.col(electorate.district).is_in(codes)).join(
        parents, on=electorate.district
    )
    if not one.columns:
        return np.full(known.height, cells.height > 0)
    there = cells.select(one.columns).unique().with_columns(pl.lit(value=True).alias("_stands"))
    found = known.join(there, on=list(one.columns), how="left", maintain_order="left")["_stands"]
    return found.fill_null(value=False).to_numpy()


def _methods(release: ReleaseDraws) -> Methods | None:
    """What simpler methods make of the interviews; None where these, or the priors, are not known any more."""
    if release.counts is None:
        return None
    try:
        return baselines_of(release.counts, release.electorate, release.design, release.question, release.last_result)
    except PriorError:  # one that an older version of the program knew
        return None


def _baseline_rows(
    release: ReleaseDraws,
    methods: Methods | None,
    option: str,
    *,
    one: _Level,
    known: pl.DataFrame,
    rules: DisclosureRules,
) -> Iterator[dict[str, Any]]:
    if methods is None or release.counts is None:
        return
    baselines = methods.of(option)
    if one.level == NATION:
        overall = baselines["national_mean"]
        if release.counts["n"].sum() >= rules.min_interviews:
            yield _row(RAW, one, overall.draws[:, :1], known, point=overall.share[:1], perturbed=release.perturbed)
        return
    shown = _shown_districts(release, rules)
    for name, baseline in baselines.items():
        method = RAW if name == "raw_by_district" else name
        codes = [code for code in known[one.level] if name != "raw_by_district" or code in shown]
        own = baseline.at(tuple(codes))
        if own.codes:
            rows = known.filter(pl.col(one.level).is_in(own.codes))
            yield _row(method, one, own.draws, rows, point=own.share, perturbed=release.perturbed)


def _shown_districts(release: ReleaseDraws, rules: DisclosureRules) -> set[str]:
    """Districts whose raw share may be told."""
    assert release.counts is not None
    n = release.counts.group_by(release.electorate.district).agg(pl.col("n").sum())
    return set(n.filter(pl.col("n") >= rules.min_interviews)[release.electorate.district])


def _row(
    method: str, one: _Level, draws: Floats, known: pl.DataFrame, *, point: Floats | None, perturbed: bool = False
) -> dict[str, Any]:
    has_se = known["se"].count() > 0
    scores = score(
        np.asarray(draws, dtype=np.float64),
        known["share"].to_numpy(),
        point=point,
        truth_se=known["se"].fill_null(0.0).to_numpy() if has_se else None,
    )
    told = scores.to_json()
    n_areas = told.pop("n_districts")
    about: Mapping[str, Any] = {"method": method, "level": one.level, "by": list(one.by), "derived": one.derived}
    return {**about, "perturbed": perturbed, "n_areas": n_areas, **told}
