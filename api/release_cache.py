"""Releases in memory: latent draws, design, electorate, and the area draws made from them.

A release never changes, so what was loaded once stays right. The cache keeps
the last few releases (setting ``release_cache``) and, for each, the last few
breakdowns; whatever is dropped can be made again from the store. Several
threads asking for the same thing wait for one of them to make it.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from api.among import Among, find_among
from api.estimands import Drawn, drawn_many, size_of
from api.margins import Margins, base_of, make_margins, merge_areas
from api.raked_sample import RakedSample, rake_sample
from api.shown_counts import shown_counts
from api.slots import Slots
from jobs.misreport import declared_misreport
from jobs.predictors import CountedBy, bundle_of_fit, counted_by
from jobs.refit import electorate_of
from jobs.settings import Settings
from mrp.adjusted import second_design
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.frames.extension import FrameDraws
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.misreport import Misreport
from mrp.numeric.design import NumericDesign
from mrp.numeric.poststratification import answer_variances
from mrp.outcomes.designs import AnyDesign, counted_design_effect, design_from_json, estimands
from mrp.poststratification import cell_shares
from mrp.turnout import Turnout
from mrp.verdict import FitVerdict
from polling.declaration import Question, SurveyDeclaration
from polling.once import Once
from polling.population import Population
from polling.secrets import SecretsFile
from polling.store import fits, kept_draws, releases, surveys
from polling.store.engine import Store
from polling.store.records import FitRecord, ReleaseRecord

__all__ = ["LoadedRelease", "ReleaseCache", "Uncertainty"]

type Uncertainty = Literal["model", "total"]
"""What draws are uncertain of: what the interviews leave open, or the error that polls share besides."""

MAX_ANSWERED = 2000
"""Releases of which it is remembered that they answered; as many as there are answers in memory (``api.answers``)."""
MAX_BREAKDOWNS = 32
MAX_BREAKDOWNS_MB = 64
MAX_BREAKDOWN_MB = 32
"""Area draws kept per release: how many breakdowns, how much memory for all of them and for one."""
MAX_MADE_MB = 8
"""Draws kept per release of what is asked besides: filtered, merged, of another period, of some districts. Options, and
words about them, are asked one after the other."""
MAX_RAKED = 4
"""Periods of a release whose weighted interviews are kept."""
MAX_PARTS = 4
"""Parts of the population that a release was asked about."""
MAX_SHARES_MB = 200
"""Draws of cells that a process keeps, of all releases together."""


def breakdowns_kept() -> Once[tuple[str, ...], Drawn]:
    """Room for the breakdowns of a release."""
    return Once(MAX_BREAKDOWNS, most_bytes=MAX_BREAKDOWNS_MB * 1_000_000, size=size_of)


def answers_kept() -> Once[Hashable, Drawn]:
    """Room for what is asked of it besides."""
    return Once(MAX_BREAKDOWNS, most_bytes=MAX_MADE_MB * 1_000_000, size=size_of)


@dataclass(frozen=True, slots=True)
class LoadedRelease:
    """A release ready to answer."""

    release: ReleaseRecord
    fit: FitRecord
    declaration: SurveyDeclaration
    """The version of the survey that the fit used."""
    question: Question
    electorate: Electorate
    design: AnyDesign
    latents: LatentDraws
    verdict: FitVerdict
    counts: pl.DataFrame
    """Interviews by cell, perturbed for disclosure control; see `api.shown_counts`."""
    design_effect: float
    """What weighting costs: by how much interviews are divided in the likelihood; 1 where it has no weights.

    One number for all groups, to two digits: that of a group would tell the weights of single persons."""
    counted_by: CountedBy
    """What its districts are counted by, such as seats."""
    frames: FrameDraws | None = None
    """Several frames whose mean is that of the electorate, over which estimates are made; None: there is one."""
    uncertainty: Uncertainty = "model"
    """Whether the draws have the systematic error too."""
    with_error: "LoadedRelease | None" = None
    """The same release with draws that have the systematic error; None where none is declared, and of itself."""
    among: Among | None = None
    """Whom its estimates are about; None: everybody."""
    misreport: Misreport | None = None
    """What turns reported shares into those of what people did; None: estimates are as people answered. What is kept
    below is as they answered either way."""
    _breakdowns: Once[tuple[str, ...], Drawn] = field(default_factory=breakdowns_kept)
    _made: Once[Hashable, Drawn] = field(default_factory=answers_kept)
    _margins: Once[tuple[()], Margins] = field(default_factory=lambda: Once(1))
    _variances: Once[tuple[str, ...], NDArray[np.float64]] = field(default_factory=lambda: Once(MAX_BREAKDOWNS))
    _raked: Once[tuple[str | None, int], RakedSample | None] = field(default_factory=lambda: Once(MAX_RAKED))
    _shares: Once[str, NDArray[np.float32]] = field(default_factory=lambda: Once(0))
    """Draws of cells, which the releases of a process share the memory for."""
    _parts: Once[tuple[str, ...], "LoadedRelease"] = field(default_factory=lambda: Once(MAX_PARTS))
    """The same release about parts of the population, by the releases that tell of them and the part's id."""

    def told(self, answered: Drawn) -> Drawn:
        """Draws of what its estimates are of, from those of answers."""
        if self.misreport is None:
            return answered
        return {name: self.misreport.true_shares(one) for name, one in answered.items()}

    @property
    def turnout(self) -> tuple[Turnout, ...]:
        """What tells whom the estimates are about; empty: everybody."""
        return self.among.turnout if self.among else ()

    def keeps(self, n_groups: int) -> bool:
        """Whether the draws of so many groups are few enough to be kept."""
        n_bytes: int = n_groups * self.latents.draws.shape[0] * 8 * len(estimands(self.design))
        return n_bytes <= MAX_BREAKDOWN_MB * 1_000_000

    def cell_draws(self, cells: pl.DataFrame, n_wanted: int) -> NDArray[np.float32] | None:
        """Draws of a binary question's share in every cell, shape (cell, draw), if they are worth their memory.

        Parameters
        ----------
        cells
            All populated cells, in the order of the frame.
        n_wanted
            How many of them are looked at. Where that is a small part, making these alone costs less; also where all
            are in memory, so that answers do not depend on what was asked before.
        """
        design = self.design
        if (
            self.among is not None
            or self.frames is not None
            or not isinstance(design, Design)
            or 4 * cells.height * self.latents.draws.shape[0] > MAX_SHARES_MB * 1_000_000 / 2
            or n_wanted < cells.height / 4
        ):
            return None
        if not design.covers(cells).all():
            return None
        key = _key(self.release.id, self.uncertainty)
        return self._shares.get(key, lambda: cell_shares(self.latents, design, cells).T)

    def forget_parts(self, gone: Collection[str]) -> None:
        """Forget what was made with the draws of releases that are gone."""
        for key in self._parts.keys():  # noqa: SIM118 (no mapping)
            if not set(gone).isdisjoint(key[1:]):
                self._parts.drop(key)

    def raked(self, period: str | None, min_interviews: int) -> RakedSample | None:
        """Its interviews of a period or of all, weighted; see `api.raked_sample`."""
        return self._raked.get(
            (period, min_interviews),
            lambda: rake_sample(self.counts, self.electorate, min_interviews=min_interviews, period=period),
        )

    def drawn(self, by: tuple[str, ...]) -> Drawn:
        """Draws of all that is estimated, for every area of a breakdown that is coarse enough to be kept."""
        return self._breakdowns.get(by, lambda: self._drawn(by))

    def made(self, asked: Hashable, make: Callable[[], Drawn]) -> Drawn:
        """Draws that are made for one question and the next: the last few are kept."""
        return self._made.get(asked, make)

    def answer_variance(self, by: tuple[str, ...]) -> NDArray[np.float64]:
        """Variance of one answer that is a number in every area of a breakdown, shape (area,); kept like its draws."""
        design = self.design
        assert isinstance(design, NumericDesign)
        return self._variances.get(
            by, lambda: answer_variances(self.latents, design, self.electorate, (Grouping(by),))[0]
        )

    def _drawn(self, by: tuple[str, ...]) -> Drawn:
        if self.among is not None or self.frames is not None:
            # Sums of smaller areas would need the number of their people, or voters, in every draw.
            grouping, turnout, frames = Grouping(by), self.turnout, self.frames
            return drawn_many(self.latents, self.design, self.electorate, (grouping,), turnout=turnout, frames=frames)[
                0
            ]
        district = self.electorate.district
        larger = {(), *((parent,) for parent in self.electorate.parents)}
        if by in larger and self.keeps(self.electorate.districts.height):
            # Larger areas are sums of districts: one pass over the cells serves every level.
            return merge_areas(self.drawn((district,)), by, self.electorate)
        base = base_of(by, self.electorate)
        if base != (district,) and len(by) <= 2:
            margins = self._margins.get((), lambda: make_margins(self.latents, self.design, self.electorate))
            if base in margins:
                return margins[base] if by == base else merge_areas(margins[base], by, self.electorate)
        return drawn_many(self.latents, self.design, self.electorate, (Grouping(by),))[0]


class ReleaseCache:
    """The releases that one process keeps in memory."""

    def __init__(self, store: Store, secrets: SecretsFile, settings: Settings) -> None:
        self._store = store
        self._secrets = secrets
        self._settings = settings
        self._loaded: Once[str, LoadedRelease] = Once(settings.release_cache)
        self._shares: Once[str, NDArray[np.float32]] = Once(
            settings.release_cache, most_bytes=MAX_SHARES_MB * 1_000_000, size=lambda shares: shares.nbytes
        )
        self._lock = threading.Lock()
        self._answered: OrderedDict[str, None] = OrderedDict()
        self.when_gone: Callable[[Collection[str]], None] = lambda _: None
        """Told of releases that answered here, and whose draws were deleted since."""
        self.slots = Slots(4, waiting=28)
        """For answers whose draws are kept, or could be: milliseconds."""
        self.large_slots = Slots(2, waiting=2)
        """For answers of many groups: seconds, and tens of megabytes each. A few threads always stay free of them."""

    def load(self, release_id: str) -> LoadedRelease:
        """The release of this id, from memory or from the store.

        Raises
        ------
        ReleaseNotFound
            If there is none.
        DrawsNotFound
            If its draws are not kept any more.
        """
        return self._loaded.get(release_id, lambda: self._load(release_id))

    def load_among(self, loaded: LoadedRelease, chain: Sequence[Population], told_by: Sequence[str]) -> LoadedRelease:
        """A release about a part of the population.

        Parameters
        ----------
        loaded
            The release about everybody.
        chain
            The part and those that it is within, the largest first.
        told_by
            Ids of the releases that tell who belongs to each.

        Raises
        ------
        EstimateRefused
            If these do not know everybody whom the release is about.
        """

        def make() -> LoadedRelease:
            telling = [self.load(one) for one in told_by]

            def about(one: LoadedRelease, told: Sequence[LoadedRelease]) -> LoadedRelease:
                of = [(each.latents, each.design, declared_misreport(each.fit)) for each in told]
                among = find_among(chain, of, one.latents, one.design, one.electorate, frames=one.frames)
                return replace(one, among=among, with_error=None, **_nothing_kept())

            part = about(loaded, telling)
            if loaded.with_error is None:
                return part
            # The error that polls share is in what they say of turnout too, where it is declared of that.
            return replace(part, with_error=about(loaded.with_error, [one.with_error or one for one in telling]))

        return loaded._parts.get((chain[-1].id, *told_by), make)

    def forget_gone(self) -> None:
        """Forget the releases whose draws were deleted: their time is over, or somebody in them was erased."""
        with self._lock:
            answered = list(self._answered)
        if not answered:
            return
        with self._store.read() as session:
            gone = set(answered) - kept_draws.still_kept(session, answered)
        if not gone:
            return
        for release_id in gone:
            self._loaded.drop(release_id)
            self._shares.drop(_key(release_id, "model"))
            self._shares.drop(_key(release_id, "total"))
        for release_id in self._loaded.keys():  # noqa: SIM118 (no mapping)
            if (loaded := self._loaded.find(release_id)) is not None:
                loaded.forget_parts(gone)
        self.when_gone(gone)
        with self._lock:
            for release_id in gone:
                self._answered.pop(release_id, None)

    def _load(self, release_id: str) -> LoadedRelease:
        # A new release may be the one that lets draws of an older one go.
        self.forget_gone()
        with self._store.read() as session:
            release = releases.get_release(session, release_id)
            survey = surveys.get_survey(session, release.survey_id, release.survey_version)
            latents = LatentDraws.from_bytes(fits.load_draws(session, release.fit_id))
            second = fits.load_second(session, release.fit_id)
            fit = fits.get_fit(session, release.fit_id)
            bundle = bundle_of_fit(session, survey, fit.inputs)
            by = counted_by(
                session, survey.id, bundle, data_through=release.data_through, published_at=release.published_at
            )
            design_json: Any = fits.load_design(session, release.fit_id)
            counts = pl.read_parquet(BytesIO(fits.load_counts(session, release.fit_id)))
        declaration = survey.bundle.declaration
        verdict: Any = fit.verdict
        with self._lock:
            self._answered[release_id] = None
            while len(self._answered) > MAX_ANSWERED:
                self._answered.popitem(last=False)
        electorate = electorate_of(bundle)
        frames = None if bundle.frame_draws is None else FrameDraws.from_table(bundle.frame_draws)
        design = design_from_json(design_json)
        question = declaration.question(release.question_id)
        loaded = LoadedRelease(
            release=release,
            fit=fit,
            declaration=declaration,
            question=question,
            electorate=electorate,
            design=design,
            latents=latents,
            verdict=FitVerdict.from_json(verdict),
            counts=shown_counts(counts, electorate, release, key=self._secrets.disclosure_key(), within=question.range),
            design_effect=round(counted_design_effect(design, counts), 2),
            counted_by=by,
            frames=frames,
            _shares=self._shares,
        )
        if second is None:
            return loaded
        with_error = replace(
            loaded,
            design=second_design(design, electorate),
            latents=LatentDraws.from_bytes(second),
            uncertainty="total",
            _margins=Once(1),
            _variances=Once(MAX_BREAKDOWNS),
            **_nothing_kept(),
        )
        return replace(loaded, with_error=with_error)


def _nothing_kept() -> dict[str, Any]:
    """Of a release with other draws, or about other people."""
    return {"_breakdowns": breakdowns_kept(), "_made": answers_kept(), "_parts": Once(0)}


def _key(release_id: str, uncertainty: Uncertainty) -> str:
    """Under which draws of cells are kept."""
    return release_id if uncertainty == "model" else f"{release_id}/{uncertainty}"
