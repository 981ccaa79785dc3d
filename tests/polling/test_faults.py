import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling.errors import SurveyRejected, WaveRejected
from polling.faults import MAX_REPORTED_FAULTS, MAX_ROWS, Fault, FaultLog, did_you_mean, listing, without_values


def test_a_fault_reads_as_place_reason_value_and_remedy():
    fault = Fault("frame.csv", 3, "age", "X", "not a declared level", "Declare it.")

    assert str(fault) == "frame.csv, row 3, column 'age': not a declared level (found 'X'). Declare it."


def test_a_fault_of_a_whole_request_names_no_place():
    assert str(Fault(None, None, None, None, "the file is empty", "Send one.")) == "the file is empty. Send one."


def test_a_gigantic_value_is_shortened():
    value = Fault(None, 2, "age", "x" * 1_000_000, "", "").value

    assert value is not None
    assert len(value) == 60
    assert value.endswith("…")


def test_faults_are_reported_by_file_then_by_row_whatever_the_order_of_discovery():
    frame, districts = FaultLog("frame.csv"), FaultLog("districts.csv")
    frame.add("b", "", row=9)
    frame.add("a", "", row=2)
    districts.add("c", "", row=1)
    frame.merge(districts)

    assert [fault.reason for fault in frame.reported()] == ["a", "b", "c"]
    assert frame.total == 3


def test_equal_faults_are_one_with_the_first_rows_and_their_number():
    log = FaultLog()
    for row in range(250, 0, -1):
        log.add("bad", "", row=row)

    (fault,) = log.reported()
    assert (fault.row, fault.rows, fault.count) == (1, tuple(range(1, MAX_ROWS + 1)), 250)
    assert log.total == 250
    assert str(fault).startswith("rows 1, 2, 3, 4, 5 and 245 more: bad")


def test_a_few_rows_are_all_named_and_faults_without_row_are_numbered():
    log = FaultLog("frame.csv")
    log.add_rows(pl.Series([4, 7]), None, "blank", "Fill it in.", column="age")
    log.add("no file", "Add it.")
    log.add("no file", "Add it.")

    assert [str(fault) for fault in log.reported()] == [
        "frame.csv, 2 times: no file. Add it.",
        "frame.csv, rows 4, 7, column 'age': blank. Fill it in.",
    ]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 400), st.integers(1, 9)), max_size=600)
)
def test_what_is_reported_stands_for_all_and_leaves_no_kind_out(found: list[tuple[str, int, int, int]]):
    log = FaultLog()
    for file, column, value, row in found:
        other = FaultLog(file)
        other.add(f"reason {column}", "", row=row, column=str(column), value=str(value))
        log.merge(other)

    told = log.reported()

    assert len(told) <= MAX_REPORTED_FAULTS
    assert sum(fault.count for fault in told) == log.total == len(found)
    assert {(fault.file, fault.column) for fault in told} == {(file, str(column)) for file, column, _, _ in found}


@pytest.mark.parametrize("differing", ["reason", "remedy", "column"])
def test_whatever_differs_the_report_is_bounded(differing: str):
    log = FaultLog("frame.csv")
    for n in range(5000):
        told = {"reason": "bad", "remedy": "", "column": "age"} | {differing: str(n)}
        log.add(told["reason"], told["remedy"], row=n, column=told["column"])

    assert 1 <= len(log.reported()) <= MAX_REPORTED_FAULTS
    assert sum(fault.count for fault in log.reported()) == 5000


def test_more_different_values_than_can_be_reported_are_counted_together():
    log = FaultLog()
    rows = pl.Series(range(2, 5002))
    log.add_rows(rows, rows.cast(pl.String), "not a date", "", column="day")

    assert log.total == sum(fault.count for fault in log.reported()) == 5000
    assert log.reported()[-1].value is None


def test_a_log_without_faults_is_false():
    assert not FaultLog()


def test_a_near_name_is_suggested_and_a_far_one_gets_the_list():
    assert did_you_mean("gendr", ["age", "gender"]) == "Did you mean 'gender'?"
    assert did_you_mean("zzz", ["age", "gender"]) == "Known here: age, gender."
    assert did_you_mean("zzz", []) == "Nothing is known here."


def test_a_long_list_says_how_many_more():
    assert listing([str(n) for n in range(20)], most=2) == "0, 1 and 18 more"


def test_rejections_count_all_faults_and_quote_the_first():
    faults = [Fault(None, 2, "age", "X", "not a level", "Correct it.")] * 101
    rejected = WaveRejected(faults, 3, total=1234)

    assert len(rejected.faults) == 100
    assert str(rejected).startswith("The wave has 1,234 faults in 3 interviews. First: row 2, column 'age'")
    assert str(SurveyRejected(faults[:1])).startswith("The survey has 1 fault. First:")


def test_without_values_neither_a_cell_nor_the_label_nearest_to_it_is_told():
    found = FaultLog()
    for row, value in ((4, "opose"), (9, "supprt")):
        found.add("not an option", f"Did you mean '{value}x'? Correct it.", row=row, column="answer", value=value)
    found.add("the column is missing", "Did you mean 'age'? Send it.", row=1, column="aeg")

    told = without_values(found.reported())

    assert [str(fault) for fault in told] == [
        "row 1, column 'aeg': the column is missing. Did you mean 'age'? Send it.",
        "rows 4, 9, column 'answer': not an option. Correct it.",
    ]
