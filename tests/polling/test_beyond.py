"""Known totals and systematic error in survey.toml: read, stored, and refused where they are impossible."""

from collections.abc import Callable
from datetime import date

import pytest

from polling.beyond import KnownTotals, MovedBy, Reported, Systematic
from polling.declaration import declaration_from_json, declaration_to_json
from polling.errors import SurveyRejected
from polling.folder import load_survey_folder
from polling.survey_toml import parse_declaration
from tests.polling.conftest import FRAME_CSV, SURVEY_TOML, Folder

DECLARED = """
[questions.vote.known_totals]
by = "ward"
date = 2024-07-04
source = "The count"
reported = { sensitivity = 0.9, specificity = 0.95 }
[questions.vote.known_totals.shares]
Lab = "last_share"

[questions.trust.moved_by]
question = "vote"
[questions.trust.systematic_error]
national_sd = 0.05
correlation = 0.8
basis = "A guess."

[systematic_error]
national_sd = 0.03
basis = "Ten polls."

[questions.party]
text = "Which party?"
kind = "categorical"
options = ["Lab", "Con", "SNP"]
model = "(1|ward)"
[questions.party.only_in.SNP]
ward = ["01"]
[questions.party.known_totals]
by = "nation"
date = 2024-07-04
source = "The count"
shares = { Lab = 0.4, Con = 0.35 }

[questions.warmth]
text = "How warm?"
kind = "numeric"
model = "(1|ward)"
"""
ALL = SURVEY_TOML + DECLARED


def test_what_is_declared_is_read_and_stored():
    survey, faults = parse_declaration(ALL.encode())

    assert survey is not None
    assert not faults
    vote, trust, party, warmth = (survey.question(one) for one in ("vote", "trust", "party", "warmth"))
    assert vote.known_totals == KnownTotals(
        "ward", {"Lab": "last_share"}, date(2024, 7, 4), "The count", Reported(0.9, 0.95)
    )
    assert party.known_totals == KnownTotals("nation", {"Lab": 0.4, "Con": 0.35}, date(2024, 7, 4), "The count")
    assert trust.moved_by == MovedBy("vote")
    assert survey.systematic_error_of(vote) == Systematic(0.03, "Ten polls.", 0.7)
    assert survey.systematic_error_of(trust) == Systematic(0.05, "A guess.", 0.8)
    assert survey.systematic_error_of(warmth) is None  # its estimates are means
    assert declaration_from_json(declaration_to_json(survey)) == survey


def test_without_a_declaration_nothing_is_known():
    survey, _ = parse_declaration(SURVEY_TOML.encode())

    assert survey is not None
    vote = survey.question("vote")
    assert (vote.known_totals, vote.moved_by, survey.systematic_error_of(vote)) == (None, None, None)


TOTALS = "questions.vote.known_totals"
PARTY = "questions.party.known_totals"


@pytest.mark.parametrize(
    ("old", "new", "column", "reason"),
    [
        ('by = "ward"\n', "", f"{TOTALS}.by", "'by' is missing"),
        ("date = 2024-07-04\nsource", "source", f"{TOTALS}.date", "'date' is missing"),
        ('source = "The count"\n', "", f"{TOTALS}.source", "'source' is missing"),
        ('Lab = "last_share"', "", f"{TOTALS}.shares", "no option has a total"),
        ('Lab = "last_share"', 'Lib = "last_share"', f"{TOTALS}.shares.Lib", "'Lib' is not an option"),
        ('Lab = "last_share"', 'Con = "last_share"', f"{TOTALS}.shares.Con", "the estimate of a binary question is"),
        ('Lab = "last_share"', "Lab = 0.5", f"{TOTALS}.shares.Lab", "one number is no total of every ward"),
        ("Lab = 0.4", "Lab = 40", f"{PARTY}.shares.Lab", "the total must be a share above 0 and below 1"),
        (", specificity = 0.95", "", f"{TOTALS}.reported.specificity", "'specificity' is missing"),
        ("sensitivity = 0.9", "sensitivity = 90", f"{TOTALS}.reported.sensitivity", "'sensitivity' must be a share of"),
        ("sensitivity = 0.9,", "sensitivity = 0.05,", f"{TOTALS}.reported", "reports that are wrong as often as right"),
        (
            "shares = { Lab = 0.4",
            "reported = { sensitivity = 0.9, specificity = 1 }\nshares = { Lab = 0.4",
            f"{PARTY}.reported",
            "how often reports of several options are wrong",
        ),
        ('question = "vote"', 'question = "vite"', "questions.trust.moved_by.question", "no such question"),
        ('question = "vote"', 'question = "trust"', "questions.trust.moved_by.question", "no such question"),
        ('question = "vote"', 'question = "warmth"', "questions.trust.moved_by.question", "nothing is known of"),
        ('question = "vote"', 'question = "party"', "questions.trust.moved_by.question", "only binary questions are"),
        ('by = "ward"', 'by = "nation"', "questions.trust.moved_by.question", "the totals of 'vote' are of the nation"),
        (
            "[questions.trust.moved_by]",
            "[questions.vote.moved_by]\nquestion = 'trust'\n[questions.trust.moved_by]",
            "questions.vote.moved_by",
            "the question has known totals of its own",
        ),
        ("national_sd = 0.05\n", "", "questions.trust.systematic_error.national_sd", "'national_sd' is missing"),
        (
            "national_sd = 0.03",
            "national_sd = 3",
            "systematic_error.national_sd",
            "'national_sd' must be a share of at",
        ),
        (
            "national_sd = 0.03",
            "national_sd = 0",
            "systematic_error.national_sd",
            "'national_sd' must be a number above",
        ),
        (
            "correlation = 0.8",
            "correlation = 8",
            "questions.trust.systematic_error.correlation",
            "'correlation' must be",
        ),
        ('basis = "Ten polls."', "", "systematic_error.basis", "'basis' is missing"),
        ('basis = "Ten polls."', 'base = "Ten polls."', "systematic_error.base", "'base' is not a key of this section"),
        (
            'kind = "numeric"',
            'kind = "numeric"\nsystematic_error = {national_sd = 0.1, basis = "x"}',
            "questions.warmth.systematic_error",
            "'systematic_error' is a key of binary and categorical and ordinal questions",
        ),
    ],
)
def test_a_fault_names_its_key(old: str, new: str, column: str, reason: str):
    assert old in ALL
    found = list(parse_declaration(ALL.replace(old, new, 1).encode())[1].reported())

    assert (column, True) in [(fault.column, fault.reason.startswith(reason)) for fault in found], found
    assert all(fault.remedy for fault in found)


@pytest.mark.parametrize(
    ("old", "new", "column", "reason"),
    [
        ('"last_share"', '"last_shares"', f"{TOTALS}.shares.Lab", "no numeric column of the districts"),
        ('by = "ward"', 'by = "wards"', f"{TOTALS}.by", "no kind of area"),
        ("Con = 0.35", "Con = 0.6", f"{PARTY}.shares", "the totals of district '01' sum to 1, and must sum to less"),
        ("Con = 0.35", "Con = 0.35, SNP = 0.2", f"{PARTY}.shares", "the totals of district '01' sum to 0.95, and must"),
        ("{ Lab = 0.4", '{ Lab = "last_share"', f"{PARTY}.shares.Lab", "districts of nation have different totals"),
    ],
)
def test_totals_are_compared_with_the_districts(folder: Folder, old: str, new: str, column: str, reason: str):
    folder.write("survey.toml", ALL)
    assert load_survey_folder(folder.path).declaration.question("vote").known_totals is not None
    folder.change("survey.toml", old, new)

    with pytest.raises(SurveyRejected) as rejected:
        load_survey_folder(folder.path)
    assert [(one.column, one.reason.startswith(reason)) for one in rejected.value.faults] == [(column, True)]


def test_a_total_outside_its_bounds_names_the_district(folder: Folder, declare: Callable[..., object]):
    folder.write("survey.toml", ALL)
    folder.change("districts.csv", "Down,0.6", "Down,1")

    with pytest.raises(SurveyRejected, match="the total of district '02' must be above 0 and below 1"):
        load_survey_folder(folder.path)


def test_totals_stand_beside_several_frames(folder: Folder):
    header, *rows = FRAME_CSV.splitlines()
    folder.write("draws.csv", "\n".join([f"draw,{header}", *(f"{draw},{row}" for draw in (0, 1) for row in rows), ""]))
    folder.write("survey.toml", ALL.replace("[frame]", '[frame]\ndraws = "draws.csv"'))

    bundle = load_survey_folder(folder.path)
    assert bundle.frame_draws is not None
    assert bundle.frame_draws["draw"].n_unique() == 2


NOBODY = "01,18-34,F,0\n01,18-34,M,0\n01,35+,F,0\n01,35+,M,0\n"


@pytest.mark.parametrize("by", ["ward", "region"])
def test_a_total_of_an_area_in_which_nobody_lives_is_refused(folder: Folder, by: str):
    folder.write("survey.toml", ALL.replace('by = "ward"\ndate', f'by = "{by}"\ndate'))
    assert load_survey_folder(folder.path)
    folder.change("frame.csv", FRAME_CSV[FRAME_CSV.index("01") : FRAME_CSV.index("02")], NOBODY)

    with pytest.raises(SurveyRejected) as rejected:
        load_survey_folder(folder.path)
    (fault,) = rejected.value.faults
    assert (fault.column, fault.value) == (f"{TOTALS}.by", by)
    assert fault.reason.startswith(f"nobody lives in '{'01' if by == 'ward' else 'Up'}' by the frame")
    assert "Correct the counts in frame.csv" in fault.remedy


def test_a_district_without_people_is_no_fault_where_its_larger_area_has_some(folder: Folder):
    folder.write("survey.toml", ALL.replace('by = "ward"\ndate', 'by = "region"\ndate'))
    folder.write("districts.csv", "code,name,region,last_share\n01,North,Up,0.4\n02,South,Up,0.4\n")
    folder.change("frame.csv", FRAME_CSV[FRAME_CSV.index("01") : FRAME_CSV.index("02")], NOBODY)

    assert load_survey_folder(folder.path).declaration.question("vote").known_totals is not None


def test_an_option_may_have_nobody_where_it_does_not_stand(folder: Folder):
    folder.write("survey.toml", ALL)
    folder.change("survey.toml", 'by = "nation"', 'by = "ward"')
    folder.change("survey.toml", "{ Lab = 0.4, Con = 0.35 }", '{ SNP = "snp" }')
    folder.write("districts.csv", "code,name,region,last_share,snp\n01,North,Up,0.4,0.2\n02,South,Down,0.6,0\n")

    assert load_survey_folder(folder.path).declaration.question("party").known_totals is not None


def test_a_survey_with_other_faults_is_not_told_of_totals_that_are_right(folder: Folder):
    folder.write("survey.toml", ALL)
    folder.write("frame.csv", "ward,age,sex\n01,18-34,F\n")

    with pytest.raises(SurveyRejected) as rejected:
        load_survey_folder(folder.path)
    assert not [one for one in rejected.value.faults if one.column and "totals" in one.column]
