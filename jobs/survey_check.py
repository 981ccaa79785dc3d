"""Try a survey's codebook on a wave without storing anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from jobs.delivery import form_faults, read_delivery
from jobs.settings import Settings
from jobs.wave_facts import check_facts
from polling.bundle import SurveyBundle
from polling.errors import WaveRejected
from polling.faults import Fault, FaultLog
from polling.quality import Flag, answer_flags, composition_flags, weight_flags
from polling.quality.flag import consent_flag
from polling.quality.sample import composition_of
from polling.quarantine import reasons_of
from polling.recode_report import RecodeReport, recode_report
from polling.store.columns import Json

__all__ = ["WaveCheck", "check_wave"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveCheck:
    """What would become of a wave."""

    ok: bool
    """Whether it would be taken, with or without rows set aside."""
    format: str | None
    n_interviews: int
    """That would be counted; of a rejected wave the rows of the file."""
    n_without_consent: int
    n_quarantined: int
    reasons: tuple[tuple[str, int], ...]
    """Of the rows that would be set aside, and how many."""
    faults: tuple[Fault, ...]
    n_faults: int
    flags: tuple[Flag, ...]
    """Quality, as far as it shows without earlier waves and a release."""
    recodes: RecodeReport | None
    """What the codebook made of each label; None of a rejected wave."""
    not_checked: tuple[str, ...] = ()
    """What a push checks and this could not, in sentences."""


def check_wave(
    bundle: SurveyBundle,
    content: bytes,
    *,
    pollster: str,
    settings: Settings | None = None,
    fieldwork: tuple[date, date] | None = None,
    facts: Mapping[str, Json] | None = None,
    now: datetime | None = None,
) -> WaveCheck:
    """Read a wave as it would be read on arrival.

    Parameters
    ----------
    content
        The file, of any format that is taken.
    pollster
        Who sends it; it may have its own names for columns.
    settings
        Limits of the installation; default: those of the program.
    fieldwork
        First and last day of interviewing. None: dates are not compared with it.
    facts
        What will be said of the wave, see ``jobs.wave_facts``. None: facts are not checked.
    now
        The time, to which fieldwork is compared; needed with it.
    """
    declaration = bundle.declaration
    not_checked = []
    faults = FaultLog()
    if fieldwork is not None and now is not None:
        faults = form_faults(pollster, "unnamed", *fieldwork, now=now)
    else:
        not_checked.append(
            "Dates were not compared with fieldwork: give --fieldwork-start and --fieldwork-end, as for a push."
        )
    if facts or fieldwork is not None:
        check_facts(facts or {}, declaration, faults)
    elif declaration.required_facts:
        not_checked.append("Whether every required fact is told was not checked: give --fact.")
    try:
        read = read_delivery(
            content, declaration, settings or Settings(), pollster=pollster, fieldwork=fieldwork, faults=faults
        )
    except WaveRejected as rejected:
        return WaveCheck(
            ok=False,
            format=None,
            n_interviews=rejected.n_rows,
            n_without_consent=0,
            n_quarantined=0,
            reasons=(),
            faults=tuple(rejected.faults),
            n_faults=rejected.n_faults,
            flags=(),
            recodes=None,
            not_checked=tuple(not_checked),
        )
    interviews = read.conversion.interviews
    flags = answer_flags(interviews, declaration, asked=read.conversion.questions_asked)
    flags += weight_flags(interviews, declaration)
    flags += composition_flags(composition_of(interviews, declaration), bundle.frame, declaration)
    n_aside = 0 if read.quarantine is None else read.quarantine.height
    consent = consent_flag(read.undeclared_consent, read.n_interviews + read.n_without_consent + n_aside)
    flags = [consent, *flags] if consent is not None else flags
    return WaveCheck(
        ok=True,
        format=read.format,
        n_interviews=read.n_interviews,
        n_without_consent=read.n_without_consent,
        n_quarantined=n_aside,
        reasons=() if read.quarantine is None else tuple(reasons_of(read.quarantine)),
        faults=read.faults,
        n_faults=read.n_faults,
        flags=tuple(flags),
        recodes=recode_report(read.received, interviews, declaration, pollster=pollster),
        not_checked=tuple(not_checked),
    )
