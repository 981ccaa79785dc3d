import polars as pl

from polling.codebook import convert
from polling.declaration import SurveyDeclaration
from polling.recode_report import RecodeReport, recode_report


def report(wave: pl.DataFrame, town: SurveyDeclaration) -> RecodeReport:
    return recode_report(wave, convert(wave, town, pollster="Any").interviews, town, pollster="Any")


def test_labels_that_become_one_level_are_listed_as_merged(town: SurveyDeclaration, received: pl.DataFrame):
    wave = pl.concat([received, received]).with_columns(vote=pl.Series(["Labour", "Lab", "Con", "Lab"]))

    found = report(wave, town)

    assert found.merged == {("vote", "Lab"): ("Labour", "Lab")}
    assert [(use.label, use.meaning, use.how, use.n_interviews) for use in found.uses if use.item == "vote"] == [
        ("Labour", "Lab", "recode", 1),
        ("Lab", "Lab", "as is", 2),
        ("Con", "Con", "as is", 1),
    ]


def test_what_is_no_answer_and_what_is_unknown_are_told_apart(town: SurveyDeclaration, received: pl.DataFrame):
    wave = pl.concat([received, received]).with_columns(vote=pl.Series(["-99", None, "Libs", "Don't know"]))

    uses = {use.label: (use.meaning, use.how) for use in report(wave, town).uses if use.item == "vote"}

    assert uses == {
        "-99": ("refused", "status"),
        None: ("blank", "none"),
        "Libs": ("unknown", "none"),
        "Don't know": ("dont_know", "status"),
    }


def test_levels_that_nobody_has_are_named_and_districts_are_not(town: SurveyDeclaration, received: pl.DataFrame):
    assert report(received.head(1), town).never_sent == {
        "age": ("35+",),
        "sex": ("M",),
        "vote": ("Con",),
        "trust": ("no",),
    }


def test_every_interview_is_in_the_report_once_per_column(town: SurveyDeclaration, received: pl.DataFrame):
    found = report(pl.concat([received] * 7), town)

    for item in ("ward", "age", "sex", "vote", "trust"):
        assert sum(use.n_interviews for use in found.uses if use.item == item) == 14
