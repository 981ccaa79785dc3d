from collections.abc import Callable
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polling.codebook import Conversion, convert, counted_answer
from polling.declaration import SurveyDeclaration
from polling.enums import as_enums


def reasons(conversion: Conversion) -> list[str]:
    return [fault.reason for fault in conversion.faults for _ in range(fault.count)]


def test_labels_become_levels_and_options(town: SurveyDeclaration, received: pl.DataFrame):
    conversion = convert(received, town, pollster="Any")

    assert conversion.faults == ()
    assert conversion.interviews["age"].to_list() == ["18-34", "35+"]
    assert conversion.interviews["vote"].to_list() == ["Lab", "Con"]
    assert conversion.questions_asked == ("vote", "trust")


def test_blank_dont_know_refused_and_not_asked_stay_apart(town: SurveyDeclaration):
    labels = ["Lab", "Don't know", "-99", "Inapplicable", None, "  "]
    wave = pl.DataFrame(
        {
            "id": [str(n) for n in range(6)],
            "day": ["2024-05-01"] * 6,
            "w": ["1"] * 6,
            "ward": ["01"] * 6,
            "age": ["35+"] * 6,
            "sex": ["F"] * 6,
            "vote": labels,
        }
    )

    interviews = convert(wave, town, pollster="Any").interviews

    assert interviews["vote:status"].to_list() == ["answered", "dont_know", "refused", "not_asked", "blank", "blank"]
    assert interviews["vote"].to_list() == ["Lab", None, None, None, None, None]
    assert set(interviews["trust:status"]) == {"not_asked"}


@pytest.mark.parametrize(
    ("base", "counted"),
    [
        ("", ["Lab", None, None, None, None]),
        ('base = ["answered", "dont_know"]', ["Lab", "dont_know", None, None, None]),
        ('base = ["answered", "refused", "not_asked"]', ["Lab", None, "refused", "not_asked", None]),
    ],
)
def test_what_counts_without_an_answer_is_declared_and_a_blank_never_does(
    declare: Callable[..., SurveyDeclaration], received: pl.DataFrame, base: str, counted: list[str | None]
):
    town = declare(('not_asked = ["Inapplicable"]', f'not_asked = ["Inapplicable"]\n{base}'))
    labels = ["Lab", "Don't know", "-99", "Inapplicable", None]
    wave = pl.concat([received.head(1)] * 5).with_columns(vote=pl.Series(labels), id=pl.Series(list("abcde")))

    interviews = convert(wave, town, pollster="Any").interviews

    assert interviews.select(counted_answer(town.question("vote")))["vote"].to_list() == counted


@pytest.mark.parametrize("label", ["lab", " Lab", "NA", "Labour Party"])
def test_an_unknown_label_is_a_fault_and_not_a_guess(town: SurveyDeclaration, received: pl.DataFrame, label: str):
    conversion = convert(received.with_columns(vote=pl.lit(label)), town, pollster="Any")

    assert reasons(conversion) == ["not an option of vote (Lab, Con)"] * 2
    assert conversion.faults[0].value == label
    assert conversion.interviews["vote"].null_count() == 2


def test_a_blank_that_is_declared_to_exclude_flags_the_interview(town: SurveyDeclaration, received: pl.DataFrame):
    conversion = convert(received.with_columns(sex=pl.Series([None, "M"])), town, pollster="Any")

    assert conversion.faults == ()
    assert conversion.interviews["excluded"].to_list() == [True, False]


def test_a_blank_is_a_fault_unless_declared(town: SurveyDeclaration, received: pl.DataFrame):
    blank = pl.Series([None, None], dtype=pl.String)
    conversion = convert(received.with_columns(age=blank, ward=blank), town, pollster="Any")

    assert reasons(conversion) == ["ward is blank"] * 2 + ["age is blank"] * 2
    assert conversion.interviews["excluded"].to_list() == [False, False]


def test_a_district_must_exist_once_the_codes_are_known(town: SurveyDeclaration, received: pl.DataFrame):
    loaded = replace(town, geography=replace(town.geography, codes=("01", "02")))
    wave = received.with_columns(ward=pl.Series(["North ward", "1"]))

    conversion = convert(wave, loaded, pollster="Any")

    assert conversion.interviews["ward"].to_list() == ["01", None]
    (fault,) = conversion.faults
    assert (fault.row, fault.value) == (3, "1")
    assert fault.reason == "not the code of a district (01, 02)"
    assert "[geography.recode]" in fault.remedy


@pytest.mark.parametrize("text", ["2024-5-1", "20240501", "01/05/2024", "2024-02-30", "2024-05-01T10:00:00", "May 1"])
def test_a_date_that_is_not_iso_is_a_fault(town: SurveyDeclaration, received: pl.DataFrame, text: str):
    conversion = convert(received.with_columns(day=pl.Series([text, "2024-05-01"])), town, pollster="Any")

    assert reasons(conversion) == ["not a date"]


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1,5", "heavy", None])
def test_a_weight_that_is_not_a_number_above_zero_is_a_fault(
    town: SurveyDeclaration, received: pl.DataFrame, text: str | None
):
    conversion = convert(received.with_columns(w=pl.Series([text, "1"])), town, pollster="Any")

    assert reasons(conversion) == ["a weight must be a number above 0"]


def test_date_and_weight_may_be_blank_throughout(town: SurveyDeclaration, received: pl.DataFrame):
    blank = pl.Series([None, ""], dtype=pl.String)
    conversion = convert(received.with_columns(day=blank, w=blank), town, pollster="Any")

    assert conversion.faults == ()
    assert conversion.interviews["date"].null_count() == 2
    assert conversion.interviews["weight"].null_count() == 2


def test_a_respondent_without_an_id_is_a_fault(town: SurveyDeclaration, received: pl.DataFrame):
    conversion = convert(received.with_columns(id=pl.Series(["", "b"])), town, pollster="Any")

    assert reasons(conversion) == ["the respondent's id is blank"]


def test_no_interviews_convert_to_no_interviews_of_the_same_columns(town: SurveyDeclaration, received: pl.DataFrame):
    some = convert(received, town, pollster="Any").interviews
    none = convert(received.clear(), town, pollster="Any")

    assert none.faults == ()
    assert none.interviews.schema == some.schema
    assert none.interviews.height == 0


def test_a_numeric_question_takes_numbers(declare: Callable[..., SurveyDeclaration], received: pl.DataFrame):
    survey = declare(('kind = "binary"\noptions = ["yes", "no"]', 'kind = "numeric"\ndont_know = ["DK"]'))
    wave = pl.concat([received, received.with_columns(id=pl.col("id") + "2")]).with_columns(
        trust=pl.Series(["7", "DK", "-1.5", None])
    )

    conversion = convert(wave, survey, pollster="Any")

    assert conversion.faults == ()
    assert conversion.interviews["trust"].to_list() == [7.0, None, -1.5, None]
    assert conversion.interviews["trust:status"].to_list() == ["answered", "dont_know", "answered", "blank"]
    wrong = convert(wave.with_columns(trust=pl.lit("inf")), survey, pollster="Any")
    assert set(reasons(wrong)) == {"not a number"}


LABELS = ["Lab", "Con", "Labour", "Don't know", "-99", "Inapplicable", "?", "", None]


@st.composite
def waves(draw: st.DrawFn) -> pl.DataFrame:
    n = draw(st.integers(0, 8))
    choose = {
        "ward": ["01", "02", "North ward", None],
        "age": ["18-34", "35+", "18 to 34", "old", None],
        "sex": ["F", "M", None],
        "vote": LABELS,
        "trust": ["yes", "no", "Yes", None],
    }
    columns = {name: draw(st.lists(st.sampled_from(values), min_size=n, max_size=n)) for name, values in choose.items()}
    columns |= {"id": [f"r{row}" for row in range(n)], "day": ["2024-05-01"] * n, "w": ["1"] * n}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def reference(label: str | None) -> tuple[str | None, str | None]:
    """The codebook of ``vote``, written as a person would."""
    if label is None or label == "":
        return None, "blank"
    if label in ("Lab", "Labour"):
        return "Lab", "answered"
    if label == "Con":
        return "Con", "answered"
    return None, {"Don't know": "dont_know", "-99": "refused", "Inapplicable": "not_asked"}.get(label)


@settings(deadline=None)
@given(wave=waves())
def test_answers_agree_with_the_reference_and_every_strange_label_is_one_fault(
    town: SurveyDeclaration, wave: pl.DataFrame
):
    conversion = convert(wave, town, pollster="Any")

    expected = [reference(label) for label in wave["vote"]]
    assert list(zip(conversion.interviews["vote"], conversion.interviews["vote:status"], strict=True)) == expected
    strange = [row for row, label in enumerate(wave["vote"], start=2) if label == "?"]
    assert [row for fault in conversion.faults if fault.column == "vote" for row in fault.rows] == strange


@settings(deadline=None)
@given(wave=waves(), seed=st.integers(0, 100))
def test_the_order_of_interviews_changes_only_row_numbers(town: SurveyDeclaration, wave: pl.DataFrame, seed: int):
    plain = convert(wave, town, pollster="Any")
    order = pl.Series(range(wave.height), dtype=pl.UInt32).shuffle(seed)
    shuffled = convert(wave[order], town, pollster="Any", rows=(order + 2).to_list())

    assert shuffled.interviews.sort("row").equals(plain.interviews)
    assert set(shuffled.faults) == set(plain.faults)
    assert shuffled.n_faults == plain.n_faults


@settings(deadline=None)
@given(wave=waves(), weights=st.lists(st.sampled_from(["1", "0.5", "x", "", None]), min_size=16, max_size=16))
def test_enums_are_read_like_the_texts_they_stand_for(
    town: SurveyDeclaration, wave: pl.DataFrame, weights: list[str | None]
):
    twice = pl.concat([wave, wave]).with_columns(w=pl.Series(weights[: 2 * wave.height], dtype=pl.String))
    coded = as_enums(twice).filter(pl.int_range(pl.len()) != 1)  # some texts may be nobody's now
    plain = twice.filter(pl.int_range(pl.len()) != 1)

    read, expected = (convert(one, town, pollster="Any") for one in (coded, plain))

    assert read.interviews.equals(expected.interviews)
    assert read.interviews.schema == expected.interviews.schema
    assert (read.faults, read.n_faults) == (expected.faults, expected.n_faults)
    assert read.bad_rows.equals(expected.bad_rows)


def test_dates_that_are_nobodys_any_more_make_no_blank_a_fault(town: SurveyDeclaration, received: pl.DataFrame):
    day = pl.Series([None, "2024-05-01"], dtype=pl.Enum(["2024-05-01"]))

    assert convert(received.with_columns(day=day).head(1), town, pollster="Any").faults == ()


def test_levels_and_options_are_enums_in_the_order_of_the_declaration(town: SurveyDeclaration, received: pl.DataFrame):
    interviews = convert(received, town, pollster="Any").interviews

    assert interviews["age"].dtype == pl.Enum(["18-34", "35+"])
    assert interviews["vote"].dtype == pl.Enum(["Lab", "Con"])
    assert interviews["ward"].dtype == pl.String  # the codes of districts are not known here


def test_a_demographic_refused_or_not_known_is_stored_and_left_out(
    declare: Callable[..., SurveyDeclaration], received: pl.DataFrame
):
    silent = 'dont_know = ["?"]\nrefused = ["won\'t say"]\nnot_asked = ["-8"]\n'
    town = declare(("ordered = true\n", f"ordered = true\n{silent}"))
    wave = pl.concat([received.head(1)] * 4).with_columns(
        age=pl.Series(["?", "won't say", "-8", "35+"]), id=pl.Series(list("abcd"))
    )

    conversion = convert(wave, town, pollster="Any")

    assert conversion.faults == ()
    assert conversion.interviews["age"].to_list() == [None, None, None, "35+"]
    assert conversion.interviews["excluded"].to_list() == [True, True, True, False]


def test_an_unknown_label_names_the_nearest_that_the_codebook_knows(town: SurveyDeclaration, received: pl.DataFrame):
    conversion = convert(received.with_columns(vote=pl.Series(["Labuor", "Zzz"])), town, pollster="Any")

    near, far = conversion.faults
    assert (near.value, near.remedy.startswith("Did you mean 'Labour'?")) == ("Labuor", True)
    assert (far.value, far.remedy.startswith("Correct it")) == ("Zzz", True)


def test_every_row_with_a_fault_is_named_however_many_there_are(town: SurveyDeclaration, received: pl.DataFrame):
    n = 500
    wave = pl.concat([received.head(1)] * n).with_columns(
        id=pl.Series(map(str, range(n))), vote=pl.Series(f"x{i}" if i % 2 else "Lab" for i in range(n))
    )

    conversion = convert(wave, town, pollster="Any")

    assert conversion.bad_rows["row"].to_list() == list(range(3, n + 2, 2))
    assert conversion.n_faults == conversion.n_row_faults == n // 2
