"""What is expected of further interviews is what they do: ask them of a posterior draw, fit again, compare."""

import numpy as np
import polars as pl
import pytest

from mrp import Priors, area_draws, build_design, collapse, from_datatree
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from mrp.latents import LatentDraws
from mrp.poststratification import cell_shares
from mrp.whom_to_ask import expected_narrowing
from tests.mrp.worlds import electorate, interview, plant

FORMULA = "lean + (1|district) + (1|age)"
ASKED, N, REFITS = "D03", 120, 60


def fit(world: Electorate, design: Design, counts: pl.DataFrame, seed: int) -> LatentDraws:
    settings = LaplaceSettings(points=300, draws=1000)
    return from_datatree(fit_laplace(design, counts, Priors(), seed=seed, settings=settings), design)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_interviews_narrow_by_as_much_as_expected_on_average():
    """New answers come from draws of the first fit: the mean of the variances that remain is what is foretold.

    The rule is linear and does not look at the cells of those asked, so that refits may learn a little more; here it is
    next to nothing.
    """
    world = electorate(n_districts=12, seed=31)
    design = build_design(FORMULA, world)
    opinion = plant(design, world.frame, seed=32, sd=0.5)
    first = interview(world, opinion, n=500, seed=33)
    by = world.cell_columns

    def count(interviews: pl.DataFrame) -> pl.DataFrame:
        return collapse(interviews, by=by, answer="answer", option="yes")

    before = fit(world, design, count(first), seed=34)
    districts = area_draws(before, design, world, by=("district",))
    codes = districts.areas["district"].to_list()
    asked = codes.index(ASKED)
    foretold = expected_narrowing(districts, districts, n=N)
    share = cell_shares(before, design, world.frame)  # (draw, cell)
    inside = (world.frame["district"] == ASKED).to_numpy() & (world.frame["n_people"] > 0).to_numpy()
    cells = world.frame.filter(pl.Series(inside))
    weight = cells["n_people"].to_numpy() / cells["n_people"].sum()
    remains = []
    for refit in range(REFITS):
        rng = np.random.default_rng([35, refit])
        opinions = share[rng.integers(len(share)), inside]
        who = rng.choice(cells.height, N, p=weight)
        yes = rng.random(N) < opinions[who]
        more = cells[who].select(by).with_columns(answer=pl.Series(np.where(yes, "yes", "no")))
        both = pl.concat([first.select(*by, "answer").cast(pl.String), more.cast(pl.String)])
        after = area_draws(fit(world, design, count(both), seed=36 + refit), design, world, by=("district",))
        remains.append(after.draws.var(axis=0))
    part = np.array(remains) / districts.draws.var(axis=0)  # of the variance, shape (refit, district)
    mean, error = part.mean(axis=0), part.std(axis=0, ddof=1) / np.sqrt(REFITS)
    expected = (foretold.sd_after[asked] / foretold.sd_before) ** 2
    # Both variances are of some hundred independent draws: an error of 5% or so of each.
    slack = 3.5 * error[asked] + 0.1 * expected[asked]
    assert expected[asked] < 0.5
    assert abs(mean[asked] - expected[asked]) < slack, (mean[asked], error[asked], expected[asked])
    others = np.arange(len(codes)) != asked
    assert expected[others].min() > 0.9
    assert abs(mean[others].mean() - expected[others].mean()) < 0.05, (mean, expected)
