"""An attack on the counts: what can be learnt of small groups by subtracting what is told of large ones.

The attacker has every answer by one, two and three columns, filtered or not, of every release, and knows how the noise
is made, but not its key. No difference of two answers may tell of a group below the threshold more than its own shown
count would: an error whose variance is 2/3 for each occupied cell, however many ways lead to it and however often. The
answer of a person who is known to be alone in a cell stays uncertain whatever is shown of that cell.
"""

import itertools
from collections import Counter
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom, norm

from polling.disclosure import ANSWER_NOISE_VARIANCE, COUNT_NOISE_VARIANCE, DisclosureRules, perturb_counts

COLUMNS = {"ward": 6, "gender": 2, "age": 3, "school": 3}
RULES = DisclosureRules()
SHAPE = tuple(COLUMNS.values())
N_KEYS = 150
ALPHA = 1e-4


def electorate(seed: int, n: int = 1500) -> np.ndarray:
    """Interviews by cell, uneven enough that many cells have one, two or none."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, rng.dirichlet(np.full(np.prod(SHAPE), 0.4)))


def shown(counts: np.ndarray, key: bytes, *, yes: np.ndarray | None = None) -> np.ndarray:
    """The counts of all cells as they leave: interviews, or those with the first answer."""
    codes = np.unravel_index(np.arange(counts.size), SHAPE)
    cells = pl.DataFrame({name: code.astype(str) for name, code in zip(COLUMNS, codes, strict=True)})
    cells = cells.with_columns(cell=pl.int_range(counts.size), n=pl.Series(counts))
    if yes is not None:
        cells = cells.with_columns(y=pl.Series(yes))
    perturbed = perturb_counts(cells.drop("cell"), by=list(COLUMNS), survey="town", question="rail", key=key)
    there = perturbed.join(cells.select(*COLUMNS, "cell"), on=list(COLUMNS))
    told = np.zeros(counts.size, dtype=np.int64)
    told[there["cell"].to_numpy()] = there["n" if yes is None else "y"].to_numpy()
    return told


def groups() -> np.ndarray:
    """Groups that queries of up to three columns name: of each one level, or all but one, shape (group, cell)."""
    codes = np.unravel_index(np.arange(int(np.prod(SHAPE))), SHAPE)
    every = np.ones(codes[0].size, dtype=bool)
    found = []
    for n_columns in range(4):
        for columns in itertools.combinations(range(len(SHAPE)), n_columns):
            ways = [
                [part for level in range(SHAPE[c]) for part in (codes[c] == level, codes[c] != level)] for c in columns
            ]
            found += [np.all([every, *parts], axis=0) for parts in itertools.product(*ways)]
    return np.unique(found, axis=0)


GROUPS = groups()


def differences(counts: np.ndarray, told: np.ndarray) -> Iterator[tuple[bytes, np.ndarray, int]]:
    """Small groups that are left between two groups that are told, and what their difference says of them."""
    numbers = GROUPS.astype(np.float32)
    totals, true = GROUPS.astype(np.int64) @ told, GROUPS.astype(np.int64) @ counts
    is_told = totals >= RULES.min_interviews
    for whole in np.flatnonzero(is_told):
        small = is_told & (true < true[whole]) & (true > true[whole] - RULES.min_interviews)
        for part in np.flatnonzero(small & (numbers @ ~GROUPS[whole] == 0)):
            left = GROUPS[whole] & ~GROUPS[part]
            yield left.tobytes(), left, int(totals[whole] - totals[part])


def test_the_attack_finds_small_groups_and_single_cells():
    counts = electorate(1)
    left = [cells for _, cells, _ in differences(counts, shown(counts, b"k" * 32))]

    assert len(left) > 100
    assert min(int((counts[cells] > 0).sum()) for cells in left) <= 2


def test_every_way_to_a_small_group_says_the_same_and_no_more_than_its_own_shown_count():
    counts = electorate(1)
    told = shown(counts, b"k" * 32)
    said: dict[bytes, set[int]] = {}
    ways: Counter[bytes] = Counter()
    for name, cells, value in differences(counts, told):
        ways[name] += 1
        said.setdefault(name, {int(told[cells].sum())}).add(value)

    assert max(ways.values()) > 5
    assert all(len(values) == 1 for values in said.values())


@pytest.mark.parametrize("of", ["interviews", "answers"])
def test_the_error_of_every_difference_is_that_of_the_cells_between(of: str):
    counts = electorate(2)
    yes = np.random.default_rng(3).binomial(counts, 0.5)
    what = counts if of == "interviews" else yes
    some = {name: cells for name, cells, _ in differences(counts, shown(counts, b"k" * 32))}
    small = np.array([cells for cells in some.values() if counts[cells].sum()]).astype(np.int64)
    variance = np.where(counts > 0, COUNT_NOISE_VARIANCE if of == "interviews" else ANSWER_NOISE_VARIANCE, 0)
    allowed = small @ variance
    errors = []
    for number in range(N_KEYS):
        told = shown(counts, number.to_bytes(32), yes=None if of == "interviews" else yes)
        errors.append((small @ (told - what)) ** 2 / allowed)
    # Of one key errors hang together, keys do not: the mean over keys is normal.
    by_key = np.array(errors).mean(axis=1)
    z = (by_key.mean() - 1) / (by_key.std(ddof=1) / N_KEYS**0.5)

    assert abs(z) < norm.isf(ALPHA / 2)


def test_a_single_person_is_guessed_right_one_time_in_three():
    counts = electorate(4)
    alone = np.flatnonzero(counts == 1)
    right = sum(int((shown(counts, number.to_bytes(32))[alone] == 1).sum()) for number in range(N_KEYS))
    least, most = binom.interval(1 - ALPHA, N_KEYS * alone.size, 1 / 3)

    assert least <= right <= most


def test_the_answer_of_a_person_who_is_alone_in_a_cell_is_never_better_known_than_three_to_one():
    # 60,000 cells: the attacker's odds after every value that is seen often enough, and how often the best guess errs.
    n_cells = 60_000
    yes = np.arange(n_cells) % 2
    cells = pl.DataFrame({"cell": np.arange(n_cells).astype(str), "n": np.ones(n_cells, dtype=int), "y": yes})
    seen = perturb_counts(cells, by=["cell"], survey="town", question="rail", key=b"k" * 32).join(cells, on="cell")
    by_value = seen.group_by("n", "y").agg(pl.len(), (pl.col("y_right") == 1).sum().alias("yes"))
    rows = by_value.filter(pl.col("len") > 300).rows(named=True)
    least, most = ALPHA / len(rows), 1 - ALPHA / len(rows)

    assert len(rows) >= 15
    for row in rows:
        low, high = binom.ppf([least, most], row["len"], 0.25)[0], binom.ppf([least, most], row["len"], 0.75)[1]
        assert low <= row["yes"] <= high, row


def test_the_mean_over_many_releases_is_no_better_than_one():
    rng = np.random.default_rng(5)
    releases = [electorate(5)]
    for _ in range(30):  # waves of three interviews
        releases.append(releases[-1] + rng.multinomial(3, np.full(releases[-1].size, 1 / releases[-1].size)))
    still = np.flatnonzero((releases[0] == releases[-1]) & (releases[0] > 0))
    errors = []
    for number in range(40):
        told = np.array([shown(counts, number.to_bytes(32))[still] for counts in releases])
        errors.append(((told.mean(axis=0) - releases[0][still]) ** 2).mean() / (2 / 3))
    by_key = np.array(errors)
    z = (by_key.mean() - 1) / (by_key.std(ddof=1) / by_key.size**0.5)

    assert still.size > 20
    assert abs(z) < norm.isf(ALPHA / 2)


def test_what_one_release_adds_to_another_is_hidden_by_the_noise_of_the_cells_that_changed():
    before = electorate(6)
    occupied = np.flatnonzero(before > 0)
    errors, right = [], 0
    for number in range(N_KEYS):
        rng = np.random.default_rng(number)
        after = before.copy()
        after[rng.choice(occupied)] += 1  # one interview
        key = number.to_bytes(32)
        learnt = int((shown(after, key) - shown(before, key)).sum())
        errors.append((learnt - 1) ** 2)
        right += learnt == 1
    # Two noises of variance 2/3, apart: each of 9 pairs is as likely, and 3 of them are equal.
    least, most = binom.interval(1 - ALPHA, N_KEYS, 1 / 3)

    assert least <= right <= most
    assert abs(np.mean(errors) - 4 / 3) < norm.isf(ALPHA / 2) * np.std(errors) / N_KEYS**0.5
