"""Columns that look like direct identifiers are found, and ordinary survey columns are left alone."""

import random
import uuid
from datetime import date, timedelta

import polars as pl
import pytest

from polling.declaration import Demographic, Geography, Question, SurveyDeclaration
from polling.faults import FaultLog
from polling.identifier_names import announced, words_of
from polling.identifier_numbers import FORMS, luhn
from polling.identifiers import find_identifiers

N = 300
END = date(2026, 3, 1)
RNG = random.Random(20260301)
SURNAMES = ["Ivanova", "Åkesson", "O'Neill", "Müller", "García", "Smith", "Kowalska", "Rossi", "Dubois", "Jansen", "Öz"]


def town(**changes: object) -> SurveyDeclaration:
    return SurveyDeclaration(
        id="town",
        title="Town",
        universe="Adults",
        geography=Geography("ward", "ward", "d.parquet"),
        demographics=(Demographic("age", "age", ("young", "old")),),
        questions=(
            Question("vote", "vote", "?", "binary", ("yes", "no"), "1"),
            Question("phone", "phone", "How many phones?", "numeric", (), "1"),
        ),
        frame_file="f.parquet",
        columns={"respondent": "id", "date": "day", "weight": "w"},
        **changes,  # type: ignore[arg-type]
    )


def found(name: str, values: list[str | None], declaration: SurveyDeclaration | None = None) -> str | None:
    log = FaultLog()
    column = pl.Series(name, values, dtype=pl.String)
    named = find_identifiers([column], declaration or town(), log, pollster="Polly", fieldwork_end=END)
    assert named == ({name} if log else set())
    for fault in log.reported():
        assert fault.value is None
        assert not any(value in str(fault) for value in values if value and len(value) > 3)
        assert "not_identifiers" in str(fault)
    return log.reported()[0].reason if log else None


def digits(n: int) -> str:
    return "".join(RNG.choice("0123456789") for _ in range(n))


def card() -> str:
    body = "4" + digits(14)
    return next(body + one for one in "0123456789" if luhn(body + one))


def checked(kind: str, make: object) -> str:
    """A random number of this form: tried until the check digits fit."""
    while True:
        text = make()  # type: ignore[operator]
        if FORMS[kind](text):
            return str(text)


def day(first: date, last: date) -> date:
    return first + timedelta(days=RNG.randrange((last - first).days))


def column(make: object, n: int = N, blank: float = 0.0) -> list[str | None]:
    return [None if RNG.random() < blank else make() for _ in range(n)]  # type: ignore[operator]


BY_CONTENT = {
    "e-mail": lambda: f"{RNG.choice(SURNAMES[5:6])}.{digits(3)}@mail{digits(2)}.example.org",
    "US phone": lambda: f"({RNG.randint(201, 989)}) {RNG.randint(200, 999)}-{digits(4)}",
    "E.164": lambda: f"+44 7{digits(3)} {digits(6)}",
    "UK mobile": lambda: f"07{digits(9)}",
    "German phone": lambda: f"030 {digits(4)} {digits(4)}",
    "IPv4": lambda: ".".join(str(RNG.randint(0, 255)) for _ in range(4)),
    "IPv6": lambda: "2001:db8::" + ":".join(f"{RNG.randint(0, 65535):x}" for _ in range(3)),
    "MAC": lambda: ":".join(f"{RNG.randint(0, 255):02X}" for _ in range(6)),
    "US street": lambda: (
        f"{RNG.randint(1, 9999)} Old {RNG.choice(['Oak', 'Mill', 'Elm'])} {RNG.choice(['St', 'Avenue'])}"
    ),
    "German street": lambda: f"{RNG.choice(['Linden', 'Haupt', 'Berg'])}straße {RNG.randint(1, 200)}",
    "French street": lambda: f"{RNG.randint(1, 200)} rue de la {RNG.choice(['Paix', 'Gare'])}",
    "UK postcode": lambda: f"SW{RNG.randint(1, 20)} {RNG.randint(1, 9)}{RNG.choice('ABDE')}{RNG.choice('ABDEFGH')}",
    "ZIP+4": lambda: f"{digits(5)}-{digits(4)}",
    "Dutch postcode": lambda: f"{RNG.randint(1000, 9999)} {RNG.choice('ABCD')}{RNG.choice('ABCD')}",
    "birth dates": lambda: day(date(1935, 1, 1), date(2007, 1, 1)).isoformat(),
    "birth dates, European": lambda: f"{day(date(1935, 1, 1), date(2007, 1, 1)):%d.%m.%Y}",
    "birth dates, American": lambda: f"{day(date(1935, 1, 1), date(2007, 1, 1)):%m/%d/%Y}",
    "card": card,
    "US SSN": lambda: f"{RNG.randint(100, 600)}-{RNG.randint(10, 99)}-{RNG.randint(1000, 9999)}",
    "NINO": lambda: f"AB{digits(6)}C",
    "BSN": lambda: checked("Dutch citizen numbers", lambda: digits(9)),
    "PESEL": lambda: checked("Polish personal numbers", lambda: f"{digits(2)}05{RNG.randint(10, 28)}{digits(5)}"),
    "DNI": lambda: checked("Spanish identity numbers", lambda: digits(8) + RNG.choice("TRWAGMYFPDXBNJZSQVHLCKE")),
    "NIR": lambda: checked("French social security numbers", lambda: f"1{digits(2)}05{digits(10)}"),
    "CPF": lambda: checked("Brazilian taxpayer numbers", lambda: digits(11)),
    "personnummer": lambda: checked("Swedish personal numbers", lambda: f"{digits(2)}0510-{digits(4)}"),
}


@pytest.mark.parametrize("what", BY_CONTENT)
def test_identifiers_are_found_by_content_under_any_name_and_with_blanks(what: str):
    assert found("Q17_other", column(BY_CONTENT[what], blank=0.3)), what


BY_NAME = {
    "RecipientLastName": lambda: RNG.choice(SURNAMES),
    "Vorname": lambda: f"{RNG.choice(SURNAMES)}{RNG.choice('abcdef')}",
    "prénom": lambda: RNG.choice(SURNAMES),
    "nome e cognome": lambda: f"Anna {RNG.choice(SURNAMES)}",
    "email_hash": lambda: f"{RNG.getrandbits(64):016x}",
    "TELEFONO": lambda: digits(9),
    "mobile": lambda: digits(10),
    "LocationLatitude": lambda: f"{RNG.uniform(40, 50):.6f}",
    "home_address": lambda: f"Flat {RNG.randint(1, 99)} The Mill",
    "fecha de nacimiento": lambda: f"{day(date(1935, 1, 1), date(2007, 1, 1)):%Y%m%d}",
    "dob": lambda: f"{day(date(1980, 1, 1), date(1985, 1, 1)):%d/%m/%Y}",
    "personal_passport_number": lambda: f"X{digits(8)}",
    "ssn": lambda: digits(9),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_identifiers_are_found_by_name(name: str):
    reason = found(name, column(BY_NAME[name]))
    assert reason is not None
    assert found("q3", column(BY_NAME[name])) is None  # it was the name


INNOCENT = {
    "name": lambda: RNG.choice(["Aton", "Béville", "Ceton"]),  # of a district
    "district_name": lambda: RNG.choice(["Aton", "Béville"]),
    "email": lambda: RNG.choice(["yes", "no"]),
    "phone_mode": lambda: RNG.choice(["landline", "mobile"]),
    "phone": lambda: str(RNG.randint(0, 5)),
    "telephone_minutes": lambda: str(RNG.randint(0, 4000)),
    "address_changed": lambda: RNG.choice(["0", "1"]),
    "postcode": lambda: digits(5),  # thousands of households
    "plz": lambda: digits(5),
    "zip": lambda: f"0{digits(4)}",
    "birth_year": lambda: str(RNG.randint(1930, 2007)),
    "naissance": lambda: str(RNG.randint(1930, 2007)),
    "ip": lambda: RNG.choice(["1", "2", "9"]),
    "StartDate": lambda: f"{day(date(2026, 2, 1), date(2026, 2, 25))} 10:0{digits(1)}:00",
    "registered_on": lambda: day(date(1980, 1, 1), date(2026, 1, 1)).isoformat(),
    "weight2": lambda: f"{RNG.uniform(0.2, 3):.14f}",
    "caseid": lambda: digits(9),
    "ResponseId": lambda: f"R_{RNG.getrandbits(60):x}",
    "uuid": lambda: str(uuid.UUID(int=RNG.getrandbits(128))),
    "tract": lambda: f"0{RNG.randint(1, 9)}{RNG.randint(1, 133):03}{digits(6)}",
    "E09": lambda: f"E0900{digits(4)}",
    "year_state": lambda: f"2016{RNG.choice(['GA', 'AL', 'NY'])}",
    "duration": lambda: f"{RNG.uniform(60, 4000):.3f}",
    "time": lambda: f"{RNG.randint(10, 23)}:{RNG.randint(10, 59)}:{RNG.randint(10, 59)}",
    "income": lambda: f"{RNG.randint(1000, 250000)}",
    "party": lambda: RNG.choice(["Conservative", "Labour Party", "Lib Dem"]),
    "transport": lambda: RNG.choice(["1 I drive", "2 By road", "3 Walk along the street"]),
    "why": lambda: f"Because of the {RNG.choice(['economy', 'roads', 'street lights'])} {digits(2)}",
    "interviewer_contact": lambda: RNG.choice(["field@polls.example", "desk@polls.example"]),
    "rue_ok": lambda: RNG.choice(["oui", "non"]),
    "version": lambda: RNG.choice(["1.2.3.4", "1.2.3.5"]),
    "date_mode": lambda: f"{RNG.randint(1, 28)}/{RNG.randint(1, 12)}/2025",
}


@pytest.mark.parametrize("name", INNOCENT)
def test_ordinary_columns_are_left_alone(name: str):
    assert found(name, column(INNOCENT[name])) is None


def test_a_column_without_values_identifies_nobody():
    assert found("RecipientEmail", [None, "", "  "]) is None


def test_a_declared_column_is_not_judged_by_its_name_but_by_its_answers():
    assert found("phone", column(lambda: digits(9))) is None  # a declared numeric question
    assert "e-mail" in str(found("vote", column(BY_CONTENT["e-mail"])))
    assert "phone" in str(found("vote", column(BY_CONTENT["E.164"])))
    assert found("ward", column(BY_CONTENT["UK postcode"])) is None  # districts may be as small as the survey says


def test_a_respondent_s_id_may_be_any_number_but_no_address():
    assert found("id", column(card)) is None
    assert found("id", column(lambda: digits(10))) is None
    assert "e-mail" in str(found("id", column(BY_CONTENT["e-mail"])))


def test_dates_and_weights_are_what_they_are_declared_to_be():
    assert found("day", column(BY_CONTENT["birth dates"])) is None


def test_the_survey_may_say_that_a_column_holds_no_identifiers():
    declared = town(not_identifiers=("panel_mail",))
    assert found("panel_mail", column(BY_CONTENT["e-mail"])) is not None
    assert found("panel_mail", column(BY_CONTENT["e-mail"]), declared) is None


def test_one_address_among_the_answers_of_a_small_wave_is_enough():
    assert found("why", [*column(lambda: "roads", 60), "write to ann@example.org please"])


def test_a_million_values_are_sampled_evenly_and_give_the_same_answer_again():
    values = pl.Series("x", ["roads"] * 900_000 + ["ann@example.org", "bob@example.org", "cy@example.org"] * 40_000)
    answers = set()
    for _ in range(2):
        log = FaultLog()
        find_identifiers([values], town(), log, pollster="Polly")
        answers.add(log.reported())
    assert len(answers) == 1
    # 3 addresses shared by 40,000 rows each are labels; distinct ones are not.
    assert answers == {()}
    distinct = values.head(900_000).extend(pl.Series("x", [f"a{n}@example.org" for n in range(120_000)]))
    find_identifiers([distinct], town(), log, pollster="Polly")
    assert "12% of the values" in log.reported()[0].reason


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("RecipientLastName", ("recipient", "last", "name")),
        ("IPAddress", ("ip", "address")),
        ("Födelse-datum", ("fodelse", "datum")),
        ("STRASSE", ("strasse",)),
        ("Straße 2", ("strasse", "2")),
    ],
)
def test_names_are_split_into_words(name: str, words: tuple[str, ...]):
    assert words_of(name) == words


@pytest.mark.parametrize(
    "name",
    [
        "age",
        "gender",
        "state",
        "region",
        "education",
        "income",
        "vote_2020",
        "pid3",
        "CC18_321d",
        "rep_share",
        "religion",
        "cell",
        "question_name_recognition",
        "trust_in_police",
        "nationality",
        "stratum",
        "psu",
        "mode",
        "language",
        "turnout",
        "employment",
        "marital",
        "children",
        "union_member",
        "home_owner",
        "urban_rural",
        "birthplace",
    ],
)
def test_ordinary_names_announce_nothing_certain(name: str):
    said = announced(name)
    assert said is None or not said[1]
