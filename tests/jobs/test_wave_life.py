"""What becomes of a wave, and what is said of the estimates that rest on it."""

from dataclasses import replace

import polars as pl
import pytest

from jobs import wave_life
from jobs.counting import count_interviews
from jobs.errors import FitImpossible
from jobs.refit import prepare_refit
from jobs.survey import load_survey, update_survey
from polling.errors import WaveConflict, WaveNotFound, WaveRejected, WaveStateRefused, WaveWithdrawn
from polling.payload import from_payload, to_payload
from polling.store import deliveries, fits, outbox, releases, surveys, waves
from polling.store.restatement import compare_waves, restated_waves
from polling.store.wave_events import list_events
from polling.store.wave_records import NewWave, Standing
from tests.jobs.house import House


def act(house: House, name: str, wave: str, **more: object) -> wave_life.ChangedWaves:
    told = {"survey_id": "demo", "wave": wave, "reason": "wrong weights", "now": house.now, "actor": "test"}
    return getattr(wave_life, name)(house.store, house.secrets, house.settings, **(told | more))


def undo(house: House, **more: object) -> wave_life.ChangedWaves:
    told = {"survey_id": "demo", "reason": "a mistake", "now": house.now, "actor": "test"}
    return wave_life.undo(house.store, house.secrets, house.settings, **(told | more))


def state(house: House, question: str = "rail"):
    with house.store.read() as session:
        return releases.question_state(session, "demo", question)


def current(house: House):
    with house.store.read() as session:
        return releases.current_release(session, "demo", "rail")


def work(house: House) -> None:
    house.wait(600)
    while house.worker().turn(house.now):
        pass


def without_last_rows(house: House, number: int, rows: int = 5) -> bytes:
    """A corrected file: the last interviews left out."""
    lines = house.written.waves[number - 1].path.read_bytes().splitlines(keepends=True)
    return b"".join(lines[:-rows])


def reference(house: House, number: int) -> str:
    return house.written.waves[number - 1].reference


def correct(house: House, number: int = 1, **more: object):
    told = {"content": without_last_rows(house, number), "replaces": reference(house, number), "reason": "double rows"}
    return house.push(number, **(told | more))


def test_a_correction_is_the_next_version_and_says_why(house: House):
    first = house.push(1).wave
    house.wait(60)
    corrected = correct(house)

    assert corrected.created
    wave = corrected.wave
    assert (wave.id, wave.version, wave.n_interviews, wave.reason) == (first.id, 2, 195, "double rows")
    assert {job.question_id for job in corrected.jobs} == set(first.questions)
    with house.store.read() as session:
        versions = waves.list_versions(session, wave.id)
        (part,) = [one for one in waves.load_parts(session, "demo") if one.wave.id == wave.id]
        kept = waves.load_payloads(session, wave, version=1)
        events = list_events(session, wave.id)
    assert [one.n_interviews for one in versions] == [200, 195]
    assert part.payload not in kept
    assert [(one.kind, one.after, one.reason) for one in events] == [
        ("received", Standing(1, "accepted"), None),
        ("replaced", Standing(2, "accepted"), "double rows"),
    ]


def test_a_correction_sent_again_is_the_same_correction(house: House):
    house.push(1)
    first = correct(house)
    again = correct(house)

    assert (again.created, again.wave) == (False, first.wave)


def test_a_correction_by_the_id_of_the_wave_needs_no_reference(house: House):
    wave = house.push(1).wave
    assert correct(house, replaces=wave.id, reference=None).wave.version == 2


def test_dates_and_facts_alone_are_corrected_with_the_same_file(house: House):
    wave = house.push(1).wave
    content = house.written.waves[0].path.read_bytes()
    with pytest.raises(WaveConflict, match=r"mode = 'phone'.*replaces"):
        house.push(1, facts={"mode": "phone"})

    corrected = correct(house, content=content, facts={"mode": "phone"}).wave

    assert (corrected.version, corrected.facts, corrected.content_sha256) == (2, {"mode": "phone"}, wave.content_sha256)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"reason": None}, "a wave that replaces another needs a reason"),
        ({"replaces": None}, "only a wave that replaces another has a reason"),
        ({"facts": {"mod": "phone"}}, "no such fact"),
        ({"facts": {"mode": " "}}, "the fact 'mode' is not usable"),
        ({"facts": {"wording": {"rale": "?"}}}, "no such question"),
    ],
)
def test_a_correction_without_reason_and_facts_that_mean_nothing_are_faults(house: House, changes: dict, fault: str):
    house.push(1)
    with pytest.raises(WaveRejected) as caught:
        correct(house, **changes)
    assert [fault in one.reason for one in caught.value.faults] == [True]


def test_what_is_to_be_replaced_has_to_exist_and_to_keep_its_reference(house: House):
    house.push(1)
    with pytest.raises(WaveNotFound):
        correct(house, replaces="nothing")
    with pytest.raises(WaveNotFound):
        correct(house, pollster="Somebody else")
    with pytest.raises(WaveConflict, match="keeps its reference"):
        correct(house, reference="other")


def test_going_back_to_an_older_file_has_to_be_said(house: House):
    house.push(1)
    correct(house)
    content = house.written.waves[0].path.read_bytes()
    with pytest.raises(WaveConflict, match="this file is its version 1, and version 2 was received since"):
        house.push(1)
    assert correct(house, content=content).wave.version == 3


def test_a_withdrawn_wave_is_counted_no_more_and_is_restored(house: House):
    house.push(1)
    house.push(2)
    before = {question: counted(house, question) for question in ("rail", "voting_age")}
    changed = act(house, "withdraw", reference(house, 1))
    assert [wave.state for wave in changed.changed] == ["withdrawn"]
    assert counted(house, "rail") < before["rail"]
    with pytest.raises(WaveWithdrawn, match="Restore it"):
        house.push(1)
    with pytest.raises(WaveWithdrawn, match=f"Restore '{reference(house, 1)}'"):
        house.push(1, reference="again")

    assert act(house, "withdraw", reference(house, 1)).unchanged
    assert act(house, "restore", reference(house, 1)).changed
    assert act(house, "restore", reference(house, 1)).unchanged
    assert {question: counted(house, question) for question in before} == before


def counted(house: House, question: str) -> int:
    with house.store.read() as session:
        declaration = surveys.get_declaration(session, "demo")
        return int(count_interviews(session, declaration, declaration.question(question)).counts["n"].sum())


def test_interviews_that_came_in_another_wave_meanwhile_are_not_restored(house: House):
    house.push(1)
    act(house, "withdraw", reference(house, 1))
    house.push(1, reference="other form", content=without_last_rows(house, 1, 1))
    with pytest.raises(WaveConflict, match="respondents are in 'other form' too"):
        act(house, "restore", reference(house, 1))


def test_a_correction_that_waited_is_not_restored_if_it_came_in_another_wave_meanwhile(house: House):
    first = house.push(1).wave
    with house.store.read() as session:
        (payload,) = waves.load_payloads(session, first)
    others = to_payload(from_payload(payload).with_columns(pl.col("respondent").str.reverse()))
    new = delivery(house, first, content_sha256="c" * 64, payload=others)
    hold(house, first, content_sha256="c" * 64, payload=others)
    act(house, "withdraw", first.id)
    with house.store.write() as session:
        other = replace(new, reference="other", held=None)
        deliveries.add_wave(session, other, now=house.now, actor="test")
    with pytest.raises(WaveConflict, match="received as 'other'"):
        act(house, "restore", first.id)


def test_the_stale_reason_the_release_and_the_outbox_tell_of_a_correction(house: House):
    house.push(1)
    house.push(2)
    work(house)
    first = current(house)
    house.wait(60)
    correct(house)
    assert state(house).stale_reason == (
        f"Wave {reference(house, 1)} of {house.written.waves[0].pollster} was corrected (version 2) on "
        f"{house.now:%Y-%m-%d}: double rows. This is not in it yet."
    )
    work(house)

    second = current(house)
    assert (second.number, state(house).stale_reason) == (first.number + 1, None)
    with house.store.read() as session:
        (restated,) = restated_waves(session, second)
        assert restated_waves(session, first) == ()
        before, after = (fits.get_fit(session, release.fit_id) for release in (first, second))
        (compared,) = compare_waves(session, before, after)
        assert compare_waves(session, after, after) == ()
        kinds = [event.kind for event in outbox.read_after(session, 0)]
        inputs = fits.get_fit(session, second.fit_id).inputs
    assert (restated.reference, restated.kind, restated.version) == (reference(house, 1), "replaced", 2)
    assert "was corrected (version 2)" in restated.text
    assert (compared.reference, compared.change, compared.text) == (restated.reference, "corrected", restated.text)
    assert [wave["version"] for wave in inputs["waves"]] == [2, 1]
    assert [kind for kind in kinds if kind.startswith("wave")] == ["wave-received", "wave-received", "wave-replaced"]


def test_a_withdrawal_during_a_fit_keeps_its_release_stale(house: House):
    house.push(1)
    house.push(2)
    house.wait(600)
    worker = house.worker(fit=During(house))
    while worker.turn(house.now):
        pass
    assert "was withdrawn" in state(house).stale_reason


class During:
    """A fit in the middle of which a wave is withdrawn."""

    def __init__(self, house: House) -> None:
        self.house = house

    def __call__(self, *arguments: object, **more: object):
        act(self.house, "withdraw", reference(self.house, 1))
        return self.house.fit(*arguments, **more)


def test_the_release_outlives_its_last_wave_and_says_so(house: House):
    house.push(1)
    work(house)
    release = current(house)

    changed = act(house, "withdraw", reference(house, 1))

    assert changed.jobs == ()
    assert current(house) == release
    assert state(house).stale_reason.endswith(
        "wrong weights. No wave that asks this question is left; what is served is of interviews that count no more."
    )
    house.wait(600)
    assert not house.worker().turn(house.now)


def test_questions_of_the_version_before_are_refitted_too(house: House):
    first = house.push(1).wave
    assert first.questions == ("rail", "voting_age")
    lines = [line.decode() for line in house.written.waves[0].path.read_bytes().splitlines()]
    column = lines[0].split(",").index("voting_age")
    only_rail = "\n".join(",".join(cell for n, cell in enumerate(line.split(",")) if n != column) for line in lines)
    work(house)

    corrected = correct(house, content=only_rail.encode())

    assert corrected.wave.questions == ("rail",)
    assert [job.question_id for job in corrected.jobs] == ["rail"]
    assert "No wave that asks this question is left" in state(house, "voting_age").stale_reason


def delivery(house: House, wave, **changes: object) -> NewWave:
    with house.store.read() as session:
        (payload,) = waves.load_payloads(session, wave)
    told = {name: getattr(wave, name) for name in ("survey_id", "survey_version", "pollster", "reference", "questions")}
    told |= {name: getattr(wave, name) for name in ("fieldwork_start", "fieldwork_end", "key_version", "n_interviews")}
    return NewWave(**(told | {"content_sha256": "b" * 64, "payload": payload, "held": "over a limit"} | changes))


def hold(house: House, wave, **changes: object) -> None:
    with house.store.write() as session:
        about = {"now": house.now, "actor": "test", "replaces": True, "reason": "better"}
        deliveries.add_wave(session, delivery(house, wave, **changes), **about)


def test_a_held_correction_leaves_what_is_counted_until_it_is_let_through(house: House):
    wave = house.push(1).wave
    hold(house, wave)
    with house.store.read() as session:
        held = waves.get_wave(session, "demo", wave.id)
    assert (held.state, held.version, held.waiting) == ("accepted", 1, 2)

    with pytest.raises(WaveStateRefused, match="version 2 waits now"):
        act(house, "let_through", wave.id, version=1)
    (through,) = act(house, "let_through", wave.id, version=2).changed
    assert (through.state, through.version, through.waiting) == ("accepted", 2, None)
    assert act(house, "let_through", wave.id, version=2).unchanged


def test_undo_goes_back_before_a_moment_all_or_nothing(house: House):
    house.push(1)
    house.wait(60)
    since = house.now
    correct(house)
    house.push(2)
    pollsters = {wave.pollster for wave in house.written.waves[:2]}

    undone = [one for pollster in sorted(pollsters) for one in undo(house, since=since, pollster=pollster).changed]

    assert {(one.reference, one.version, one.state) for one in undone} == {
        (reference(house, 1), 1, "accepted"),
        (reference(house, 2), 1, "withdrawn"),
    }
    house.push(3)
    with pytest.raises(WaveNotFound):
        undo(house, names=[reference(house, 3), "nothing"])
    with house.store.read() as session:
        assert waves.get_wave(session, "demo", reference(house, 3)).state == "accepted"


def test_undo_by_key_leaves_what_another_key_delivered(house: House):
    since = house.now
    house.push(1, actor="key:aaaa")
    house.push(2, actor="key:bbbb")
    (undone,) = undo(house, since=since, delivered_by="key:aaaa").changed
    assert undone.reference == reference(house, 1)


def test_the_counts_as_known_on_a_moment(house: House):
    house.push(1)
    then, before = house.now, counted(house, "rail")
    house.wait(60)
    correct(house)
    house.push(2)
    with house.store.read() as session:
        declaration = surveys.get_declaration(session, "demo")
        known = count_interviews(session, declaration, declaration.question("rail"), at=then)
        stood = waves.state_at(session, "demo", then)
    assert int(known.counts["n"].sum()) == before != counted(house, "rail")
    assert [(wave.reference, wave.version) for wave in stood] == [(reference(house, 1), 1)]


def test_a_required_fact_is_told_by_the_wave_or_by_the_survey(house: House):
    declare(house, '[waves]\nrequired_facts = ["mode", "sponsor", "universe"]\n')
    with pytest.raises(WaveRejected) as caught:
        house.push(1)
    assert {fault.column for fault in caught.value.faults} <= {"mode", "sponsor"}
    assert "mode" in {fault.column for fault in caught.value.faults}
    assert house.push(1, facts={"mode": "phone", "sponsor": "A"}).wave.facts == {"mode": "phone", "sponsor": "A"}


def declare(house: House, more: str, *, model: str | None = None) -> None:
    bundle = load_survey(house.written.path)
    declaration = bundle.declaration
    if model is not None:
        declaration = replace(declaration, questions=tuple(replace(q, model=model) for q in declaration.questions))
        facts = {name: text for name, text in declaration.facts.items() if name != "mode"}
        declaration = replace(declaration, facts=facts)
    if "required_facts" in more:
        facts = {name: text for name, text in declaration.facts.items() if name not in ("mode", "sponsor")}
        declaration = replace(declaration, facts=facts, required_facts=("mode", "sponsor", "universe"))
    update_survey(
        house.store,
        house.secrets,
        house.settings,
        replace(bundle, declaration=declaration),
        now=house.now,
        actor="test",
    )


def test_interviews_are_counted_by_the_mode_of_their_wave(house: House):
    declare(house, "", model="(1|district) + mode(mode)")
    house.push(1, facts={"mode": "phone"})
    house.push(2)
    with house.store.read() as session, pytest.raises(FitImpossible, match="does not tell the mode") as caught:
        prepare_refit(session, house.settings, survey_id="demo", question_id="rail")
    assert caught.value.code == "mode-not-told"

    correct(house, 2, facts={"mode": "web"})
    with house.store.read() as session:
        counts = prepare_refit(session, house.settings, survey_id="demo", question_id="rail").request.counts
    assert counts.group_by("mode").agg(n=counts["n"].sum()).height == 2
