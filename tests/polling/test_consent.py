"""Who did not agree is not stored, only counted."""

from collections.abc import Callable

import pytest

from polling.declaration import SurveyDeclaration
from polling.errors import WaveRejected
from polling.quality.flag import Flag, consent_flag
from polling.survey_toml import parse_declaration
from polling.wave_file import read_wave

COLUMN = ('weight = "w"\n', 'weight = "w"\nconsent = "agreed"\n')
VALUES = ("[geography]\n", '[consent]\nvalues = ["yes", "1"]\n[geography]\n')
HEADER = "id,day,w,ward,age,sex,vote,trust,agreed\n"

type Declare = Callable[..., SurveyDeclaration]


def wave(*rows: tuple[str, str]) -> bytes:
    lines = [f"{name},2024-05-01,1,01,18-34,F,Labour,yes,{agreed}\n" for name, agreed in rows]
    return (HEADER + "".join(lines)).encode()


def test_interviews_without_consent_are_left_out_and_counted(declare: Declare):
    content = wave(("a", "yes"), ("b", "no"), ("c", ""), ("d", " 1 "), ("e", "Yes"))

    read = read_wave(content, declare(COLUMN, VALUES), pollster="Any")

    assert read.received["id"].to_list() == ["a", "d"]
    assert read.conversion.interviews["row"].to_list() == [2, 5]
    assert (read.n_interviews, read.n_without_consent) == (2, 3)


def test_what_is_wrong_in_an_interview_without_consent_is_nobodys_business(declare: Declare):
    content = wave(("a", "yes"), ("b", "no")).replace(b"b,2024-05-01,1,01,18-34", b"a,soon,-3,99,old")

    assert read_wave(content, declare(COLUMN, VALUES), pollster="Any").n_interviews == 1


def test_a_fault_keeps_the_number_of_its_row(declare: Declare):
    content = wave(("a", "no"), ("b", "yes")).replace(b"b,2024-05-01,1,01,18-34", b"b,2024-05-01,1,01,old")

    with pytest.raises(WaveRejected) as caught:
        read_wave(content, declare(COLUMN, VALUES), pollster="Any")

    assert [(fault.row, fault.column) for fault in caught.value.faults] == [(3, "age")]


def test_a_wave_without_the_column_is_refused(declare: Declare):
    content = wave(("a", "yes")).replace(b",agreed", b",agreeed")

    with pytest.raises(WaveRejected, match="column of consent is missing"):
        read_wave(content, declare(COLUMN, VALUES), pollster="Any")


def test_a_wave_in_which_nobody_agreed_is_refused(declare: Declare):
    with pytest.raises(WaveRejected, match="nobody in the wave agreed"):
        read_wave(wave(("a", "no")), declare(COLUMN, VALUES), pollster="Any")


def test_where_nobody_agreed_the_labels_that_were_seen_are_told(declare: Declare):
    with pytest.raises(WaveRejected, match="nobody in the wave agreed") as caught:
        read_wave(wave(*((f"r{n}", "Yes") for n in range(4))), declare(COLUMN, VALUES), pollster="Any")

    (fault,) = caught.value.faults
    assert (fault.column, fault.value) == ("agreed", "Yes (4)")
    assert "letter by letter" in fault.remedy


def test_labels_that_are_declared_neither_as_yes_nor_as_no_are_told_with_their_number(declare: Declare):
    said = ["yes"] * 5 + ["Yes"] * 4 + ["no"] * 3 + ["", "please do not"]
    content = wave(*((f"r{n}", label) for n, label in enumerate(said)))

    some = read_wave(content, declare(COLUMN, VALUES), pollster="Any")
    known = read_wave(
        content, declare(COLUMN, (VALUES[0], VALUES[1].replace("\n[geo", '\nno = ["no"]\n[geo'))), pollster="Any"
    )

    # What one person wrote is not quoted.
    assert some.undeclared_consent == {"Yes": 4, "no": 3, "": 1}
    assert known.undeclared_consent == {"Yes": 4, "": 1}
    assert (known.n_interviews, known.n_without_consent) == (5, 9)
    told = consent_flag(known.undeclared_consent, 14)
    assert told is not None
    assert (told.over, Flag.is_told(told.to_json())) == (False, True)
    assert "5 of 14 interviews" in told.words
    assert "'Yes' (4), others (1)" in told.words


def test_a_label_cannot_mean_both(town: SurveyDeclaration):
    from tests.polling.conftest import SURVEY_TOML

    both = SURVEY_TOML.replace(*COLUMN).replace("[geography]\n", '[consent]\nvalues = ["1"]\nno = ["1"]\n[geography]\n')
    _, log = parse_declaration(both.encode())

    assert "consent.no" in [fault.column for fault in log.reported()]


@pytest.mark.parametrize(("change", "key"), [(COLUMN, "columns.consent"), (VALUES, "consent.values")])
def test_column_and_values_are_declared_together(town: SurveyDeclaration, change: tuple[str, str], key: str):
    from tests.polling.conftest import SURVEY_TOML

    _, log = parse_declaration(SURVEY_TOML.replace(*change).encode())

    assert key in [fault.column for fault in log.reported()]


def test_retention_is_declared(declare: Declare):
    survey = declare(("[geography]\n", "[retention]\nrespondents_days = 90\nmin_cell = 5\n[geography]\n"))

    assert (survey.retention.respondents_days, survey.retention.min_cell) == (90, 5)
    assert (declare().retention.respondents_days, declare().retention.min_cell) == (None, 3)
