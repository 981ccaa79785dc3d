"""``hustings backup`` and ``hustings restore``: copies of the database, and the way back."""

from pathlib import Path

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["backup", "restore"]


@click.group(invoke_without_command=True, short_help="Back up the database; list or delete backups.")
@as_json
@click.pass_context
def backup(ctx: click.Context, json_: bool) -> None:
    """Copy the database to backup_dir, while others use it; check the copy.

    The secrets file is not in it: back that up apart. A backup expires after backup_keep_days.
    """
    if ctx.invoked_subcommand is not None:
        return
    runtime: Runtime = ctx.obj
    from jobs.backup import make_backup, read_manifest
    from jobs.ledger import cli_actor

    path = make_backup(runtime.store, runtime.secrets, runtime.settings, actor=cli_actor(), now=runtime.now())
    manifest = read_manifest(path)
    if json_:
        print_json({"manifest": path, **_members(manifest)})
        return
    click.echo(
        f"{path.with_name(manifest.file)}: {manifest.bytes / 1e6:,.1f} MB, until {manifest.expires_at:%Y-%m-%d}."
    )


@backup.command("list")
@as_json
@click.pass_obj
def list_(runtime: Runtime, json_: bool) -> None:
    """List the backups in backup_dir, oldest first."""
    from jobs.backup import list_backups

    found = list_backups(runtime.settings)
    if json_:
        print_json({"backups": found})
        return
    print_table(
        ("file", "made", "MB", "schema", "expires"),
        [(one.file, one.at, f"{one.bytes / 1e6:.1f}", one.schema, one.expires_at) for one in found],
    )


@backup.command()
@as_json
@click.pass_obj
def expire(runtime: Runtime, json_: bool) -> None:
    """Delete the backups whose time is over; a worker does it by itself every hour."""
    from jobs.backup import expire_backups
    from jobs.ledger import cli_actor

    with runtime.store.write() as session:
        gone = expire_backups(session, runtime.secrets, runtime.settings, actor=cli_actor(), now=runtime.now())
    if json_:
        print_json({"deleted": [one.file for one in gone]})
    else:
        click.echo(f"{len(gone)} deleted.")


@click.command(short_help="Replace the database by a backup.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@click.pass_obj
def restore(runtime: Runtime, file: Path, yes: bool, json_: bool) -> None:
    """Replace the database by a backup: FILE is its manifest or its copy.

    Refused while a server or worker is at work. What is replaced is backed up first. Erasures and revoked keys that the
    backup does not know stay erased and revoked.
    """
    from api.prepare import make_data_dir
    from jobs.ledger import cli_actor
    from jobs.restore import restore_backup

    if not yes:
        click.confirm(f"Replace the database by {file.name}?", abort=True, err=True)
    make_data_dir(runtime.settings)
    done = restore_backup(file, runtime.secrets, runtime.settings, actor=cli_actor(), now=runtime.now())
    if json_:
        told = {"restored": done.manifest.file, "replaced": done.replaced, "kept": done.kept}
        print_json(told | {"forgetful": done.forgetful})
        return
    click.echo(f"The database is that of {done.manifest.at:%Y-%m-%d %H:%M} UTC again ({done.manifest.file}).")
    if done.replaced:
        click.echo(f"What it was before is in {done.replaced}.")
    if done.forgetful:
        click.echo(
            f"There is no {runtime.secrets.suppression_journal_path}, and what was there before could not be read: who "
            "was erased since this backup is not known. Erase them again.",
            err=True,
        )


def _members(manifest: object) -> dict[str, object]:
    return {
        name: getattr(manifest, name) for name in ("file", "store", "schema", "sha256", "bytes", "at", "expires_at")
    }
