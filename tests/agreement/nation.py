"""The survey of a country, thinned: the case on which the engines are compared for the model of the large survey.

    .venv/bin/python -m tests.agreement.nation              sample the NUTS reference, store what is compared: minutes

The model is that of `fixtures.scale_survey`, with its twelve standard deviations; of its electorate there are 44
districts of 60 cells, and of its interviews 3,000 on 7 days. So a look takes long enough for few of them to be made.
The seconds of the stored reference are by the clock, half of them waiting for other programs.

Shares are known as well as those of `tests.agreement.references`, standard deviations are not: NUTS walks slowly where
one of a few levels may be zero, of which 8,000 draws that accept 99% were worth 270. Of them a reference needs an R-hat
of at most 1.01, as any fit does, and an effective sample size of 1,000, of bulk and of tails. Their errors are stored,
and widen the limits of the comparison by a tenth of a posterior standard deviation.
"""

import hashlib
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from fixtures.scale import ScaleSettings
from fixtures.scale_survey import MODEL
from mrp import NutsSettings, Priors, judge_nuts
from mrp.agreement import Moments, moments
from mrp.attributes import facts_of
from mrp.categorical import categorical_latents, default_option_estimates, sample_categorical_nuts
from mrp.convergence import convergence
from mrp.poststratification import AreaDraws
from tests.agreement.references import MAX_R_HAT, MIN_ESS, Reference, write_reference
from tests.mrp.nations import Nation, nation

NAME = "nation"
SEED = 1
SETTINGS = ScaleSettings(seed=1, n_districts=44, cells_per_district=60, n_interviews=3000, n_waves=7)
MAX_R_HAT_OF_SDS, MIN_ESS_OF_SDS = 1.01, 1000
_DRAWS, _ACCEPT = 9000, 0.97


@dataclass(frozen=True, slots=True)
class Country:
    """What is fitted, and for whom it is estimated."""

    made: Nation

    def hashes(self) -> dict[str, str]:
        electorate = self.made.electorate
        tables = {"counts": self.made.counts, "frame": electorate.frame, "districts": electorate.districts}
        return {name: hashlib.sha256(table.write_csv().encode()).hexdigest() for name, table in tables.items()}

    def estimates(self, tree: Any) -> list[AreaDraws]:
        """Shares of all options, of the nation, all districts, every demographic by itself; and the sds of terms.

        Without options where they do not stand, whose share is 0 in every draw.
        """
        design = self.made.design
        latents = categorical_latents(tree, design, max_draws=sys.maxsize)
        shares = default_option_estimates(latents, design, self.made.electorate)
        terms = [effect.term for effect in design.common.effects]
        sds = np.stack([tree["posterior"][f"sd {term}"].to_numpy().ravel() for term in terms], axis=1)
        named = pl.DataFrame({"sd": terms, "n_people": np.ones(len(terms))})
        of_terms = AreaDraws(named, sds, latents.n_chains, latents.points)
        return [*(_standing(one.by_option()) for one in shares), of_terms]

    def moments(self, tree: Any) -> Moments:
        return moments(*self.estimates(tree))


def load_country() -> Country:
    return Country(nation(SETTINGS))


def main() -> None:
    """Sample until every estimate is known well enough, or say that it is not."""
    case, begin = load_country(), time.perf_counter()
    settings = NutsSettings(tune=1000, draws=_DRAWS, target_accept=_ACCEPT)
    tree = sample_categorical_nuts(case.made.design, case.made.counts, Priors(), seed=SEED, settings=settings)
    seconds = time.perf_counter() - begin
    *of_shares, of_sds = case.estimates(tree)
    r_hat, ess = known(*of_shares)
    sds_r_hat, sds_ess = known(of_sds)
    facts = {
        "case": NAME,
        "model": MODEL,
        "priors": Priors().to_json(),
        "sha256": case.hashes(),
        "n_interviews": int(case.made.counts["n"].sum()),
        "engine": "nuts",
        **{name: facts_of(tree)[name] for name in ("seed", "chains", "tune", "draws", "target_accept", "versions")},
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "max_r_hat": round(r_hat, 5),
        "min_ess": round(ess),
        "max_r_hat_of_sds": round(sds_r_hat, 5),
        "min_ess_of_sds": round(sds_ess),
        "seconds": round(seconds, 1),
    }
    problems = judge_nuts(tree).problems
    print({name: value for name, value in facts.items() if not isinstance(value, dict | str)}, problems)
    enough = r_hat <= MAX_R_HAT and ess >= MIN_ESS and sds_r_hat <= MAX_R_HAT_OF_SDS and sds_ess >= MIN_ESS_OF_SDS
    if problems or not enough:
        raise SystemExit(f"{NAME}: not known well enough; sample with more draws")
    print(write_reference(NAME, Reference(facts, case.moments(tree))))


def known(*estimates: AreaDraws) -> tuple[float, float]:
    """Largest R-hat and smallest effective sample size, of bulk and of tails, of any estimate of a fit by NUTS."""
    import xarray as xr

    r_hat, ess = [], []
    for one in estimates:
        chains = one.draws.reshape(one.n_chains, -1, one.draws.shape[1])
        dataset = xr.Dataset({"estimate": (("chain", "draw", "area"), chains)})
        for row in convergence(xr.DataTree.from_dict({"posterior": dataset})):
            r_hat.append(row.r_hat)
            ess += [row.ess_bulk, row.ess_tail]
    return max(r_hat), min(ess)


def _standing(estimate: AreaDraws) -> AreaDraws:
    stands = estimate.draws.any(axis=0)
    return replace(estimate, areas=estimate.areas.filter(stands), draws=estimate.draws[:, stands])


if __name__ == "__main__":
    main()
