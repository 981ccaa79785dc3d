from polling.errors import SurveyRejected, WaveRejected
from polling.faults import MAX_REPORTED_FAULTS, Fault, FaultLog, did_you_mean, listing


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


def test_only_the_first_faults_are_reported_and_all_are_counted():
    log = FaultLog()
    for row in range(250, 0, -1):
        log.add("bad", "", row=row)

    assert [fault.row for fault in log.reported()] == list(range(1, MAX_REPORTED_FAULTS + 1))
    assert log.total == 250


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
