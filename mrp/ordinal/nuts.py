r"""Sample the model of an ordered scale with NUTS: the reference engine.

The coordinates are those of `mrp.whitened`, with the log widths among them: ``z - mean = R(h) u`` for the terms and
``log width - mean = sd u``, with ``u`` standard normal a priori, moved by what the interviews say of both together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy import linalg

from mrp.aliasing import data_warnings
from mrp.compiled import SampledForm
from mrp.errors import SamplingError
from mrp.hyper import hyper_space
from mrp.numbers import require_seed
from mrp.nuts import NutsSettings, sample_form
from mrp.ordinal.counts import coarsest_ordinal, counts_of
from mrp.ordinal.design import OrdinalDesign
from mrp.ordinal.posterior import ordinal_dataset
from mrp.ordinal.scale import spacing
from mrp.priors import Priors, require_priors
from mrp.progress import Progress, Reporter
from mrp.size import require_size

if TYPE_CHECKING:
    from xarray import DataTree

    from mrp.whitened import WhitenedStructure

__all__ = ["OrdinalStructure", "ordinal_form", "sample_ordinal_nuts"]


@dataclass(frozen=True, slots=True)
class OrdinalStructure:
    """What the graph of a posterior of an ordered scale depends on; see `mrp.compiled`."""

    prior: "WhitenedStructure"
    n_widths: int

    def declare(self, data: Mapping[str, Any]) -> None:
        """Declare what `mrp.whitened.WhitenedStructure` does, with the log widths last among the coordinates."""
        import pymc as pm
        import pytensor.tensor as pt

        from mrp.whitened import declare_whitened

        n, n_widths = self.prior.size, self.n_widths
        whole = pt.zeros((n + n_widths, n + n_widths))
        root: Any = pt.set_subtensor(whole[:n, :n], self.prior.declare_root(data))
        if n_widths:
            root = pt.set_subtensor(root[n:, n:], pt.diag(data["width_sd"]))
        moved = declare_whitened(root, n + n_widths, data)
        point = data["mean"] + moved
        v = self.prior.linear_predictor(pt.dot(data["basis"], point[:n]), data)
        width: Any = pt.exp(point[n:]) if n_widths else pt.zeros(0)
        u = pt.dot(data["spacing"], width)[:, None] - v if n_widths else -v[None, :]  # (cutpoint, cell)
        # As in `mrp.ordinal.kernels`: a binomial term for each cutpoint, and one for the widths.
        y = data["y"]
        value = -pt.sum(y[:-1] * pt.softplus(-u) + y[1:] * pt.softplus(u))
        if n_widths:
            value = value + pt.sum(data["chosen"] * pt.log(-pt.expm1(-width)))
        pm.Potential("likelihood", value)


def ordinal_form(design: OrdinalDesign, counts: pl.DataFrame, priors: Priors) -> SampledForm:
    """Choose coordinates around the most probable values, found by the Laplace engine.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.ordinal.model.build_ordinal_model`; counts as `mrp.ordinal.counts.coarsest_ordinal` makes them.
    """
    from mrp.laplace.search import most_probable
    from mrp.ordinal.conditional import ordinal_conditional
    from mrp.warm_start import WarmStart
    from mrp.whitened import WhitenedStructure, whitened_form

    space = hyper_space(design.common, priors)
    conditional = ordinal_conditional(design, counts, priors)
    latents = conditional.latents(conditional.start[None])[0]
    try:
        hypers = most_probable(conditional, space)
        latents = conditional.latents(conditional.mode(hypers).point[None])[0]
    except SamplingError:  # a reason to sample in the first place: only speed depends on the start
        hypers = space.natural(space.working(space.start()))
    # The binary form of the same terms; of its counts nothing is kept.
    of_one = counts.with_columns(y=pl.col("n") / 2)
    binary = whitened_form(design.common, of_one, priors, WarmStart(hypers, latents[: design.n_common]))
    assert isinstance(binary.structure, WhitenedStructure)
    basis, n_widths = binary.fixed["basis"], len(design.inner_options)
    # The engine's coordinates from these, which differ for a mixed map.
    turned = conditional.points(linalg.block_diag(basis, np.eye(n_widths)).T).T
    point = conditional.points(latents[None])[0]
    gradient, information = conditional.quadratic(point)
    mean = np.concatenate([binary.fixed["mean"], np.full(n_widths, priors.log_width.mean)])
    own = linalg.lstsq(turned, point)[0]
    information = turned.T @ information @ turned
    fixed = dict(binary.fixed) | {
        "mean": mean,
        "information": information,
        "pull": turned.T @ gradient + information @ (own - mean),
    }
    y = np.ascontiguousarray(counts_of(design, counts).to_numpy().T, dtype=np.float64)
    if n_widths:
        fixed |= {
            "width_sd": np.full(n_widths, priors.log_width.sd),
            "spacing": spacing(design.n_options),
            "chosen": y[1:-1].sum(axis=1),
        }
    cells = {name: binary.cells[name] for name in ("x", "index", "weight")} | {"y": y}
    start = np.concatenate([binary.start, np.zeros(n_widths)])
    return SampledForm(OrdinalStructure(binary.structure, n_widths), fixed, cells, start)


def sample_ordinal_nuts(
    design: OrdinalDesign,
    counts: pl.DataFrame,
    priors: Priors,
    *,
    seed: int,
    settings: NutsSettings = NutsSettings(),
    on_progress: Callable[[Progress], None] | None = None,
) -> "DataTree":
    """Draw from the posterior of a model of an ordered scale; see `mrp.nuts.sample_nuts`.

    Raises
    ------
    CountsError, PriorError
        If the counts cannot be fitted, or priors do not belong to the design.
    SamplingError
        If settings or seed make no sense, the model is too large, or the sampler cannot start.
    """
    report = Reporter(on_progress)
    report("prepare", 0.0)
    settings.check()
    require_seed(seed)
    require_priors(priors, design.common, own="log_width")
    require_size(design.common, "nuts")
    cells = coarsest_ordinal(design, counts)
    first, second = np.random.SeedSequence(seed).spawn(2)
    form = ordinal_form(design, cells, priors)
    return sample_form(
        form,
        partial(_collect, form=form, design=design),
        settings=settings,
        seed=seed,
        chain_seeds=(first, second),
        warnings=data_warnings(design.common, cells),
        report=report,
    )


def _collect(raw: "DataTree", form: SampledForm, design: OrdinalDesign) -> "DataTree":
    """Draws of the model's own variables from what the sampler kept."""
    import xarray as xr

    from mrp.whitened import sampled_hypers

    sampled = raw["posterior"].to_dataset()
    moved = sampled["moved"].to_numpy() + form.fixed["mean"]
    n = form.fixed["basis"].shape[1]
    latents = np.concatenate([moved[:, :, :n] @ form.fixed["basis"].T, moved[:, :, n:]], axis=2)
    labels = [f"direction {i + 1} of all latents" for i in range(sampled["eps"].shape[2])]
    return xr.DataTree.from_dict(
        {
            "posterior": ordinal_dataset(design, latents, sampled_hypers(sampled)),
            "sampled": sampled[["eps"]].assign_coords({sampled["eps"].dims[2]: labels}),
            "sample_stats": raw["sample_stats"].to_dataset(),
        }
    )
