"""Draws of questions of several options that nobody fitted, where a model with periods would take long."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.fit_request import FitRequest, FitResult
from jobs.settings import Settings
from mrp.categorical.posterior import LINK
from mrp.counts import observed_levels
from mrp.latents import LatentDraws
from tests.api.kinds import KINDS, kinds_csv
from tests.api.world import KnownFit, World, change_survey

__all__ = ["DrawnFit", "weekly_parties"]


@dataclass
class DrawnFit(KnownFit):
    """Stands in for the fit process of a categorical question."""

    def __call__(self, request: FitRequest, settings: Settings, *, beat: Callable[..., bool], stop: Any) -> FitResult:
        design = request.outcome.build(request.formula, request.electorate, observed=observed_levels(request.counts))
        rng = np.random.default_rng(self.seed)
        draws = rng.normal(0.0, 0.3, (self.n_draws, len(design.latent_names))).astype(np.float32)
        return FitResult(
            engine="nuts",
            draws=LatentDraws(draws=draws, names=design.latent_names, n_chains=4, link=LINK).to_bytes(),
            design=design.to_json(),
            verdict={"problems": [], "warnings": []},
            diagnostics={"divergences": 0, "parameters": []},
            priors={},
            versions={"known": "1"},
            seconds={"sample": 0.1},
        )


def weekly_parties(world: World) -> None:
    """Have the parties asked in two of three weeks, in a model with an effect of every week."""
    world.fit = DrawnFit()
    declared = KINDS.split("[questions.agree]")[0].replace("gender + (1|district)", "(1|district) + (1|period)")
    change_survey(world, "survey.toml", "[questions.rail]", declared + "[questions.rail]")
    for number, end in enumerate(("2026-02-11", "2026-02-25")):
        days = {"fieldwork_start": "2026-02-09", "fieldwork_end": end}
        content = kinds_csv(200, start=1000 * number)
        assert world.push(f"week{number}", content, **days).status_code == 202
    world.work()
