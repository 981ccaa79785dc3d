"""Say in a sentence whether NUTS agrees with a release."""

from api.payloads import ConfirmationPayload
from polling.store.records import ReleaseRecord
from polling.store.release_records import ConfirmationRecord

__all__ = ["describe_confirmation"]


def describe_confirmation(release: ReleaseRecord, found: ConfirmationRecord | None) -> ConfirmationPayload:
    """What NUTS said of a release, as it is shown."""
    if found is not None:
        return ConfirmationPayload(found.state, found.at, found.sentence)
    if release.engine == "nuts":
        return ConfirmationPayload("none", None, "NUTS made it, so that there is nothing to confirm.")
    return ConfirmationPayload("none", None, "NUTS has not looked at it yet.")
