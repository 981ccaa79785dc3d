"""What can go wrong when work is scheduled and run.

* JobsError
  x SettingsError           the settings cannot be used
    + UnknownSetting        a name that is no setting
    + BadSetting            a value of the wrong type or out of range
    + BadSettings           several of these at once
  x FitImpossible           there is nothing to fit, or it cannot be fitted as declared
  x FitProcessFailed        the process that fits ended without a result
    + FitTimedOut           it took longer than allowed and was ended
    + FitOutOfMemory        it asked for more memory than allowed
  x FitCancelled            somebody asked for the end of the fit
  x WorkerStopping          the worker is shutting down and gives its job back
    + ExecutorAway          where fits are run has been away for too long; the job goes back too
  x ExecutorUnusable        fits cannot be run where they are to be run
  x SpoolError              a fit request or result on disk cannot be read
  x PicturesFailed          pictures or the file of a fit cannot be made
  x BacktestImpossible      the folder declares nothing that can be scored
  x DemoFailed              a step of the demo did not happen
  x SourceUnreachable       a source cannot be read now
  x SourceNotFound          the survey declares no such source
  x WebhookRefused          events are not sent to such an address
  x FileRefused             a file of a source is not to be read
  x KeyNotLost              a secret is there and is not replaced
  x BackupFailed            a backup could not be made; what was there before is untouched
  x BackupDamaged           a backup is not whole, or is none
  x RestoreRefused          a backup cannot be restored here, or not now
"""

from collections.abc import Sequence

__all__ = [
    "BacktestImpossible",
    "BackupDamaged",
    "BackupFailed",
    "BadSetting",
    "BadSettings",
    "DemoFailed",
    "ExecutorAway",
    "ExecutorUnusable",
    "FileRefused",
    "FitCancelled",
    "FitImpossible",
    "FitOutOfMemory",
    "FitProcessFailed",
    "FitTimedOut",
    "JobsError",
    "KeyNotLost",
    "PicturesFailed",
    "RestoreRefused",
    "SettingsError",
    "SourceNotFound",
    "SourceUnreachable",
    "SpoolError",
    "ToolMissing",
    "UnknownSetting",
    "WebhookRefused",
    "WorkerStopping",
]


class JobsError(Exception):
    """Base class; a caller that catches this has caught every expected failure of a job."""


class SettingsError(JobsError):
    """The settings file or an environment variable cannot be used."""


class UnknownSetting(SettingsError):
    """A name that is no setting; ``nearest`` is the setting that was probably meant."""

    def __init__(self, name: str, *, source: str, nearest: str | None) -> None:
        self.name = name
        self.source = source
        self.nearest = nearest
        hint = f"Did you mean {nearest}?" if nearest else "`hustings doctor` lists the settings."
        super().__init__(f"{source}: there is no setting named {name!r}. {hint}")


class BadSetting(SettingsError):
    """A setting's value has the wrong type or is out of range."""

    def __init__(self, name: str, value: object, *, source: str, expected: str) -> None:
        self.name = name
        self.value = value
        self.source = source
        super().__init__(f"{source}: {name} is {value!r}, but must be {expected}.")


class BadSettings(SettingsError):
    """More than one setting cannot be used; ``errors`` are the single refusals."""

    def __init__(self, errors: Sequence[UnknownSetting | BadSetting]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join([f"{len(self.errors)} settings cannot be used.", *(f"  {e}" for e in self.errors)]))


class FitImpossible(JobsError):
    """A question cannot be fitted on what is stored; trying again would not help.

    ``code`` is the code the job fails with.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(detail)


class FitProcessFailed(JobsError):
    """The fit process ended without a result. Another attempt may succeed unless ``retry`` is false."""

    def __init__(self, code: str, detail: str, *, retry: bool) -> None:
        self.code = code
        self.detail = detail
        self.retry = retry
        super().__init__(detail)


class FitTimedOut(FitProcessFailed):
    """The fit took longer than ``fit_timeout_s`` and was ended."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(
            "fit-timed-out",
            f"The fit was ended after {timeout_s:,.0f} s, the limit. Raise fit_timeout_s, or simplify the model.",
            retry=False,
        )


class FitOutOfMemory(FitProcessFailed):
    """The fit asked for more memory than ``fit_memory_mb``."""

    def __init__(self, limit_mb: int, tail: str) -> None:
        limit = f"the limit of {limit_mb:,} MB" if limit_mb else "what the machine has"
        super().__init__(
            "fit-out-of-memory",
            f"The fit asked for more memory than {limit}. Raise fit_memory_mb, or lower fit_cores. {tail}".strip(),
            retry=True,
        )


class FitCancelled(JobsError):
    """Somebody asked for the end of the fit."""


class WorkerStopping(JobsError):
    """The worker was told to stop while a fit was running."""


class ExecutorAway(WorkerStopping):
    """The cluster that runs fits has been away for too long; the job goes back, and its attempt is not counted."""

    def __init__(self, address: str, seconds: float) -> None:
        super().__init__(
            f"No Dask scheduler has answered at {address} for {seconds:g} s; the job goes back to the queue."
        )


class ExecutorUnusable(JobsError):
    """Fits cannot be run where they are to be run: no such address, nobody there, or other versions."""


class SpoolError(JobsError):
    """A fit request or result on disk is missing, damaged, or of another format version."""


class BacktestImpossible(JobsError):
    """A survey folder declares nothing that can be scored."""


class ToolMissing(JobsError):
    """A measurement needs a program that is not installed."""

    def __init__(self, tool: str, remedy: str) -> None:
        super().__init__(f"{tool} is not installed, and the measurement needs it: {remedy}.")


class DemoFailed(JobsError):
    """A step of the demo did not happen; the message names the step and what was seen."""


class PicturesFailed(JobsError):
    """The process that makes pictures of a fit, or a file of it, made none."""

    def __init__(self, why: str) -> None:
        super().__init__(f"What was asked for could not be made of this fit: {why.rstrip('.')}. Its numbers are there.")


class SourceUnreachable(JobsError):
    """A source cannot be read now; it is tried again. The message holds no credentials."""


class WebhookRefused(JobsError):
    """Events are not sent to such an address, or not to one more."""


class SourceNotFound(JobsError):
    """The survey declares no source of this name."""

    def __init__(self, survey_id: str, name: str, known: Sequence[str]) -> None:
        declared = f"It declares {', '.join(known)}." if known else "It declares none."
        super().__init__(f"Survey '{survey_id}' has no source '{name}'. {declared}")


class FileRefused(JobsError):
    """A file of a source is not to be read: a link, or too large."""


class KeyNotLost(JobsError):
    """A secret that is to be replaced because it was lost is in the secrets file."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The secrets file has '{name}': it is not lost, and nothing was changed.")


class BackupFailed(JobsError):
    """A backup could not be made. The message says why; no half of it is left."""


class BackupDamaged(JobsError):
    """A file is no backup, or not the one that was written."""


class RestoreRefused(JobsError):
    """A backup cannot be restored here, or not while somebody is at work. Nothing was changed."""
