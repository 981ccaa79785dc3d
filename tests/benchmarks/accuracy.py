"""Accuracy on real people: 20 seeded samples of 5,000 from cces2018, each scored on the interviews left out.

    python tests/benchmarks/accuracy.py [--samples 20] > report.json

For each sample the truth of a state is the mean of its interviews that were *not* sampled, with its standard error, and
the frame is the cell counts of all 59,810: the population that the sample was drawn from. (The census frame is reported
beside it; it describes other people than the unweighted truth.) Compared are MRP by the Laplace engine, the same model
by maximum likelihood, and the baselines. Maximum likelihood is what glmer does: standard deviations that maximise the
Laplace approximation of the likelihood, flat priors on the coefficients, modes of the effects plugged in; it has no
interval of its own for a poststratified share.
"""

import argparse
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import optimize

from mrp import Electorate, LatentDraws, Priors, area_draws, build_design, collapse, from_datatree, score
from mrp.baselines import national_mean, predictors_alone, raw_by_district
from mrp.counts import coarsest
from mrp.design import Design
from mrp.laplace.conditional import Conditional
from mrp.laplace.engine import fit_laplace
from mrp.priors import Normal
from mrp.scoring import Scores

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("HUSTINGS_CASES", ROOT.parent / "shared" / "data")) / "cces2018"
FORMULA = (
    "rep_share_2016 + region + gender + (1|state) + (1|ethnicity) + (1|education) + (1|age) + (1|gender:ethnicity) "
    "+ (1|education:age) + (1|education:ethnicity)"
)
DEMOGRAPHICS = ("gender", "ethnicity", "age", "education")
SIZE = 5000


def electorates(interviews: pl.DataFrame) -> tuple[Electorate, Electorate]:
    """The frame of everybody interviewed, and that of the census, both over the same districts."""
    districts = pl.read_parquet(DATA / "districts.parquet")
    census = pl.read_parquet(DATA / "frame.parquet").rename({"count": "n_people"})
    levels = {name: tuple(census[name].unique().sort()) for name in DEMOGRAPHICS}
    everybody = interviews.group_by("state", *DEMOGRAPHICS).agg(pl.len().cast(pl.Float64).alias("n_people"))
    return tuple(
        Electorate(frame.sort("state", *DEMOGRAPHICS), districts, district="state", demographics=levels)
        for frame in (everybody, census)
    )


def maximum_likelihood(design: Design, counts: pl.DataFrame) -> LatentDraws:
    """The point estimate of glmer, as a single draw."""
    flat = Priors(intercept=Normal(0, 100), coefficient=Normal(0, 100))
    conditional = Conditional(design, coarsest(design, counts), flat)
    last = [None]

    def minus(log_sd: np.ndarray) -> float:
        last[0] = conditional.mode(np.exp(log_sd), last[0])
        return -last[0].log_likelihood

    bounds = [(math.log(1e-3), math.log(5))] * len(design.effects)
    # The mode is found to 1e-6 in log density: a step of the difference quotient has to be far above that.
    start = np.full(len(bounds), -1.0)
    found = optimize.minimize(minus, start, method="L-BFGS-B", bounds=bounds, options={"eps": 1e-3})
    latents, _ = conditional.draw(np.exp(found.x), last[0], np.zeros((1, design.n_latents)))
    return LatentDraws(latents.astype(np.float32), design.latent_names)


def one_sample(interviews: pl.DataFrame, seed: int) -> dict[str, Any]:
    """Scores of every method on one sample."""
    chosen = np.zeros(interviews.height, dtype=bool)
    chosen[np.random.default_rng(seed).choice(interviews.height, SIZE, replace=False)] = True
    sample, left = interviews.filter(pl.Series(chosen)), interviews.filter(~pl.Series(chosen))
    truth = (
        left.group_by("state")
        .agg((pl.col("outcome") == "Support").mean().alias("share"), pl.len().alias("n"))
        .sort("state")
        .with_columns(se=(pl.col("share") * (1 - pl.col("share")) / pl.col("n")).sqrt())
    )
    share, se = truth["share"].to_numpy(), truth["se"].to_numpy()
    codes = tuple(truth["state"])
    everybody, census = electorates(interviews)
    report: dict[str, Any] = {"seed": seed}

    def note(name: str, scores: Scores) -> None:
        report[name] = {
            "rmse": scores.rmse,
            "bias": scores.bias,
            "interval_score": scores.interval_score,
            "coverage_90": scores.coverage["0.9"],
        }

    for name, electorate in (("mrp", everybody), ("mrp_census_frame", census)):
        design = build_design(FORMULA, electorate)
        counts = collapse(sample, by=design.cell_columns, answer="outcome", option="Support")
        tree = fit_laplace(design, counts, Priors(), seed=seed)
        draws = area_draws(from_datatree(tree, design), design, electorate, by=("state",))
        assert tuple(draws.areas["state"]) == codes
        note(name, score(draws.draws, share, truth_se=se, seed=seed))
        report[name] |= {"k_hat_sd": tree.attrs["k_hat_sd"], "k_hat_joint": tree.attrs["k_hat_joint"]}
        if name == "mrp":
            point = area_draws(maximum_likelihood(design, counts), design, electorate, by=("state",)).draws[0]
            report["maximum_likelihood"] = {"rmse": float(np.sqrt(np.mean((point - share) ** 2)))}
            full = collapse(sample, by=("state", *DEMOGRAPHICS), answer="outcome", option="Support")
            for baseline in (raw_by_district, national_mean):
                known = baseline(full, electorate).at(codes)
                kept = [codes.index(code) for code in known.codes]
                scores = score(known.draws, share[kept], point=known.share, truth_se=se[kept], seed=seed)
                note(baseline.__name__, scores)
            alone = predictors_alone(full, electorate, design=design, priors=Priors()).at(codes)
            note("predictors_alone", score(alone.draws, share, point=alone.share, truth_se=se, seed=seed))
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=20)
    arguments = parser.parse_args()
    interviews = pl.read_parquet(DATA / "responses.parquet")
    runs = []
    for seed in range(1, arguments.samples + 1):
        runs.append(one_sample(interviews, seed))
        print(f"sample {seed}: RMSE {runs[-1]['mrp']['rmse']:.4f}", file=sys.stderr)
    methods = [name for name in runs[0] if name != "seed"]
    mean = {name: {key: float(np.mean([run[name][key] for run in runs])) for key in runs[0][name]} for name in methods}
    paired = np.array([run["mrp"]["rmse"] - run["maximum_likelihood"]["rmse"] for run in runs])
    error = float(paired.std(ddof=1) / np.sqrt(len(paired)))
    print(
        json.dumps(
            {
                "samples": len(runs),
                "mean": mean,
                "rmse_over_maximum_likelihood": {"mean": float(paired.mean()), "standard_error": error},
                "goals": {
                    "no worse than maximum likelihood by two standard errors": bool(paired.mean() <= 2 * error),
                    "interval score below every baseline's": all(
                        mean["mrp"]["interval_score"] < mean[name]["interval_score"]
                        for name in ("raw_by_district", "national_mean", "predictors_alone")
                    ),
                    "90% coverage between 0.83 and 0.96": bool(0.83 <= mean["mrp"]["coverage_90"] <= 0.96),
                },
                "runs": runs,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
