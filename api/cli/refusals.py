"""Turn an expected error into one clear message and an exit code; anything else stays a traceback."""

import click

__all__ = ["Refusal", "refusal"]

NO, USAGE, SERVICE = 1, 2, 3
MAX_PRINTED = 40


class Refusal(click.ClickException):
    """An expected end of a command."""

    def __init__(self, message: str, exit_code: int = NO) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance


def refusal(error: Exception) -> Refusal | None:
    """The message and exit code for an expected error, or None if it was not expected.

    The packages with the errors are imported here, after something went wrong.
    """
    if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort):
        return None
    from sqlalchemy.exc import DatabaseError, OperationalError

    # Other kinds of database errors are faults of the program.
    if isinstance(error, OperationalError) or type(error) is DatabaseError:
        # The driver's first line says what; the statement and its values stay out.
        return Refusal(f"The database cannot be used: {str(error.orig).splitlines()[0]}.", SERVICE)
    code = next((code for kinds, code in _codes() if isinstance(error, kinds)), None)
    if code is None:
        return None
    return Refusal(with_faults(error) if hasattr(error, "n_faults") else str(error), code)


def _codes() -> tuple[tuple[tuple[type[Exception], ...], int], ...]:
    """Kinds of errors with their exit code; the first that fits decides."""
    from api.errors import ApiError, UnknownChoice
    from jobs.errors import JobsError, SettingsError
    from mrp.errors import MrpError
    from polling import errors as polling

    unusable = (polling.SchemaOutdated, polling.SchemaTooNew, polling.SecretsError, polling.StoreError)
    misnamed = (
        polling.SurveyNotFound,
        polling.QuestionNotFound,
        polling.WaveNotFound,
        polling.FitNotFound,
        polling.ReleaseNotFound,
        polling.JobNotFound,
        polling.KeyNotFound,
        polling.KeyRefused,
        SettingsError,
        UnknownChoice,
    )
    refused = (polling.PollingError, JobsError, MrpError, ApiError)
    return ((unusable, SERVICE), (misnamed, USAGE), (refused, NO))


def with_faults(error: Exception) -> str:
    """The faults of a survey or wave, one per line."""
    faults = list(getattr(error, "faults", ()))
    total = getattr(error, "n_faults", len(faults))
    lines = [f"{total:,} fault{'s' if total != 1 else ''} found; nothing was stored."]
    lines += [f"  {fault}" for fault in faults[:MAX_PRINTED]]
    if total > MAX_PRINTED:
        lines.append(f"  ... and {total - MAX_PRINTED:,} more")
    return "\n".join(lines)
