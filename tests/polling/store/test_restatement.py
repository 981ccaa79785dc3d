"""Which waves two fits use differently, and what is said of each."""

from typing import Any

import pytest

from polling.store import deliveries, fits, waves
from polling.store.engine import Store
from polling.store.restatement import compare_waves
from polling.store.wave_events import data_sequence

from .conftest import NOW, new_fit, new_wave


def used(name: str, version: int = 1, part: str = "p") -> dict[str, Any]:
    return {"id": name, "version": version, "payload_sha256": [part]}


@pytest.fixture
def wave_ids(survey_store: Store) -> list[str]:
    """Three waves."""
    with survey_store.write() as session:
        stored = [deliveries.add_wave(session, new_wave(f"w{n}"), now=NOW, actor="test") for n in (1, 2, 3)]
    return [wave.id for wave, _ in stored]


def compare(store: Store, before: list[Any], after: list[Any], sequence: int) -> list[tuple[str, str, str]]:
    with store.write() as session:
        now = data_sequence(session, "demo")
        ids = [
            fits.save_fit(session, new_fit(seed=seed, data_sequence=at, inputs={"waves": inputs}), now=NOW)
            for seed, at, inputs in ((1, sequence, before), (2, now, after))
        ]
        found = compare_waves(session, *(fits.get_fit(session, one) for one in ids))
    return [(one.reference, one.change, one.text) for one in found]


def test_the_same_waves_have_nothing_to_tell(survey_store: Store, wave_ids: list[str]):
    waves_ = [used(one) for one in wave_ids]
    assert compare(survey_store, waves_, waves_, 3) == []


def test_added_and_altered_waves_are_told_in_the_order_in_which_they_came(survey_store: Store, wave_ids: list[str]):
    first, second, third = wave_ids
    found = compare(survey_store, [used(second), used(first)], [used(third), used(second), used(first, part="q")], 2)

    assert found == [
        ("w1", "altered", "Wave w1 of Polly was altered."),
        ("w3", "added", "Wave w3 of Polly was added."),
    ]


def test_a_withdrawn_wave_says_why_and_one_that_a_window_left_behind_is_not_counted(
    survey_store: Store, wave_ids: list[str]
):
    _, second, third = wave_ids
    with survey_store.write() as session:
        wave = waves.get_wave(session, "demo", second)
        deliveries.withdraw(session, wave, now=NOW, actor="test", reason="double rows")

    assert compare(survey_store, [used(one) for one in wave_ids], [used(third)], 3) == [
        ("w1", "removed", "Wave w1 of Polly is not counted any more."),
        ("w2", "removed", "Wave w2 of Polly was withdrawn on 2026-03-02: double rows."),
    ]


def test_another_version_is_a_correction(survey_store: Store, wave_ids: list[str]):
    found = compare(survey_store, [used(wave_ids[0])], [used(wave_ids[0], version=2, part="q")], 3)
    assert [(reference, change) for reference, change, _ in found] == [("w1", "corrected")]
