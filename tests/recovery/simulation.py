"""Simulation-based calibration: truths from the prior, and where they are among what an engine draws.

For truths drawn from the prior and interviews drawn from the truths, the rank of a true quantity among posterior draws
is uniform, for any quantity (Talts et al. 2018); the log joint density, which depends on the data, finds faults that no
parameter shows (Modrak et al. 2023). Ties are broken at random. `tests.recovery.uniformity` judges.

References
----------
Talts, Betancourt, Simpson, Vehtari and Gelman (2018), "Validating Bayesian inference algorithms with simulation-based
calibration", arXiv:1804.06788.
Modrak, Moon, Kim, Buerkner, Huurre, Faltejskova, Gelman and Vehtari (2023), "Simulation-based calibration checking for
Bayesian computation", Bayesian Analysis.
"""

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit, logit

from mrp.counts import collapse
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.grouping import Grouping
from mrp.hyper import correlation_name, hyper_space, mixing_name, sd_name
from mrp.laplace.conditional import Conditional
from mrp.latents import LatentDraws, from_datatree
from mrp.poststratification import area_draws_many
from mrp.priors import Priors
from mrp.verdict import judge_laplace
from tests.mrp.polls import working_values
from tests.recovery.truths import draw_truth

__all__ = ["N_DRAWS", "Engine", "Simulated", "Study", "gathered", "simulate"]

type Floats = NDArray[np.float64]
type Engine = Callable[[Design, pl.DataFrame, Priors, int], Any]
"""Design, counts, priors and seed → DataTree. A function of a module or a frozen dataclass, so that it can be sent to
other processes."""

N_DRAWS = 100
"""Posterior draws that a truth is ranked among."""
_FACTS = ("k_hat_sd", "k_hat_joint", "ess_sd", "ess_joint")


@dataclass(frozen=True, slots=True)
class Study:
    """Whom to ask, what to fit."""

    world: Electorate
    design: Design
    engine: Engine
    n_interviews: int
    seed: int
    priors: Priors = field(default_factory=Priors)
    asked: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Periods, pollsters or modes with interviews; all that the design knows if not given."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """What was planted in simulated surveys, and what the engine drew."""

    truth: dict[str, Floats]
    """Quantity → planted values, shape (survey,). Shares are on the logit scale."""
    draws: dict[str, Floats]
    """Quantity → posterior draws, shape (survey, draw)."""
    facts: dict[str, Floats]
    """What the engine says of each fit, its seconds, and whether the Laplace engine trusts its weights ("trusted", 0 or
    1), shape (survey,); NaN where it says nothing. All fits are ranked, trusted or not."""

    def ranks(self, *, seed: int, spread: float = 1.0) -> dict[str, Floats]:
        """Normalised ranks of the planted values, in (0, 1), shape (survey,).

        ``spread`` stretches the draws of each survey around their mean: 1 tests the engine, anything else the test.
        """
        rng = np.random.default_rng(seed)
        ranks = {}
        for name, truth in self.truth.items():
            draws = self.draws[name]
            centre = draws.mean(axis=1, keepdims=True)
            stretched = draws if spread == 1.0 else centre + spread * (draws - centre)
            below = (stretched < truth[:, None]).sum(axis=1)
            equal = (stretched == truth[:, None]).sum(axis=1)
            rank = below + rng.integers(0, equal + 1)
            ranks[name] = (rank + rng.random(len(truth))) / (draws.shape[1] + 1)
        return ranks


def simulate(
    world: Electorate,
    design: Design,
    engine: Engine,
    *,
    n_surveys: int,
    n_interviews: int,
    seed: int,
    priors: Priors | None = None,
    asked: Mapping[str, Sequence[str]] | None = None,
    processes: int = 1,
) -> Simulated:
    """Draw truths from the prior and interviews from the truths, and fit each survey.

    Parameters
    ----------
    engine
        See `Engine`. Its seed is the number of the survey.
    asked
        See `Study`.
    processes
        More than one: surveys are fitted side by side, with the same results.
    """
    study = Study(world, design, engine, n_interviews, seed, priors or Priors(), asked or {})
    if processes == 1:
        surveys = [_survey(study, number) for number in range(n_surveys)]
    else:
        # Not forked: the threads of a library that holds a lock would be missing in the copy.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(study,)) as pool:
            surveys = list(pool.map(_numbered, range(n_surveys), chunksize=4))
    values = {name: np.stack([quantities[name] for quantities, _ in surveys]) for name in surveys[0][0]}
    return Simulated(
        truth={name: value[:, 0] for name, value in values.items()},
        draws={name: value[:, 1:] for name, value in values.items()},
        facts={name: np.array([facts[name] for _, facts in surveys]) for name in surveys[0][1]},
    )


_FEW = 20
"""Surveys that take no longer than to start processes for them."""


def gathered(
    survey: Callable[[int], tuple[Mapping[str, Floats], Mapping[str, Floats], float]], n_surveys: int
) -> Simulated:
    """The same of a function of a module, which makes the survey of a number and fits it.

    Parameters
    ----------
    survey
        Number -> values of every quantity, the true one, shape (1,), and those drawn, shape (draw,); and whether the
        engine trusts its weights, 0 or 1.
    """
    if n_surveys <= _FEW:
        surveys = [survey(number) for number in range(n_surveys)]
    else:
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            surveys = list(pool.map(survey, range(n_surveys)))
    planted, drawn, trusted = zip(*surveys, strict=True)
    return Simulated(
        truth={name: np.concatenate([one[name] for one in planted]) for name in planted[0]},
        draws={name: np.stack([one[name] for one in drawn]) for name in drawn[0]},
        facts={"trusted": np.array(trusted)},
    )


_study: list[Study] = []
"""Of a process that fits surveys."""


def _begin(study: Study) -> None:
    _study.append(study)


def _numbered(number: int) -> tuple[dict[str, Floats], dict[str, float]]:
    return _survey(_study[0], number)


def _survey(study: Study, number: int) -> tuple[dict[str, Floats], dict[str, float]]:
    """One survey: values of every quantity, the true one before the drawn ones, and facts of the fit."""
    design = study.design
    rng = np.random.default_rng([study.seed, number])
    latents, hypers = draw_truth(design, study.priors, rng)
    counts = _counts(study, latents, rng)
    begun = time.perf_counter()
    tree = study.engine(design, counts, study.priors, number)
    facts = {name: float(tree.attrs.get(name, np.nan)) for name in _FACTS} | {"seconds": time.perf_counter() - begun}
    if tree.attrs.get("engine") == "laplace":
        facts["trusted"] = float(judge_laplace(tree, ()).publishable)
    drawn = from_datatree(tree, design, max_draws=100_000).draws.astype(np.float64)
    kept = rng.choice(len(drawn), N_DRAWS, replace=False)
    of_prior = _hyper_draws(tree, design, study.priors)
    return _quantities(
        study, counts, np.vstack([latents, drawn[kept]]), np.vstack([hypers, of_prior[kept]]), tree["posterior"]
    ), facts


def _counts(study: Study, latents: Floats, rng: np.random.Generator) -> pl.DataFrame:
    """Interviews with people drawn from the frame, at periods, pollsters and modes drawn at random."""
    design, n = study.design, study.n_interviews
    cells = study.world.frame.filter(pl.col("n_people") > 0)
    people = cells["n_people"].to_numpy()
    interviews = cells.drop("n_people")[rng.choice(cells.height, n, p=people / people.sum())].with_columns(
        pl.Series(name, rng.choice(list(study.asked.get(name, levels)), n)) for name, levels in design.observed.items()
    )
    rows = design.rows(interviews)
    eta = latents[0] + rows.x @ latents[1 : 1 + rows.x.shape[1]] + (rows.weight * latents[rows.index]).sum(axis=1)
    answered = interviews.with_columns(answer=pl.Series(np.where(rng.random(n) < expit(eta), "yes", "no")))
    return collapse(answered, by=design.count_columns, answer="answer", option="yes")


def _hyper_draws(tree: Any, design: Design, priors: Priors) -> Floats:
    """Draws of sds, correlations and mixings, shape (draw, parameter)."""
    posterior = tree["posterior"]
    n = posterior.sizes["chain"] * posterior.sizes["draw"]
    names = [sd_name(effect.term) for effect in design.effects]
    names += [correlation_name(effect.term) for effect in design.effects if effect.n_correlations]
    names += [mixing_name(effect.term) for effect in design.effects if effect.n_mixings]
    return np.concatenate([np.empty((n, 0)), *(posterior[name].to_numpy().reshape(n, -1) for name in names)], axis=1)


def _quantities(
    study: Study, counts: pl.DataFrame, latents: Floats, hypers: Floats, posterior: Any
) -> dict[str, Floats]:
    """Values of what is ranked, one for each row of latents and hypers."""
    design, world, priors = study.design, study.world, study.priors
    found = dict(zip(_hyper_names(design), hypers.T, strict=True))
    found |= {name: latents[:, 1 + j] for j, name in enumerate(design.coefficient_names)}
    for effect, offset in zip(design.effects, design.offsets, strict=True):
        if effect.nuisance:
            found[f"{effect.term}[{effect.labels[0]}]"] = latents[:, offset]
    stored = LatentDraws(latents.astype(np.float32), design.latent_names)
    demographic = next(iter(world.demographics))
    groupings = [Grouping(), Grouping(by=(world.district,)), Grouping(by=(demographic,))]
    nation, districts, levels = (one.draws for one in area_draws_many(stored, design, world, groupings))
    found["nation"] = logit(nation[:, 0])
    found["first district"], found["last district"] = logit(districts[:, 0]), logit(districts[:, -1])
    found[f"first {demographic}"] = logit(levels[:, 0])
    if "period" in design.observed:
        earlier = design.at_period(design.observed["period"][0])
        (first,) = area_draws_many(stored, earlier, world, [Grouping(by=(world.district,))])
        found["change in the first district"] = districts[:, 0] - first.draws[:, 0]
    conditional = Conditional(design, counts, priors)
    space = hyper_space(design, priors)
    working = working_values(space, hypers)
    given = [conditional.log_joint(z[None], h)[0] for z, h in zip(latents, hypers, strict=True)]
    found["log joint density"] = np.array(given) + space.log_prior(working)
    return found


def _hyper_names(design: Design) -> list[str]:
    sds = [
        f"{sd_name(effect.term)}[{column}]" if effect.slopes else sd_name(effect.term)
        for effect in design.effects
        for column in effect.columns
    ]
    correlations = [
        f"{correlation_name(effect.term)}[{pair}]" if effect.n_correlations > 1 else correlation_name(effect.term)
        for effect in design.effects
        for pair in range(effect.n_correlations)
    ]
    mixings = [mixing_name(effect.term) for effect in design.effects if effect.n_mixings]
    return sds + correlations + mixings
