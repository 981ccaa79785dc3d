"""Fit several questions by nested Laplace approximation: the real-time engine.

The effects of a district on all questions are one block of what `mrp.laplace.elimination` solves for first, shared
terms among them: the cost of a step grows with the questions as that of one question does with its terms.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.joint.aliasing import joint_warnings
from mrp.joint.counts import coarsest_of
from mrp.joint.design import JointDesign
from mrp.joint.posterior import joint_dataset
from mrp.joint.priors import joint_priors
from mrp.joint.stacked import joint_linear_model, stack
from mrp.laplace.engine import LaplaceSettings, laplace_tree
from mrp.numbers import require_seed
from mrp.priors import Priors
from mrp.progress import Progress, Reporter
from mrp.size import require_size

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["fit_joint_laplace"]


def fit_joint_laplace(
    design: JointDesign,
    counts: Mapping[str, pl.DataFrame],
    priors: Priors | Mapping[str, Priors],
    *,
    seed: int,
    settings: LaplaceSettings = LaplaceSettings(),
    on_progress: Callable[[Progress], None] | None = None,
) -> "DataTree":
    """Draw from the posterior of several questions; see `mrp.laplace.engine.fit_laplace`.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.joint.model.build_joint_model`.

    Raises
    ------
    CountsError, PriorError
        If counts or priors do not belong to the design.
    SamplingError
        If Newton's method does not converge, the model is too large, or the seed is none.
    """
    from mrp.laplace.conditional import Conditional

    report = Reporter(on_progress)
    report("prepare", 0.0)
    require_seed(seed)
    of = joint_priors(priors, design)
    stacked = stack(design)
    require_size(stacked, "laplace")
    cells = coarsest_of(design, counts)
    model = joint_linear_model(design, cells, of)

    def named(latents: NDArray[np.float32], hypers: NDArray[np.float64]) -> Any:
        return joint_dataset(design, latents[:, :, stacked.order], hypers)

    return laplace_tree(
        Conditional.of(model),
        model.space,
        n_latents=model.n_latents,
        named=named,
        warnings=joint_warnings(design, cells),
        seed=seed,
        settings=settings,
        report=report,
    )
