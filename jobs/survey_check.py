"""Try a survey's codebook on a wave without storing anything."""

from dataclasses import dataclass

from polling.bundle import SurveyBundle
from polling.errors import WaveRejected
from polling.faults import Fault
from polling.quality import Flag, answer_flags, composition_flags, weight_flags
from polling.quality.sample import composition_of
from polling.quarantine import reasons_of
from polling.recode_report import RecodeReport, recode_report
from polling.wave_file import read_wave

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


def check_wave(bundle: SurveyBundle, content: bytes, *, pollster: str) -> WaveCheck:
    """Read a wave as it would be read on arrival; dates are not compared with fieldwork.

    Parameters
    ----------
    content
        The file, of any format that is taken.
    pollster
        Who sends it; it may have its own names for columns.
    """
    declaration = bundle.declaration
    try:
        read = read_wave(content, declaration, pollster=pollster)
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
        )
    interviews = read.conversion.interviews
    flags = answer_flags(interviews, declaration, asked=read.conversion.questions_asked)
    flags += weight_flags(interviews, declaration)
    flags += composition_flags(composition_of(interviews, declaration), bundle.frame, declaration)
    return WaveCheck(
        ok=True,
        format=read.format,
        n_interviews=read.n_interviews,
        n_without_consent=read.n_without_consent,
        n_quarantined=0 if read.quarantine is None else read.quarantine.height,
        reasons=() if read.quarantine is None else tuple(reasons_of(read.quarantine)),
        faults=read.faults,
        n_faults=read.n_faults,
        flags=tuple(flags),
        recodes=recode_report(read.received, interviews, declaration, pollster=pollster),
    )
