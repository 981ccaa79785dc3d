"""Electorates that know the truth, replayed with real fits: the track record covers it as often as it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from api.track_record import track_record
from fixtures.demo import write_demo
from jobs.backtest_replay import replay
from jobs.settings import Settings

SEEDS = range(1, 9)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_intervals_of_the_last_release_cover_the_planted_truth(tmp_path: Path):
    """Of eight invented countries of 20 districts, two waves each: districts of one are wrong together, countries not.

    The standard error is that of a mean of eight. What the model leaves out on purpose (house effects of 0.06, an
    interaction) may cost a little of the coverage, so that the lower bound is 0.05 further away.
    """
    settings = replace(Settings(), laplace_draws=1000)
    covered: dict[float, list[float]] = {}
    better = []
    for seed in SEEDS:
        folder = tmp_path / str(seed)
        write_demo(folder, seed=seed, n_districts=20, n_waves=2, n_interviews=500, n_demographics=4)
        record = replay(folder, settings=settings, read=track_record, seed=seed).read
        assert record.unscored == []
        for row in record.calibration:
            if (row.level, row.of) == ("district", "last"):
                covered.setdefault(row.interval, []).append(row.observed)
        last = [row for row in record.scores if row.level == "district" and row.release_number == 2]
        scores = {row.method: row.crps for row in last}
        better.append(scores["mrp"] < scores["national_mean"])
    for nominal, shares in covered.items():
        error = 3.5 * np.std(shares, ddof=1) / np.sqrt(len(SEEDS)) + 0.01
        assert nominal - error - 0.05 <= np.mean(shares) <= nominal + error, (nominal, shares)
    assert all(better)
