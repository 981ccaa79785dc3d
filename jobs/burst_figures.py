"""The arithmetic of a burst's report: turns, waits, growth of the disk.

Fair turns. A survey waits from the moment at which one of its jobs was due, or from its own last start if that came
later, until its next start. For each such wait count the starts of every other survey within it:

    turns = max over the others of (starts of the other one while this one waits)

In perfect rounds nobody has a second turn while somebody waits for a first: turns <= 1. One worker is assumed: with
more, a job may also wait for another one of the same work.

Jain's index of n waits is (sum w)^2 / (n sum w^2), 1 if all are equal. One worker takes equal jobs one after the other,
so that waits of one job are spread evenly from 0 to T, for which it is 3/4. A survey of two questions has both released
in the second round, between T/2 and T: (3/4)^2 / (7/12) = 27/28. Nobody can expect more of a queue.

Growth. With r releases a day and question, the draws of ``draws_days`` are kept, and of one release a day until
``draws_daily_days``: r * draws_days + (draws_daily_days - draws_days) of them, however long the service runs. What is
kept for ever grows by

    surveys * r * (bytes of a wave + questions * bytes of a release without its draws and counts)   a day.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Growth", "Started", "Turns", "growth", "jain", "turns_of"]

MB = 1e6


@dataclass(frozen=True, slots=True, order=True)
class Started:
    """A job that was started; times in seconds since the epoch."""

    at: float
    survey: str
    due: float
    """From when on it could have been started."""


@dataclass(frozen=True, slots=True)
class Turns:
    """How fair the turns were."""

    waits: int
    """Waits of all surveys."""
    worst: int
    """The most turns that one survey had while another waited for one."""
    unfair: int
    """Waits in which some other survey had more than one."""
    worst_of_greedy: int
    """The most turns that the greedy survey had while another waited for one."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What the disk has to hold, in MB, at a stated rhythm."""

    waves_per_survey_and_day: float
    wave_size: int
    draws_days: int
    draws_daily_days: int
    for_ever_mb_per_day: float
    """Grows for as long as the service runs."""
    draws_mb_per_day: float
    """Comes on top until the oldest draws are as old as they get; nothing after that."""
    draws_held_mb: float
    """What the draws, and the counts they were fitted on, come to then."""


def turns_of(started: Iterable[Started], *, greedy: str) -> Turns:
    """Count the turns that others had while a survey waited for its own."""
    of: dict[str, list[Started]] = {}
    for one in sorted(started):
        of.setdefault(one.survey, []).append(one)
    starts = {survey: [one.at for one in jobs] for survey, jobs in of.items()}
    waits = worst = unfair = worst_of_greedy = 0
    for survey, jobs in of.items():
        for since, until in _waits(jobs):
            waits += 1
            had = Counter({other: _between(at, since, until) for other, at in starts.items() if other != survey})
            most = max(had.values(), default=0)
            worst = max(worst, most)
            unfair += most > 1
            worst_of_greedy = max(worst_of_greedy, had[greedy])
    return Turns(waits, worst, unfair, worst_of_greedy)


def jain(values: Sequence[float]) -> float:
    """Jain's index of fairness, in [1/n, 1]; of nothing, or of zeros, it is 1.

    References
    ----------
    Jain, Chiu and Hawe (1984), "A quantitative measure of fairness and discrimination for resource allocation in shared
    computer systems", DEC Research Report TR-301.
    """
    squares = sum(value * value for value in values)
    return 1.0 if squares == 0 else sum(values) ** 2 / (len(values) * squares)


def growth(
    *,
    surveys: int,
    questions: int,
    size: int,
    bytes_of: Mapping[str, float],
    draws_days: int,
    draws_daily_days: int,
    waves_per_day: float = 1.0,
) -> Growth:
    """Extrapolate from bytes per wave and release to a day.

    Parameters
    ----------
    questions
        Of each survey; each of them has a release for every wave.
    bytes_of
        ``wave``: of one wave; ``release``: of one release, kept for ever; ``draws``: of its draws and counts.
    waves_per_day
        Of each survey, 1 or more: with fewer, the draws of a day would be those of a day before.
    """
    releases = surveys * questions * waves_per_day
    kept = waves_per_day * draws_days + max(0, draws_daily_days - draws_days)
    return Growth(
        waves_per_survey_and_day=waves_per_day,
        wave_size=size,
        draws_days=draws_days,
        draws_daily_days=draws_daily_days,
        for_ever_mb_per_day=round(
            (surveys * waves_per_day * bytes_of["wave"] + releases * bytes_of["release"]) / MB, 2
        ),
        draws_mb_per_day=round(releases * bytes_of["draws"] / MB, 2),
        draws_held_mb=round(surveys * questions * kept * bytes_of["draws"] / MB, 1),
    )


def _waits(jobs: Sequence[Started]) -> list[tuple[float, float]]:
    """From when until when one survey waited, for each of its starts; its jobs come in their order."""
    due_from_here: list[float] = []
    for job in reversed(jobs):
        due_from_here.append(min(job.due, due_from_here[-1]) if due_from_here else job.due)
    due_from_here.reverse()
    found, last = [], float("-inf")
    for job, due in zip(jobs, due_from_here, strict=True):
        found.append((max(due, last), job.at))
        last = job.at
    return found


def _between(moments: Sequence[float], since: float, until: float) -> int:
    """How many of the sorted moments lie in [since, until)."""
    return max(0, bisect_left(moments, until) - bisect_left(moments, since))
