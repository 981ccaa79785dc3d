"""How long a refit takes: the Laplace engine beside NUTS on the same model, in the same run.

Run by ``make bench``; prints one JSON object. Times are wall-clock seconds on whatever machine this is: compare the
ratios. A fit is followed by the estimates that every release has: the nation, all districts, every demographic by
itself. *Warm* is in a process that has fitted before; *cold* is the service's own fit process from its start to its
end, with cached kernels, and its peak memory. Each measurement has a process to itself, one after the other.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

# As in the fit process: the engine's own threads share the cores, not those of the linear algebra library.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.cases import CASES, ROOT, Inputs, load

REPEATS = 5
COLD_REPEATS = 3
TIMEOUT_S = 900
GOALS = {
    "warm_s": {"cces2018, 5,000 interviews": 3, "cces2018, 59,810 interviews": 6, "marriage2005": 4},
    "cold_beyond_warm_s": 4,
    "peak_mb": 700,
    "times_faster_than_nutpie_to_ess_400": {"cces2018, 5,000 interviews": 50},
}
# Models of cces2018 with so many parameters, for the search of their mode.
_WIDER = " + (1|gender:education) + (1|gender:age) + (1|ethnicity:age) + (1|region) + (1|state:gender)"
_WIDEST = (
    "rep_share_2016 + region + (1+gender|state) + (1+gender|ethnicity) + (1+gender|education) + (1|age)"
    " + (1|gender:ethnicity) + (1|education:age) + (1|education:ethnicity) + (1|ethnicity:age) + (1|gender:education)"
    " + (1|gender:age) + (1|region) + (1|region:age) + (1|region:education) + (1|region:ethnicity)"
)


def once(inputs: Inputs, *, seed: int) -> dict[str, Any]:
    """One Laplace fit with its estimates."""
    from mrp.fit import default_estimates
    from mrp.laplace.engine import fit_laplace
    from mrp.latents import from_datatree
    from mrp.verdict import judge_laplace

    design = inputs.design
    begin, cpu = time.perf_counter(), time.process_time()
    tree = fit_laplace(design, inputs.counts, inputs.priors, seed=seed)
    fitted = time.perf_counter()
    estimates = default_estimates(from_datatree(tree, design), design, inputs.electorate)
    end = time.perf_counter()
    return {
        "fit": fitted - begin,
        "estimates": end - fitted,
        "total": end - begin,
        "cpu": time.process_time() - cpu,
        "publishable": judge_laplace(tree, estimates).publishable,
        **{name: tree.attrs[name] for name in ("k_hat_sd", "k_hat_joint", "ess_sd", "ess_joint", "evaluations")},
    }


def warm(case: str) -> dict[str, Any]:
    """The median of several fits after the first, in this process."""
    inputs = load(case)
    once(inputs, seed=0)
    runs = [once(inputs, seed=seed) for seed in range(1, REPEATS + 1)]
    return {
        "n_cells": inputs.counts.height,
        "n_latents": inputs.design.n_latents,
        "median_s": {name: statistics.median(run[name] for run in runs) for name in ("fit", "estimates", "total")},
        "median_cpu_s": statistics.median(run["cpu"] for run in runs),
        "worst_s": max(run["total"] for run in runs),
        "publishable": sum(run["publishable"] for run in runs),
        "runs": runs,
    }


def cold(case: str) -> dict[str, Any]:
    """The service's fit process on a request, from its start to its end."""
    from jobs.fit_request import FitRequest, FitResult
    from mrp.laplace.engine import LaplaceSettings
    from mrp.nuts import NutsSettings
    from mrp.outcomes import BinaryOutcome

    inputs = load(case)
    seconds, peaks, engines = [], [], []
    for seed in range(COLD_REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            request = FitRequest(
                outcome=BinaryOutcome(("yes", "no")),
                formula=inputs.design.formula,
                priors=inputs.overridden,
                seed=seed,
                engine="laplace",
                nuts=NutsSettings(),
                laplace=LaplaceSettings(),
                electorate=inputs.electorate,
                counts=inputs.counts,
            )
            request.write(Path(folder))
            orders = Path(folder, "orders")
            orders.write_text(json.dumps(folder) + "\n")
            begin = time.perf_counter()
            with orders.open() as order:
                child = subprocess.Popen(
                    [sys.executable, "-m", "jobs.fit_process", str(os.getpid())],
                    cwd=ROOT,
                    stdin=order,
                    stdout=subprocess.DEVNULL,
                )
            _, status, usage = os.wait4(child.pid, 0)
            seconds.append(time.perf_counter() - begin)
            child.returncode = os.waitstatus_to_exitcode(status)
            peaks.append(usage.ru_maxrss / 1024)
            assert child.returncode == 0, f"the fit process ended with {child.returncode}"
            engines.append(FitResult.read(Path(folder)).engine)
    # A fit that Laplace could not publish was sampled instead, and is timed so.
    return {"median_s": statistics.median(seconds), "all_s": seconds, "peak_mb": max(peaks), "engines": engines}


def mode_search(case: str) -> dict[str, Any]:
    """The search of the most probable parameters, by its gradient and by differences."""
    from scipy import optimize

    from mrp import build_design
    from mrp.counts import coarsest
    from mrp.hyper import hyper_space
    from mrp.laplace.conditional import Conditional
    from mrp.laplace.search import most_probable
    from mrp.priors import Priors

    inputs = load(case)
    out = {}
    for formula in (inputs.design.formula, inputs.design.formula + _WIDER, _WIDEST):
        design = build_design(formula, inputs.electorate)
        conditional = Conditional(design, coarsest(design, inputs.counts), Priors())
        space = hyper_space(design, Priors())
        near = conditional.slope(space.natural(space.working(space.start())))[0]

        def minus_log_density(free: Any, space: Any = space, conditional: Any = conditional, near: Any = near) -> float:
            working = space.working(free)
            value = conditional.mode(space.natural(working), near).log_likelihood
            return -float(value + space.log_prior(working) + space.log_volume(working))

        begin = time.process_time()
        most_probable(conditional, space)
        exact = time.process_time() - begin
        begin = time.process_time()
        optimize.minimize(minus_log_density, space.start(), method="BFGS", options={"gtol": 3e-2, "eps": 1e-3})
        differences = time.process_time() - begin
        out[f"{space.size} parameters"] = {"gradient_cpu_s": exact, "differences_cpu_s": differences}
    return out


PARTS = {"warm": warm, "cold": cold, "mode_search": mode_search}


def measured(part: str, case: str, *, python: str = sys.executable) -> dict[str, Any]:
    """A measurement in a process of its own; what went wrong in place of what cannot be had."""
    print(f"{case}: {part} ...", file=sys.stderr, flush=True)
    script = __file__ if part in PARTS else str(Path(__file__).with_name("bench_peers.py"))
    arguments = ["--part", part, case] if part in PARTS else [part, case]
    try:
        done = subprocess.run(
            [python, script, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return {"not_finished_after_s": TIMEOUT_S}
    if done.returncode:
        return {"failed": done.stderr.strip()[-400:]}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs=2, metavar=("PART", "CASE"), help="one measurement in this process")
    parser.add_argument("--quick", action="store_true", help="the Laplace engine only")
    parser.add_argument("--bambi", metavar="PYTHON", help="an interpreter that has Bambi; see bench_peers.py")
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(PARTS[arguments.part[0]](arguments.part[1])))
        return
    report: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
        "load_at_start": os.getloadavg()[0],
        "versions": {name: version(name) for name in ("pymc", "nutpie", "numba", "numpy", "scipy")},
        "goals": GOALS,
        "cases": {},
    }
    for case in CASES:
        entry = {"laplace": measured("warm", case), "laplace_cold": measured("cold", case)}
        seconds = entry["laplace"]["median_s"]["total"]
        entry["cold_beyond_warm_s"] = entry["laplace_cold"]["median_s"] - seconds
        if not arguments.quick and "59,810" not in case:
            entry |= {"nuts": measured("own", case), "nutpie_on_definition": measured("nutpie", case)}
            if to_400 := entry["nutpie_on_definition"].get("sampling_to_ess_400_s"):
                entry["times_faster_than_nutpie_to_ess_400"] = to_400 / seconds
            entry["bambi"] = {"skipped": "not asked for: make bench BAMBI=..., see bench_peers.py"}
            if arguments.bambi:
                entry["bambi"] = measured("bambi", case, python=arguments.bambi)
        report["cases"][case] = entry
    report["mode_search"] = measured("mode_search", next(iter(CASES)))
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
