"""london2016, six options among voters: the case on which the engines are compared for several options.

    .venv/bin/python -m tests.agreement.london2016          sample the NUTS reference, store what is compared: minutes

Every party's share of 2012 is the offset: without anything else in the model opinion is as it was. UKIP is one of the
others of 2012, with whose share it starts.
"""

import hashlib
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from mrp import Electorate, NutsSettings, Priors, judge_nuts
from mrp.agreement import Moments, moments
from mrp.attributes import facts_of
from mrp.categorical import (
    CategoricalDesign,
    Options,
    build_categorical_design,
    categorical_latents,
    collapse_options,
    default_option_estimates,
    sample_categorical_nuts,
)
from mrp.categorical.poststratification import OptionDraws
from mrp.convergence import convergence
from tests.agreement.cases import DATA, CaseMissing
from tests.agreement.references import MAX_R_HAT, MIN_ESS, Reference, write_reference

NAME = "london2016"
FORMULA = "offset(log(past)) + gender + (1|borough) + (1|age) + (1|education) + (1|ethnicity)"
PAST = {
    "Labour": "lab_share_2012",
    "Conservative": "con_share_2012",
    "Green": "green_share_2012",
    "Liberal Democrat": "ldem_share_2012",
    "UKIP": "other_share_2012",
    "Other": "other_share_2012",
}
DEMOGRAPHICS = ("gender", "age", "education", "ethnicity")
SEED = 1
_DRAWS = 2500


@dataclass(frozen=True, slots=True)
class London:
    """What is fitted, for whom, and what came of it."""

    design: CategoricalDesign
    electorate: Electorate
    counts: pl.DataFrame
    truth: pl.DataFrame
    """Shares of votes cast: ``geography``, ``option``, ``share``."""

    def hashes(self) -> dict[str, str]:
        tables = {"counts": self.counts, "frame": self.electorate.frame, "districts": self.electorate.districts}
        return {name: hashlib.sha256(table.write_csv().encode()).hexdigest() for name, table in tables.items()}

    def estimates(self, tree: Any) -> tuple[OptionDraws, ...]:
        """The city, all boroughs, every demographic by itself, of a fit with all its draws."""
        latents = categorical_latents(tree, self.design, max_draws=sys.maxsize)
        return default_option_estimates(latents, self.design, self.electorate)

    def moments(self, tree: Any) -> Moments:
        return moments(*(one.by_option() for one in self.estimates(tree)))


def load_london() -> London:
    """Read the case.

    Raises
    ------
    CaseMissing
        If its tables are not where they should be.
    """
    folder = DATA / NAME
    if not folder.is_dir():
        raise CaseMissing(f"no tables of {NAME} in {DATA}: set HUSTINGS_CASES")
    frame = pl.read_parquet(folder / "frame.parquet").rename({"count": "n_people"})
    levels = {name: tuple(sorted(frame[name].unique())) for name in DEMOGRAPHICS}
    electorate = Electorate(frame, pl.read_parquet(folder / "districts.parquet"), "borough", levels)
    design = build_categorical_design(FORMULA, electorate, Options(tuple(PAST), columns={"past": PAST}))
    responses = pl.read_parquet(folder / "responses.parquet")
    counts = collapse_options(
        responses, by=design.count_columns, answer="outcome", options=design.options, drop=("Did not vote",)
    )
    return London(design, electorate, counts, pl.read_parquet(folder / "truth_voters.parquet"))


def main() -> None:
    """Sample until every estimate is known well enough, or say that it is not."""
    import xarray as xr

    case = load_london()
    begin = time.perf_counter()
    settings = NutsSettings(tune=600, draws=_DRAWS)
    tree = sample_categorical_nuts(case.design, case.counts, Priors(), seed=SEED, settings=settings)
    seconds = time.perf_counter() - begin
    r_hat, ess = [], []
    for one in case.estimates(tree):
        chains = one.draws.reshape(one.n_chains, -1, one.areas.height * case.design.n_options)
        dataset = xr.Dataset({"estimate": (("chain", "draw", "area"), chains)})
        for row in convergence(xr.DataTree.from_dict({"posterior": dataset})):
            r_hat.append(row.r_hat)
            ess += [row.ess_bulk, row.ess_tail]
    facts = {
        "case": NAME,
        "model": FORMULA,
        "priors": Priors().to_json(),
        "sha256": case.hashes(),
        "n_interviews": int(case.counts["n"].sum()),
        "engine": "nuts",
        **{name: facts_of(tree)[name] for name in ("seed", "chains", "tune", "draws", "target_accept", "versions")},
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "max_r_hat": round(float(np.max(r_hat)), 5),
        "min_ess": round(float(np.min(ess))),
        "seconds": round(seconds, 1),
    }
    print({name: facts[name] for name in ("divergences", "max_r_hat", "min_ess", "seconds")}, judge_nuts(tree).problems)
    if facts["max_r_hat"] > MAX_R_HAT or facts["min_ess"] < MIN_ESS or not judge_nuts(tree).publishable:
        raise SystemExit(f"{NAME}: not known well enough; sample with more draws")
    print(write_reference(NAME, Reference(facts, case.moments(tree))))


if __name__ == "__main__":
    main()
