"""``hustings bench``: measure what this machine makes of large files."""

import click

from api.cli.output import as_json, print_json, print_table

__all__ = ["bench"]


@click.group(short_help="Measure speed and memory.")
def bench() -> None:
    """Measurements on this machine, with made-up data; nothing of the service is touched."""


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
