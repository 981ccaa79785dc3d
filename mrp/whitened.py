r"""Coordinates in which the posterior of any latent Gaussian model is nearly round, for NUTS.

The coordinates ``z`` of the latents have the prior ``z = mean + R(h) u`` with ``u`` standard normal and ``h`` the sds
and correlations. Around the most probable latents (for the most probable ``h``) the log likelihood is nearly
``b'z - z'Hz/2``, which would make the posterior of ``u`` given ``h`` normal with precision and mean

    G = I + R'H R,      m = G^-1 R'(b - H mean),        so   u = m + L'^-1 eps,   L L' = G

would leave ``eps`` standard normal whatever ``h``: neither the funnel of a centred nor the ridge of a non-centred
parametrisation, nor the ridges between terms that data cannot tell apart. The summary need not be exact, because the
change of variables is: only speed depends on it. A gradient costs the cube of the number of coordinates; models of
varying intercepts alone have cheaper ones (`mrp.identified`).

References
----------
Papaspiliopoulos, Roberts and Skold (2007), "A general framework for the parametrization of hierarchical models",
Statistical Science 22(1), 59-73.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import logit

from mrp.coding import EffectCoding, EffectKind
from mrp.compiled import SampledForm
from mrp.design import Design
from mrp.dispersion import Dispersion, dispersion_variables, log_likelihood, precision_of
from mrp.linear import LinearModel, linear_model
from mrp.mixing import log_density_expression
from mrp.prior_kinds import HalfNormal
from mrp.priors import Priors
from mrp.structure import correlation_root
from mrp.warm_start import WarmStart, quadratic_of

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = [
    "WhitenedStructure",
    "collect_whitened",
    "declare_whitened",
    "sampled_hypers",
    "whitened_form",
    "whitened_form_of",
]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Block:
    """Coordinates of one term that hang together a priori, as many times as it has groups."""

    kind: EffectKind
    n_sds: int
    size: int
    """Of a block."""
    repeats: int

    @property
    def n_correlations(self) -> int:
        return {"correlated slopes": self.size * (self.size - 1) // 2, "ar1": 1}.get(self.kind, 0)

    @property
    def n_mixings(self) -> int:
        return int(self.kind == "bym2")

    @property
    def entries(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of each number in the root of a block's covariance."""
        at = np.arange(self.size)
        return np.tril_indices(self.size) if self.n_correlations else (at, at)

    def root(self, sd: Any, partial: Any, phi: Any, directions: Any) -> Any:
        """The numbers at ``entries``, as an expression, from the term's sds, partial correlations and mixing."""
        import pytensor.tensor as pt

        row, column = self.entries
        match self.kind:
            case "ar1":
                # The first period has the stationary variance, the others what the one before leaves.
                left = pt.where(column == 0, 1.0, pt.sqrt(1 - partial[0] ** 2))
                return sd[0] * left * partial[0] ** (row - column)
            case "correlated slopes":
                parts = correlation_root([partial[m] for m in range(self.n_correlations)], self.size)
                return pt.stack([sd[i] * parts[i][j] for i, j in zip(row, column, strict=True)])
            case "bym2":
                return sd[0] * pt.sqrt(1 - phi + phi * directions)
            case _:
                return sd


@dataclass(frozen=True, slots=True)
class WhitenedStructure:
    """Terms and numbers of variables of a posterior in whitened coordinates; see `mrp.compiled`."""

    n_free: int
    """Intercept and coefficients."""
    blocks: tuple[_Block, ...]
    is_dispersed: bool = False
    """Whether answers are those of clusters; see `mrp.dispersion`."""

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return self.n_free + sum(block.size * block.repeats for block in self.blocks)

    def declare(self, data: Mapping[str, Any]) -> None:
        """Declare ``sd``, ``unit`` (correlations between 0 and 1) and ``phi`` if there are any, ``eps`` and ``moved``.

        The last are the coordinates less their prior mean.
        """
        import pymc as pm
        import pytensor.tensor as pt

        moved = declare_whitened(self.declare_root(data), self.size, data)
        eta = self.linear_predictor(pt.dot(data["basis"], data["mean"] + moved), data)
        if self.is_dispersed:
            dispersion = pm.HalfNormal("dispersion", data["dispersion_scale"][0])
            answers = pt.stack([data["y"], data["n"] - data["y"]])
            share = pt.sigmoid(pt.stack([eta, -eta]))
            pm.Potential("likelihood", log_likelihood(answers, share, precision_of(dispersion)))
        else:
            pm.Potential("likelihood", pt.sum(data["y"] * eta - data["n"] * pt.softplus(eta)))

    def linear_predictor(self, latent: Any, data: Mapping[str, Any]) -> Any:
        """Of every cell, as an expression of the latents."""
        import pytensor.tensor as pt

        return pt.dot(latent[: self.n_free], data["x"]) + (data["weight"] * latent[data["index"]]).sum(axis=0)

    @property
    def n_sds(self) -> int:
        return sum(block.n_sds for block in self.blocks)

    @property
    def sd_of(self) -> NDArray[np.int64]:
        """For each coordinate the position of its sd, -1 for those that have none; shape (coordinate,)."""
        own = [np.full(self.n_free, -1)]
        for block, sds, _ in self._places():
            numbers = np.arange(sds.start, sds.stop) if block.n_sds > 1 else np.full(block.size, sds.start)
            own.append(np.tile(numbers, block.repeats))
        return np.concatenate(own)

    def declare_root(self, data: Mapping[str, Any], *, unit: bool = False) -> Any:
        """Declare the sds, correlations and mixing; returns R, an expression: z - mean = R u with u standard normal.

        ``unit`` leaves out the sds, as if all were 1.
        """
        import pymc as pm
        import pytensor.tensor as pt

        sd: Any = pt.ones(self.n_sds) if unit else pm.HalfNormal("sd", data["scale"], shape=self.n_sds)
        partial: Any = None
        if n_correlations := sum(block.n_correlations for block in self.blocks):
            unit = pm.Beta("unit", data["shapes"][:, 0], data["shapes"][:, 1], shape=n_correlations)
            partial = 2 * unit - 1
        phi: Any = None
        if any(block.n_mixings for block in self.blocks):
            phi = pm.Uniform("phi", 0.0, 1.0)
            excess, (rate, log_constant) = data["mixing_excess"], (data["mixing_rate"][0], data["mixing_rate"][1])
            pm.Potential("mixing prior", log_density_expression(phi, excess, rate, log_constant))
        return self._prior_root(data, sd, partial, phi)

    def _prior_root(self, data: Mapping[str, Any], sd: Any, partial: Any, phi: Any) -> Any:
        """R: coordinates less their mean from standard normal numbers."""
        import pytensor.tensor as pt

        at = np.arange(self.n_free)
        values, rows, columns, sources = [data["fixed_sd"]], [at], [at], [at]
        n_values = first = self.n_free
        for block, sds, correlations in self._places():
            row, column = block.entries
            own_partial = partial[correlations] if block.n_correlations else None
            values.append(block.root(sd[sds], own_partial, phi, data.get("directions")))
            starts = first + block.size * np.arange(block.repeats)[:, None]
            rows.append((starts + row).ravel())
            columns.append((starts + column).ravel())
            # One sd for all of a block, unless it has one for each.
            several = block.n_correlations or block.n_mixings or block.n_sds > 1
            own = np.arange(row.size) if several else np.zeros(row.size, dtype=np.int64)
            sources.append(np.tile(n_values + own, block.repeats))
            n_values += int(own.max()) + 1
            first += block.size * block.repeats
        where = (np.concatenate(rows), np.concatenate(columns))
        value = pt.concatenate(values)[np.concatenate(sources)]
        return pt.set_subtensor(pt.zeros((self.size, self.size))[where], value)

    def _places(self) -> Iterator[tuple[_Block, slice, slice]]:
        """The blocks, with the positions of their sds and correlations among all."""
        sd = correlation = 0
        for block in self.blocks:
            yield block, slice(sd, sd + block.n_sds), slice(correlation, correlation + block.n_correlations)
            sd, correlation = sd + block.n_sds, correlation + block.n_correlations


def declare_whitened(root: Any, size: int, data: Mapping[str, Any]) -> Any:
    """Declare ``eps``, its prior and ``moved``, coordinates less their prior mean, which are returned.

    Parameters
    ----------
    root
        R of the module, an expression of shape (size, size).
    data
        With ``information`` and ``pull``, H and b - H mean of the module.
    """
    import pymc as pm
    import pytensor.tensor as pt

    eps: Any = pm.Flat("eps", shape=size)
    pulled = pt.linalg.cholesky(pt.eye(size) + pt.dot(root.T, pt.dot(data["information"], root)), lower=True)
    middle = pt.linalg.solve_triangular(pulled, pt.dot(root.T, data["pull"]), lower=True)
    standard = pt.linalg.solve_triangular(pulled.T, middle + eps, lower=False)
    moved = pm.Deterministic("moved", pt.dot(root, standard))
    # Log density of standard normal numbers, plus the log Jacobian of them in eps.
    pm.Potential("latent prior", -0.5 * pt.sum(standard**2) - pt.sum(pt.log(pt.diag(pulled))))
    return moved


def whitened_form(
    design: Design, counts: pl.DataFrame, priors: Priors, start: WarmStart, *, dispersion: Dispersion = "none"
) -> SampledForm:
    """Choose coordinates around the most probable values.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.model.build_model`.
    start
        From `mrp.warm_start.warm_start`.
    dispersion
        As for `mrp.model.build_model`.
    """
    own = priors.dispersion if dispersion != "none" else None
    return whitened_form_of(linear_model(design, counts, priors), start, dispersion=own)


def whitened_form_of(model: LinearModel, start: WarmStart, *, dispersion: HalfNormal | None = None) -> SampledForm:
    """As `whitened_form`, of a model in numbers; ``dispersion`` is its prior, if answers are those of clusters."""
    space, mean = model.space, model.mean
    bases = [np.eye(effect.size) if (own := effect.basis) is None else own for effect in model.effects]
    basis = linalg.block_diag(np.eye(mean.size), *bases)
    gradient, information = quadratic_of(model.x, (model.index, model.weight), (model.n, model.y), basis, start.latents)
    prior_mean = np.zeros(basis.shape[1])
    prior_mean[: mean.size] = mean
    coordinates = linalg.lstsq(basis, start.latents)[0]
    fixed: dict[str, NDArray[Any]] = {
        "scale": space.scale,
        "shapes": space.shapes,
        "fixed_sd": model.sd,
        "mean": prior_mean,
        "basis": basis,
        "information": information,
        "pull": gradient + information @ (coordinates - prior_mean),
    }
    for effect, of in zip(model.effects, space.terms, strict=True):
        if of.mixing is not None:  # of which there is one at most: a district is next to others on one map
            rate = np.array([of.mixing.rate, of.mixing.log_constant])
            fixed |= {"directions": effect.directions, "mixing_excess": of.mixing.excess, "mixing_rate": rate}
    cells: dict[str, NDArray[Any]] = {
        "x": np.ascontiguousarray(model.x.T),
        "index": model.index.T,
        "weight": model.weight.T,
        "n": model.n,
        "y": model.y,
    }
    hypers = start.hypers
    correlations, mixings = hypers[space.n_sds : space.first_mixing], hypers[space.first_mixing :]
    free = [np.log(hypers[: space.n_sds]), logit((correlations + 1) / 2), logit(mixings), np.zeros(basis.shape[1])]
    is_dispersed = dispersion is not None
    if dispersion is not None:
        fixed["dispersion_scale"] = np.array([dispersion.scale])
        free.append(np.log([0.5 * dispersion.scale]))
    structure = WhitenedStructure(mean.size, tuple(_block(effect) for effect in model.effects), is_dispersed)
    return SampledForm(structure, fixed, cells, np.concatenate(free))


def _block(effect: EffectCoding) -> _Block:
    n = len(effect.columns)
    widths = {"slopes": n, "correlated slopes": n, "ar1": effect.size, "bym2": effect.size}
    size = widths.get(effect.kind, 1)
    return _Block(effect.kind, n, size, effect.n_coordinates // size)


def collect_whitened(raw: "DataTree", form: SampledForm, named: Callable[[Floats, Floats], Any]) -> "DataTree":
    """Draws of the model's own variables from what the sampler kept of a whitened form.

    ``named`` gives latents, shape (chain, draw, latent), and parameters, shape (chain, draw, parameter), their names.
    """
    import xarray as xr

    sampled = raw["posterior"].to_dataset()
    latents = (sampled["moved"].to_numpy() + form.fixed["mean"]) @ form.fixed["basis"].T
    directions = [f"direction {i + 1} of all latents" for i in range(sampled["eps"].shape[2])]
    return xr.DataTree.from_dict(
        {
            "posterior": named(latents, sampled_hypers(sampled)).assign(dispersion_variables(sampled)),
            "sampled": sampled[["eps"]].assign_coords({sampled["eps"].dims[2]: directions}),
            "sample_stats": raw["sample_stats"].to_dataset(),
        }
    )


def sampled_hypers(sampled: Any) -> Floats:
    """Natural values of the priors' parameters from what the sampler kept, shape (chain, draw, parameter)."""
    hypers = [sampled["sd"].to_numpy()]
    if "unit" in sampled:
        hypers.append(2 * sampled["unit"].to_numpy() - 1)
    if "phi" in sampled:
        hypers.append(sampled["phi"].to_numpy()[:, :, None])
    return np.concatenate(hypers, axis=2)
