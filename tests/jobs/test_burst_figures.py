"""Turns, waits and growth: reckoned by hand."""

import pytest

from jobs.burst_figures import Started, Turns, growth, jain, turns_of


def test_in_rounds_nobody_has_a_second_turn_while_another_waits():
    # Three surveys of two jobs, all due at 0, taken in rounds: a b c a b c.
    jobs = [Started(float(at), "abc"[at % 3], due=0.0) for at in range(6)]

    assert turns_of(jobs, greedy="c") == Turns(waits=6, worst=1, unfair=0, worst_of_greedy=1)


def test_a_backlog_that_is_done_first_is_unfair_to_everybody_who_waits():
    # The greedy survey has three turns, then a and b have one: both waited from 0 on.
    jobs = [Started(float(at), "greedy", 0.0) for at in range(3)] + [Started(3.0, "a", 0.0), Started(4.0, "b", 0.0)]

    assert turns_of(jobs, greedy="greedy") == Turns(waits=5, worst=3, unfair=2, worst_of_greedy=3)


def test_turns_before_a_job_was_due_are_no_injustice():
    jobs = [Started(float(at), "greedy", 0.0) for at in range(3)] + [Started(3.0, "late", due=2.0)]

    # From 2 to 3 the greedy survey started once, at 2.
    assert turns_of(jobs, greedy="greedy") == Turns(waits=4, worst=1, unfair=0, worst_of_greedy=1)


def test_a_survey_that_had_a_turn_waits_anew_from_then_on():
    # b waits from 0 to 1, then from 1 to 4; a starts at 0, 2 and 3.
    jobs = [Started(at, "a", 0.0) for at in (0.0, 2.0, 3.0)] + [Started(at, "b", 0.0) for at in (1.0, 4.0)]

    assert turns_of(jobs, greedy="none") == Turns(waits=5, worst=2, unfair=1, worst_of_greedy=0)


def test_a_survey_waits_for_the_first_of_its_jobs_that_is_due():
    # q1 starts first and is due at 5; q2, which starts last, has been due since 0.
    jobs = [Started(0.0, "a", 0.0), Started(1.0, "a", 0.0), Started(5.0, "b", 5.0), Started(6.0, "b", 0.0)]

    assert turns_of(jobs, greedy="a").worst == 2


def test_nothing_started_is_nothing_unfair():
    assert turns_of([], greedy="g") == Turns(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("values", "index"),
    [
        ([2.0, 2.0, 2.0], 1.0),
        ([1.0, 0.0, 0.0, 0.0], 1 / 4),
        ([1.0, 3.0], 16 / 20),
        ([], 1.0),
        ([0.0, 0.0], 1.0),
    ],
)
def test_jains_index(values, index):
    assert jain(values) == pytest.approx(index)


def test_jains_index_of_waits_in_one_line_is_three_quarters():
    # (n (n + 1) / 2)^2 / (n . n (n + 1) (2n + 1) / 6) = 3 (n + 1) / (2 (2n + 1)), which tends to 3/4.
    assert jain([float(n) for n in range(1, 1001)]) == pytest.approx(3 * 1001 / (2 * 2001))


def test_growth_of_a_day_and_what_the_draws_come_to():
    found = growth(
        surveys=10,
        questions=2,
        size=1000,
        bytes_of={"wave": 50_000.0, "release": 20_000.0, "draws": 500_000.0},
        draws_days=7,
        draws_daily_days=90,
    )

    assert found.for_ever_mb_per_day == 10 * 0.05 + 20 * 0.02
    assert found.draws_mb_per_day == 20 * 0.5
    assert found.draws_held_mb == 20 * 90 * 0.5


def test_of_several_releases_a_day_all_are_kept_for_a_week_and_one_after_it():
    found = growth(
        surveys=1,
        questions=1,
        size=100,
        bytes_of={"wave": 0.0, "release": 0.0, "draws": 1e6},
        draws_days=7,
        draws_daily_days=90,
        waves_per_day=4.0,
    )

    assert found.draws_mb_per_day == 4.0
    assert found.draws_held_mb == 4 * 7 + 83
