"""The measure of a Dask cluster, on a small queue: both rounds drain, and nothing is done twice."""

import pytest

from jobs.dask_bench import as_json, bench_dask


@pytest.mark.slow
def test_both_rounds_publish_every_question_once():
    said: list[str] = []
    told = as_json(bench_dask(surveys=2, size=100, seed=1, say=said.append))

    assert told["fits"] == told["published"] == 10
    assert told["speed_up"] == pytest.approx(told["one_worker_s"] / told["two_workers_s"], abs=0.05)
    assert told["plain_speed_up"] > 0
    assert [line.partition(":")[0] for line in said if " s" in line and "Dask" in line] == [
        "1 Dask worker",
        "2 Dask workers",
    ]
