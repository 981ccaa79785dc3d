"""Turn an expected error into one clear message and an exit code; anything else stays a traceback."""

import click

__all__ = ["Refusal", "refusal"]

NO, USAGE, SERVICE = 1, 2, 3
MAX_PRINTED = 40


class Refusal(click.ClickException):
    """An expected end of a command."""

    def __init__(self, message: str, exit_code: int = NO) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def refusal(error: Exception) -> Refusal | None:
    """The message and exit code for an expected error, or None if it was not expected.

    The packages with the errors are imported here, after something went wrong.
    """
    from sqlalchemy.exc import OperationalError

    from api.errors import ApiError
    from jobs.errors import JobsError, SettingsError
    from mrp.errors import MrpError
    from polling import errors as polling

    if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort):
        return None
    if isinstance(error, OperationalError):
        # The driver's first line says what; the statement and its values stay out.
        return Refusal(f"The database did not answer: {str(error.orig).splitlines()[0]}.", SERVICE)
    if isinstance(error, polling.SchemaOutdated | polling.SchemaTooNew | polling.SecretsError | polling.StoreError):
        return Refusal(str(error), SERVICE)
    if isinstance(error, polling.SurveyRejected | polling.WaveRejected):
        return Refusal(with_faults(error), NO)
    if isinstance(error, polling.SurveyExists | polling.WaveConflict):
        return Refusal(str(error), NO)
    if isinstance(error, SettingsError):
        return Refusal(str(error), USAGE)
    not_found = (polling.SurveyNotFound, polling.QuestionNotFound, polling.WaveNotFound, polling.FitNotFound)
    if isinstance(error, (*not_found, polling.JobNotFound, polling.ReleaseNotFound)):
        return Refusal(str(error), USAGE)
    if isinstance(error, polling.PollingError | JobsError | MrpError | ApiError):
        return Refusal(str(error), NO)
    return None


def with_faults(error: Exception) -> str:
    """The faults of a survey or wave, one per line."""
    faults = list(getattr(error, "faults", ()))
    total = getattr(error, "n_faults", len(faults))
    lines = [f"{total:,} fault{'s' if total != 1 else ''} found; nothing was stored."]
    lines += [f"  {fault}" for fault in faults[:MAX_PRINTED]]
    if total > MAX_PRINTED:
        lines.append(f"  ... and {total - MAX_PRINTED:,} more")
    return "\n".join(lines)
