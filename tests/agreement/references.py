"""Sample the NUTS references that the Laplace engine is compared with, and store what is compared: no draws.

    make references                                            every case with each of the seeds, minutes
    .venv/bin/python -m tests.agreement.references rw1 --seeds 1

A reference is kept only if R-hat is at most 1.005 and the effective sample size, of bulk and of tails, at least 4,000
for every estimate; sampling is repeated with more draws until they are.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mrp import NutsSettings, from_datatree, judge_nuts, sample_nuts
from mrp.agreement import TAILS, Moments
from mrp.attributes import facts_of
from mrp.convergence import convergence
from tests.agreement.cases import CASES, Case, CaseMissing, load_case

HERE = Path(__file__).parent / "references"
SEEDS = (1, 2)
MAX_R_HAT = 1.005
MIN_ESS = 4000
_DRAWS = 3000
"""Per chain at first."""
_ATTEMPTS = 4
_COLUMNS = ("mean", "mean_error", "sd", "sd_error", *(f"q{100 * p:.0f}{end}" for p in TAILS for end in ("", "_error")))


@dataclass(frozen=True, slots=True)
class Reference:
    """A stored reference."""

    facts: dict[str, Any]
    """What was sampled and how well: model, priors, hashes, seed, settings, versions, seconds, max_r_hat, min_ess."""
    moments: Moments


def read_reference(case: str, seed: int = SEEDS[0]) -> Reference:
    """Read what `write_reference` wrote."""
    facts = json.loads(_path(case, seed).read_text(encoding="utf-8"))
    estimates = facts.pop("estimates")
    assert facts.pop("columns") == list(_COLUMNS)
    mean, mean_error, sd, sd_error, low, low_error, high, high_error = np.array(list(estimates.values())).T
    moments = Moments(
        names=tuple(estimates),
        mean=mean,
        mean_error=mean_error,
        sd=sd,
        sd_error=sd_error,
        quantile=np.stack([low, high]),
        quantile_error=np.stack([low_error, high_error]),
    )
    return Reference(facts, moments)


def write_reference(case: str, reference: Reference) -> Path:
    """Store a reference, one line per estimate, so that a change of it can be read."""
    moments = reference.moments
    table = np.column_stack(
        [
            moments.mean,
            moments.mean_error,
            moments.sd,
            moments.sd_error,
            *(column for pair in zip(moments.quantile, moments.quantile_error, strict=True) for column in pair),
        ]
    )
    lines = [
        f"  {json.dumps(name)}: [{', '.join(f'{value:.7f}' for value in row)}]"
        for name, row in zip(moments.names, table, strict=True)
    ]
    head = json.dumps({**reference.facts, "columns": _COLUMNS}, indent=1).removesuffix("\n}")
    path = _path(case, reference.facts["seed"])
    path.write_text(f'{head},\n "estimates": {{\n' + ",\n".join(lines) + "\n }\n}\n", encoding="utf-8")
    return path


def sample_reference(case: Case, *, seed: int) -> Reference:
    """Sample a case until every estimate is known well enough.

    Raises
    ------
    SystemExit
        If it is not after several attempts, or the fit does not deserve publication.
    """
    design = case.design
    draws = _DRAWS
    for _ in range(_ATTEMPTS):
        begin = time.perf_counter()
        tree = sample_nuts(design, case.counts, case.priors, seed=seed, settings=NutsSettings(tune=1000, draws=draws))
        seconds = time.perf_counter() - begin
        max_r_hat, min_ess = _convergence(case, tree)
        if max_r_hat <= MAX_R_HAT and min_ess >= MIN_ESS:
            break
        print(f"  {draws} draws a chain: R-hat {max_r_hat:.4f}, ESS {min_ess:.0f}; again", file=sys.stderr)
        draws = int(1.3 * draws * max(1.0, MIN_ESS / min_ess))
    else:
        raise SystemExit(f"{case.name}: R-hat {max_r_hat:.4f} and ESS {min_ess:.0f} after {_ATTEMPTS} attempts")
    if problems := judge_nuts(tree).problems:
        raise SystemExit(f"{case.name}: {'; '.join(problem.message for problem in problems)}")
    facts = {
        "case": case.name,
        "model": case.formula,
        "priors": case.priors.to_json(),
        "sha256": case.hashes(),
        "n_interviews": int(case.counts["n"].sum()),
        "engine": "nuts",
        **{name: facts_of(tree)[name] for name in ("seed", "chains", "tune", "draws", "target_accept", "versions")},
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "max_r_hat": round(max_r_hat, 5),
        "min_ess": round(min_ess),
        "seconds": round(seconds, 1),
    }
    return Reference(facts, case.moments(tree))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.agreement.references", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, metavar="SEED", help="default: 1 2")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.cases) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    for name in asked.cases or CASES:
        try:
            case = load_case(name)
        except CaseMissing as error:
            parser.error(str(error))
        for seed in asked.seeds:
            reference = sample_reference(case, seed=seed)
            path = write_reference(name, reference)
            facts = reference.facts
            print(
                f"{path.name}: {len(reference.moments.names)} estimates, R-hat {facts['max_r_hat']:.4f}, "
                f"ESS {facts['min_ess']}, {facts['seconds']} s",
                flush=True,
            )


def _path(case: str, seed: int) -> Path:
    return HERE / f"{case}-{seed}.json"


def _convergence(case: Case, tree: Any) -> tuple[float, float]:
    """Largest R-hat and smallest effective sample size of any estimate."""
    import xarray as xr

    r_hat, ess = [], []
    for one in case.estimates(from_datatree(tree, case.design, max_draws=sys.maxsize)):
        chains = one.draws.reshape(one.n_chains, -1, one.draws.shape[1])
        dataset = xr.Dataset({"estimate": (("chain", "draw", "area"), chains)})
        for row in convergence(xr.DataTree.from_dict({"posterior": dataset})):
            r_hat.append(row.r_hat)
            ess += [row.ess_bulk, row.ess_tail]
    return max(r_hat), min(ess)


if __name__ == "__main__":
    main()
