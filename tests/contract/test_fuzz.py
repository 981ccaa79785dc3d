"""A slice of what ``make fuzz`` sends, the same every time."""

from pathlib import Path

from tests.contract.fuzz import fuzz
from tests.contract.served import served_world


def test_nothing_undocumented_is_answered_to_what_the_document_allows_and_forbids(store_url: str, tmp_path: Path):
    with served_world(store_url, tmp_path) as served:
        outcome = fuzz(served, 120)

    assert outcome.wrong == {}
    assert outcome.cases == 120
    assert len(outcome.by_operation) >= 60
    # Most get past the guard and the names, or little would be tried.
    assert outcome.statuses[200] > 30
