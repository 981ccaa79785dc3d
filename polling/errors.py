"""What can go wrong between a survey, its waves and what is stored of them.

* PollingError
  x SurveyRejected      a survey folder has faults; carries them all
  x SurveyExists        a survey of that id is already there
  x SurveyNotFound      no such survey
    + SurveyVersionNotFound  the survey has no such version
  x QuestionNotFound    the survey does not ask this
  x WaveRejected        a wave has faults; carries them all, nothing was stored
  x WaveConflict        the reference or the bytes are already taken by another wave
    + WaveWithdrawn     by one that was withdrawn and can be restored
  x WaveStateRefused    a wave stands so that this cannot be done with it
  x WaveNotFound        no such wave in this survey
  x FitNotFound         no such fit
  x ReleaseNotFound     no such release, or nothing is released yet
  x JobNotFound         no such job
  x KeyRefused          an API key is malformed, unknown, expired, revoked or out of scope
    + KeyScopeRefused   a key is asked for whose role, survey, pollster and expiry do not go together
  x KeyStateRefused     a key stands so that this cannot be done with it
  x SecretsError        the secrets file is missing something, unsafe or unreadable
  x RecipeRejected      a recipe for a frame, or a table that it names, has faults; carries them all
  x ReaderUnavailable   no process can be started to read a file in
  x PayloadDamaged      stored interviews cannot be read back
  x SchemaOutdated      the database needs ``hustings db upgrade``
  x SchemaTooNew        the database was written by a newer version
  x LeaseLost           somebody else holds the lease or job by now; the effect must not happen
  x FitRefused          a fit cannot become a release
    + FitNotPublishable its verdict found problems
    + FitSuperseded     a release that rests on newer data or a newer survey is served already
    + QuestionHeld      an analyst keeps new fits of the question back
    + DisclosureIncomplete  the disclosure statement of its release would lack a required item
  x ReleaseRefused      a release cannot be made the one that is served, or confirmed
  x DrawsNotFound       the draws or counts of a fit are not kept (any more)
  x KeyNotFound         no API key has this prefix
  x ErasureNotFound     no such case of an erasure
  x RespondentsUnknown  the survey declares no respondent's id, so nobody can be found
  x ErasedMeanwhile     somebody in a delivery was erased while it was read; it has to be sent again
  x BytesHeld           deleted bytes cannot be freed while others use the database
  x WebhookNotFound     the survey has no such webhook
  x DeliveryNotFound    an event was never sent to a webhook, or is not kept any more
  x ResultRejected      a known result has faults; carries them all, nothing was stored
  x ResultConflict      another result of that day is known already, or this one is not current
  x ResultNotFound      the question has no such known result
  x PredictorsRejected  an upload of predictors has faults; carries them all, nothing was stored
  x PredictorsNotFound  the survey has no such upload of predictors
  x BoundariesRefused   a file of boundaries has faults; carries them all, nothing was stored
  x BoundariesNotFound  the survey has no boundaries
  x StoreError          the database cannot be opened, or is of a kind there is no store for
    + UpgradeFailed     a schema upgrade failed; says what state the database is in
"""

import difflib
from collections.abc import Sequence

from polling.faults import MAX_REPORTED_FAULTS, Fault

__all__ = [
    "BoundariesNotFound",
    "BoundariesRefused",
    "BytesHeld",
    "DeliveryNotFound",
    "DisclosureIncomplete",
    "DrawsNotFound",
    "ErasedMeanwhile",
    "ErasureNotFound",
    "FitNotFound",
    "FitNotPublishable",
    "FitRefused",
    "FitSuperseded",
    "JobNotFound",
    "KeyNotFound",
    "KeyRefused",
    "KeyScopeRefused",
    "KeyStateRefused",
    "LeaseLost",
    "PayloadDamaged",
    "PollingError",
    "PredictorsNotFound",
    "PredictorsRejected",
    "QuestionHeld",
    "QuestionNotFound",
    "ReaderUnavailable",
    "RecipeRejected",
    "ReleaseNotFound",
    "ReleaseRefused",
    "RespondentsUnknown",
    "ResultConflict",
    "ResultNotFound",
    "ResultRejected",
    "SchemaOutdated",
    "SchemaTooNew",
    "SecretsError",
    "StoreError",
    "SurveyExists",
    "SurveyNotFound",
    "SurveyRejected",
    "SurveyVersionNotFound",
    "UpgradeFailed",
    "WaveConflict",
    "WaveNotFound",
    "WaveRejected",
    "WaveStateRefused",
    "WaveWithdrawn",
    "WebhookNotFound",
]


class PollingError(Exception):
    """Base class; a caller that catches this has caught every expected failure of this package."""


class SurveyRejected(PollingError):
    """A survey folder has faults. ``faults`` stand for all, equal ones together; ``n_faults`` counts them."""

    def __init__(self, faults: Sequence[Fault], *, total: int | None = None) -> None:
        self.faults = tuple(faults[:MAX_REPORTED_FAULTS])
        self.n_faults = sum(fault.count for fault in faults) if total is None else total
        super().__init__(f"The survey has {_count(self.n_faults)}. {_first(self.faults)}")


class SurveyExists(PollingError):
    """A survey with this id was added before."""

    def __init__(self, survey_id: str) -> None:
        self.survey_id = survey_id
        super().__init__(f"Survey '{survey_id}' exists already. Use `hustings survey update` to add a version of it.")


class SurveyNotFound(PollingError):
    """No survey has this id."""

    def __init__(self, survey_id: str) -> None:
        self.survey_id = survey_id
        super().__init__(f"There is no survey '{survey_id}'. List the surveys you may see to find its id.")


class SurveyVersionNotFound(SurveyNotFound):
    """The survey exists, this version of it does not."""

    def __init__(self, survey_id: str, version: int) -> None:
        super().__init__(survey_id)
        self.version = version
        self.args = (f"Survey '{survey_id}' has no version {version}.",)


class QuestionNotFound(PollingError):
    """The survey has no question with this id."""

    def __init__(self, survey_id: str, question_id: str, known: Sequence[str] = ()) -> None:
        self.survey_id = survey_id
        self.question_id = question_id
        self.allowed = tuple(known) or None
        nearest = difflib.get_close_matches(question_id, known, n=1)
        self.nearest = nearest[0] if nearest else None
        asked = f" Did you mean '{self.nearest}'?" if self.nearest else ""
        asked += f" It asks {', '.join(known)}." if known else ""
        super().__init__(f"Survey '{survey_id}' has no question '{question_id}'.{asked}")


class WaveRejected(PollingError):
    """A wave has faults; nothing was stored. ``faults`` stand for all, equal ones together; ``n_faults`` counts."""

    def __init__(self, faults: Sequence[Fault], n_rows: int, *, total: int | None = None) -> None:
        self.faults = tuple(faults[:MAX_REPORTED_FAULTS])
        self.n_rows = n_rows
        self.n_faults = sum(fault.count for fault in faults) if total is None else total
        interviews = "1 interview" if n_rows == 1 else f"{n_rows:,} interviews"
        super().__init__(f"The wave has {_count(self.n_faults)} in {interviews}. {_first(self.faults)}")


class BoundariesRefused(PollingError):
    """A file of boundaries has faults; nothing was stored. ``faults`` stand for all; ``n_faults`` counts them."""

    def __init__(self, faults: Sequence[Fault], *, total: int | None = None) -> None:
        self.faults = tuple(faults[:MAX_REPORTED_FAULTS])
        self.n_faults = sum(fault.count for fault in faults) if total is None else total
        super().__init__(f"The boundaries have {_count(self.n_faults)}. {_first(self.faults)}")


class BoundariesNotFound(PollingError):
    """The survey has no boundaries."""

    def __init__(self, survey_id: str) -> None:
        self.survey_id = survey_id
        super().__init__(
            f"Survey '{survey_id}' has no boundaries, so its map is of tiles. Send GeoJSON or TopoJSON of its "
            "districts with PUT, or with `hustings survey boundaries`."
        )


class WaveConflict(PollingError):
    """A wave's reference or bytes are taken by another wave of the same pollster."""

    def __init__(self, reference: str, reason: str, *, existing_reference: str | None = None) -> None:
        self.reference = reference
        self.existing_reference = existing_reference
        super().__init__(f"Wave '{reference}' conflicts with one received before: {reason}")


class WaveWithdrawn(WaveConflict):
    """A delivery is of a wave that was withdrawn: it has to be restored."""


class WaveStateRefused(PollingError):
    """A wave stands so that this cannot be done with it; nothing was changed."""

    def __init__(self, reference: str, reason: str) -> None:
        self.reference = reference
        super().__init__(f"This cannot be done with wave '{reference}': {reason}")


class WaveNotFound(PollingError):
    """The survey has no wave with this id, or several pollsters use the reference."""

    def __init__(self, survey_id: str, wave_id: str, *, pollsters: Sequence[str] = ()) -> None:
        self.survey_id = survey_id
        self.wave_id = wave_id
        several = f" Say of which pollster: {', '.join(pollsters)}." if pollsters else ""
        has = "has several waves" if pollsters else "has no wave"
        super().__init__(f"Survey '{survey_id}' {has} '{wave_id}'.{several}")


class FitNotFound(PollingError):
    """No fit has this id."""

    def __init__(self, fit_id: str) -> None:
        self.fit_id = fit_id
        super().__init__(f"There is no fit '{fit_id}'.")


class ReleaseNotFound(PollingError):
    """No release has this id, or the question has none yet."""

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no release {what}.")


class JobNotFound(PollingError):
    """No job has this id."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(f"There is no job '{job_id}'.")


class KeyRefused(PollingError):
    """An API key cannot be used for this. The message never repeats the key."""


class KeyScopeRefused(KeyRefused):
    """A key is asked for whose role, survey, pollster and expiry do not go together."""


class KeyStateRefused(PollingError):
    """A key stands so that this cannot be done with it."""


class SecretsError(PollingError):
    """The secrets file cannot be used. The message never repeats a secret."""


class ReaderUnavailable(PollingError):
    """No process to read files in could be started: the machine, not the file, is at fault."""

    def __init__(self) -> None:
        super().__init__(
            "No process can be started to read the file in: there are too many, or too little memory. Try again later."
        )


class PayloadDamaged(PollingError):
    """Stored interviews cannot be read back."""


class SchemaOutdated(PollingError):
    """The database was written by an older version and was not upgraded."""

    def __init__(self, found: str | None, needed: str) -> None:
        self.found, self.needed = found, needed
        state = "has no schema yet" if found is None else f"has schema {found}"
        super().__init__(f"The database {state}, this version needs {needed}. Run `hustings db upgrade`.")


class SchemaTooNew(PollingError):
    """The database was written by a newer version."""

    def __init__(self, found: str, known: str) -> None:
        self.found, self.known = found, known
        super().__init__(
            f"The database has schema {found}, this version knows up to {known}. "
            "Install the newer version of hustings, or restore the copy made before the upgrade."
        )


class LeaseLost(PollingError):
    """A lease or job was taken over by another owner; what depended on it must not happen."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is held by somebody else by now. Nothing was changed.")


class FitRefused(PollingError):
    """A fit cannot become a release; what is served stays. Raised before anything is written."""


class FitNotPublishable(FitRefused):
    """The verdict of the fit found problems."""

    def __init__(self, fit_id: str) -> None:
        self.fit_id = fit_id
        super().__init__(f"Fit '{fit_id}' has problems in its verdict and cannot be published. See its diagnostics.")


class FitSuperseded(FitRefused):
    """What is served already rests on newer data, or on a newer version of the survey."""

    def __init__(self, fit_id: str, release_number: int, reason: str) -> None:
        self.fit_id = fit_id
        self.release_number = release_number
        super().__init__(f"Fit '{fit_id}' is older than release {release_number}, which is served: {reason}.")


class QuestionHeld(FitRefused):
    """An analyst keeps new fits of the question back."""

    def __init__(self, fit_id: str, sentence: str) -> None:
        self.fit_id = fit_id
        super().__init__(f"Fit '{fit_id}' is kept and not published. {sentence}")


class DisclosureIncomplete(FitRefused):
    """The disclosure statement of the release would lack what every published figure has to tell."""

    def __init__(self, fit_id: str, missing: Sequence[str]) -> None:
        self.fit_id = fit_id
        self.missing = tuple(missing)
        super().__init__(
            f"Nobody told {'; nor '.join(missing)}. A release has to tell it: declare it in [survey] and run `hustings "
            "survey update`, or send the waves again with the fact, saying that they replace the first."
        )


class ReleaseRefused(PollingError):
    """Something cannot be done with a release; nothing was changed."""

    def __init__(self, number: int, reason: str) -> None:
        self.number = number
        super().__init__(f"This cannot be done with release {number}: {reason}")


class DrawsNotFound(PollingError):
    """The draws, or the counts, of a fit are not kept."""

    def __init__(self, fit_id: str, what: str, because: str = "") -> None:
        self.fit_id = fit_id
        reason = f": {because}" if because else ". Refit the question to have them again"
        super().__init__(f"No {what} are kept of fit '{fit_id}'{reason}.")


class KeyNotFound(PollingError):
    """No API key has this prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        super().__init__(f"There is no API key with prefix '{prefix}'. `hustings key list` shows those that exist.")


class ErasureNotFound(PollingError):
    """The survey has no erasure of this case number."""

    def __init__(self, survey_id: str, case_number: str) -> None:
        super().__init__(f"Survey '{survey_id}' has no erasure '{case_number}'. List them to find the case.")


class RespondentsUnknown(PollingError):
    """The survey declares no column with the respondent's id."""

    def __init__(self, survey_id: str) -> None:
        super().__init__(
            f"Survey '{survey_id}' stores no respondent's id, so that nobody can be found in it. "
            'Declare it with respondent = "..." in [columns] before interviews arrive.'
        )


class ErasedMeanwhile(PollingError):
    """Somebody in a delivery was erased while the delivery was read; nothing was stored."""

    def __init__(self) -> None:
        super().__init__("A respondent of it was erased while it was read. Nothing was stored; send it again.")


class BytesHeld(PollingError):
    """Deleted bytes are not free yet, because others use the database; try again."""

    def __init__(self, who: str) -> None:
        super().__init__(f"The bytes of what was deleted are not free yet: {who}. It will be tried again.")


class StoreError(PollingError):
    """The database cannot be opened, or there is no store for its kind."""


class UpgradeFailed(StoreError):
    """A schema upgrade failed. The message says what state the database is in."""


def _count(n: int) -> str:
    return "1 fault" if n == 1 else f"{n:,} faults"


def _first(faults: Sequence[Fault]) -> str:
    return f"First: {faults[0]}" if faults else ""


class WebhookNotFound(PollingError):
    """The survey has no such webhook."""

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"There is no webhook '{webhook_id[:80]}' in this survey. List its webhooks to find the id.")


class DeliveryNotFound(PollingError):
    """An event was never sent to a webhook, or is not kept any more."""

    def __init__(self, event_id: int) -> None:
        super().__init__(
            f"Event {event_id} was never sent to this webhook, or is not kept any more. Its deliveries list those that "
            "were."
        )


class ResultRejected(PollingError):
    """A known result has faults; nothing was stored. ``faults`` stand for all; ``n_faults`` counts them."""

    def __init__(self, faults: Sequence[Fault], *, total: int | None = None) -> None:
        self.faults = tuple(faults[:MAX_REPORTED_FAULTS])
        self.n_faults = sum(fault.count for fault in faults) if total is None else total
        super().__init__(f"The result has {_count(self.n_faults)}. {_first(self.faults)}")


class ResultConflict(PollingError):
    """A known result contradicts one that is stored, or stands so that this cannot be done; nothing was changed."""


class ResultNotFound(PollingError):
    """The question has no such known result."""

    def __init__(self, question_id: str, result_id: str) -> None:
        super().__init__(f"Question '{question_id}' has no known result '{result_id[:80]}'. List them to find the id.")


class PredictorsRejected(PollingError):
    """An upload of predictors has faults; nothing was stored. ``faults`` stand for all; ``n_faults`` counts them."""

    def __init__(self, faults: Sequence[Fault], *, total: int | None = None) -> None:
        self.faults = tuple(faults[:MAX_REPORTED_FAULTS])
        self.n_faults = sum(fault.count for fault in faults) if total is None else total
        super().__init__(f"The predictors have {_count(self.n_faults)}. {_first(self.faults)}")


class PredictorsNotFound(PollingError):
    """The survey has no such upload of predictors."""

    def __init__(self, survey_id: str, upload_id: str) -> None:
        super().__init__(f"Survey '{survey_id}' has no predictors '{upload_id[:80]}'. List them to find the id.")


class RecipeRejected(PollingError):
    """A recipe for a frame has faults; nothing was written. ``faults`` stand for all; ``n_faults`` counts them."""

    def __init__(self, faults: Sequence[Fault], *, total: int | None = None) -> None:
        self.faults = tuple(faults[:MAX_REPORTED_FAULTS])
        self.n_faults = sum(fault.count for fault in faults) if total is None else total
        super().__init__(f"The recipe has {_count(self.n_faults)}. {_first(self.faults)}")
