"""``hustings source``: look at the places that files are fetched from, and see what became of the files."""

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["source"]

survey_argument = click.argument("survey_id", metavar="SURVEY")
name_argument = click.argument("name", metavar="[SOURCE]", required=False)


@click.group(short_help="Look at sources of files; see what became of them.")
def source() -> None:
    """A source is a folder, an address or a bucket that the survey declares in [[sources]]."""


@source.command("list")
@survey_argument
@as_json
@click.pass_obj
def list_(runtime: Runtime, *, survey_id: str, json_: bool) -> None:
    """List the sources of a survey and how the last look at each ended."""
    from polling.store import sources, surveys

    with runtime.store.read() as session:
        declared = surveys.get_declaration(session, survey_id).sources
        states = sources.states_of(session, survey_id)
    if json_:
        print_json(
            {"survey": survey_id, "sources": [{"source": one, "state": states.get(one.name)} for one in declared]}
        )
        return
    rows = []
    for one in declared:
        state = states.get(one.name)
        last = (state.checked_at, state.outcome, state.detail) if state else ("", "not looked at yet", "")
        rows.append((one.name, one.kind, one.pollster, f"{one.every} min", *last))
    print_table(("source", "kind", "pollster", "every", "looked (UTC)", "outcome", "detail"), rows)


@source.command()
@survey_argument
@name_argument
@click.option("--retry", is_flag=True, help="Try files again that were rejected, refused or in conflict.")
@as_json
@click.pass_obj
def run(runtime: Runtime, *, survey_id: str, name: str | None, retry: bool, json_: bool) -> None:
    """Look at one source, or at all, now; files that may be growing are waited for.

    One that cannot be read does not keep the others from being read; the exit code is 1 then.
    """
    import time

    from jobs.errors import SourceUnreachable
    from jobs.source_read import read_source, source_of
    from polling.errors import SecretsError
    from polling.store import sources, surveys

    with runtime.store.read() as session:
        declaration = surveys.get_declaration(session, survey_id)
    named = [source_of(declaration, name)] if name else list(declaration.sources)
    told: dict[str, str] = {}
    failed: list[str] = []
    for one in named:
        if retry:
            with runtime.store.write() as session:
                sources.forget_answers(session, survey_id, one.name)
        said: list[str] = []
        try:
            while True:
                reading = read_source(
                    runtime.store,
                    runtime.secrets,
                    runtime.settings,
                    survey_id=survey_id,
                    name=one.name,
                    now=runtime.now(),
                )
                said.append(str(reading))
                if not reading.waiting or len(said) > 1:
                    break
                time.sleep(runtime.settings.source_settle_s)
        except (SourceUnreachable, SecretsError) as error:
            said.append(str(error))
            failed.append(one.name)
        told[one.name] = said[-1]
        if not json_:
            click.echo(f"{one.name}: {said[-1]}")
    if json_:
        print_json({"survey": survey_id, "sources": told, "failed": failed})
    if failed:
        click.echo(f"Could not be read: {', '.join(failed)}.", err=True)
        raise click.exceptions.Exit(1)


@source.command()
@survey_argument
@name_argument
@as_json
@click.pass_obj
def files(runtime: Runtime, *, survey_id: str, name: str | None, json_: bool) -> None:
    """Show what became of the last files of one source, or of all."""
    from jobs.source_read import source_of
    from polling.store import sources, surveys

    with runtime.store.read() as session:
        declaration = surveys.get_declaration(session, survey_id)
        named = [source_of(declaration, name)] if name else declaration.sources
        found = [file for one in named for file in sources.files_of(session, survey_id, one.name)]
    if json_:
        print_json({"survey": survey_id, "files": found})
        return
    rows = [(one.source, one.name, one.at, one.outcome, one.wave_id, one.detail) for one in found]
    print_table(("source", "file", "at (UTC)", "outcome", "wave", "detail"), rows)
