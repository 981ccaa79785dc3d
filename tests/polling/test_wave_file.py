import io
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polling.declaration import SurveyDeclaration
from polling.errors import WaveRejected
from polling.faults import Fault
from polling.wave_file import ReadWave, read_wave

HEADER = "id,day,w,ward,age,sex,vote,trust\n"
GOOD = HEADER + "a,2024-05-01,1,01,18 to 34,F,Labour,yes\n"


def csv(*lines: str) -> bytes:
    return (HEADER + "".join(line + "\n" for line in lines)).encode()


def parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def faults_of(content: bytes, survey: SurveyDeclaration, pollster: str = "Any") -> tuple[Fault, ...]:
    with pytest.raises(WaveRejected) as caught:
        read_wave(content, survey, pollster=pollster)
    return caught.value.faults


def read_or_rejection(content: bytes, survey: SurveyDeclaration) -> ReadWave | WaveRejected:
    try:
        return read_wave(content, survey, pollster="Any")
    except WaveRejected as rejected:
        return rejected


def test_one_interview_is_a_wave(town: SurveyDeclaration):
    wave = read_wave(GOOD.encode(), town, pollster="Any")

    assert wave.n_interviews == 1
    assert wave.questions_asked == ("vote", "trust")
    interview = wave.conversion.interviews.row(0, named=True)
    assert interview == {
        "row": 2,
        "ward": "01",
        "age": "18-34",
        "sex": "F",
        "date": date(2024, 5, 1),
        "weight": 1.0,
        "excluded": False,
        "vote": "Lab",
        "vote:status": "answered",
        "trust": "yes",
        "trust:status": "answered",
    }


def test_the_received_columns_are_kept_as_text_and_undeclared_ones_are_not(town: SurveyDeclaration):
    content = GOOD.replace("trust\n", "trust,shoe_size\n").replace("yes\n", "yes,43\n").encode()

    received = read_wave(content, town, pollster="Any").received

    assert received.columns == ["id", "day", "w", "ward", "age", "sex", "vote", "trust"]
    assert set(received.dtypes) == {pl.String}
    assert received["ward"][0] == "01"
    assert received["age"][0] == "18 to 34"


def test_a_pollster_may_have_its_own_names_and_lack_what_it_declared_to_lack(town: SurveyDeclaration):
    wave = read_wave(b"ResponseID;day;ward;AgeBand;sex;Q1\n1;2024-05-01;02;35+;M;Con\n", town, pollster="Acme")

    assert wave.questions_asked == ("vote",)
    assert wave.conversion.interviews["vote"].to_list() == ["Con"]
    assert wave.conversion.interviews["weight"].to_list() == [None]


def test_an_absent_question_was_not_asked(town: SurveyDeclaration):
    wave = read_wave(b"id,day,w,ward,age,sex,trust\na,2024-05-01,1,01,35+,F,no\n", town, pollster="Any")

    assert wave.questions_asked == ("trust",)
    assert wave.conversion.interviews["vote:status"].to_list() == ["not_asked"]


def test_a_wave_that_asks_nothing_of_the_survey_is_refused(town: SurveyDeclaration):
    (fault,) = faults_of(b"id,day,w,ward,age,sex\na,2024-05-01,1,01,35+,F\n", town)

    assert fault.reason == "no question of the survey is in the file (looked for vote, trust)"


def test_a_header_without_interviews_is_refused(town: SurveyDeclaration):
    (fault,) = faults_of(HEADER.encode(), town)

    assert fault.reason == "the wave holds no interviews"


def test_an_empty_file_is_refused(town: SurveyDeclaration):
    (fault,) = faults_of(b"", town)

    assert fault.reason == "the file is empty"


def test_missing_columns_are_named_with_the_nearest_name_of_the_file(town: SurveyDeclaration):
    first, second = faults_of(b"id,day,w,Ward,Age,sex,vote\na,2024-05-01,1,01,35+,F,Con\n", town)

    assert (first.row, first.column, first.reason) == (1, "ward", "the column is missing")
    assert first.remedy.startswith("Did you mean 'Ward'?")
    assert (second.column, second.remedy[:19]) == ("age", "Did you mean 'Age'?")


def test_faults_of_form_and_of_content_come_in_one_reply_by_row(town: SurveyDeclaration):
    content = csv(
        "a,2024-05-01,1,01,18-34,F,Lab,yes",
        "a,2024-13-01,0,03,NA,X,UKIP,maybe",
        "b,2024-05-01",
        ",2024-05-01,1,,,F,Lab,yes",
    )

    faults = [(fault.row, fault.column, fault.value) for fault in faults_of(content, town)]

    assert faults == [
        (3, "age", "NA"),
        (3, "sex", "X"),
        (3, "id", None),
        (3, "day", "2024-13-01"),
        (3, "w", "0"),
        (3, "vote", "UKIP"),
        (3, "trust", "maybe"),
        (4, None, None),
        (5, "ward", None),
        (5, "age", None),
        (5, "id", None),
    ]


def test_rows_count_records_across_quoted_line_breaks(town: SurveyDeclaration):
    content = csv('"a\n1",2024-05-01,1,01,18-34,F,Lab,yes', "b,2024-05-01,1,01,old,F,Lab,yes")

    (fault,) = faults_of(content, town)

    assert fault.row == 3


def test_a_respondent_twice_is_a_fault_and_no_id_is_ever_shown(town: SurveyDeclaration):
    same = "secret-{},2024-05-01,1,01,18-34,F,Lab,yes"
    content = csv(same.format(1), same.format(2), same.format(1), same.format(1))

    faults = faults_of(content, town)

    assert [(fault.rows, fault.reason) for fault in faults] == [((4, 5), "the same respondent as in row 2")]
    assert "secret" not in "".join(str(fault) for fault in faults)


def test_equal_faults_are_told_once_with_their_rows_and_number(town: SurveyDeclaration):
    content = csv(*(f"{n},2024-05-01,1,01,old,Q,Lab,yes" for n in range(1000)))

    with pytest.raises(WaveRejected) as caught:
        read_wave(content, town, pollster="Any")

    assert caught.value.n_rows == 1000
    assert caught.value.n_faults == 2000
    told = [(fault.column, fault.value, fault.rows, fault.count) for fault in caught.value.faults]
    rows = tuple(range(2, 102))
    assert told == [("age", "old", rows, 1000), ("sex", "Q", rows, 1000)]
    assert "rows 2, 3, 4, 5, 6 and 995 more, column 'age'" in str(caught.value)


def test_one_frequent_mistake_hides_no_other(town: SurveyDeclaration):
    content = csv(*(f"{n},2024-05-01,1,01,{n} years,F,Lab,yes" for n in range(1990)), "x,2024-05-01,0,01,35+,F,Lab,no")

    with pytest.raises(WaveRejected) as caught:
        read_wave(content, town, pollster="Any")

    faults = caught.value.faults
    assert len(faults) <= 100
    assert sum(fault.count for fault in faults) == caught.value.n_faults == 1991
    assert [fault.row for fault in faults if fault.column == "w"] == [1992]


def test_a_file_without_header_is_not_quoted(town: SurveyDeclaration):
    content = b"secret-person,2024-05-01,1,01,18-34,F,Lab,Lab\nb,2024-05-02,1,02,35+,M,Con,no\n"

    text = " ".join(str(fault) for fault in faults_of(content, town))

    assert "secret" not in text
    assert "Lab" not in text


def test_a_file_without_header_and_without_twins_is_told_to_begin_with_one(town: SurveyDeclaration):
    faults = faults_of(b"secret-person,2024-05-01,1,01,18-34,F,Lab,yes\n", town)

    assert "secret" not in " ".join(str(fault) for fault in faults)
    assert any("Begin with a header." in fault.remedy for fault in faults)


def test_an_interview_outside_fieldwork_is_a_fault(town: SurveyDeclaration):
    line = "{},{},1,01,18-34,F,Lab,yes"
    days = ("2024-05-01", "1925-05-01", "2024-05-03", "2099-05-02", "1925-05-01")
    content = csv(*(line.format(n, day) for n, day in enumerate(days)))

    with pytest.raises(WaveRejected) as caught:
        read_wave(content, town, pollster="Any", fieldwork=(date(2024, 5, 1), date(2024, 5, 3)))

    assert [(fault.column, fault.value, fault.rows) for fault in caught.value.faults] == [
        ("day", "1925-05-01", (3, 6)),
        ("day", "2099-05-02", (5,)),
    ]
    assert read_wave(content, town, pollster="Any").n_interviews == 5


def test_a_gigantic_wrong_value_does_not_make_a_gigantic_message(town: SurveyDeclaration):
    (fault,) = faults_of(csv(f"a,2024-05-01,1,01,{'x' * 100_000},F,Lab,yes"), town)

    assert len(str(fault)) < 300


def test_parquet_with_typed_columns_is_the_same_wave_as_its_csv(declare: Callable[..., SurveyDeclaration]):
    survey = declare(('levels = ["F", "M"]', 'levels = ["1", "2"]'))
    table = pl.DataFrame(
        {
            "id": [1, 2],
            "day": [date(2024, 5, 1), date(2024, 5, 2)],
            "w": [1.0, 0.5],
            "ward": pl.Series(["01", "02"], dtype=pl.Categorical),
            "age": pl.Series(["18-34", "35+"], dtype=pl.Enum(["18-34", "35+"])),
            "sex": [1.0, None],
            "vote": ["Lab", ""],
            "extra": [[1], [2]],
        }
    )
    text = b"id,day,w,ward,age,sex,vote\n1,2024-05-01,1.0,01,18-34,1,Lab\n2,2024-05-02,0.5,02,35+,,\n"

    wave = read_wave(parquet(table), survey, pollster="Any")

    assert wave.received.equals(read_wave(text, survey, pollster="Any").received)
    assert wave.conversion.interviews["vote:status"].to_list() == ["answered", "blank"]


def test_a_parquet_column_of_lists_is_a_fault(town: SurveyDeclaration, received: pl.DataFrame):
    faults = faults_of(parquet(received.with_columns(age=pl.Series([["x"], ["y"]]))), town)

    assert [fault.reason for fault in faults] == ["the column holds List(String)", "the column is missing"]


def test_a_nul_character_in_parquet_is_a_fault(town: SurveyDeclaration, received: pl.DataFrame):
    with_nul = received.with_columns(id=pl.Series(["a", "b\x00"]))

    (fault,) = faults_of(parquet(with_nul), town)

    assert (fault.row, fault.column, fault.reason) == (3, "id", "the text contains a NUL character")


def test_blanks_and_nul_characters_that_many_rows_have_are_seen_too(town: SurveyDeclaration, received: pl.DataFrame):
    four = pl.concat([received, received]).with_columns(id=pl.Series(list("abcd")))
    blank = four.with_columns(vote=pl.Series(["", "", "Lab", "Lab"]))

    assert read_wave(parquet(blank), town, pollster="Any").received["vote"].to_list() == [None, None, "Lab", "Lab"]
    with_nul = four.with_columns(vote=pl.Series(["Lab", "Lab", "Lab\x00", "Lab\x00"]))
    assert faults_of(parquet(with_nul), town)[0].reason == "the text contains a NUL character"


def test_texts_that_few_rows_share_are_enums_and_ids_are_text(town: SurveyDeclaration, received: pl.DataFrame):
    four = pl.concat([received, received]).with_columns(id=pl.Series(list("abcd")))
    from_csv = read_wave(four.write_csv().encode(), town, pollster="Any").received

    assert from_csv.schema["sex"] == pl.Enum(sorted(set(four["sex"])))
    assert from_csv.schema["id"] == pl.String
    assert from_csv.equals(read_wave(parquet(four), town, pollster="Any").received)
    forgiving = replace(town, policy="quarantine", quarantine_share=0.9)
    once = read_wave(parquet(four.with_columns(id=pl.lit("a"))), forgiving, pollster="Any").received
    assert once["id"].equals(pl.Series("id", ["a"]))


def test_parquet_without_rows_or_columns_is_refused(town: SurveyDeclaration, received: pl.DataFrame):
    assert [fault.reason for fault in faults_of(parquet(received.clear()), town)] == ["the wave holds no interviews"]
    assert [fault.reason for fault in faults_of(parquet(pl.DataFrame()), town)] == ["the file has no columns"]


def test_a_file_with_no_declared_column_says_so_for_each(town: SurveyDeclaration):
    reasons = [fault.reason for fault in faults_of(b"x,y\n1,2\n", town)]

    assert reasons.count("the column is missing") == 3
    assert len(reasons) == 7  # three more are named (respondent, date, weight), and no question is asked


@settings(deadline=None, max_examples=200)
@given(content=st.binary(max_size=200) | st.text(alphabet='id,age;"\n\r\x00é1', max_size=100).map(str.encode))
def test_any_bytes_are_read_or_rejected_and_nothing_else(town: SurveyDeclaration, content: bytes):
    result = read_or_rejection(content, town)

    assert isinstance(result, ReadWave) or 1 <= len(result.faults) <= result.n_faults


@settings(deadline=None, max_examples=100)
@given(
    lines=st.lists(
        st.tuples(*[st.sampled_from(["", "a", "01", "18-34", "F", "Lab", "yes", "1", "2024-05-01", "é\n"])] * 8),
        max_size=6,
    )
)
def test_a_rejected_wave_names_only_rows_that_exist(town: SurveyDeclaration, lines: list[tuple[str, ...]]):
    table = pl.DataFrame(lines, schema=dict.fromkeys(HEADER.strip().split(","), pl.String), orient="row")
    result = read_or_rejection(table.write_csv().encode(), town)

    if isinstance(result, WaveRejected):
        assert all(fault.row is None or 1 <= fault.row <= len(lines) + 1 for fault in result.faults)
        assert result.n_rows <= len(lines)
