"""``hustings bench``: measure what this machine makes of large files, and of a running service."""

import tempfile
from pathlib import Path
from typing import Any

import click

from api.cli.bench_growth import growth
from api.cli.output import as_json, print_json, print_table

__all__ = ["bench"]


@click.group(short_help="Measure speed and memory.")
def bench() -> None:
    """Measurements on this machine, with made-up data; nothing of the service is touched."""


bench.add_command(growth)


@bench.command()
@click.option("--rows", type=click.IntRange(1000), default=1_000_000, show_default=True, help="Interviews of the file.")
@click.option("--repeat", type=click.IntRange(1), default=3, show_default=True, help="Measurements of each format.")
@click.option("--seed", type=int, default=1, show_default=True, help="Makes the file.")
@as_json
def ingest(*, rows: int, repeat: int, seed: int, json_: bool) -> None:
    """Check, recode, store and count a large wave, beside reading and writing the same file.

    The ratio is the wall time of the ingest over that of polars.read_csv (or read_parquet) plus write_parquet; the
    peak is the memory of all processes involved. Progress goes to standard error.
    """
    from jobs.ingest_bench import as_json as plain
    from jobs.ingest_bench import bench_ingest

    speeds = bench_ingest(rows=rows, repeat=repeat, seed=seed, say=lambda line: click.echo(line, err=True))
    if json_:
        print_json(plain(speeds))
        return
    print_table(
        ("format", "file (MB)", "ingest (s)", "bare (s)", "ratio", "peak (MB)"),
        [(one.format, one.file_mb, one.ingest_s, one.bare_s, one.ratio, one.peak_mb) for one in speeds],
        title=f"{rows:,} interviews of 12 columns",
    )


@bench.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--data", "data_dir", type=click.Path(path_type=Path), help="Where the tables of FOLDER lie.")
@click.option("--interviews", help="Another file of interviews than the one that [backtest] names.")
@click.option("--base", type=click.IntRange(1), help="Interviews before the first wave. Default: all that are left.")
@click.option("--waves", type=click.IntRange(1), default=30, show_default=True, help="Waves sent one after the other.")
@click.option("--size", type=click.IntRange(1), default=100, show_default=True, help="Interviews of each.")
@click.option("--seed", type=int, default=1, show_default=True, help="Shuffles the interviews.")
@as_json
def live(
    *,
    folder: Path | None,
    data_dir: Path | None,
    interviews: str | None,
    base: int | None,
    waves: int,
    size: int,
    seed: int,
    json_: bool,
) -> None:
    """Seconds from a wave's last byte to the release with it, with 100 reads a second meanwhile.

    Takes the interviews that the [backtest] of the survey in FOLDER names; without FOLDER, those of a synthetic survey
    of 50 districts and 4 demographics. Progress goes to standard error.
    """
    from jobs.live_bench import as_json as plain
    from jobs.live_bench import bench_live

    with tempfile.TemporaryDirectory(prefix="hustings-live-") as made:
        if folder is None:
            from fixtures.demo import write_demo

            folder, n = Path(made) / "survey", (base or 5000) + waves * size
            write_demo(folder, n_waves=1, n_interviews=n, n_demographics=4)
        speed = bench_live(
            folder,
            data_dir,
            base=base,
            waves=waves,
            size=size,
            seed=seed,
            interviews=interviews,
            make_key=_make_key,
            say=lambda line: click.echo(line, err=True),
        )
    if json_:
        print_json(plain(speed))
        return
    title = f"{speed.waves} waves of {speed.wave_size} interviews after {speed.base:,}"
    print_table(
        ("from last byte to release", "s"),
        [("median", speed.p50_s), ("95%", speed.p95_s), ("worst", speed.worst_s), *speed.stages_s.items()],
        title=title,
    )
    print_table(
        ("reads meanwhile (ms)", "idle", "fitting"),
        [
            (name, values["idle"], values["fitting"])
            for name, values in (("median", speed.api_p50_ms), ("99%", speed.api_p99_ms))
        ],
        title=f"{speed.reads:,} reads, {speed.failed_reads} failed, {speed.mixed_releases} of mixed releases",
    )


@bench.command()
@click.option("--surveys", type=click.IntRange(2), default=100, show_default=True, help="One of them is greedy.")
@click.option(
    "--waves", type=click.IntRange(1), default=1, show_default=True, help="Waves of each; the greedy one's: x5."
)
@click.option("--size", type=click.IntRange(50), default=1000, show_default=True, help="Interviews of each wave.")
@click.option("--seed", type=int, default=1, show_default=True, help="Makes surveys and waves, and their order.")
@as_json
def burst(*, surveys: int, waves: int, size: int, seed: int, json_: bool) -> None:
    """A burst of waves for many surveys: how it drains, whether fairly, and how the disk grows.

    Surveys are made up, of the shape of the demo; one is greedy, with four times the questions and five times the
    waves. A reader asks 100 times a second meanwhile. Progress goes to standard error.
    """
    from jobs.burst_bench import bench_burst
    from jobs.burst_report import as_json as plain

    speed = bench_burst(
        surveys=surveys,
        waves=waves,
        size=size,
        seed=seed,
        make_key=_make_key,
        say=lambda line: click.echo(line, err=True),
    )
    if json_:
        print_json(plain(speed))
        return
    print_table(
        ("drained", ""),
        [
            ("seconds", speed.drained_s),
            ("refits an hour", speed.refits_per_hour),
            *((f"of a refit, {stage} (s)", seconds) for stage, seconds in speed.stages_s.items()),
        ],
        title=f"{speed.waves} waves of {size} interviews, {speed.surveys} surveys, {speed.refits} refits",
    )
    waiting, turns = speed.waiting, speed.turns
    print_table(
        ("from last byte to release", "s"),
        [
            ("median", waiting.median_s),
            ("95%", waiting.p95_s),
            ("worst", waiting.worst_s),
            ("the greedy survey", speed.greedy_waited_s),
        ],
        title=f"in {turns.waits} waits others had at most {turns.worst} turns, the greedy one {turns.worst_of_greedy}",
    )
    print_table(
        ("reads meanwhile (ms)", "idle", "burst"),
        [
            (name, values["idle"], values["burst"])
            for name, values in (("median", speed.api_p50_ms), ("99%", speed.api_p99_ms))
        ],
        title=f"{speed.reads:,} reads, {speed.failed_reads} failed",
    )
    grows = speed.growth
    print_table(
        ("disk and memory", "MB"),
        [
            ("database before", speed.database_mb["before"]),
            ("database after", speed.database_mb["after"]),
            ("a day, for ever", grows.for_ever_mb_per_day),
            ("a day, draws, until they are as old as they get", grows.draws_mb_per_day),
            ("draws held then", grows.draws_held_mb),
            *((f"peak of {role}", peak) for role, peak in speed.peak_mb.items()),
        ],
        title=f"at {grows.waves_per_survey_and_day:g} wave of {grows.wave_size} per survey and day",
    )


@bench.command()
@click.option("--questions", type=click.IntRange(1, 100), default=40, show_default=True, help="Of the survey.")
@click.option("--size", type=click.IntRange(50), default=5000, show_default=True, help="Interviews of the wave.")
@click.option("--fit-cores", type=click.IntRange(1), default=2, show_default=True, help="Fits beside each other.")
@click.option("--seed", type=int, default=1, show_default=True, help="Makes the survey and its wave.")
@as_json
def forty(*, questions: int, size: int, fit_cores: int, seed: int, json_: bool) -> None:
    """Many questions of one survey: one wave goes in, a release of each question comes out.

    The survey is made up, of the shape of cces2018: 50 districts, 12,000 cells. Progress goes to standard error.
    """
    from jobs.forty_bench import as_json as plain
    from jobs.forty_bench import bench_forty

    speed = bench_forty(
        questions=questions,
        size=size,
        seed=seed,
        fit_cores=fit_cores,
        make_key=_make_key,
        say=lambda line: click.echo(line, err=True),
    )
    if json_:
        print_json(plain(speed))
        return
    print_table(
        ("from last byte to release", "s"),
        [
            ("the first question", speed.first_s),
            ("all of them", speed.all_s),
            ("processor time", speed.cpu_s),
            ("of each question", speed.cpu_per_question_s),
            *((f"of a refit, {stage}", seconds) for stage, seconds in speed.stages_s.items()),
        ],
        title=f"{speed.released} of {speed.questions} questions released, at most {speed.most_at_once} fits at once",
    )
    print_table(
        ("beside the truth", ""),
        [("within the 90% interval of the nation", speed.covered), ("largest error", speed.largest_error)],
    )
    print_table(("memory", "MB"), [(f"peak of {role}", peak) for role, peak in speed.peak_mb.items()])


@bench.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--data", "data_dir", type=click.Path(path_type=Path), help="Where the tables of FOLDER lie.")
@click.option("--interviews", help="Another file of interviews than the one that [backtest] names.")
@click.option("--queries", type=click.IntRange(20), default=300, show_default=True, help="Crosstabs asked for.")
@click.option("--seconds", type=click.IntRange(1), default=10, show_default=True, help="Of repeated reads.")
@click.option("--connections", type=click.IntRange(1), default=16, show_default=True, help="Of repeated reads.")
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses the crosstabs.")
@as_json
def api(
    *,
    folder: Path | None,
    data_dir: Path | None,
    interviews: str | None,
    queries: int,
    seconds: int,
    connections: int,
    seed: int,
    json_: bool,
) -> None:
    """How fast crosstabs are computed, and how many reads a second are answered, beside Datasette with the same rows.

    Takes the interviews that the [backtest] of the survey in FOLDER names; without FOLDER, those of a synthetic survey
    of 50 districts and 4 demographics. Needs wrk. Progress goes to standard error.
    """
    from jobs.api_bench import as_json as plain
    from jobs.api_bench import bench_api

    with tempfile.TemporaryDirectory(prefix="hustings-api-") as made:
        if folder is None:
            from fixtures.demo import write_demo

            folder = Path(made) / "survey"
            write_demo(folder, n_waves=1, n_interviews=5000, n_demographics=4)
        speed = bench_api(
            folder,
            data_dir,
            interviews=interviews,
            queries=queries,
            seconds=seconds,
            connections=connections,
            seed=seed,
            make_key=_make_key,
            say=lambda line: click.echo(line, err=True),
        )
    if json_:
        print_json(plain(speed))
        return
    print_table(
        ("crosstabs (ms)", "asked", "median", "95%"),
        [
            ("the first of a release", 1, speed.first_crosstab_ms, None),
            ("of one and two columns", speed.crosstabs, speed.crosstab_p50_ms, speed.crosstab_p95_ms),
            ("of three, of some people", speed.three_way, speed.three_way_p50_ms, speed.three_way_p95_ms),
        ],
        title=f"{speed.cells:,} cells",
    )
    print_table(
        ("the same again", "a second", "99% (ms)"),
        [
            ("hustings", speed.reads_per_s, speed.reads_p99_ms),
            ("Datasette", speed.datasette_reads_per_s, speed.datasette_p99_ms),
            ("ratio", speed.reads_vs_datasette, None),
        ],
        title=f"answers of {speed.read_kb} kB on {speed.connections} connections",
    )


@bench.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--data", "data_dir", type=click.Path(path_type=Path), help="Where the tables of FOLDER lie.")
@click.option("--interviews", help="Another file of interviews than the one that [backtest] names.")
@click.option("--times", type=click.IntRange(1), default=5, show_default=True, help="How often pages are asked again.")
@as_json
def pages(*, folder: Path | None, data_dir: Path | None, interviews: str | None, times: int, json_: bool) -> None:
    """How fast the web page comes: the first screen with all that it loads, and every page of a question.

    Takes the interviews that the [backtest] of the survey in FOLDER names; without FOLDER, those of a synthetic survey
    of 50 districts and 4 demographics. Progress goes to standard error.
    """
    from jobs.page_bench import as_json as plain
    from jobs.page_bench import bench_pages

    with tempfile.TemporaryDirectory(prefix="hustings-pages-") as made:
        if folder is None:
            from fixtures.demo import write_demo

            folder = Path(made) / "survey"
            write_demo(folder, n_waves=1, n_interviews=5000, n_demographics=4)
        speed = bench_pages(
            folder,
            data_dir,
            interviews=interviews,
            times=times,
            make_key=_make_key,
            say=lambda line: click.echo(line, err=True),
        )
    if json_:
        print_json(plain(speed))
        return
    print_table(
        ("pages (ms)", "asked", "median", "95%"),
        [
            ("made for the first time", speed.pages, speed.made_p50_ms, speed.made_p95_ms),
            ("again", speed.again, speed.again_p50_ms, speed.again_p95_ms),
        ],
        title=f"first screen {speed.first_screen_s} s, {speed.first_screen_kb} kB; slowest {speed.made_worst}",
    )


@bench.command()
@click.option("--surveys", type=click.IntRange(2), default=17, show_default=True, help="One of them asks 8 questions.")
@click.option("--size", type=click.IntRange(50), default=5000, show_default=True, help="Interviews of each wave.")
@click.option("--seed", type=int, default=1, show_default=True, help="Makes surveys and waves.")
@as_json
def dask(*, surveys: int, size: int, seed: int, json_: bool) -> None:
    """How much faster a queue of fits drains on a Dask cluster of two workers than of one.

    Surveys are made up, of the shape of the demo; by default they have forty questions. Scheduler and Dask workers are
    processes of this machine, on the loopback; a fit has one thread. How much faster two plain processes fit than one
    stands beside it: the most that this machine can give. Progress goes to standard error.
    """
    from jobs.executors import require_dask

    require_dask()
    from jobs.dask_bench import as_json as plain
    from jobs.dask_bench import bench_dask

    speed = bench_dask(surveys=surveys, size=size, seed=seed, say=lambda line: click.echo(line, err=True))
    if json_:
        print_json(plain(speed))
        return
    print_table(
        ("drained with", "s"),
        [
            ("one Dask worker", speed.one_worker_s),
            ("two", speed.two_workers_s),
            ("speed-up", speed.speed_up),
            ("of plain processes", speed.plain_speed_up),
        ],
        title=f"{speed.fits} refits of {speed.wave_size:,} interviews, {speed.published} published",
    )


@bench.command()
@click.option(
    "--size", type=click.FloatRange(0.02, 4), default=1.0, show_default=True, help="Of districts and interviews."
)
@click.option("--cells", type=click.IntRange(10), default=480, show_default=True, help="Populated cells of a district.")
@click.option("--queries", type=click.IntRange(10), default=200, show_default=True, help="Crosstabs asked for.")
@click.option("--seed", type=int, default=1, show_default=True, help="Makes the electorate.")
@as_json
def scale(*, size: float, cells: int, queries: int, seed: int, json_: bool) -> None:
    """A survey of the size of a country: all its waves to the districts of all options, and one more day's wave.

    At size 1 it has 632 districts, 303,360 cells, five options and 100,000 interviews of 28 days, then 3,500 more;
    smaller ones keep their shape. Ctrl-C ends it. Progress goes to standard error.
    """
    from fixtures.scale import ScaleSettings
    from jobs.scale_bench import as_json as plain
    from jobs.scale_bench import bench_scale

    whole = ScaleSettings()
    settings = ScaleSettings(
        seed=seed,
        n_districts=max(11, round(size * whole.n_districts)),
        cells_per_district=cells,
        n_interviews=max(28, round(size * whole.n_interviews)),
        n_after=max(1, round(size * whole.n_after)),
    )
    speed = bench_scale(settings, queries=queries, make_key=_make_key, say=lambda line: click.echo(line, err=True))
    if json_:
        print_json(plain(speed))
        return
    print_table(
        ("from first byte to estimates", "s", "processor (s)"),
        [
            (f"{speed.interviews:,} interviews", speed.full_s, speed.full_cpu_s),
            (f"{speed.after:,} more", speed.update_s, speed.update_cpu_s),
        ],
        title=f"{speed.districts} districts, {speed.cells:,} cells",
    )
    print_table(
        ("stage (s)", "all", "one day"),
        [(name, took, speed.update_stages_s.get(name)) for name, took in speed.full_stages_s.items()],
    )
    print_table(
        ("and", ""),
        [
            ("peak of a process (MB)", speed.peak_mb),
            ("a release on disk (MB)", speed.release_mb),
            ("crosstab of a district, 95% (ms)", speed.crosstab_p95_ms),
            ("all districts by a demographic, 95% (ms)", speed.all_districts_p95_ms),
        ],
    )


def _make_key(store: Any, secrets: Any, role: str, pollster: str | None) -> str:
    from datetime import UTC, datetime

    from api.keys import create_key

    now = datetime.now(UTC)
    return create_key(store, secrets, role=role, survey_id=None, pollster=pollster, actor="bench", now=now)[0]
