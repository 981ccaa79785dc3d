"""The process that fits: ``python -m jobs.fit_process SPOOL PARENT``.

Reads a ``FitRequest`` from the folder SPOOL, samples, judges, and writes a
``FitResult`` there. Progress goes to stdout, one JSON object a line; everything
else that a library prints goes to stderr. The process ends with its parent.

Exit status: 0 done, 1 an unexpected error (traceback on stderr), 3 the request
cannot be fitted (``refused.json`` says why), 4 out of memory.
"""

import json
import os
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.fit_run import OUT_OF_MEMORY, REFUSED
from mrp.errors import MrpError

__all__ = ["fit", "main"]

PR_SET_PDEATHSIG = 1  # from linux/prctl.h
SAMPLED = 0.95
"""Share of the work that is done when the draws are there."""


def main(arguments: list[str]) -> int:
    """Fit the request in ``arguments[0]`` for the parent with process id ``arguments[1]``."""
    folder, parent = Path(arguments[0]), int(arguments[1])
    _end_with_parent(parent)
    _limit()
    progress = _progress_stream()
    try:
        fit(FitRequest.read(folder), progress=progress).write(folder)
    except MemoryError:
        return OUT_OF_MEMORY
    except MrpError as error:
        refusal = {"code": "fit-refused", "detail": str(error)}
        (folder / "refused.json").write_text(json.dumps(refusal), encoding="utf-8")
        return REFUSED
    return 0


def fit(request: FitRequest, *, progress: TextIO) -> FitResult:
    """Sample, judge and summarise one request.

    Parameters
    ----------
    request
        What to fit.
    progress
        Where progress lines are written.

    Raises
    ------
    MrpError
        If the model cannot be built from the request.
    """
    from mrp.counts import observed_levels
    from mrp.design import build_design
    from mrp.fit import fit_model
    from mrp.priors import parse_priors
    from mrp.progress import Progress

    clock = _StopWatch()

    def report(step: Progress) -> None:
        show = FitProgress(step.stage, step.share * SAMPLED, step.expected_end_s)
        print(json.dumps(show.to_json()), file=progress)

    design = build_design(request.formula, request.electorate, observed=observed_levels(request.counts))
    priors = parse_priors(request.priors)
    priors.check(design)
    clock.lap("design")
    fitted = fit_model(
        design,
        request.electorate,
        request.counts,
        priors,
        engine=request.engine,
        seed=request.seed,
        nuts=request.nuts,
        laplace=request.laplace,
        on_progress=report,
    )
    clock.lap("fit")
    report(Progress("judge", 1.0, None))
    diagnostics = fitted.diagnostics()
    clock.lap("diagnose")
    return FitResult(
        engine=fitted.engine,
        draws=fitted.latents.to_bytes(),
        design=design.to_json(),
        verdict=fitted.verdict.to_json(),
        diagnostics=diagnostics,
        priors=priors.describe(design),
        versions=_versions(),
        seconds=clock.laps,
    )


class _StopWatch:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = round(now - self._since, 3)
        self._since = now


def _versions() -> dict[str, str]:
    packages = ("hustings", "pymc", "nutpie", "arviz", "numpy", "numba")
    return {"python": sys.version.split()[0]} | {name: version(name) for name in packages}


def _end_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies, even by kill -9.

    The death signal is tied to the parent's *thread* that started us; the
    worker starts its children from the thread that waits for them.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)


def _limit() -> None:
    import resource

    os.nice(int(os.environ.get("HUSTINGS_FIT_NICE", "0")))
    if limit_mb := int(os.environ.get("HUSTINGS_FIT_MEMORY_MB", "0")):
        resource.setrlimit(resource.RLIMIT_AS, (limit_mb << 20, limit_mb << 20))


def _progress_stream() -> TextIO:
    """Keep the pipe to the parent for progress; send what libraries print to stderr."""
    stream = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    return stream


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
