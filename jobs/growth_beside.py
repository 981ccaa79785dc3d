"""What reports of ``hustings bench scale``, ``api`` and ``burst`` say, beside the measurement of growth and for it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.growth_paper import Sizes
from jobs.growth_plan import COUNTRY, PROCESS_MB, Facts, Predicted

__all__ = ["Beside", "beside_scale", "read_facts"]

WAVE_BYTES, ROW_BYTES = 27.0, 300.0
"""Of an interview that is stored, where the report of a burst does not tell, and of an estimate in the record of a
release, which of 50 districts and a dozen groups has 20 kB."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A figure of the scale survey: as ``hustings bench scale`` measured it, and as the small sizes foretell it."""

    figure: str
    measured: float
    by_paper: float | None
    by_exponents: float | None
    """From the base, with each measured exponent."""


def beside_scale(
    reports: Path,
    predict: Callable[[Sizes], Predicted],
    by_exponents: Callable[[str, Sizes], float | None],
) -> tuple[Beside, ...]:
    """Figures of the scale survey, measured and foretold; empty without its report.

    Parameters
    ----------
    by_exponents
        Gives a cost of a size, from that of the base.
    """
    report = _report(reports, "scale")
    if not report:
        return ()
    whole = Sizes(report["districts"], report["cells"], report["interviews"], COUNTRY.options, COUNTRY.draws)
    paper = predict(whole)
    fit, estimates = by_exponents("fit_s", whole), by_exponents("estimates_s", whole)
    refit = None if fit is None or estimates is None else fit + 2 * estimates
    answer, peak = by_exponents("answer_s", whole), by_exponents("peak_mb", whole)
    return (
        Beside("processor seconds, waves to estimates", report["full_cpu_s"], paper.refit_s, refit),
        Beside("crosstab of a district, ms", report["crosstab_p50_ms"], 1000 * paper.answer_s, _thousandfold(answer)),
        Beside("release on disk, MB", report["release_mb"], paper.draws_mb, by_exponents("draws_mb", whole)),
        Beside(
            "peak of the process that fits, MB",
            report["peak_mb_of"].get("fit", report["peak_mb"]),
            None if paper.peak_mb is None else PROCESS_MB + paper.peak_mb,
            None if peak is None else PROCESS_MB + peak,
        ),
    )


def _thousandfold(value: float | None) -> float | None:
    return None if value is None else 1000 * value


def read_facts(reports: Path) -> Facts:
    """What readers, interviews and releases take, from the reports of other measurements."""
    api, burst = _report(reports, "api"), _report(reports, "burst")
    wave = burst["bytes_of"]["wave"] / burst["wave_size"] if burst else WAVE_BYTES
    return Facts(reads_per_s=api.get("reads_per_s"), wave_bytes=wave, row_bytes=ROW_BYTES)


def _report(reports: Path, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((reports / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
