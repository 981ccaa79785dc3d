"""NUTS on the models of `tests.benchmarks.cases`: this project's, nutpie on the definition, and Bambi's.

    python tests/benchmarks/bench_peers.py nutpie "marriage2005"

prints one JSON object; `bench_fit.py` runs each in a process of its own. nutpie samples the PyMC model as it is written
down, compilation apart, until the smallest effective sample size of any parameter can have reached 400 or the cap on
time; short of 400, seconds to reach it are extrapolated from effective draws per second, warm-up included.

Bambi is not a dependency. To have it beside the others, make an environment for it anywhere, with the project in it,

    uv venv /tmp/bambi && echo 'formulae>=0.9' > /tmp/newer
    uv pip install --python /tmp/bambi --override /tmp/newer 'bambi>=0.21' -e .

(Bambi asks for an older formulae than the project, and works with the newer one) and run
``make bench BAMBI=/tmp/bambi/bin/python``.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.cases import load

CAP_S = 600.0
WANTED_ESS = 400
NUTPIE = {"tune": 1000, "draws": 1500, "chains": 4, "target_accept": 0.97}


def quality(tree: Any, seconds: float) -> dict[str, Any]:
    """How well a sampler did in its time."""
    from mrp.convergence import convergence

    rows = convergence(tree)
    least = float(min(min(row.ess_bulk, row.ess_tail) for row in rows))
    return {
        "sample_s": seconds,
        "max_r_hat": float(max(row.r_hat for row in rows)),
        "min_ess": least,
        "ess_per_s": least / seconds,
        "sampling_to_ess_400_s": seconds * WANTED_ESS / least,
        "reached": least >= WANTED_ESS,
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
    }


def own(case: str) -> dict[str, Any]:
    """The reference engine of this project, with its defaults."""
    from mrp import sample_nuts
    from mrp.attributes import facts_of
    from mrp.verdict import judge_nuts

    inputs = load(case)
    begin = time.perf_counter()
    tree = sample_nuts(inputs.design, inputs.counts, inputs.priors, seed=1)
    total = time.perf_counter() - begin
    stages = facts_of(tree)["seconds"]
    return {
        "total_s": total,
        "stages_s": stages,
        **quality(tree, stages.get("sample", total)),
        "publishable": judge_nuts(tree).publishable,
    }


def nutpie(case: str) -> dict[str, Any]:
    """nutpie on the model as it is written down, up to the cap."""
    import nutpie as sampler

    from mrp.counts import coarsest
    from mrp.model import build_model

    inputs = load(case)
    begin = time.perf_counter()
    compiled = sampler.compile_pymc_model(
        build_model(inputs.design, coarsest(inputs.design, inputs.counts), inputs.priors)
    )
    compiled_at, cpu = time.perf_counter(), time.process_time()
    # All chains at once, so that a cap cuts them equally.
    running = sampler.sample(compiled, **NUTPIE, cores=4, seed=1, progress_bar=False, blocking=False)
    # The trace as far as it came, filled up with NaN, if the cap is reached first.
    tree = running.wait(timeout=CAP_S)
    sampled = time.perf_counter() - compiled_at
    whole = [
        array.notnull().all([name for name in array.dims if name != "draw"]) for array in tree["posterior"].values()
    ]
    n_draws = int(min(one.sum() for one in whole))
    facts = {
        "compile_s": compiled_at - begin,
        "sample_cpu_s": time.process_time() - cpu,
        "settings": NUTPIE,
        "cap_s": CAP_S,
        "draws": n_draws,
    }
    if n_draws < 50:
        return {**facts, "sample_s": sampled, "reached": False, "still": "in warm-up at the cap"}
    return {**facts, **quality(tree.isel(draw=slice(n_draws)), sampled)}


def bambi(case: str) -> dict[str, Any]:
    """Bambi with its defaults on the same cells and formula, compilation included."""
    import bambi as library

    from mrp.counts import coarsest
    from polling.enums import as_texts

    inputs = load(case)
    electorate = inputs.electorate
    table = as_texts(coarsest(inputs.design, inputs.counts))
    lookup = electorate.districts.rename({"code": electorate.district})
    table = table.join(lookup, on=electorate.district, how="left")
    begin = time.perf_counter()
    model = library.Model(f"p(y, n) ~ {inputs.design.formula}", table.to_pandas(), family="binomial")
    tree = model.fit(random_seed=1, progressbar=False)
    return {"version": library.__version__, **quality(tree, time.perf_counter() - begin)}


if __name__ == "__main__":
    # A sampler's own words belong to stderr: stdout is for the report.
    answer = {"own": own, "nutpie": nutpie, "bambi": bambi}[sys.argv[1]](sys.argv[2])
    print(json.dumps(answer))
