"""Growth: exponents that were planted, formulas worked out by hand, plans, and the measurement at its smallest."""

import dataclasses
import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from api.cli import cli
from jobs.growth_bench import Growth, as_json, bench_growth
from jobs.growth_beside import beside_scale, read_facts
from jobs.growth_measure import Measured, measure
from jobs.growth_nation import ladder, make_nation, structure_of
from jobs.growth_paper import DRIVERS, Sizes, Structure, n_kinds, n_latents, paper_exponents, work
from jobs.growth_plan import Facts, Load, Machine, Plan, Predicted, Prices, plan_for
from jobs.growth_slopes import exponent, factors_of, pooled_sd
from jobs.settings import Settings

MODEL = "own(log(past)) + (1|age) + (1|district)"
SMALL = Sizes(districts=22, cells=880, interviews=300, options=3, draws=100, days=3)
NOISE = 0.02
STRUCTURE = Structure(vectors=10, effects=11, entries=4, per_district=1, own=1, days=28, per_day=1)


def planted(sizes: Sizes, seed: int) -> Measured:
    """Costs that are powers of the drivers, a few percent apart between seeds."""
    noise = math.exp(NOISE * np.random.default_rng([seed, *dataclasses.astuple(sizes)]).standard_normal())
    return Measured(
        sizes=sizes,
        seed=seed,
        kinds=round(n_kinds(sizes)),
        latents=n_latents(sizes, STRUCTURE),
        looks=200,
        newton_steps=2.0,
        fit_s=0.001 * sizes.interviews**0.5 * sizes.options**2.0 * noise,
        estimates_s=1e-8 * sizes.cells * sizes.draws * sizes.options * noise,
        answer_s=0.004 * noise,
        draws_mb=4e-6 * 0.7 * n_latents(sizes, STRUCTURE) * sizes.draws,
        peak_mb=None,
        structure=STRUCTURE,
    )


def run(reports: Path, base: Sizes = SMALL, **more: object) -> Growth:
    usual: dict[str, object] = {
        "times": 4,
        "repeats": 3,
        "points": 50,
        "seed": 1,
        "machine": Machine(),
        "prices": Prices(),
        "new_answers": 0.01,
        "say": lambda _: None,
        "fit": planted,
    }
    return bench_growth(base, reports=reports, **(usual | more))  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------------------- slopes


@pytest.mark.parametrize("power", [-1.0, 0.0, 0.5, 3.0])
def test_a_planted_power_law_is_found(power: float):
    x = np.array([10.0, 20, 40, 10, 20, 40])
    found = exponent(x.tolist(), (7 * x**power).tolist(), sd=0.1)
    assert found.value == pytest.approx(power, abs=1e-9)
    # Logs of the driver are log 2 times -1, 0, 1, each twice.
    assert found.standard_error == pytest.approx(0.1 / (math.log(2) * 2))


def test_the_standard_error_is_how_far_exponents_are_off():
    """Of 400 noisy power laws, slopes are apart by their standard error, to within four of its own errors (1/28)."""
    rng, x = np.random.default_rng(5), np.array([1.0, 1, 4, 4])
    off, told = [], []
    for _ in range(400):
        y = x**1.5 * np.exp(0.1 * rng.standard_normal(4))
        found = exponent(x.tolist(), y.tolist(), sd=pooled_sd([y[:2].tolist(), y[2:].tolist()]))
        off.append(found.value - 1.5)
        told.append(found.standard_error**2)
    assert np.std(off) / math.sqrt(np.mean(told)) == pytest.approx(1, abs=4 / math.sqrt(2 * 400))


def test_what_tells_no_exponent_is_refused():
    with pytest.raises(ValueError, match="no size was measured twice"):
        pooled_sd([[1.0], [2.0]])
    with pytest.raises(ValueError, match="all measurements are of one size"):
        exponent([3, 3], [1, 2], sd=0.1)


def test_planted_factors_are_found_however_different_their_units():
    terms = [{"once": 1.0, "pass": 1e9 * k, "algebra": 1e12 * k**3} for k in (1, 2, 3, 5)]
    cost = [2.0 + 3e-9 * one["pass"] + 1e-12 * one["algebra"] for one in terms]
    found = factors_of(terms, cost)
    assert found == {
        "once": pytest.approx(2.0, rel=1e-6),
        "pass": pytest.approx(3e-9, rel=1e-6),
        "algebra": pytest.approx(1e-12, rel=1e-6),
    }
    assert min(factors_of(terms, [1 / k for k in (1, 2, 3, 5)]).values()) >= 0


# ------------------------------------------------------------------------------------------------------------ paper


def test_the_work_of_a_small_survey_is_that_worked_out_by_hand():
    """3 options, 2 directions; 10 vectors and a coefficient, 21 coordinates of rest; 5 districts, 10 in blocks of 2."""
    sizes = Sizes(districts=5, cells=50, interviews=10**6, options=3, draws=100)
    found = work(sizes, STRUCTURE, looks=2)
    # A million interviews fill all of 50 cells on 28 days.
    assert n_kinds(sizes) == pytest.approx(1400)
    assert found["fit_s"] == {
        "once": 1,
        "pass": pytest.approx(2 * 1400 * (5 * 2) ** 2 / 2),
        "algebra": pytest.approx(2 * (21**3 / 3 + 21**2 * 10 + 21 * 10 * 2 + 10 * 4)),
        "draws": pytest.approx(100 * 1400 * (4 * 2 + 3)),
    }
    assert found["look_s"]["pass"] == pytest.approx(1400 * 50)
    assert found["looks"] == {"once": 2}
    # 34 areas beside districts.
    assert found["estimates_s"] == {"once": 1, "shares": 50 * 100 * 3, "areas": 39 * 100 * 3, "frame": 50 * 4}
    assert found["answer_s"] == {"once": 1, "shares": 10 * 100 * 3, "frame": 50 * 4}
    # (11 vectors + 5 districts) * 3 options + 1
    assert n_latents(sizes, STRUCTURE) == 49
    assert found["draws_mb"] == {"draws": 4 * 100 * 49 / 1e6}
    assert found["peak_mb"]["arrays"] == pytest.approx((8 * 100 * (49 + 39 * 3) + 16 * 1450 * 5) / 1e6)


def test_a_longer_year_is_more_to_solve_for():
    month, year = Sizes(5, 50, 1000, 3, 100), Sizes(5, 50, 1000, 3, 100, days=52)
    assert n_latents(year, STRUCTURE) - n_latents(month, STRUCTURE) == 24 * 3
    algebra = work(year, STRUCTURE, looks=1)["fit_s"]["algebra"]
    assert algebra == pytest.approx(69**3 / 3 + 69**2 * 10 + 69 * 10 * 2 + 10 * 4)


def test_exponents_on_paper_are_between_those_of_the_terms():
    sizes = Sizes(80, 8000, 8000, 5, 1000)
    of = partial(paper_exponents, sizes, STRUCTURE, looks=200, driver="draws", value=2000)
    factors = {"once": 0.0, "pass": 1e-9, "algebra": 1e-9, "draws": 1e-9}
    least, most, whole = of(cost="fit_s", factors=factors)
    assert (least, most) == (0, 1)
    assert 0 < whole < 1
    assert of(cost="looks", factors={"once": 1.0}) == (0, 0, 0)
    assert of(cost="draws_mb", factors={"draws": 0.7}) == (1, 1, pytest.approx(1))
    assert of(cost="fit_s", factors=factors | {"once": 1e9})[2] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("options", "model"),
    [(2, MODEL), (4, MODEL), (5, f"{MODEL} + rw1(period)"), (7, f"{MODEL} + (1|district:gender)"), (5, "(1|age)")],
)
def test_latents_on_paper_are_those_of_the_design(options: int, model: str):
    sizes = dataclasses.replace(SMALL, options=options)
    nation = make_nation(sizes, seed=1, model=model)
    assert nation.design.n_options == options
    assert int(nation.counts["n"].sum()) == sizes.interviews
    assert n_latents(sizes, structure_of(nation, sizes)) == nation.design.n_latents
    larger = dataclasses.replace(sizes, districts=44, days=5)
    assert n_latents(larger, structure_of(nation, sizes)) == make_nation(larger, seed=1, model=model).design.n_latents


def test_a_party_that_splits_leaves_each_half_half_of_its_voters():
    nation = make_nation(dataclasses.replace(SMALL, interviews=3000, options=6), seed=1, model=MODEL)
    assert nation.design.options[:3] == ("Rail 1", "Rail 2", "Town")
    first, second, *_ = (int(nation.counts[name].sum()) for name in nation.counts.columns if "Rail" in name)
    # A coin: four standard deviations.
    assert abs(first - second) < 4 * math.sqrt(first + second)


# ------------------------------------------------------------------------------------------------------------ plans

ONE = Predicted(fit_s=90.0, estimates_s=5.0, answer_s=0.02, draws_mb=10.0, peak_mb=1600.0, effects=600)
MACHINE = Machine(cores=2, memory_gb=8.0, disk_gb=100.0)
FACTS = Facts(reads_per_s=5000.0, wave_bytes=30.0, row_bytes=300.0)


def plan(load: Load, one: Predicted = ONE, machine: Machine = MACHINE, facts: Facts = FACTS) -> Plan:
    return plan_for(
        load,
        lambda _: one,
        machine=machine,
        prices=Prices(core_hour=0.1, gb_month=0.5),
        facts=facts,
        new_answers=0.01,
        settings=Settings(check_budget_s=60.0, draws_days=7, draws_daily_days=90),
    )


def test_a_plan_is_that_worked_out_by_hand():
    sizes = Sizes(districts=66, cells=1, interviews=1, options=5, draws=1)
    found = plan(Load("one", sizes, surveys=540, waves_a_day=2, interviews_a_day=1000, readers_a_s=1000))
    assert found.refit_wall_s == 50
    assert found.refits_an_hour == 72
    # 1,080 refits of 160 s in a day of 86,400.
    assert found.refit_cores == 2
    assert found.workers == 2
    assert found.reader_cores == pytest.approx(1000 * (0.99 / 5000 + 0.01 * 0.02))
    assert found.web_servers == 1
    # Two a day for a week, then one a day until the 90th; 100 areas of 5 options.
    held, ever = 540 * (2 * 7 + 83) * 10 / 1e3, 365 * 540 * (1000 * 30 + 2 * 500 * 300) / 1e9
    assert found.for_ever_gb_a_year == pytest.approx(ever)
    assert found.disk_gb == pytest.approx(held + ever)
    assert found.pay_a_month == pytest.approx(5 * 730 * 0.1 + (held + ever) * 0.5)
    used = {one.name: one.used for one in found.limits}
    assert used["memory of one fit"] == 0.25  # 400 MB of the process, 1,600 of the fit, of 8 GB
    assert found.effects_used == 0.2
    assert used["cores, for refits"] == 1
    assert found.limits[0].name == "disk, after a year"


def test_what_breaks_first_depends_on_the_load_and_the_machine():
    sizes = Sizes(66, 1, 1, 5, 1)
    assert plan(Load("quiet", sizes)).limits[0].name == "memory of one fit"
    assert plan(Load("quiet", sizes), machine=Machine(memory_gb=400)).limits[0].name == "fit_timeout_s"
    assert plan(Load("read", sizes, readers_a_s=10_000)).limits[0].name == "cores, for readers"
    slow = dataclasses.replace(ONE, fit_s=10_000.0)
    assert plan(Load("slow", sizes), slow).limits[0].name == "fit_timeout_s"
    assert plan(Load("often", sizes, waves_a_day=24), slow).limits[0].name == "cores, for refits"


def test_surveys_multiply_refits_and_disk_and_readers_their_cores():
    one, two = (plan(Load("many", Sizes(66, 1, 1, 5, 1), surveys=n, readers_a_s=100 * n)) for n in (10, 20))
    for cost in ("refit_cores", "disk_gb", "reader_cores"):
        assert getattr(two, cost) == pytest.approx(2 * getattr(one, cost))
    assert (two.peak_mb, two.refit_wall_s) == (one.peak_mb, one.refit_wall_s)


def test_without_a_report_of_readers_nothing_is_said_of_them():
    found = plan(Load("one", Sizes(66, 1, 1, 5, 1)), facts=dataclasses.replace(FACTS, reads_per_s=None))
    assert (found.reader_cores, found.web_servers, found.pay_a_month) == (None, None, None)
    assert "cores, for readers" not in {one.name for one in found.limits}


# ------------------------------------------------------------------------------------------------------ measurement


def test_planted_growth_is_found_and_all_drivers_but_one_are_held(tmp_path: Path):
    found = run(tmp_path)
    slopes = {(one.cost, one.driver): one for one in found.slopes}
    want = {("fit_s", "interviews"): 0.5, ("fit_s", "options"): 2.0, ("fit_s", "draws"): 0.0}
    want |= {("estimates_s", driver): 1.0 for driver in ("cells", "draws", "options")} | {("answer_s", "cells"): 0.0}
    for which, power in want.items():
        one = slopes[which]
        logs = np.log(np.repeat(one.values, 3))
        error = NOISE / math.sqrt(float(((logs - logs.mean()) ** 2).sum()))
        assert abs(one.measured - power) < 4 * error, which
        # The noise is told by 14 differences: its error is a fifth of it.
        assert 0.3 * error < one.standard_error < 2 * error
    assert slopes["draws_mb", "draws"].measured == pytest.approx(1)
    assert found.factors["draws_mb"]["draws"] == pytest.approx(0.7)
    assert found.factors["estimates_s"]["shares"] == pytest.approx(1e-8, rel=0.1)
    # The kernel told no memory: it is left out, and planned with nothing.
    assert not any(one.cost == "peak_mb" for one in found.slopes)
    assert all(one.peak_mb is None for one in found.plans)
    for driver, sizes in ladder(SMALL, 4):
        changed = [name for name in (*DRIVERS, "days") if getattr(sizes, name) != getattr(SMALL, name)]
        assert changed == [driver]


def test_the_scale_survey_is_foretold_beside_its_report(tmp_path: Path):
    assert run(tmp_path).beside == ()
    assert read_facts(tmp_path).reads_per_s is None
    report: dict[str, object] = {"districts": 632, "cells": 303_360, "interviews": 100_000, "full_cpu_s": 165.0}
    report |= {"release_mb": 18.3, "crosstab_p50_ms": 70.0, "peak_mb": 1800.0, "peak_mb_of": {"worker": 1800.0}}
    (tmp_path / "scale.json").write_text(json.dumps(report))
    (tmp_path / "api.json").write_text('{"reads_per_s": 6000.0}')
    (tmp_path / "burst.json").write_text('{"wave_size": 1000, "bytes_of": {"wave": 27000}}')
    seconds, answer, disk, memory = beside_scale(tmp_path, lambda _: ONE, lambda _cost, _sizes: 2.0)
    assert dataclasses.astuple(seconds)[1:] == (165.0, 100.0, 6.0)
    assert dataclasses.astuple(answer)[1:] == (70.0, 20.0, 2000.0)
    assert dataclasses.astuple(disk)[1:] == (18.3, 10.0, 2.0)
    assert dataclasses.astuple(memory)[1:] == (1800.0, 2000.0, 402.0)
    assert read_facts(tmp_path) == Facts(reads_per_s=6000.0, wave_bytes=27.0, row_bytes=300.0)
    seconds, *_ = run(tmp_path).beside
    assert seconds.by_exponents is not None
    assert seconds.measured == 165.0


def test_the_smallest_measurement_runs_and_gives_one_document():
    runner = CliRunner()
    arguments = "--districts 11 --cells 20 --interviews 300 --options 2 --draws 100 --days 3 --times 2 --points 50"
    done = runner.invoke(cli, ["bench", "growth", *arguments.split(), "--model", MODEL, "--json", "--reports", "none"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found) == {
        *("cores", "load_at_start", "points", "repeats", "base", "measured", "looks", "factors", "slopes", "beside"),
        *("machine", "prices", "new_answers", "facts", "plans"),
    }
    assert len(found["measured"]) == 12
    assert all(one["fit_s"] > 0 and one["looks"] > 50 and one["draws_mb"] > 0 for one in found["measured"])
    assert {one["driver"] for one in found["slopes"]} == set(DRIVERS)
    assert [one["name"] for one in found["plans"]] == [
        *("city poll", "country", "ten countries", "100 surveys", "one of a year")
    ]
    for one in found["plans"]:
        used = [limit["used"] for limit in one["limits"]]
        assert used == sorted(used, reverse=True)
    assert done.stderr.count("processor seconds") == 12
    assert "No api.json and burst.json in none" in done.stderr
    assert "No scale.json in none" in done.stderr


def test_people_get_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("jobs.growth_measure.measure", lambda sizes, seed, **_: planted(sizes, seed))
    done = CliRunner().invoke(cli, ["bench", "growth", "--reports", str(tmp_path)])
    assert done.exit_code == 0, done.output
    for words in ("fit (processor s)", "on paper", "interviews 8,000 to 32,000", "breaks first", "to pay a month"):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--cells 10", "320 districts of 2.5 cells with 8,000 interviews cannot be made: districts grow 4-fold"),
        ("--districts 1000 --times 10", "10,000 districts"),
        ("--cells 1000 --times 10", "choose 10 to 5,000"),
        ("--repeats 1", "--repeats"),
        ("--options 9", "--options"),
        ("--core-hour -1", "--core-hour"),
    ],
)
def test_a_bad_size_is_refused_in_one_sentence_before_anything_is_measured(arguments: str, says: str):
    done = CliRunner().invoke(cli, ["bench", "growth", *arguments.split()])
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stderr.count("Error:") == 1
    assert "processor seconds" not in done.stderr


def test_numbers_are_told_to_four_digits(tmp_path: Path):
    found = as_json(run(tmp_path))
    assert found["measured"][0]["fit_s"] == float(f"{found['measured'][0]['fit_s']:.4g}")
    assert json.dumps(found)


def test_a_measurement_tells_what_it_measured():
    one = measure(SMALL, 3, model=MODEL, points=50)
    assert (one.sizes, one.seed) == (SMALL, 3)
    assert one.latents == n_latents(SMALL, one.structure)
    assert one.look_s == pytest.approx(one.fit_s / one.looks)
    assert 0 < one.kinds <= 300
