"""Growth: how each cost follows from each driver, by simulation and on paper, and what stated loads would take.

From a base one driver at a time is made larger, all others held (``jobs.growth_nation``); each size is fitted with
several seeds (``jobs.growth_measure``). Exponents come from that (``jobs.growth_slopes``), beside those of the
algorithms (``jobs.growth_paper``); the factors of the work on paper are fitted to the same measurements, and foretell
other sizes (``jobs.growth_plan``). Reports of ``hustings bench scale``, ``api`` and ``burst`` are read where they are:
the first says whether to believe what is foretold, the others what readers and interviews take.
"""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs.growth_beside import Beside, beside_scale, read_facts
from jobs.growth_measure import Measured, measure
from jobs.growth_nation import ladder
from jobs.growth_paper import COSTS, DRIVERS, Sizes, paper_exponents, resized, work
from jobs.growth_plan import LOADS, Facts, Machine, Plan, Predicted, Prices, plan_for
from jobs.growth_slopes import exponent, factors_of, pooled_sd
from jobs.settings import Settings

__all__ = ["Growth", "Slope", "as_json", "bench_growth"]

type Measure = Callable[[Sizes, int], Measured]


@dataclass(frozen=True, slots=True)
class Slope:
    """How a cost follows from a driver."""

    cost: str
    driver: str
    values: tuple[int, ...]
    """Of the driver."""
    measured: float
    standard_error: float
    paper_least: float
    paper_most: float
    """Of the terms on paper, without any measurement."""
    paper: float
    """Of their sum between the first and the last of the values, with the factors that fit all measurements best."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What was measured and what follows."""

    cores: int
    load_at_start: float
    points: int
    repeats: int
    base: Sizes
    measured: tuple[Measured, ...]
    looks: float
    """Of a fit, in the mean."""
    factors: Mapping[str, Mapping[str, float]]
    """Cost -> term -> what a unit of the work on paper costs; see ``jobs.growth_paper.work``."""
    slopes: tuple[Slope, ...]
    beside: tuple[Beside, ...]
    """Empty without a report of ``hustings bench scale``."""
    machine: Machine
    prices: Prices
    new_answers: float
    facts: Facts
    plans: tuple[Plan, ...]


def bench_growth(
    base: Sizes,
    *,
    times: int,
    repeats: int,
    points: int,
    seed: int,
    machine: Machine,
    prices: Prices,
    new_answers: float,
    reports: Path,
    say: Callable[[str], None],
    fit: Measure | None = None,
) -> Growth:
    """Measure, and plan.

    Parameters
    ----------
    base
        The smallest size, but for options.
    times
        How much larger each driver is made.
    repeats
        Seeds of each size, 2 or more: what they differ is the error.
    points
        As the setting ``laplace_points``.
    reports
        Folder of the reports of the other measurements.
    say
        Receives one line per fit.
    fit
        Instead of ``jobs.growth_measure.measure``.

    Raises
    ------
    ValueError
        If sizes cannot be made, or there is one repeat.
    """
    load, run = os.getloadavg()[0], fit or (lambda sizes, one: measure(sizes, one, points=points))
    rungs = ladder(base, times)
    sizes = [base, *(one for _, one in rungs)]
    say("a first fit, which compiles and counts for nothing")
    run(base, seed + repeats)
    measured: list[Measured] = []
    for number in range(repeats):
        for one in sizes:
            measured.append(run(one, seed + number))
            say(_told(measured[-1], len(measured), repeats * len(sizes)))
    looks = statistics.mean(one.looks for one in measured)
    structure = measured[0].structure
    costs = [cost for cost in COSTS if all(_cost(one, cost) for one in measured)]
    factors = {
        cost: factors_of(
            [work(one.sizes, structure, looks=one.looks)[cost] for one in measured],
            [_cost(one, cost) for one in measured],
        )
        for cost in costs
    }

    def predict(one: Sizes) -> Predicted:
        terms = work(one, structure, looks=looks)
        told = {cost: sum(factors[cost][term] * amount for term, amount in terms[cost].items()) for cost in costs}
        return Predicted(
            fit_s=told["fit_s"],
            estimates_s=told["estimates_s"],
            answer_s=told["answer_s"],
            draws_mb=told["draws_mb"],
            peak_mb=told.get("peak_mb"),
            effects=(structure.vectors + structure.longer(one)) * (one.options - 1),
        )

    slopes = tuple(_slopes(measured, base, costs, factors, looks))

    def by_exponents(cost: str, one: Sizes) -> float | None:
        if cost not in costs:
            return None
        told = statistics.mean(_cost(other, cost) for other in measured if other.sizes == base)
        for slope in slopes:
            if slope.cost == cost:
                told *= (getattr(one, slope.driver) / getattr(base, slope.driver)) ** slope.measured
        return told

    facts = read_facts(reports)
    return Growth(
        cores=os.cpu_count() or 1,
        load_at_start=round(load, 2),
        points=points,
        repeats=repeats,
        base=base,
        measured=tuple(measured),
        looks=looks,
        factors=factors,
        slopes=slopes,
        beside=beside_scale(reports, predict, by_exponents),
        machine=machine,
        prices=prices,
        new_answers=new_answers,
        facts=facts,
        plans=tuple(
            plan_for(
                load,
                predict,
                machine=machine,
                prices=prices,
                facts=facts,
                new_answers=new_answers,
                settings=Settings(),
            )
            for load in LOADS
        ),
    )


def as_json(growth: Growth) -> dict[str, Any]:
    """What was measured and follows, as one object; numbers to four digits."""
    plain: dict[str, Any] = _rounded(asdict(growth))
    return plain


def _slopes(
    measured: Sequence[Measured],
    base: Sizes,
    costs: Sequence[str],
    factors: Mapping[str, Mapping[str, float]],
    looks: float,
) -> list[Slope]:
    found = []
    groups = {one.sizes: [other for other in measured if other.sizes == one.sizes] for one in measured}
    for cost in costs:
        sd = pooled_sd([[_cost(one, cost) for one in group] for group in groups.values()])
        for driver in DRIVERS:
            some = [one for one in measured if resized(one.sizes, driver, getattr(base, driver)) == base]
            values = sorted({getattr(one.sizes, driver) for one in some})
            slope = exponent([getattr(one.sizes, driver) for one in some], [_cost(one, cost) for one in some], sd=sd)
            least, most, paper = paper_exponents(
                resized(base, driver, values[0]),
                measured[0].structure,
                cost=cost,
                driver=driver,
                value=values[-1],
                looks=looks,
                factors=factors[cost],
            )
            found.append(Slope(cost, driver, tuple(values), slope.value, slope.standard_error, least, most, paper))
    return found


def _cost(one: Measured, cost: str) -> float:
    """0 where it is not known."""
    return float(getattr(one, cost) or 0.0)


def _told(one: Measured, number: int, n_all: int) -> str:
    sizes = one.sizes
    return (
        f"{number} of {n_all}: {sizes.districts} districts, {sizes.cells:,} cells, {sizes.interviews:,} interviews, "
        f"{sizes.options} options, {sizes.draws:,} draws: {one.looks} looks, {one.fit_s:.1f} processor seconds"
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
