"""An agreement scale of five options: the cases on which the engines are compared for options in order.

    .venv/bin/python -m tests.agreement.scale               sample the NUTS references, store what is compared: minutes

Of "scale_rare" there are 300 interviews, of which nobody chose the highest option: the posterior is lopsided.
"""

import hashlib
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from mrp import NutsSettings, Priors, judge_nuts
from mrp.agreement import Moments, moments
from mrp.attributes import facts_of
from mrp.convergence import convergence
from mrp.ordinal import (
    OrdinalDesign,
    default_ordinal_estimates,
    ordinal_latents,
    sample_ordinal_nuts,
)
from mrp.poststratification import AreaDraws
from tests.agreement.references import MAX_R_HAT, MIN_ESS, Reference, write_reference
from tests.mrp.ordinal.scales import FORMULA, SCALE, WORLD, counted, design, poll

SEED = 1
CASES = ("scale", "scale_rare")
_DRAWS = 3000


@dataclass(frozen=True, slots=True)
class Scale:
    """What is fitted."""

    name: str
    design: OrdinalDesign
    counts: pl.DataFrame

    def hashes(self) -> dict[str, str]:
        tables = {"counts": self.counts, "frame": WORLD.frame, "districts": WORLD.districts}
        return {name: hashlib.sha256(table.write_csv().encode()).hexdigest() for name, table in tables.items()}

    def estimates(self, tree: Any) -> list[AreaDraws]:
        """Shares of all options and mean scores: of the nation, all districts, every demographic by itself."""
        latents = ordinal_latents(tree, self.design, max_draws=sys.maxsize)
        drawn = default_ordinal_estimates(latents, self.design, WORLD)
        means = [one.mean() for one in drawn]
        scored = [
            AreaDraws(one.areas.with_columns(option=pl.lit("mean")), one.draws, one.n_chains, one.points)
            for one in means
        ]
        return [*(one.by_option() for one in drawn), *scored]

    def moments(self, tree: Any) -> Moments:
        return moments(*self.estimates(tree))


def load_scale(name: str) -> Scale:
    of = design()
    n = {"scale": 1500, "scale_rare": 300}[name]
    interviews = poll(of, n=n, seed=7).interviews
    if name == "scale_rare":
        interviews = interviews.filter(pl.col("view") != SCALE[-1])
    return Scale(name, of, counted(of, interviews))


def main() -> None:
    """Sample until every estimate is known well enough, or say that it is not."""
    import xarray as xr

    for name in CASES:
        case, begin = load_scale(name), time.perf_counter()
        settings = NutsSettings(tune=1000, draws=_DRAWS)
        tree = sample_ordinal_nuts(case.design, case.counts, Priors(), seed=SEED, settings=settings)
        seconds = time.perf_counter() - begin
        r_hat, ess = [], []
        for one in case.estimates(tree):
            chains = one.draws.reshape(one.n_chains, -1, one.draws.shape[1])
            dataset = xr.Dataset({"estimate": (("chain", "draw", "area"), chains)})
            for row in convergence(xr.DataTree.from_dict({"posterior": dataset})):
                r_hat.append(row.r_hat)
                ess += [row.ess_bulk, row.ess_tail]
        facts = {
            "case": name,
            "model": FORMULA,
            "priors": Priors().to_json() | {"log_width": str(Priors().log_width)},
            "sha256": case.hashes(),
            "n_interviews": int(case.counts["n"].sum()),
            "engine": "nuts",
            **{one: facts_of(tree)[one] for one in ("seed", "chains", "tune", "draws", "target_accept", "versions")},
            "divergences": int(tree["sample_stats"]["diverging"].sum()),
            "max_r_hat": round(float(np.max(r_hat)), 5),
            "min_ess": round(float(np.min(ess))),
            "seconds": round(seconds, 1),
        }
        told = {one: facts[one] for one in ("divergences", "max_r_hat", "min_ess", "seconds")}
        print(name, told, judge_nuts(tree).problems)
        if facts["max_r_hat"] > MAX_R_HAT or facts["min_ess"] < MIN_ESS or not judge_nuts(tree).publishable:
            raise SystemExit(f"{name}: not known well enough; sample with more draws")
        print(write_reference(name, Reference(facts, case.moments(tree))))


if __name__ == "__main__":
    main()
