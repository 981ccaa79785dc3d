"""``hustings bench growth``: how costs follow from sizes, and what stated loads would take."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.output import as_json, print_json, print_table

if TYPE_CHECKING:
    from jobs.growth_bench import Growth
    from jobs.growth_plan import Plan

__all__ = ["growth"]

_WORDS = {
    "fit_s": "fit (processor s)",
    "looks": "looks of a fit",
    "look_s": "a look of the fit (processor s)",
    "estimates_s": "estimates (processor s)",
    "answer_s": "an answer (processor s)",
    "draws_mb": "draws on disk (MB)",
    "peak_mb": "memory of a fit (MB)",
}


@click.command()
@click.option("--districts", type=click.IntRange(11, 1000), default=80, show_default=True, help="Of the base.")
@click.option("--cells", type=click.IntRange(10, 1000), default=100, show_default=True, help="Of each district.")
@click.option("--interviews", type=click.IntRange(100, 200_000), default=8000, show_default=True, help="Of the base.")
@click.option("--options", type=click.IntRange(2, 8), default=5, show_default=True, help="Of the base.")
@click.option("--draws", type=click.IntRange(100, 4000), default=1000, show_default=True, help="Of the base.")
@click.option("--days", type=click.IntRange(3, 365), default=28, show_default=True, help="Periods of the model.")
@click.option("--times", type=click.IntRange(2, 10), default=4, show_default=True, help="How much larger each becomes.")
@click.option("--repeats", type=click.IntRange(2), default=2, show_default=True, help="Seeds of each size.")
@click.option("--points", type=click.IntRange(50), default=400, show_default=True, help="As laplace_points.")
@click.option("--model", help="Another model than that of the scale survey.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The first.")
@click.option("--cores", type=click.IntRange(1), default=2, show_default=True, help="Of the machine that is planned.")
@click.option("--memory-gb", type=click.FloatRange(0.5), default=8.0, show_default=True, help="... its memory.")
@click.option("--disk-gb", type=click.FloatRange(1), default=100.0, show_default=True, help="... its disk.")
@click.option("--core-hour", type=click.FloatRange(0), default=0.04, show_default=True, help="Price, assumed.")
@click.option("--gb-month", type=click.FloatRange(0), default=0.10, show_default=True, help="Price of disk, assumed.")
@click.option(
    "--new-answers", type=click.FloatRange(0, 1), default=0.01, show_default=True, help="Share nobody was given before."
)
@click.option(
    "--reports",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tests/benchmarks/reports"),
    show_default=True,
    help="Of other measurements, where they are.",
)
@as_json
def growth(
    *,
    districts: int,
    cells: int,
    interviews: int,
    options: int,
    draws: int,
    days: int,
    times: int,
    repeats: int,
    points: int,
    model: str | None,
    seed: int,
    cores: int,
    memory_gb: float,
    disk_gb: float,
    core_hour: float,
    gb_month: float,
    new_answers: float,
    reports: Path,
    json_: bool,
) -> None:
    """How costs grow with interviews, cells, districts, options and draws, and what stated loads would take.

    Small synthetic surveys are fitted; each driver is made larger while all others are held. The exponents that come of
    it stand beside those of the algorithms; what they foretell of the scale survey beside what `hustings bench scale`
    measured. Prices are assumptions, in any currency. Progress goes to standard error; Ctrl-C ends it.
    """
    from functools import partial

    from jobs.growth_bench import as_json as plain
    from jobs.growth_bench import bench_growth
    from jobs.growth_measure import measure
    from jobs.growth_nation import MODEL, ladder
    from jobs.growth_paper import Sizes
    from jobs.growth_plan import Machine, Prices

    base = Sizes(districts, districts * cells, interviews, options, draws, days)
    try:
        ladder(base, times)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    found = bench_growth(
        base,
        times=times,
        repeats=repeats,
        points=points,
        seed=seed,
        machine=Machine(cores, memory_gb, disk_gb),
        prices=Prices(core_hour, gb_month),
        new_answers=new_answers,
        reports=reports,
        say=lambda line: click.echo(line, err=True),
        fit=partial(measure, model=model or MODEL, points=points),
    )
    if any(plan.reader_cores is None for plan in found.plans):
        click.echo(
            f"No api.json and burst.json in {reports}: readers and prices are left out; see --reports.", err=True
        )
    if not found.beside:
        click.echo(
            f"No scale.json in {reports}: nothing stands beside what is foretold of it; see --reports.", err=True
        )
    if json_:
        print_json(plain(found))
        return
    _print_slopes(found)
    if found.beside:
        print_table(
            ("the scale survey", "measured", "foretold", "by exponents alone"),
            [
                (one.figure, _short(one.measured), _short(one.by_paper), _short(one.by_exponents))
                for one in found.beside
            ],
        )
    _print_plans(found.plans)


def _print_slopes(found: "Growth") -> None:
    """Two lines for each cost: what was measured, and what is on paper."""
    of = {(one.cost, one.driver): one for one in found.slopes}
    drivers = list(dict.fromkeys(one.driver for one in found.slopes))
    rows = []
    for cost in dict.fromkeys(one.cost for one in found.slopes):
        own = [of[cost, driver] for driver in drivers]
        rows.append((_WORDS[cost], *(f"{one.measured:.2f} +- {one.standard_error:.2f}" for one in own)))
        rows.append(
            ("  on paper", *(f"{one.paper:.2f} ({one.paper_least:.1f} to {one.paper_most:.1f})" for one in own))
        )
    some = [of[found.slopes[0].cost, driver] for driver in drivers]
    print_table(
        ("exponents", *(f"{one.driver} {one.values[0]:,} to {one.values[-1]:,}" for one in some)),
        rows,
        title=f"{found.repeats} fits of each size, of {found.looks:.0f} looks; in brackets the terms that grow least "
        "and most",
    )


def _print_plans(plans: Sequence["Plan"]) -> None:
    print_table(
        ("", *(plan.name for plan in plans)),
        [
            ("a fit, processor s", *(_short(plan.fit_s) for plan in plans)),
            ("of the effects that can be solved for", *(f"{100 * plan.effects_used:.0f}%" for plan in plans)),
            ("a refit on two cores, s", *(_short(plan.refit_wall_s) for plan in plans)),
            ("an answer computed, ms", *(_short(1000 * plan.answer_s) for plan in plans)),
            ("memory of a fit, MB", *(_short(plan.peak_mb) for plan in plans)),
            ("a release on disk, MB", *(_short(plan.release_mb) for plan in plans)),
            ("cores for refits, all day", *(_short(plan.refit_cores) for plan in plans)),
            ("cores for readers", *(_short(plan.reader_cores) for plan in plans)),
            ("workers", *(_short(plan.workers) for plan in plans)),
            ("web servers", *(_short(plan.web_servers) for plan in plans)),
            ("disk after a year, GB", *(_short(plan.disk_gb) for plan in plans)),
            ("to pay a month", *(_short(plan.pay_a_month) for plan in plans)),
        ],
    )
    print_table(
        ("", "breaks first", "used", "then", "used"),
        [
            (plan.name, *(word for one in plan.limits[:2] for word in (one.name, f"{_short(100 * one.used)}%")))
            for plan in plans
        ],
    )
    for plan in plans:
        click.echo(f"{plan.name}: {plan.about}")
    click.echo("Twice the surveys are twice the refits and the disk; twice the readers twice the cores for them.")


def _short(value: float | None) -> str:
    """Two or three digits."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}"
