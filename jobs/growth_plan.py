"""What stated loads take and would cost, and which limit each meets first; from predicted costs of one survey.

    refits      surveys * waves a day * (fit + twice the estimates + what a check may take)     processor seconds a day
    readers     readers * ((1 - new) / repeated answers a second of a core + new * seconds of a computed one)   cores
    disk        draws of all releases of ``draws_days`` and of one a day until ``draws_daily_days``, and for ever the
                bytes of interviews and of what a release says
    pay         (workers * cores of a worker + web servers) * hours * price + disk after a year * price     a month

Fits and web servers are planned half busy, so that a burst does not wait for long. A limit is told as the part of it
that a load uses: the largest is met first, and 1 / part times the load meets it. NUTS's confirmations take what is left
of the night, up to a budget, and are not in here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from jobs.growth_paper import GROUPS, Sizes
from jobs.settings import Settings
from mrp.categorical.fit import MOST_COORDINATES

__all__ = [
    "COUNTRY",
    "LOADS",
    "PROCESS_MB",
    "Facts",
    "Limit",
    "Load",
    "Machine",
    "Plan",
    "Predicted",
    "Prices",
    "plan_for",
]

BUSY = 0.5
"""Of workers and web servers, in the mean."""
DAY_S = 86_400.0
MONTH_H = 730.0
FIT_CORES = 2
"""Threads of a Laplace fit, and so the cores of a worker."""
PROCESS_MB = 400.0
"""What a process that fits holds beside a survey: the interpreter, its libraries and compiled kernels."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """Costs of one survey."""

    fit_s: float
    """Processor seconds, as the next two."""
    estimates_s: float
    answer_s: float
    draws_mb: float
    peak_mb: float | None
    effects: int
    """That the engine solves for at once."""

    @property
    def refit_s(self) -> float:
        """Of a refit and the first answer: the estimates are made once to be judged and once to be told."""
        return self.fit_s + 2 * self.estimates_s


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of the service."""

    name: str
    sizes: Sizes
    """Of each survey, at the end of what is planned for."""
    surveys: int = 1
    waves_a_day: float = 1.0
    """Of each survey, each followed by a refit."""
    interviews_a_day: float = 0.0
    """Of each survey."""
    readers_a_s: float = 1.0
    """Requests, of all surveys."""

    @property
    def about(self) -> str:
        """All of it in words."""
        one = self.sizes
        return (
            f"{self.surveys} of {one.districts} districts, {one.cells:,} cells, {one.options} options and "
            f"{one.interviews:,} interviews of {one.days} periods, {self.interviews_a_day:,.0f} more a day in "
            f"{self.waves_a_day:g} wave each, {self.readers_a_s:,g} requests a second"
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """Measured elsewhere, as reports have it."""

    reads_per_s: float | None
    """Repeated answers of one web server on one core."""
    wave_bytes: float
    """Of an interview."""
    row_bytes: float
    """Of an estimate that a release keeps for ever."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is."""

    cores: int = 2
    memory_gb: float = 8.0
    disk_gb: float = 100.0


@dataclass(frozen=True, slots=True)
class Prices:
    """Assumptions, in any currency."""

    core_hour: float = 0.04
    gb_month: float = 0.10


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit, and the part of it that is used; above 1 it is met."""

    name: str
    used: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load takes."""

    name: str
    about: str
    """The load in words."""
    fit_s: float
    refit_wall_s: float
    answer_s: float
    peak_mb: float | None
    release_mb: float
    refit_cores: float
    """Busy all day."""
    reader_cores: float | None
    refits_an_hour: float
    """That one worker does."""
    workers: int
    web_servers: int | None
    disk_gb: float
    """After a year: draws held, and what is kept for ever."""
    for_ever_gb_a_year: float
    effects_used: float
    """Of the most that the engine solves for at once; of the model, and not of how much is asked."""
    limits: tuple[Limit, ...]
    """Of one machine that does it all, the first to be met first."""
    pay_a_month: float | None


def plan_for(
    load: Load,
    predict: Callable[[Sizes], Predicted],
    *,
    machine: Machine,
    prices: Prices,
    facts: Facts,
    new_answers: float,
    settings: Settings,
) -> Plan:
    """Plan for one load.

    Parameters
    ----------
    new_answers
        Share of answers that nobody was given before, in [0, 1].
    settings
        The retention of draws, what a check may take, and when a fit is ended.
    """
    one, sizes = predict(load.sizes), load.sizes
    refits = load.surveys * load.waves_a_day
    wall_s = one.refit_s / min(FIT_CORES, machine.cores)
    refit_cores = refits * (one.refit_s + settings.check_budget_s) / DAY_S
    reader_cores = None
    if facts.reads_per_s is not None:
        reader_cores = load.readers_a_s * ((1 - new_answers) / facts.reads_per_s + new_answers * one.answer_s)
    daily = min(1.0, load.waves_a_day) * max(0, settings.draws_daily_days - settings.draws_days)
    held_gb = load.surveys * (load.waves_a_day * settings.draws_days + daily) * one.draws_mb / 1e3
    rows = (sizes.districts + GROUPS) * sizes.options
    for_ever_gb = (
        365
        * load.surveys
        * (load.interviews_a_day * facts.wave_bytes + load.waves_a_day * rows * facts.row_bytes)
        / 1e9
    )
    workers = max(1, math.ceil(refit_cores / (FIT_CORES * BUSY)))
    servers = None if reader_cores is None else max(1, math.ceil(reader_cores / BUSY))
    disk_gb = held_gb + for_ever_gb
    limits = [
        Limit("cores, for refits", refit_cores / machine.cores),
        Limit("time between two waves of a survey", load.waves_a_day * wall_s / DAY_S),
        Limit("fit_timeout_s", wall_s / settings.fit_timeout_s),
        Limit("disk, after a year", disk_gb / machine.disk_gb),
    ]
    if one.peak_mb is not None:
        limits.append(Limit("memory of one fit", (PROCESS_MB + one.peak_mb) / (1e3 * machine.memory_gb)))
    if reader_cores is not None:
        limits.append(Limit("cores, for readers", reader_cores / machine.cores))
    cores = None if servers is None else workers * FIT_CORES + servers
    return Plan(
        name=load.name,
        about=load.about,
        fit_s=one.fit_s,
        refit_wall_s=wall_s,
        answer_s=one.answer_s,
        peak_mb=None if one.peak_mb is None else PROCESS_MB + one.peak_mb,
        release_mb=one.draws_mb,
        refit_cores=refit_cores,
        reader_cores=reader_cores,
        refits_an_hour=3600 / wall_s,
        workers=workers,
        web_servers=servers,
        disk_gb=disk_gb,
        for_ever_gb_a_year=for_ever_gb,
        effects_used=one.effects / MOST_COORDINATES,
        limits=tuple(sorted(limits, key=lambda limit: -limit.used)),
        pay_a_month=None if cores is None else cores * MONTH_H * prices.core_hour + disk_gb * prices.gb_month,
    )


COUNTRY = Sizes(districts=632, cells=303_360, interviews=100_000, options=5, draws=2000)
LOADS = (
    Load("city poll", Sizes(20, 2_000, 1_000, 5, 2000), interviews_a_day=40),
    Load("country", COUNTRY, interviews_a_day=3_500, readers_a_s=10),
    Load("ten countries", COUNTRY, surveys=10, interviews_a_day=3_500, readers_a_s=100),
    Load(
        "100 surveys",
        Sizes(50, 12_000, 26_000, 5, 2000, days=52),
        surveys=100,
        interviews_a_day=500 / 7,
        readers_a_s=1_000,
    ),
    Load(
        "one of a year",
        Sizes(632, 303_360, 2_600_000, 5, 2000, days=52),
        interviews_a_day=50_000 / 7,
        readers_a_s=1_000,
    ),
)
"""The country is the scale survey. The last two have 50,000 interviews a week, fitted by week, those of a year at once:
dealt out to a hundred surveys of the shape of cces2018, or all in one."""
