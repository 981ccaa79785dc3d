"""Terms in words."""

import pytest

from mrp.in_words import describe_terms


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("income", {"income": "a coefficient of income, the same everywhere"}),
        (
            "(1|state:age)",
            {
                "(1|state:age)": "differences between combinations of state and age, drawn towards each other as far "
                "as the data allow, so that groups with few interviews borrow from the others"
            },
        ),
        (
            "(income|state)",
            {
                "(1+income|state)": "a coefficient of income that differs between levels of state, and differences "
                "between them, drawn towards each other; related to each other"
            },
        ),
        (
            "(0+income|state)",
            {
                "(0+income|state)": "a coefficient of income that differs between levels of state, drawn towards each "
                "other"
            },
        ),
        (
            "rw1(age|state)",
            {
                "rw1(age|state)": "differences along age in its order, where neighbouring levels are alike, separately "
                "for levels of state"
            },
        ),
        ("ar1(period)", {"ar1(period)": "change over period, where each period remembers a part of the one before"}),
        (
            "icar(state)",
            {"icar(state)": "differences between levels of state, where those next to each other on the map are alike"},
        ),
        (
            "bym2(state)",
            {
                "bym2(state)": "differences between levels of state, where those next to each other on the map are "
                "alike and each differs by itself besides, in proportions that the data decide"
            },
        ),
        (
            "house(pollster)",
            {
                "house(pollster)": "effects of who interviewed: estimated, summing to zero, and left out of every "
                "estimate"
            },
        ),
        ("1", {}),
    ],
)
def test_every_kind_of_term_has_words(formula: str, words: dict[str, str]):
    assert describe_terms(formula) == words
