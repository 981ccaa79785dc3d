"""Sample the model with NUTS: the reference engine.

The sampler moves in the coordinates of `mrp.totals`, or of `mrp.whitened` if there are terms other than
coefficients and varying intercepts; what comes back are draws of the model as `mrp.model` defines it. If the first run
does not deserve publication, one more is made with smaller steps and more draws.

References
----------
Hoffman and Gelman (2014), "The No-U-Turn sampler", JMLR 15, 1593-1623.
Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021), "Rank-normalization, folding, and localization: an improved
R-hat for assessing convergence of MCMC", Bayesian Analysis 16(2), 667-718.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mrp.aliasing import data_warnings
from mrp.attributes import as_attributes
from mrp.compiled import CompiledDensities, SampledForm
from mrp.counts import coarsest
from mrp.design import Design
from mrp.dispersion import Dispersion, in_order, require_clusters, require_dispersion
from mrp.errors import SamplingError
from mrp.numbers import require_seed
from mrp.posterior import posterior_dataset
from mrp.priors import Priors, require_priors
from mrp.progress import Progress, Reporter
from mrp.size import require_size
from mrp.verdict import judge_nuts

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["NutsSettings", "Progress", "sample_form", "sample_nuts"]

_POLL_SECONDS = 0.1
# Shares of the whole at which a stage begins; sampling moves from the third to the fourth with its draws.
_COMPILE, _SAMPLE, _COLLECT = 0.05, 0.35, 0.95
# A structure is about ten megabytes, and a service asks a few questions of a few shapes.
_COMPILED = CompiledDensities(limit=16)


@dataclass(frozen=True, slots=True)
class NutsSettings:
    """How to sample; the defaults give a publishable fit of every survey that this version was tried on."""

    chains: int = 4
    tune: int = 500
    """Warmup steps per chain, not kept."""
    draws: int = 1000
    """Draws per chain. The retry makes twice as many."""
    target_accept: float = 0.95
    retry_target_accept: float = 0.99
    cores: int = 2
    """Chains that run at the same time."""

    def check(self) -> None:
        """Refuse settings that no sampler can start with.

        Raises
        ------
        SamplingError
            Naming the setting, its value and its limit.
        """
        for name, least in (("chains", 1), ("tune", 1), ("draws", 4), ("cores", 1)):
            if getattr(self, name) < least:
                raise SamplingError(f"{name} is {getattr(self, name)}; NUTS needs at least {least}")
        for name in ("target_accept", "retry_target_accept"):
            if not 0 < getattr(self, name) < 1:
                raise SamplingError(f"{name} is {getattr(self, name)}; it must be above 0 and below 1, such as 0.95")


def sample_nuts(
    design: Design,
    counts: pl.DataFrame,
    priors: Priors,
    *,
    seed: int,
    settings: NutsSettings = NutsSettings(),
    dispersion: Dispersion = "none",
    on_progress: Callable[[Progress], None] | None = None,
) -> "DataTree":
    """Draw from the posterior of a model.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.model.build_model`. Counts finer than the design are added up first.
    seed
        Any integer >= 0. The same inputs, seed and versions give the same draws.
    settings
        Chains, steps and acceptance rates.
    dispersion
        As for `mrp.model.build_model`; with it, counts finer than the design stay as they are.
    on_progress
        Called in this thread, about every 0.1 s while sampling. If it raises, sampling is stopped.

    Returns
    -------
    xarray.DataTree
        ``posterior``: the variables of the model (chain, draw, ...). ``sampled``: the coordinates that the sampler
        moved in, for the verdict. ``sample_stats``. Attributes: engine, seed, retried, chains, tune, draws,
        target_accept, warnings (in words, such as of aliased terms), seconds (of each stage) and versions in JSON; the
        tree can be written (``tree.to_zarr(path)``), and `mrp.attributes.facts_of` reads them.

    Raises
    ------
    CountsError
        If the counts cannot be fitted, or a cell of them is unknown to the design.
    SamplingError
        If settings or seed make no sense, the model is too large, or the sampler cannot start.
    """
    # Settings are read by processes that never sample: what sampling needs is loaded here.
    from mrp.totals import totals_form
    from mrp.warm_start import warm_start
    from mrp.whitened import collect_whitened, whitened_form

    report = Reporter(on_progress)
    report("prepare", 0.0)
    settings.check()
    require_seed(seed)
    require_priors(priors, design)
    require_size(design, "nuts")
    require_dispersion(dispersion, "beta-binomial")
    if dispersion != "none":
        require_clusters(counts)
    cells = coarsest(design, counts)
    counts = cells if dispersion == "none" else in_order(counts, (*design.count_columns, "n", "y"))
    first, second, mixing = np.random.SeedSequence(seed).spawn(3)
    start = warm_start(design, cells, priors)
    collected: Callable[[DataTree], DataTree]
    if dispersion == "none" and all(effect.kind == "independent" for effect in design.effects):
        totals = totals_form(design, counts, priors, start)
        form, collected = totals.sampled, partial(totals.collect, seed=mixing)
    else:
        form = whitened_form(design, counts, priors, start, dispersion=dispersion)
        collected = partial(collect_whitened, form=form, named=partial(posterior_dataset, design))
    return sample_form(
        form,
        collected,
        settings=settings,
        seed=seed,
        chain_seeds=(first, second),
        warnings=data_warnings(design, counts),
        report=report,
    )


def sample_form(
    form: SampledForm,
    collected: "Callable[[DataTree], DataTree]",
    *,
    settings: NutsSettings,
    seed: int,
    chain_seeds: tuple[np.random.SeedSequence, np.random.SeedSequence],
    warnings: list[str],
    report: Reporter,
) -> "DataTree":
    """What `sample_nuts` does once the coordinates are chosen: compile, sample, and sample again if need be.

    Parameters
    ----------
    form
        The posterior in the coordinates that the sampler moves in.
    collected
        Gives the draws of the model from the sampler's.
    chain_seeds
        Of the first and of the second attempt.
    warnings
        In words, to be kept with the fit.
    """
    report("compile", _COMPILE)
    compiled = _COMPILED.get(form)

    def attempt(stage: str, draws: int, target_accept: float, chain_seed: np.random.SeedSequence) -> "DataTree":
        raw = _run(
            compiled, settings, stage=stage, draws=draws, target_accept=target_accept, seed=chain_seed, report=report
        )
        report("collect", _COLLECT)
        return collected(raw)

    tree = attempt("sample", settings.draws, settings.target_accept, chain_seeds[0])
    retried = not judge_nuts(tree).publishable
    if retried:
        tree = attempt("sample again", 2 * settings.draws, settings.retry_target_accept, chain_seeds[1])
    facts = {
        "engine": "nuts",
        "seed": seed,
        "retried": retried,
        "chains": settings.chains,
        "tune": settings.tune,
        "draws": tree["posterior"].sizes["draw"],
        "target_accept": settings.retry_target_accept if retried else settings.target_accept,
        "warnings": warnings,
        "seconds": report.seconds(),
        "versions": {name: version(name) for name in ("pymc", "nutpie", "numpy")},
    }
    tree.attrs = as_attributes(facts)
    report("collect", 1.0)
    return tree


def _run(
    compiled: Any,
    settings: NutsSettings,
    *,
    stage: str,
    draws: int,
    target_accept: float,
    seed: np.random.SeedSequence,
    report: Reporter,
) -> "DataTree":
    import nutpie

    report(stage, _SAMPLE)
    total = settings.chains * (settings.tune + draws)
    done = [0]
    sampler = nutpie.sample(
        compiled,
        draws=draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=settings.cores,
        seed=int(seed.generate_state(1)[0]),
        target_accept=target_accept,
        save_warmup=False,
        progress_bar=False,
        progress_rate=100,
        # Called from a thread of the sampler; the number is read by the loop below.
        progress_callback=lambda chains: done.__setitem__(0, sum(chain.finished_draws for chain in chains)),
        blocking=False,
    )
    begin = time.monotonic()
    try:
        while True:
            try:
                result: DataTree = sampler.wait(timeout=_POLL_SECONDS)
            except TimeoutError:
                share = min(done[0] / total, 1.0)
                left = (time.monotonic() - begin) * (1 - share) / share if share > 0.02 else None
                report(stage, _SAMPLE + (_COLLECT - _SAMPLE) * share, left)
            else:
                return result
    except RuntimeError as error:
        raise SamplingError(f"the sampler stopped: {error}") from error
    except BaseException:
        sampler.cancel()
        raise
