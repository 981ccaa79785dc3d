"""Waves as the interface shows them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from api.routes.jobs import job_link
from api.wave_payloads import ReceivedWavePayload, WavePayload
from jobs.receive import ReceivedWave
from jobs.wave_facts import facts_of
from polling.declaration import SurveyDeclaration
from polling.quality import Flag
from polling.store.wave_records import WaveRecord

__all__ = ["describe_received", "describe_wave", "wave_url"]


def describe_wave(wave: WaveRecord, declaration: SurveyDeclaration) -> WavePayload:
    """A wave as it is shown."""
    return WavePayload(
        id=wave.id,
        survey=wave.survey_id,
        survey_version=wave.survey_version,
        pollster=wave.pollster,
        reference=wave.reference,
        state=wave.state,
        version=wave.version,
        closes_on=wave.closes_on,
        waiting=wave.waiting,
        n_interviews=wave.n_interviews,
        n_quarantined=wave.n_quarantined,
        n_without_consent=wave.n_without_consent,
        questions=list(wave.questions),
        fieldwork_start=wave.fieldwork_start,
        fieldwork_end=wave.fieldwork_end,
        facts=_facts(wave, declaration),
        flags=list(wave.flags),
        received_at=wave.received_at,
        reason=wave.reason,
        content_sha256=wave.content_sha256,
        url=wave_url(wave),
        history_url=f"{wave_url(wave)}/history",
    )


def describe_received(received: ReceivedWave) -> ReceivedWavePayload:
    """What was done with a delivery."""
    wave = received.wave
    return ReceivedWavePayload(
        wave_id=wave.id,
        reference=wave.reference,
        pollster=wave.pollster,
        state=wave.state,
        version=wave.version,
        waiting=wave.waiting,
        n_interviews=wave.n_interviews,
        n_quarantined=wave.n_quarantined,
        faults=[msgspec.to_builtins(fault) for fault in received.faults],
        n_faults=received.n_faults,
        flags=[flag for flag in received.flags if isinstance(flag, Mapping) and Flag.is_told(flag)],
        n_without_consent=wave.n_without_consent,
        n_suppressed=received.n_suppressed,
        created=received.created,
        first_of_pollster=received.first_of_pollster,
        jobs=[job_link(job) for job in received.jobs],
    )


def _facts(wave: WaveRecord, declaration: SurveyDeclaration) -> dict[str, Any]:
    """The wave's facts, with the wording of its own questions."""
    facts = facts_of(declaration, wave.facts)
    wording = facts.get("wording")
    asked = wording if isinstance(wording, Mapping) else {}
    return facts | {"wording": {name: text for name, text in asked.items() if name in wave.questions}}


def wave_url(wave: WaveRecord) -> str:
    """Where a wave is."""
    return f"/v1/surveys/{wave.survey_id}/waves/{wave.id}"
