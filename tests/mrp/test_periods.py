from datetime import date

import pytest

from mrp.periods import natural_order, period_grid, period_label


@pytest.mark.parametrize(
    ("labels", "grid"),
    [
        (["2024-12-30", "2025-01-02"], ("2024-12-30", "2024-12-31", "2025-01-01", "2025-01-02")),
        (["2020-W52", "2021-W01"], ("2020-W52", "2020-W53", "2021-W01")),
        (["2024-02", "2023-11"], ("2023-11", "2023-12", "2024-01", "2024-02")),
        (["9", "12", "10"], ("9", "10", "11", "12")),
        (["first", "second", "first"], ("first", "second")),
        (["2024-05"], ("2024-05",)),
        ([], ()),
    ],
)
def test_gaps_are_periods_too(labels: list[str], grid: tuple[str, ...]):
    assert period_grid(labels) == grid


def test_a_day_is_in_its_iso_week_and_month():
    day = date(2021, 1, 3)
    assert period_label(day, "day") == "2021-01-03"
    assert period_label(day, "week") == "2020-W53"
    assert period_label(day, "month") == "2021-01"


def test_numbers_inside_labels_are_compared_as_numbers():
    assert natural_order(["wave 10", "wave 2", "wave 9", "wave 2"]) == ("wave 2", "wave 9", "wave 10")
    assert natural_order(["10", "9b", "x", "", "9a"]) == ("", "9a", "9b", "10", "x")
    assert natural_order(["2024-W10", "2023-W52", "2024-W09"]) == ("2023-W52", "2024-W09", "2024-W10")
