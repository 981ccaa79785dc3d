"""What one survey costs, measured in this process: processor seconds, bytes and memory of a fit and of its estimates.

Processor time of all threads is what is told, and not that of a clock, which others on the machine lengthen. Memory is
the most that the process held beyond what it had before, which the kernel keeps (``VmHWM``) and forgets when asked.
"""

import ctypes
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jobs.growth_nation import MODEL, Nation, make_nation, structure_of
from jobs.growth_paper import Sizes, Structure
from mrp.categorical.fit import default_option_estimates, fit_categorical_laplace
from mrp.categorical.posterior import categorical_latents
from mrp.categorical.poststratification import option_draws
from mrp.electorate import Electorate
from mrp.laplace.engine import LaplaceSettings
from mrp.latents import LatentDraws
from mrp.priors import Priors
from mrp.verdict import judge_laplace

__all__ = ["Measured", "measure"]

_ANSWERS = 5
"""How often one is computed: it takes milliseconds, and the processor's clock has hundredths where it is coarse."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One fit of one size."""

    sizes: Sizes
    seed: int
    kinds: int
    """Of interviews, equal in everything that the model reads."""
    latents: int
    looks: int
    """At sets of standard deviations."""
    newton_steps: float
    """Of each, in the mean."""
    fit_s: float
    """Processor seconds of the Laplace engine, and of the verdict on what it found."""
    estimates_s: float
    """Of the nation, every district and every demographic, all options."""
    answer_s: float
    """Of one district by two demographics, all options."""
    draws_mb: float
    """As a release stores them."""
    peak_mb: float | None
    """Of fit and estimates, beyond what the process held; none where the kernel does not tell."""
    structure: Structure

    @property
    def look_s(self) -> float:
        """Processor seconds of a look, which seeds change less than how many there are."""
        return self.fit_s / self.looks


def measure(sizes: Sizes, seed: int, *, model: str = MODEL, points: int = 400) -> Measured:
    """Make a survey of a size, fit it, and compute its estimates.

    Parameters
    ----------
    points
        Sets of standard deviations, as the setting ``laplace_points``.

    Raises
    ------
    fixtures.errors.SettingsError, mrp.errors.MrpError
        If such a survey cannot be made, or not be fitted.
    """
    nation = make_nation(sizes, seed=seed, model=model)
    held = _forget_peak()
    began = time.process_time()
    settings = LaplaceSettings(points=points, draws=sizes.draws)
    tree = fit_categorical_laplace(nation.design, nation.counts, Priors(), seed=seed, settings=settings)
    fitted = time.process_time()
    latents = categorical_latents(tree, nation.design)
    at_hand = time.process_time()
    estimates = default_option_estimates(latents, nation.design, nation.electorate)
    estimated = time.process_time()
    judge_laplace(tree, [one.by_option() for one in estimates], ())
    judged = time.process_time()
    peak = _memory_mb("VmHWM")
    return Measured(
        sizes=sizes,
        seed=seed,
        kinds=nation.counts.height,
        latents=nation.design.n_latents,
        looks=int(tree.attrs["evaluations"]),
        newton_steps=float(tree.attrs["newton_steps"]),
        fit_s=fitted - began + judged - estimated,
        estimates_s=estimated - at_hand,
        answer_s=_answer_s(latents, nation, nation.electorate),
        draws_mb=len(latents.to_bytes()) / 1e6,
        peak_mb=None if held is None or peak is None else peak - held,
        structure=structure_of(nation, sizes),
    )


def _answer_s(latents: LatentDraws, nation: Nation, electorate: Electorate) -> float:
    where = {electorate.district: (nation.first_district,)}
    began = time.process_time()
    for _ in range(_ANSWERS):
        option_draws(latents, nation.design, electorate, by=("age", "gender"), where=where)
    return (time.process_time() - began) / _ANSWERS


def _forget_peak() -> float | None:
    """Give freed memory back and have the kernel begin anew; MB that are held, none where it cannot be had."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return None
    return _memory_mb("VmRSS")


def _memory_mb(name: str) -> float | None:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024 / 1e6
    return None
