"""Turn an expected error into one clear message and an exit code; anything else stays a traceback."""

from collections import Counter
from collections.abc import Sequence
from typing import IO, Any

import click

from api.cli.output import print_json

__all__ = ["Refusal", "refusal"]

NO, USAGE, SERVICE = 1, 2, 3
MAX_PRINTED = 40


class Refusal(click.ClickException):
    """An expected end of a command."""

    def __init__(self, message: str, exit_code: int = NO, *, document: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance
        self.document = document

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the document where a program looks for it, or the message for people."""
        if self.document is None:
            super().show(file)
        else:
            print_json(self.document)


def refusal(error: Exception, *, json: bool = False) -> click.ClickException | None:
    """The message and exit code for an expected error, or None if it was not expected.

    The packages with the errors are imported here, after something went wrong.
    """
    if isinstance(error, click.UsageError | click.exceptions.Exit | click.Abort):
        return None
    if isinstance(error, Refusal):
        # Found by a command itself, which knows nothing of the form.
        return Refusal(error.message, error.exit_code, document=_document(error)) if json else None
    if isinstance(error, click.ClickException):
        return None
    from sqlalchemy.exc import DatabaseError, OperationalError

    # Other kinds of database errors are faults of the program.
    if isinstance(error, OperationalError) or type(error) is DatabaseError:
        # The driver's first line says what; the statement and its values stay out.
        message, code = f"The database cannot be used: {str(error.orig).splitlines()[0]}.", SERVICE
        return Refusal(message, code, document={"ok": False, "problem": message} if json else None)
    found = next((code for kinds, code in _codes() if isinstance(error, kinds)), None)
    if found is None:
        return None
    message = with_faults(error) if hasattr(error, "n_faults") else _worded(error)
    return Refusal(message, found, document=_document(error) if json else None)


def _worded(error: Exception) -> str:
    """What an error says; of those that HTTP has too in words of the command line."""
    from api.cli.wording import in_own_words
    from api.errors import ApiError

    return in_own_words(str(error)) if isinstance(error, ApiError) else str(error)


def _document(error: Exception) -> dict[str, Any]:
    """What ``--json`` prints of a refusal."""
    names = ("n_faults", "n_rows", "faults", "allowed")
    about = {name: getattr(error, name) for name in names if getattr(error, name, None) is not None}
    return {"ok": False, "problem": _worded(error), **about}


def _codes() -> tuple[tuple[tuple[type[Exception], ...], int], ...]:
    """Kinds of errors with their exit code; the first that fits decides."""
    from api.errors import ApiError, EstimateRefused
    from jobs.errors import ExecutorUnusable, JobsError, SettingsError
    from mrp.errors import MrpError
    from polling import errors as polling

    unusable = (
        polling.SchemaOutdated,
        polling.SchemaTooNew,
        polling.SecretsError,
        polling.StoreError,
        polling.ReaderUnavailable,
        ExecutorUnusable,
    )
    misnamed = (
        polling.SurveyNotFound,
        polling.QuestionNotFound,
        polling.WaveNotFound,
        polling.FitNotFound,
        polling.ReleaseNotFound,
        polling.JobNotFound,
        polling.ErasureNotFound,
        polling.KeyNotFound,
        polling.KeyRefused,
        polling.WebhookNotFound,
        polling.DeliveryNotFound,
        polling.ResultNotFound,
        polling.PredictorsNotFound,
        SettingsError,
        EstimateRefused,
    )
    refused = (polling.PollingError, JobsError, MrpError, ApiError)
    return ((unusable, SERVICE), (misnamed, USAGE), (refused, NO))


def with_faults(error: Exception) -> str:
    """The faults of a survey or wave, one per line: some of each kind before many of one."""
    faults = list(getattr(error, "faults", ()))
    total = getattr(error, "n_faults", len(faults))
    printed = _of_every_kind(faults, MAX_PRINTED)
    lines = [f"{total:,} fault{'s' if total != 1 else ''} found; nothing was stored."]
    lines += [f"  {fault}" for fault in printed]
    if (rest := total - sum(fault.count for fault in printed)) > 0:
        reported = sum(fault.count for fault in faults)
        lines.append(
            f"  ... and {rest:,} more; --json prints {'all' if reported >= total else f'{reported:,}'} of them"
        )
    return "\n".join(lines)


def _of_every_kind(faults: Sequence[Any], most: int) -> list[Any]:
    """At most so many, in their order: the first of each kind, then the second of each, and so on."""
    seen: Counter[tuple[object, ...]] = Counter()
    ranked = []
    for position, fault in enumerate(faults):
        kind = (fault.file, fault.column, fault.reason)
        ranked.append((seen[kind], position))
        seen[kind] += 1
    return [faults[position] for position in sorted(position for _, position in sorted(ranked)[:most])]
