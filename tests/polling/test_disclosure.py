import itertools

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from polling.disclosure import (
    ANSWER_NOISE_VARIANCE,
    COUNT_NOISE_VARIANCE,
    OPTION_NOISE_VARIANCE,
    DisclosureRules,
    count_in_words,
    group_counts,
    perturb_counts,
    rounded_count,
)

KEY = b"k" * 32
BY = ("ward", "age")
EVERYTHING = DisclosureRules(min_people=0, min_interviews=0)


def cells(*counts: tuple[int, int]) -> pl.DataFrame:
    """Cells with (n, y), one ward per pair of ages."""
    rows = [(f"w{i // 2}", f"a{i % 2}", n, y) for i, (n, y) in enumerate(counts)]
    return pl.DataFrame(rows, schema=["ward", "age", "n", "y"], orient="row")


def many(n: int, y: int, size: int) -> pl.DataFrame:
    return cells(*[(n, y)] * size)


def perturb(counts: pl.DataFrame, survey: str = "s1", question: str = "q1", key: bytes = KEY) -> pl.DataFrame:
    return perturb_counts(counts, by=BY, survey=survey, question=question, key=key)


def test_noise_is_minus_one_nought_or_one_and_every_one_occurs():
    assert set(perturb(many(10, 4, 300))["n"]) == {9, 10, 11}


def test_nobody_stays_nobody():
    shown = perturb(cells((0, 0), (0, 0), (5, 5)))

    assert shown.rows()[:2] == [("w0", "a0", 0, 0), ("w0", "a1", 0, 0)]


@pytest.mark.parametrize(("n", "y"), [(1, 0), (1, 1), (7, 3)])
def test_the_noise_of_answers_is_two_sided_geometric_whatever_the_counts_are(n: int, y: int):
    size = 20_000
    noise = perturb(many(n, y, size))["y"] - y

    for k in range(-3, 4):
        share = (1 - 1 / 3) / (1 + 1 / 3) * (1 / 3) ** abs(k)
        limit = norm.isf(0.5e-6 / 7) * (size * share * (1 - share)) ** 0.5
        assert abs((noise == k).sum() - size * share) < limit
    assert ANSWER_NOISE_VARIANCE == 3 / 2


@pytest.mark.parametrize("y", [(1, 0, 0), (2, 4, 1)])
def test_of_several_options_a_changed_answer_makes_what_is_told_three_times_as_probable_at_most(y: tuple[int, ...]):
    size, names = 20_000, ["y[A]", "y[B]", "y[C]"]
    counts = (
        many(sum(y), 0, size).drop("y").with_columns(pl.lit(k).alias(name) for k, name in zip(y, names, strict=True))
    )
    shown = perturb(counts)
    noise = [shown[name] - k for k, name in zip(y, names, strict=True)]

    for one in noise:
        for k in range(-3, 4):
            # With r = 1 / sqrt(3): whoever says B in place of A is one less in one column and one more in another.
            share = (1 - 3**-0.5) / (1 + 3**-0.5) * 3 ** (-abs(k) / 2)
            limit = norm.isf(0.5e-6 / 21) * (size * share * (1 - share)) ** 0.5
            assert abs((one == k).sum() - size * share) < limit
    assert pytest.approx(2 * 3**0.5 / (3**0.5 - 1) ** 2) == OPTION_NOISE_VARIANCE
    for one, other in itertools.combinations(noise, 2):
        assert abs((one * other).sum() / size) < norm.isf(0.5e-6 / 3) * OPTION_NOISE_VARIANCE / size**0.5
    # Interviews are shown as of every other question.
    assert shown["n"].equals(perturb(many(sum(y), 0, size))["n"])


def test_groups_of_options_are_added_up_and_small_ones_not_told():
    counts = cells((20, 0), (5, 0)).rename({"y": "y[A]"}).with_columns(pl.col("n").alias("y[B]"))
    shown = perturb(counts)

    whole = group_counts(shown, by=(), rules=EVERYTHING)
    assert whole.row(0) == tuple(shown[name].sum() for name in ("n", "y[A]", "y[B]"))
    few = group_counts(shown, by=BY, rules=DisclosureRules(0, 15))
    assert few.select("n", "y[A]", "y[B]").row(1) == (None, None, None)


def test_the_noise_of_answers_has_nothing_to_do_with_that_of_interviews():
    size = 20_000
    shown = perturb(many(4, 2, size))
    together = ((shown["n"] - 4) * (shown["y"] - 2)).sum() / size

    assert abs(together) < norm.isf(0.5e-6) * (COUNT_NOISE_VARIANCE * ANSWER_NOISE_VARIANCE / size) ** 0.5


@pytest.mark.parametrize(("n", "y"), [(1, 0), (1, 1), (2, 1), (3, 1), (3, 2), (5, 3), (5, 5)])
def test_the_noise_is_unbiased(n: int, y: int):
    size = 20_000
    shown = perturb(many(n, y, size))
    chance = norm.isf(0.5e-6) / size**0.5

    assert abs(shown["n"].sum() / size - n) < chance * COUNT_NOISE_VARIANCE**0.5
    assert abs(shown["y"].sum() / size - y) < chance * ANSWER_NOISE_VARIANCE**0.5


def test_all_questions_show_the_same_interviews_and_answers_of_their_own():
    counts = many(5, 2, 100)

    shown, other = perturb(counts), perturb(counts, question="q2")

    assert shown["n"].equals(other["n"])
    assert not shown["y"].equals(other["y"])
    assert shown["n"].equals(perturb(counts.drop("y"))["n"])


def test_each_noise_is_equally_frequent():
    size = 9_000
    frequency = perturb(many(3, 3, size))["n"].value_counts()
    limit = norm.isf(0.5e-6) * (size * 1 / 3 * 2 / 3) ** 0.5

    assert all(abs(n - size / 3) < limit for n in frequency["count"])


def test_the_same_survey_gives_the_same_noise_whatever_the_order_of_rows_and_columns():
    counts = many(5, 2, 50)
    turned = counts.reverse().select("y", "age", "n", "ward")

    assert perturb(turned).equals(perturb(counts))
    other_order = perturb_counts(turned, by=("age", "ward"), survey="s1", question="q1", key=KEY).select(*BY, "n", "y")
    assert other_order.sort(BY).equals(perturb(counts))


def test_another_survey_or_key_gives_other_noise():
    counts = many(5, 2, 50)

    assert not perturb(counts, survey="s2").equals(perturb(counts))
    assert not perturb(counts, key=b"l" * 32).equals(perturb(counts))


def test_the_noise_of_a_cell_does_not_depend_on_the_other_cells():
    counts = many(5, 2, 50)

    few = perturb(counts.head(10))

    assert few.equals(perturb(counts).join(few.select(BY), on=BY, how="semi").sort(BY))


def test_rows_of_one_cell_are_counted_before_they_are_perturbed():
    counts = many(5, 2, 20)
    split = pl.concat([counts.with_columns(n=pl.lit(3), y=pl.lit(2)), counts.with_columns(n=pl.lit(2), y=pl.lit(0))])

    assert perturb(split.cast({"n": pl.Int64, "y": pl.Int64})).equals(perturb(counts))


def test_a_cell_that_stays_the_same_keeps_its_noise_and_one_that_grows_gets_another():
    before, after = many(5, 2, 60), many(5, 2, 60).with_columns(n=pl.Series([5] * 30 + [6] * 30))

    shown = [perturb(one).sort(BY) for one in (before, after)]
    grown = [one.join(after.filter(n=6).select(BY), on=BY, how="semi") for one in shown]
    same = [one.join(after.filter(n=5).select(BY), on=BY, how="semi") for one in shown]

    assert same[0].equals(same[1])
    # Nobody more gave the first answer, but the cell is another one.
    assert not grown[0]["y"].equals(grown[1]["y"])
    assert set((grown[1]["n"] - grown[0]["n"]).to_list()) > {0, 1}


@pytest.mark.parametrize(("n", "about"), [(0, 0), (7, 10), (44, 40), (156, 160), (1_234, 1_200), (59_810, 60_000)])
def test_a_total_is_told_to_two_digits_and_to_tens_at_least(n: int, about: int):
    assert rounded_count(n) == about


@pytest.mark.parametrize(
    ("n", "least", "said"),
    [(1, 10, "fewer than 10"), (9, 10, "fewer than 10"), (10, 10, "about 10"), (29, 30, "fewer than 30")],
)
def test_a_small_total_is_told_by_what_it_is_below(n: int, least: int, said: str):
    assert count_in_words(n, least=least) == said
    assert count_in_words(1_234) == "about 1,200"


def test_names_that_run_together_are_different_cells():
    wards, ages = zip(*[(f"{n}a", "bc") if run else (f"{n}ab", "c") for n in range(40) for run in (0, 1)], strict=True)
    shown = perturb(pl.DataFrame({"ward": wards, "age": ages, "n": [5] * 80}))
    apart = shown.filter(age="bc")["n"].to_list() != shown.filter(age="c")["n"].to_list()

    assert shown.height == 80
    assert apart


def test_counts_without_answers_are_perturbed_alone():
    shown = perturb(many(5, 2, 30).drop("y"))

    assert shown.columns == ["ward", "age", "n"]
    assert set(shown["n"]) == {4, 5, 6}


COUNTS = st.lists(
    st.integers(0, 5).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), min_size=1, max_size=30
)


@settings(deadline=None)
@given(counts=COUNTS, survey=st.text(max_size=3))
def test_every_grouping_adds_up_to_the_same_whole(counts, survey: str):
    shown = perturb(cells(*counts), survey=survey)
    whole = group_counts(shown, by=(), rules=EVERYTHING)

    for by in ((), ("ward",), ("age",), BY):
        groups = group_counts(shown, by=by, rules=EVERYTHING)
        assert groups["n"].sum() == whole["n"].sum() == shown["n"].sum()
        assert groups["y"].sum() == whole["y"].sum()


@settings(deadline=None)
@given(counts=COUNTS)
def test_the_shown_count_is_never_further_off_than_the_occupied_cells(counts):
    shown = perturb(cells(*counts))
    occupied = sum(n > 0 for n, _ in counts)

    assert abs(shown["n"].sum() - sum(n for n, _ in counts)) <= occupied


def test_groups_below_the_limit_are_null_and_the_limit_is_on_the_shown_count():
    shown = pl.DataFrame({"ward": ["a", "b"], "age": ["x", "x"], "n": [30, 29], "y": [3, 4]})

    groups = group_counts(shown, by=("ward",), rules=DisclosureRules())

    assert groups.rows() == [("a", 30, 3), ("b", None, None)]


def test_no_cells_make_no_groups():
    shown = perturb(many(5, 2, 4).clear())

    assert shown.height == 0
    assert group_counts(shown, by=("ward",), rules=DisclosureRules()).height == 0
    assert group_counts(shown, by=(), rules=DisclosureRules()).rows() == [(None, None)]


@pytest.mark.parametrize(("n", "expected"), [(29, None), (30, 30), (0, None)])
def test_an_interview_count_is_told_from_thirty_on(n: int, expected: int | None):
    assert DisclosureRules().shown_interviews(n) == expected


def test_an_estimate_needs_a_hundred_people_in_the_frame():
    rules = DisclosureRules()

    assert [rules.answers_estimate(n) for n in (99.9, 100.0)] == [False, True]


def test_two_queries_cannot_be_subtracted_into_one_person():
    # A ward of two cells: the whole minus one cell shows the other cell's perturbed count, not its true one.
    counts = cells(*itertools.repeat((1, 1), 200))
    shown = perturb(counts)
    whole = group_counts(shown, by=("ward",), rules=EVERYTHING)
    one = group_counts(shown.filter(age="a0"), by=("ward",), rules=EVERYTHING)
    difference = whole.join(one, on="ward", suffix="_one").select(pl.col("n") - pl.col("n_one"))["n"]

    assert set(difference) == {0, 1, 2}
