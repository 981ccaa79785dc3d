"""What a track record comes to, in words."""

from typing import Any

import pytest

from api.record_words import record_in_words

COUNTED = "Of 100 district intervals that should hold what happened with 90%"


class Row:
    def __init__(self, **fields: Any) -> None:
        self.__dict__ |= fields


def record(observed: float, low: float, high: float, errors: dict[str, float]) -> Any:
    calibration = [
        Row(
            method="mrp",
            of="all",
            level="district",
            by=[],
            interval=0.9,
            observed=observed,
            n_intervals=100,
            low=low,
            high=high,
        )
    ]
    calibration.append(
        Row(method="mrp", of="all", level="nation", by=[], interval=0.9, observed=0.0, n_intervals=2, low=0.0, high=1.0)
    )
    about = {"release_number": 2, "level": "district", "by": [], "option": "yes"}
    scores = [Row(**about, method=name, rmse=rmse) for name, rmse in errors.items()]
    return Row(calibration=calibration, scores=scores)


def test_intervals_that_were_too_narrow_are_called_so_and_the_best_simpler_method_is_named():
    said = record_in_words(record(0.74, 0.82, 0.96, {"mrp": 0.051, "last_result": 0.037, "raw": 0.1}))
    assert said == [
        f"{COUNTED}, 74 did (90 promised). Intervals look too narrow.",
        "Release 2 was typically 5.1 points off, more than the best simpler method (last result: 3.7).",
    ]


@pytest.mark.parametrize(("observed", "told"), [(0.9, ""), (0.99, " They look too wide.")])
def test_good_ones_are_not_blamed(observed: float, told: str):
    (said,) = record_in_words(record(observed, 0.82, 0.96, {}))
    assert said == f"{COUNTED}, {round(100 * observed)} did (90 promised).{told}"


def test_of_few_nothing_is_said():
    assert record_in_words(Row(calibration=[], scores=[])) == []


def test_of_several_options_an_error_is_that_of_all_and_methods_are_compared_that_have_all():
    told = record(0.9, 0.82, 0.96, {"mrp": 0.03, "raw": 0.09, "last_result": 0.01})
    second = record(0.9, 0.82, 0.96, {"mrp": 0.04, "raw": 0.12})
    for row in second.scores:
        row.option = "no"
    told.scores += second.scores

    assert record_in_words(told)[1] == (
        # The roots of the means of 9 and 16, and of 81 and 144.
        "Release 2 was typically 3.5 points off, less than the best simpler method (raw: 10.6)."
    )
