"""What a fit leaves behind for whoever checks it: draws of the priors' parameters, and how the engine went.

The latents of a release answer every question about opinion. Whether they deserve belief is seen in what is kept here,
thinned like the latents: standard deviations, correlations and mixings of each draw; of NUTS its energy, divergences
and tree depths; of the Laplace engine the points at which the standard deviations were looked at, with their exact log
density and both kinds of importance weights. Nothing of the interviews is in it.
"""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrp.design import Design
from mrp.errors import DrawsError
from mrp.hyper import HyperSpace, correlation_name, mixing_name, sd_name
from mrp.latents import LatentDraws, kept_draws
from mrp.linear import Coded
from mrp.mixing import MixingPrior

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["Evidence", "evidence_of", "hyper_names", "kept_tree"]

type Named = Callable[[NDArray[np.floating[Any]], NDArray[np.float64]], Any]
"""Makes a dataset of draws of latents and of priors' parameters."""

FORMAT_VERSION = 1
# As the engines call them, by what they are called here.
_STATS = {
    "diverging": "diverging",
    "energy": "energy",
    "depth": "tree_depth",
    "mean_tree_accept": "acceptance_rate",
    "point": "point",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Beside the latents of a fit, draw by draw; see the module."""

    hypers: NDArray[np.float32]
    """Natural values of sds, correlations and mixings, as in `mrp.hyper.HyperSpace`; shape (draw, parameter)."""
    names: tuple[str, ...]
    """Of the parameters, such as "sd (1|state)"."""
    prior_scale: NDArray[np.float64]
    """Of the half-normal prior of each sd, shape (sd,)."""
    prior_shapes: NDArray[np.float64]
    """Parameters of the beta prior of (r + 1) / 2 for each correlation, shape (correlation, 2)."""
    stats: dict[str, NDArray[Any]] = field(default_factory=dict)
    """By name, each of shape (draw,): diverging, energy, tree_depth, acceptance_rate (NUTS), point (Laplace)."""
    points: NDArray[np.float32] | None = None
    """Laplace: parameters at which the density was computed, shape (point, parameter)."""
    log_density: NDArray[np.float32] | None = None
    """Log posterior density of the points but for a constant, the Laplace approximation, shape (point,)."""
    log_weight_sd: NDArray[np.float32] | None = None
    """Log importance weights of the points, not normalised, shape (point,)."""
    log_weight_joint: NDArray[np.float32] | None = None
    """Log importance weights of the latents that were drawn, before they were resampled; shape (proposal,)."""
    prior_mixing: MixingPrior | None = None
    """Of the mixing, if the model has one."""

    def to_bytes(self) -> bytes:
        """A compressed npz archive without pickled objects."""
        arrays: dict[str, NDArray[Any]] = {
            "format_version": np.array(FORMAT_VERSION),
            "hypers": self.hypers,
            "names": np.array(self.names, dtype=np.str_),
            "prior_scale": self.prior_scale,
            "prior_shapes": self.prior_shapes,
            **{f"stats {name}": values for name, values in self.stats.items()},
        }
        for name in ("points", "log_density", "log_weight_sd", "log_weight_joint"):
            if (values := getattr(self, name)) is not None:
                arrays[name] = values
        if (mixing := self.prior_mixing) is not None:
            arrays |= {"mixing excess": mixing.excess, "mixing rate": np.array([mixing.rate, mixing.log_constant])}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # mypy takes names of arrays for options
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Evidence":
        """Read what `to_bytes` wrote.

        Raises
        ------
        DrawsError
            If the bytes are not such an archive or have another format version.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                version = int(stored["format_version"])
                if version != FORMAT_VERSION:
                    raise DrawsError(f"the evidence has format version {version}, this version reads {FORMAT_VERSION}")
                return cls(
                    hypers=stored["hypers"],
                    names=tuple(str(name) for name in stored["names"]),
                    prior_scale=stored["prior_scale"],
                    prior_shapes=stored["prior_shapes"],
                    stats={
                        name.removeprefix("stats "): stored[name] for name in stored.files if name.startswith("stats ")
                    },
                    **{
                        name: stored.get(name)
                        for name in ("points", "log_density", "log_weight_sd", "log_weight_joint")
                    },
                    prior_mixing=(
                        MixingPrior(stored["mixing excess"], *(float(one) for one in stored["mixing rate"]))
                        if "mixing excess" in stored
                        else None
                    ),
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DrawsError(f"{len(content):,} bytes are not the evidence of a fit: {error}") from error


def hyper_names(design: Coded) -> tuple[str, ...]:
    """Names of the parameters in the order of `mrp.hyper.HyperSpace`: "sd (1|state)", "sd (x|state)[x]" ..."""
    sds: list[str] = []
    correlations: list[str] = []
    for effect in design.effects:
        columns, name = effect.columns, sd_name(effect.term)
        sds += [name] if len(columns) == 1 else [f"{name}[{column}]" for column in columns]
        pairs = [f"{one}, {two}" for i, two in enumerate(columns) for one in columns[:i]]
        name, n = correlation_name(effect.term), effect.n_correlations
        correlations += [name] if n == 1 else [f"{name}[{pair}]" for pair in pairs[:n]]
    mixings = [mixing_name(effect.term) for effect in design.effects if effect.n_mixings]
    return (*sds, *correlations, *mixings)


def evidence_of(tree: "DataTree", design: Coded, space: HyperSpace, *, max_draws: int = 4000) -> Evidence:
    """Collect the evidence from a fit, thinned as `mrp.latents.from_datatree` thins its latents.

    Parameters
    ----------
    tree
        As `mrp.nuts.sample_nuts` or `mrp.laplace.engine.fit_laplace` returns it.
    space
        Parameters of ``design`` with the priors that it was fitted with.
    max_draws
        As for `mrp.latents.from_datatree`.
    """
    posterior, sample_stats = tree["posterior"], tree["sample_stats"]
    chosen, _ = kept_draws(posterior, max_draws=max_draws)

    def flat(name: str) -> NDArray[Any]:
        values = np.asarray(posterior[name].to_numpy())[:, chosen]
        return values.reshape(values.shape[0] * values.shape[1], -1)

    sds = [flat(sd_name(effect.term)) for effect in design.effects]
    correlations = [flat(correlation_name(effect.term)) for effect in design.effects if effect.n_correlations]
    mixings = [flat(mixing_name(effect.term)) for effect in design.effects if effect.n_mixings]
    n = posterior.sizes["chain"] * np.arange(posterior.sizes["draw"])[chosen].size
    hypers = np.concatenate([*sds, *correlations, *mixings, np.empty((n, 0))], axis=1)
    stats = {
        name: np.asarray(sample_stats[own].to_numpy())[:, chosen].reshape(-1)
        for own, name in _STATS.items()
        if own in sample_stats
    }
    explored: Any = tree["exploration"] if "exploration" in tree.children else {}
    return Evidence(
        hypers=hypers.astype(np.float32),
        names=hyper_names(design),
        prior_scale=space.scale,
        prior_shapes=space.shapes,
        prior_mixing=space.mixings[0] if space.mixings else None,
        stats={name: values.astype(_kept_type(values)) for name, values in stats.items()},
        **{
            name: np.asarray(explored[name].to_numpy(), dtype=np.float32) if name in explored else None
            for name in ("points", "log_density", "log_weight_sd", "log_weight_joint")
        },
    )


def kept_tree(
    latents: LatentDraws, evidence: Evidence | None, design: Design, *, named: Named | None = None
) -> "DataTree":
    """The fit again, as far as it is kept: what a download holds, and what figures are made from.

    Parameters
    ----------
    latents, design
        Of the fit; of a question of another kind the common terms.
    evidence
        None of a fit that is older than its being kept: then there are latents only.
    named
        Names latents, shape (chain, draw, latent), and parameters; default: those of a binary question.

    Returns
    -------
    xarray.DataTree
        ``posterior``, named by term and level; ``sample_stats``; ``prior`` with as many draws of the priors' parameters
        from their priors; of a Laplace fit ``exploration``: points, log_density, log_weight_sd, log_weight_joint.
    """
    import xarray as xr

    from mrp.posterior import posterior_dataset

    n_chains = latents.n_chains
    shape = (n_chains, latents.draws.shape[0] // n_chains)
    draws = ("chain", "draw")
    nothing_kept = np.full((latents.draws.shape[0], len(hyper_names(design))), np.nan)
    hypers = nothing_kept if evidence is None else evidence.hypers
    name = named or partial(posterior_dataset, design)
    posterior = name(latents.draws.reshape(*shape, -1), hypers.reshape(*shape, hypers.shape[1]).astype(np.float64))
    if evidence is None:
        posterior = posterior.drop_vars([one for one in _hyper_variables(design) if one in posterior])
        return xr.DataTree.from_dict({"posterior": posterior})
    stats = {name: (draws, values.reshape(shape)) for name, values in evidence.stats.items()}
    groups = {
        "posterior": posterior,
        "sample_stats": xr.Dataset(stats, coords=dict(posterior[["chain", "draw"]].coords)),
        "prior": _prior(design, evidence, name, np.zeros_like(latents.draws).reshape(*shape, -1)),
    }
    if evidence.points is not None:
        groups["exploration"] = xr.Dataset(
            {
                "points": (("point", "parameter"), evidence.points),
                "log_density": ("point", evidence.log_density),
                "log_weight_sd": ("point", evidence.log_weight_sd),
                "log_weight_joint": ("proposal", evidence.log_weight_joint),
            },
            coords={"parameter": list(evidence.names)},
        )
    return xr.DataTree.from_dict(groups)


def _prior(design: Design, evidence: Evidence, name: Named, nothing: NDArray[np.float32]) -> Any:
    """Draws of the parameters from their priors, named like the posterior ones; evenly spaced quantiles, shuffled.

    ``nothing`` stands for the latents, shape (chain, draw, latent).
    """
    from scipy import stats

    shape = nothing.shape[:2]
    n, rng = shape[0] * shape[1], np.random.default_rng(0)
    middle = (np.arange(n) + 0.5) / n
    sds = [scale * stats.halfnorm.ppf(rng.permutation(middle)) for scale in evidence.prior_scale]
    correlations = [2 * stats.beta.ppf(rng.permutation(middle), a, b) - 1 for a, b in evidence.prior_shapes]
    own = evidence.prior_mixing
    mixings = [] if own is None else [own.quantile(rng.permutation(middle))]
    hypers = np.stack([*sds, *correlations, *mixings], axis=1) if sds else np.empty((n, 0))
    named = name(nothing, hypers.reshape(*shape, hypers.shape[1]))
    return named[[one for one in _hyper_variables(design) if one in named]]


def _hyper_variables(design: Design) -> list[str]:
    names = (sd_name, correlation_name, mixing_name)
    return [name(effect.term) for effect in design.effects for name in names]


def _kept_type(values: NDArray[Any]) -> type[np.generic]:
    if values.dtype.kind == "b":
        return np.bool_
    return np.int32 if values.dtype.kind in "iu" else np.float32
