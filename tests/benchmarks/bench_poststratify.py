"""Speed of poststratification: nation, all districts and every one-way demographic in one pass.

    python tests/benchmarks/bench_poststratify.py

prints JSON: nanoseconds of processor time per cell and draw, best and median of several runs, beside a bare vectorised
exp of float32 in place in cache, which is the least that any logit model needs. The electorate is synthetic, of the
size of a national survey: 50 districts, 240 demographic cells each, a model of seven varying terms. Processor time is
what other programs on the machine disturb least; compare with the bare exp even so.
"""

import itertools
import json
import os
import time
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import polars as pl

from mrp import Design, Electorate, Grouping, LatentDraws, area_draws_many, build_design

FORMULA = (
    "lean + region + gender + (1|district) + (1|eth) + (1|educ) + (1|age)"
    " + (1|gender:eth) + (1|educ:age) + (1|educ:eth)"
)
DEMOGRAPHICS = {"gender": 2, "eth": 4, "educ": 5, "age": 6}
TARGET_NS = 12.0


def national_electorate(*, n_districts: int = 50, seed: int = 1) -> Electorate:
    """Every combination of district and demographics, with random numbers of people."""
    rng = np.random.default_rng(seed)
    codes = [f"D{i:03d}" for i in range(n_districts)]
    districts = pl.DataFrame(
        {
            "code": codes,
            "name": codes,
            "region": [f"Region {i % 5}" for i in range(n_districts)],
            "lean": rng.normal(0.5, 0.1, n_districts),
        }
    )
    demographics = {name: tuple(f"{name} {i}" for i in range(n)) for name, n in DEMOGRAPHICS.items()}
    cells = list(itertools.product(codes, *demographics.values()))
    frame = pl.DataFrame(cells, schema=["district", *demographics], orient="row")
    return Electorate(
        frame.with_columns(n_people=pl.Series(rng.gamma(1.5, 2000, len(cells)))), districts, "district", demographics
    )


def best_and_median(work: Callable[[], object], *, n_runs: int = 11) -> tuple[float, float]:
    """Seconds of processor time of all threads."""
    work()
    seconds = []
    for _ in range(n_runs):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds), float(np.median(seconds))


def measure(electorate: Electorate, design: Design, *, n_draws: int) -> dict[str, float | bool]:
    groupings = tuple(Grouping(by) for by in ((), ("district",), *((name,) for name in DEMOGRAPHICS)))
    draws = np.random.default_rng(2).normal(0, 0.4, (n_draws, design.n_latents)).astype(np.float32)
    latents = LatentDraws(draws, design.latent_names)
    chunk = np.random.default_rng(3).normal(size=(200, 1000)).astype(np.float32)
    out = np.empty_like(chunk)
    n_exp = 20

    def bare_exp() -> None:
        for _ in range(n_exp):
            np.exp(chunk, out=out)

    numbers = electorate.frame.height * n_draws
    best, median = best_and_median(lambda: area_draws_many(latents, design, electorate, groupings))
    exp_best, exp_median = best_and_median(bare_exp)
    return {
        "ns_per_cell_and_draw": round(best / numbers * 1e9, 2),
        "ns_per_cell_and_draw_median": round(median / numbers * 1e9, 2),
        "bare_exp_ns": round(exp_best / chunk.size / n_exp * 1e9, 2),
        "bare_exp_ns_median": round(exp_median / chunk.size / n_exp * 1e9, 2),
        "target_ns": TARGET_NS,
        "met": median / numbers * 1e9 <= TARGET_NS,
    }


def main() -> None:
    electorate = national_electorate()
    design = build_design(FORMULA, electorate)
    report: dict[str, object] = {"n_cells": electorate.frame.height, "n_breakdowns": 2 + len(DEMOGRAPHICS)}
    for n_draws in (500, 1000, 4000):
        report[f"{n_draws} draws"] = measure(electorate, design, n_draws=n_draws)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
