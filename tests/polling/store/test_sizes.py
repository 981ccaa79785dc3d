"""Sizes: what is of waves, and what is of draws and goes with them."""

from polling.store import fits
from polling.store.engine import Store
from polling.store.sizes import stored_bytes

from .conftest import NOW, new_fit


def test_an_empty_store_holds_nothing(store: Store):
    with store.read() as session:
        held = stored_bytes(session)
    assert (held.waves, held.draws) == (0, 0)


def test_draws_and_the_counts_they_were_fitted_on_are_counted_together(survey_store: Store):
    with survey_store.write() as session:
        fits.save_fit(session, new_fit(draws=b"d" * 100_000, counts=b"c" * 5_000), now=NOW)
    with survey_store.read() as session:
        held = stored_bytes(session)

    assert held.waves == 0
    # PostgreSQL tells the size on disk, compressed; SQLite that of the content, with the 64 characters of the id.
    least, most = (105_064, 105_064) if survey_store.dialect == "sqlite" else (200, 106_000)
    assert least <= held.draws <= most
