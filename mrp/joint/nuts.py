"""Sample several questions with NUTS: the reference engine.

The coordinates are those of `mrp.whitened`, of all questions together: a gradient costs the cube of their number.
"""

from collections.abc import Callable, Mapping
from functools import partial
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
from mrp.numbers import require_seed
from mrp.nuts import NutsSettings, sample_form
from mrp.priors import Priors
from mrp.progress import Progress, Reporter
from mrp.size import require_size

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["sample_joint_nuts"]


def sample_joint_nuts(
    design: JointDesign,
    counts: Mapping[str, pl.DataFrame],
    priors: Priors | Mapping[str, Priors],
    *,
    seed: int,
    settings: NutsSettings = NutsSettings(),
    on_progress: Callable[[Progress], None] | None = None,
) -> "DataTree":
    """Draw from the posterior of several questions; see `mrp.nuts.sample_nuts`.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.joint.model.build_joint_model`.

    Raises
    ------
    CountsError, PriorError
        If counts or priors do not belong to the design.
    SamplingError
        If settings or seed make no sense, the model is too large, or the sampler cannot start.
    """
    from mrp.warm_start import warm_start_of
    from mrp.whitened import collect_whitened, whitened_form_of

    report = Reporter(on_progress)
    report("prepare", 0.0)
    settings.check()
    require_seed(seed)
    of = joint_priors(priors, design)
    stacked = stack(design)
    require_size(stacked, "nuts")
    cells = coarsest_of(design, counts)
    first, second = np.random.SeedSequence(seed).spawn(2)
    model = joint_linear_model(design, cells, of)
    form = whitened_form_of(model, warm_start_of(model))

    def named(latents: NDArray[np.float64], hypers: NDArray[np.float64]) -> Any:
        return joint_dataset(design, latents[:, :, stacked.order], hypers)

    return sample_form(
        form,
        partial(collect_whitened, form=form, named=named),
        settings=settings,
        seed=seed,
        chain_seeds=(first, second),
        warnings=joint_warnings(design, cells),
        report=report,
    )
