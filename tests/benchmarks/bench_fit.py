"""How long a refit takes: the Laplace engine beside NUTS on the same model, in the same run.

Run by ``make bench``; prints one JSON object. Times are wall-clock seconds on whatever machine this is: compare the
ratios. "estimates" are the nation, all districts and every demographic by itself.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

# As in the fit process: the engine's own threads share the cores, not those of the linear algebra library.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("HUSTINGS_CASES", ROOT.parent / "shared" / "data"))
CASES = {
    "cces2018, 5,000 interviews": ("cces2018", "sample5000.parquet"),
    "cces2018, 59,810 interviews": ("cces2018", "responses.parquet"),
    "marriage2005": ("marriage2005", "responses.parquet"),
}
REPEATS = 5


def load(case: str, interviews: str) -> tuple[Any, Any, Any, Any]:
    """Design, electorate, counts and priors of a case, through the survey's own codebook."""
    import polars as pl

    from jobs.backtest_waves import plan_backtest, split_waves
    from jobs.refit import electorate_of
    from jobs.survey import load_survey
    from mrp import build_design, collapse, parse_priors
    from polling.wave_file import read_wave

    bundle = load_survey(ROOT / "tests" / "cases" / case, data_dir=DATA / case)
    declaration = bundle.declaration
    question = declaration.questions[0]
    waves = split_waves(bundle, plan_backtest(bundle, None, interviews), DATA / case, now=datetime.now(UTC))
    read = [read_wave(wave.content, declaration, pollster=wave.pollster).conversion.interviews for wave in waves]
    columns = [*declaration.cell_columns, question.id, "excluded"]
    kept = pl.concat([one.select(columns) for one in read]).filter(~pl.col("excluded"))
    electorate = electorate_of(bundle)
    design = build_design(question.model, electorate)
    counts = collapse(kept, by=declaration.cell_columns, answer=question.id, option=question.options[0])
    return design, electorate, counts, parse_priors(question.priors)


def once(design: Any, electorate: Any, counts: Any, priors: Any, *, seed: int) -> dict[str, Any]:
    """One Laplace fit with its estimates."""
    from mrp import from_datatree
    from mrp.fit import default_estimates
    from mrp.laplace.engine import fit_laplace
    from mrp.verdict import judge_laplace

    begin, cpu = time.perf_counter(), time.process_time()
    tree = fit_laplace(design, counts, priors, seed=seed)
    fitted = time.perf_counter()
    estimates = default_estimates(from_datatree(tree, design), design, electorate)
    end = time.perf_counter()
    return {
        "fit": fitted - begin,
        "estimates": end - fitted,
        "total": end - begin,
        "cpu": time.process_time() - cpu,
        "publishable": judge_laplace(tree, estimates).publishable,
        **{name: tree.attrs[name] for name in ("k_hat_sd", "k_hat_joint", "ess_sd", "ess_joint", "evaluations")},
    }


def laplace(case: str, interviews: str) -> dict[str, Any]:
    """Warm: the median of several fits after the first, in this process."""
    inputs = load(case, interviews)
    once(*inputs, seed=0)
    runs = [once(*inputs, seed=seed) for seed in range(1, REPEATS + 1)]
    median = {name: statistics.median(run[name] for run in runs) for name in ("fit", "estimates", "total", "cpu")}
    design, _, counts, _ = inputs
    return {
        "n_cells": counts.height,
        "n_latents": design.n_latents,
        "median_s": median,
        "worst_s": max(run["total"] for run in runs),
        "publishable": sum(run["publishable"] for run in runs),
        "runs": runs,
    }


def cold(case: str, interviews: str) -> dict[str, Any]:
    """A new process: imports, cached kernels, fit and estimates; and its peak memory."""
    begin = time.perf_counter()
    command = [sys.executable, __file__, "--one", case, interviews]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return {"total_s": time.perf_counter() - begin, **json.loads(done.stdout)}


def own_nuts(case: str, interviews: str) -> dict[str, Any]:
    """The reference engine of this project, with its defaults."""
    from mrp import judge_nuts, sample_nuts
    from mrp.convergence import convergence

    design, _, counts, priors = load(case, interviews)
    begin = time.perf_counter()
    tree = sample_nuts(design, counts, priors, seed=1)
    seconds = time.perf_counter() - begin
    least = min(min(row.ess_bulk, row.ess_tail) for row in convergence(tree))
    return {
        "total_s": seconds,
        "stages_s": tree.attrs["seconds"],
        "min_ess": least,
        "sampling_to_ess_400_s": tree.attrs["seconds"]["sample"] * 400 / least,
        "publishable": judge_nuts(tree).publishable,
    }


def nutpie_on_definition(case: str, interviews: str) -> dict[str, Any]:
    """nutpie on the model as it is written down, with its defaults but for the target."""
    import nutpie

    from mrp.convergence import convergence
    from mrp.counts import coarsest
    from mrp.model import build_model

    design, _, counts, priors = load(case, interviews)
    begin = time.perf_counter()
    compiled = nutpie.compile_pymc_model(build_model(design, coarsest(design, counts), priors))
    compiled_at = time.perf_counter()
    draws = {"tune": 1000, "draws": 1500, "chains": 4, "cores": 2, "target_accept": 0.97}
    tree = nutpie.sample(compiled, **draws, seed=1, progress_bar=False)
    sampled = time.perf_counter() - compiled_at
    rows = convergence(tree)
    least = min(min(row.ess_bulk, row.ess_tail) for row in rows)
    return {
        "compile_s": compiled_at - begin,
        "sample_s": sampled,
        "settings": draws,
        "max_r_hat": max(row.r_hat for row in rows),
        "min_ess": least,
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "sampling_to_ess_400_s": sampled * 400 / least,
    }


def bambi_defaults(case: str, interviews: str) -> dict[str, Any]:
    """Bambi with its defaults on the same cells and formula, if it is installed."""
    try:
        import bambi
    except ImportError:
        return {"skipped": "Bambi is not installed: .venv/bin/python -m pip install bambi, or uv pip install bambi"}
    from mrp.convergence import convergence
    from mrp.counts import coarsest

    design, electorate, counts, _ = load(case, interviews)
    table = coarsest(design, counts)
    lookup = electorate.districts.rename({"code": electorate.district})
    table = table.join(lookup, on=electorate.district, how="left")
    begin = time.perf_counter()
    model = bambi.Model(f"p(y, n) ~ {design.formula}", table.to_pandas(), family="binomial")
    tree = model.fit(random_seed=1, cores=2)
    seconds = time.perf_counter() - begin
    rows = convergence(tree)
    return {
        "total_s": seconds,
        "max_r_hat": max(row.r_hat for row in rows),
        "min_ess": min(min(row.ess_bulk, row.ess_tail) for row in rows),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=2, metavar=("CASE", "INTERVIEWS"), help="one fit in this process")
    parser.add_argument("--quick", action="store_true", help="the Laplace engine only")
    arguments = parser.parse_args()
    if arguments.one:
        run = once(*load(*arguments.one), seed=1)
        print(json.dumps({"fit_and_estimates_s": run["total"], "peak_mb": _peak_mb()}))
        return
    report: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("pymc", "nutpie", "numba", "numpy", "scipy")},
        "cases": {},
    }
    for name, case in CASES.items():
        print(f"{name} ...", file=sys.stderr)
        entry: dict[str, Any] = {"laplace": laplace(*case), "laplace_cold": cold(*case)}
        if not arguments.quick and "59,810" not in name:
            entry |= {"nuts": own_nuts(*case), "nutpie_on_definition": nutpie_on_definition(*case)}
            entry["bambi"] = bambi_defaults(*case)
            entry["times_faster_than_nutpie_to_ess_400"] = (
                entry["nutpie_on_definition"]["sampling_to_ess_400_s"] / entry["laplace"]["median_s"]["total"]
            )
        report["cases"][name] = entry
    print(json.dumps(report, indent=1))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
