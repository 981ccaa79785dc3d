"""``hustings report``: everything about a release in one HTML file, for sending."""

from pathlib import Path

import click

from api.cli.runtime import Runtime

__all__ = ["report"]


@click.command(short_help="Write everything about a release into one HTML file.")
@click.argument("release_id", metavar="[RELEASE]", required=False)
@click.option("--survey", "survey_id", help="Instead of RELEASE: the survey ...")
@click.option("--question", "question_id", help="... and its question; the current release is meant.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where it is written. Default: SURVEY-QUESTION-release-NUMBER.html in this folder.",
)
@click.pass_obj
def report(
    runtime: Runtime, *, release_id: str | None, survey_id: str | None, question_id: str | None, output: Path | None
) -> None:
    """Write estimates, map, change, methods, representation, checks, diagnostics and disclosure into one HTML file.

    The file loads nothing and runs nothing: it can be sent, opened from a disk, and printed.
    """
    from api.cli.refusals import NO, Refusal
    from api.page.asking import ask_release
    from api.release_cache import ReleaseCache
    from api.report import make_report
    from api.services import Services
    from polling.errors import DrawsNotFound
    from polling.store import releases

    if (release_id is None) == (survey_id is None and question_id is None) or (survey_id is None) != (
        question_id is None
    ):
        raise click.UsageError("Name a RELEASE, or --survey and --question to mean the current one.")
    if release_id is not None:
        with runtime.store.read() as session:
            named = releases.get_release(session, release_id)
        survey_id, question_id = named.survey_id, named.question_id
    assert survey_id is not None
    assert question_id is not None
    cache = ReleaseCache(runtime.store, runtime.secrets, runtime.settings)
    services = Services(runtime.store, runtime.secrets, runtime.settings, cache, runtime.now)
    asking = ask_release(services, survey_id, question_id, release_id)
    release = asking.served.release
    try:
        text = make_report(asking)
    except DrawsNotFound as gone:
        statement = f"hustings release disclosure {survey_id} {question_id} --release {release.id}"
        raise Refusal(f"A report needs draws. {gone} The statement is still there: `{statement}`.", NO) from None
    file = output or Path(f"{survey_id}-{question_id}-release-{release.number}.html")
    file.write_text(text, encoding="utf-8")
    click.echo(f"Wrote the report of release {release.number} to {file}: {file.stat().st_size / 1000:,.0f} kB.")
