"""One fitted model for all tests that need one: sampling costs more than all the rest together."""

from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest

from mrp import NutsSettings, Priors, build_design, collapse, sample_nuts
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.progress import Progress
from tests.mrp.worlds import FORMULA, Opinion, electorate, interview, plant


@dataclass(frozen=True, slots=True)
class Fitted:
    electorate: Electorate
    design: Design
    counts: pl.DataFrame
    opinion: Opinion
    tree: Any
    progress: list[Progress]


@pytest.fixture(scope="session")
def fitted() -> Fitted:
    world = electorate()
    design = build_design(FORMULA, world)
    opinion = plant(design, world.frame, seed=2)
    interviews = interview(world, opinion, n=1500, seed=3)
    counts = collapse(interviews, by=world.cell_columns, answer="answer", option="yes")
    progress: list[Progress] = []
    tree = sample_nuts(design, counts, Priors(), seed=4, settings=NutsSettings(), on_progress=progress.append)
    return Fitted(world, design, counts, opinion, tree, progress)
