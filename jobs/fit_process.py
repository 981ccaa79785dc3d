"""The process that fits: ``python -m jobs.fit_process PARENT``; see ``jobs.fit_host``.

Each line of stdin is an order: the name, in JSON, of a folder with a ``FitRequest``. It samples, judges, and writes a
``FitResult`` there. Progress goes to stdout, one JSON object a line, the last of each order being

    {"ended": 0, "size_mb": 412.0}

with 0: done, 3: the request cannot be fitted (``refused.json`` says why). Everything else that a library prints goes to
stderr, and from the order on to the file ``stderr`` in the folder. The process ends with its parent, at the end of
stdin, with status 4 when it is out of memory, and with 1 after an unexpected error (traceback on stderr).

Until the first order comes it imports the Laplace engine and fits a toy, so that the order finds all of it loaded.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import polars as pl

from jobs.adjustments import adjust_fit
from jobs.fit_desk import FitDesk
from jobs.fit_host import DONE, OUT_OF_MEMORY, REFUSED
from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.versions import versions
from mrp.adjusted import Along
from mrp.electorate import Electorate
from mrp.errors import MrpError
from mrp.laplace.engine import LaplaceSettings
from mrp.outcomes import BinaryOutcome, Fitted, priors_in_words, variation
from mrp.progress import Progress

__all__ = ["fit", "main"]

type Report = Callable[[Progress], None]
type Part = tuple[Fitted, dict[str, Any], dict[str, str], Along | None]
"""A fit of a question, what is told beside its diagnostics, priors beside its own in words, and what moves it."""
type Parts = dict[str, Part]
"""By the id of the question: the one that is asked for and its partners."""

PR_SET_PDEATHSIG = 1  # from linux/prctl.h
SAMPLED = 0.95
"""Share of the work that is done when the draws are there."""


def main(arguments: list[str]) -> int:
    """Do orders for the parent with process id ``arguments[0]``."""
    _end_with_parent(int(arguments[0]))
    _limit()
    progress, desk = _progress_stream(), FitDesk()
    try:
        if not select.select([sys.stdin], [], [], 0)[0]:
            warm_up()
        for line in sys.stdin:
            ended = _do(Path(json.loads(line)), progress, desk)
            print(json.dumps({"ended": ended, "size_mb": _size_mb()}), file=progress)
    except MemoryError:
        return OUT_OF_MEMORY
    return 0


def _do(folder: Path, progress: TextIO, desk: FitDesk) -> int:
    with (folder / "stderr").open("wb") as words:
        os.dup2(words.fileno(), 2)
    try:
        fit(FitRequest.read(folder), progress=progress, desk=desk).write(folder)
    except MrpError as error:
        refusal = {"code": "fit-refused", "detail": str(error)}
        (folder / "refused.json").write_text(json.dumps(refusal), encoding="utf-8")
        return REFUSED
    return DONE


def warm_up() -> None:
    """Fit a toy with the Laplace engine: imports, kernels, the first call of everything."""
    from mrp.design import build_design
    from mrp.diagnostics import diagnose
    from mrp.evidence import evidence_of
    from mrp.fit import default_estimates
    from mrp.hyper import hyper_space
    from mrp.laplace.engine import fit_laplace
    from mrp.latents import from_datatree
    from mrp.parity import term_parity
    from mrp.priors import Priors
    from mrp.variation import term_variation
    from mrp.verdict import judge_laplace

    cells = pl.DataFrame({"district": ["A", "A", "B", "B"], "gender": ["F", "M", "F", "M"]})
    electorate = Electorate(
        frame=cells.with_columns(n_people=pl.lit(10.0)),
        districts=pl.DataFrame({"code": ["A", "B"], "name": ["A", "B"]}),
        district="district",
        demographics={"gender": ("F", "M")},
    )
    design = build_design("(1|district) + (1|gender)", electorate)
    counts = cells.with_columns(n=pl.lit(20), y=pl.Series([8, 9, 11, 12]))
    tree = fit_laplace(design, counts, Priors(), seed=1, settings=LaplaceSettings(points=50, draws=100))
    latents = from_datatree(tree, design)
    judge_laplace(tree, default_estimates(latents, design, electorate), term_parity(design, electorate))
    diagnose(tree)
    latents.to_bytes()
    evidence_of(tree, design, hyper_space(design, Priors())).to_bytes()
    term_variation(latents, design, electorate)
    versions()


def fit(request: FitRequest, *, progress: TextIO, desk: FitDesk | None = None) -> FitResult:
    """Sample, judge and summarise one request.

    Parameters
    ----------
    request
        What to fit.
    progress
        Where progress lines are written.
    desk
        What fits before this one left at hand; by default nothing.

    Raises
    ------
    MrpError
        If the model cannot be built from the request.
    """
    clock = _StopWatch()

    def report(step: Progress) -> None:
        show = FitProgress(step.stage, step.share * SAMPLED, step.expected_end_s)
        print(json.dumps(show.to_json()), file=progress)

    if request.partners:
        parts = _fit_parts(request, clock, report)
    else:
        parts = _fit_alone(request, desk or FitDesk(), clock, report)
    clock.lap("fit")
    report(Progress("judge", 1.0, None))
    own = _result(request, request.question, parts.pop(request.question))
    others = {}
    for name, part in parts.items():
        with suppress(MrpError):  # which its own refit says
            others[name] = _result(request, name, part)
    clock.lap("diagnose")
    others = {name: replace(one, seconds=clock.laps) for name, one in others.items()}
    return replace(own, others=others, seconds=clock.laps)


def _result(request: FitRequest, question: str, part: Part) -> FitResult:
    """What is left behind of one question."""
    fitted, shared, words, along = part
    outcome, electorate = request.part(question).outcome, request.electorate
    design = fitted.design  # which may know more than the one that was asked for, such as a unit
    diagnostics = fitted.diagnostics() | shared
    diagnostics["variation"] = [one.to_json() for one in variation(fitted.latents, design, electorate)]
    if outcome.kind == "numeric":
        diagnostics["variation_unit"] = "the unit of the answers"
    kept = adjust_fit(request, question, fitted.latents, design, along)
    if kept.diagnostics is not None:
        diagnostics["known_totals"] = dict(kept.diagnostics)
    verdict = replace(fitted.verdict, warnings=(*fitted.verdict.warnings, *kept.warnings))
    return FitResult(
        engine=fitted.engine,
        draws=kept.latents.to_bytes(),
        evidence=fitted.evidence.to_bytes(),
        second=None if kept.second is None else kept.second.to_bytes(),
        design=kept.design.to_json(),
        verdict=verdict.to_json(),
        diagnostics=diagnostics,
        priors=priors_in_words(fitted.priors, design, dispersed=getattr(outcome, "dispersed", False)) | words,
        versions=versions(),
        seconds={},
    )


def _fit_alone(request: FitRequest, desk: FitDesk, clock: "_StopWatch", report: Report) -> Parts:
    """A question by itself."""
    from mrp.priors import parse_priors

    outcome, at_hand = request.outcome, desk.take(request)
    priors = parse_priors(request.priors)
    outcome.check_priors(priors, at_hand.design)
    run: Callable[..., Fitted] = outcome.fit
    if isinstance(outcome, BinaryOutcome):
        run = partial(outcome.fit, common=at_hand.common)
    clock.lap("design")
    fitted = run(
        at_hand.design,
        at_hand.electorate,
        request.counts,
        priors,
        engine=request.engine,
        seed=request.seed,
        nuts=request.nuts,
        laplace=request.laplace,
        on_progress=report,
    )
    return {request.question: (fitted, {}, {}, None)}


def _fit_parts(request: FitRequest, clock: "_StopWatch", report: Report) -> Parts:
    """A question together with its partners."""
    from jobs.fit_together import fit_together, joint_model, priors_between

    model = joint_model(request)
    clock.lap("design")
    between = priors_between(model)
    return {
        name: (part.fitted, {"joint": part.told}, between, part.along)
        for name, part in fit_together(request, model, report).items()
    }


class _StopWatch:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = round(now - self._since, 3)
        self._since = now


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

    # Whoever started it may have some niceness already.
    os.nice(max(0, int(os.environ.get("HUSTINGS_FIT_NICE", "0")) - os.nice(0)))
    limit_mb = int(os.environ.get("HUSTINGS_FIT_MEMORY_MB", "0"))
    if limit_mb and sys.platform == "linux":  # elsewhere it cannot be kept; `hustings doctor` says so
        resource.setrlimit(resource.RLIMIT_AS, (limit_mb << 20, limit_mb << 20))


def _size_mb() -> float:
    """Memory that this process holds now."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:  # not on this platform; the process is used for as long as it lives
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _progress_stream() -> TextIO:
    """Keep the pipe to the parent for progress; send what libraries print to stderr."""
    stream = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    return stream


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
