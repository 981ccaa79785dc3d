r"""Coordinates in which the posterior of a model of varying intercepts is nearly round, for NUTS.

What is sampled are the totals of `mrp.identified`. What the interviews say about the coordinates ``c`` of one total is
summarised by a precision ``I`` and a pull ``h``, both diagonal after a rotation, and the sampler moves in ``z``:

    c = v h / (1 + v I) + sqrt(v / (1 + v I)) z,       v: variance of the total, a function of the sds.

If the summary were exact, ``z`` would be standard normal whatever the sds: neither the funnel of a centred nor the
ridge of a non-centred parametrisation. It need not be exact, because the change of variables is: only speed depends
on it.

References
----------
Papaspiliopoulos, Roberts and Skold (2007), "A general framework for the parametrization of hierarchical models",
Statistical Science 22(1), 59-73.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg

from mrp.compiled import SampledForm
from mrp.design import Design
from mrp.identified import Identified, identify, restore, totals_of
from mrp.posterior import posterior_dataset
from mrp.priors import Priors
from mrp.warm_start import WarmStart, prior_means, prior_sds, quadratic

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["TotalsForm", "TotalsStructure", "totals_form"]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TotalsStructure:
    """Numbers of variables of the posterior of some totals; see `mrp.compiled`."""

    n_free: int
    """Intercept and coefficients."""
    n_sds: int
    n_coordinates: int
    """Of all totals but the intercept's."""

    def declare(self, data: Mapping[str, Any]) -> None:
        """Declare ``free`` (intercept's total and coefficients, whitened) and, if anything varies, ``sd`` and ``z``."""
        import pymc as pm
        import pytensor.tensor as pt

        free: Any = data["centre"] + pt.dot(data["root"], pm.Flat("free", shape=self.n_free))
        eta = pt.dot(free, data["x"])
        variance = data["fixed"]
        if self.n_sds:
            sd = pm.HalfNormal("sd", data["scale"], shape=self.n_sds)
            z = pm.Flat("z", shape=self.n_coordinates)
            variance = data["fixed"] + pt.dot(data["shares"], sd**2)
            own = variance[1:]
            shrink = 1 + own * data["information"]
            standard = pt.sqrt(own) * data["pull"] / shrink + z / pt.sqrt(shrink)
            # Log density of N(0, v) at c = sqrt(v) standard, plus the log Jacobian of c in z.
            pm.Potential("total prior", -0.5 * pt.sum(standard**2) - 0.5 * pt.sum(pt.log(shrink)))
            levels = pt.dot(data["basis"], pt.sqrt(own) * standard)
            eta = eta + levels[data["level"]].sum(axis=0)
        intercept = (free[0] - data["mean"][0]) ** 2 / variance[0] + pt.log(variance[0])
        coefficients = pt.sum(((free[1:] - data["mean"][1:]) / data["coefficient_sd"]) ** 2)
        pm.Potential("prior", -0.5 * (intercept + coefficients))
        pm.Potential("likelihood", pt.sum(data["y"] * eta - data["n"] * pt.softplus(eta)))


@dataclass(frozen=True, slots=True)
class TotalsForm:
    """The posterior of the totals, and the way back to the latents."""

    sampled: SampledForm
    identified: Identified
    bases: tuple[Floats, ...]
    """Coordinates of each total, rotated so that their information is diagonal; shape (level, coordinate)."""
    design: Design
    priors: Priors

    def collect(self, raw: "DataTree", seed: np.random.SeedSequence) -> "DataTree":
        """Draws of intercept, coefficients, sds and effects from draws of ``free``, ``sd`` and ``z``.

        ``seed`` is for the share of each term in its totals, which is drawn here. The tree has the groups that
        `mrp.nuts.sample_nuts` describes.
        """
        import xarray as xr

        sampled, data = raw["posterior"].to_dataset(), self.sampled.fixed
        shape = (sampled.sizes["chain"], sampled.sizes["draw"])

        def flat(name: str) -> Floats:
            values = sampled[name].to_numpy() if name in sampled else np.empty((*shape, 0))
            return np.asarray(values, dtype=np.float64).reshape(shape[0] * shape[1], -1)

        sd = flat("sd")
        free = data["centre"] + flat("free") @ data["root"].T
        restored = restore(
            self.identified,
            self.design,
            self.priors,
            intercept=free[:, 0],
            coefficient=free[:, 1:],
            totals=self._totals(flat("z"), sd),
            sd=sd,
            rng=np.random.default_rng(seed),
        )
        latents = np.column_stack([restored.intercept, restored.coefficient, *restored.effects])
        return xr.DataTree.from_dict(
            {
                "posterior": posterior_dataset(self.design, latents.reshape(*shape, -1), sd.reshape(*shape, -1)),
                "sampled": self._named(sampled),
                "sample_stats": raw["sample_stats"].to_dataset(),
            }
        )

    def _totals(self, z: Floats, sd: Floats) -> tuple[Floats, ...]:
        """Draws of each total over its levels."""
        data = self.sampled.fixed
        totals = []
        at = 0
        for basis in self.bases:
            own = slice(at, at + basis.shape[1])
            at = own.stop
            # The same for all coordinates of a total.
            v = (data["fixed"][1 + own.start] + sd**2 @ data["shares"][1 + own.start])[:, None]
            shrink = 1 + v * data["information"][own]
            totals.append((v * data["pull"][own] / shrink + np.sqrt(v / shrink) * z[:, own]) @ basis.T)
        return tuple(totals)

    def _named(self, sampled: Any) -> Any:
        """The sampler's coordinates with labels that a verdict can quote to somebody who knows the formula."""
        directions = [
            f"{coding.term.removeprefix('total')} direction {i + 1}"
            for coding, basis in zip(self.identified.design.effects, self.bases, strict=True)
            for i in range(basis.shape[1])
        ]
        labels = {
            "free": [f"direction {i + 1} of intercept and coefficients" for i in range(sampled["free"].shape[2])],
            "z": directions,
            "sd": [effect.term for effect in self.design.effects],
        }
        return sampled.assign_coords({sampled[name].dims[2]: labels[name] for name in labels if name in sampled})


def totals_form(design: Design, counts: pl.DataFrame, priors: Priors, start: WarmStart) -> TotalsForm:
    """Choose coordinates of the totals around the most probable values.

    Parameters
    ----------
    design
        Of varying intercepts and predictors only.
    counts, priors
        As for `mrp.model.build_model`.
    start
        From `mrp.warm_start.warm_start`.
    """
    identified = identify(design, priors)
    reduced = identified.design
    n_free = 1 + len(reduced.coefficient_names)
    rows = reduced.rows(counts)
    blocks = [basis.shape[1] for basis in identified.bases]
    # Variance of the intercept's total, then of every coordinate.
    repeat = np.concatenate([[0], np.repeat(np.arange(len(blocks)), blocks) + 1])
    fixed, shares = identified.fixed[repeat], identified.shares[repeat]
    mean, sd = prior_means(reduced, priors), prior_sds(reduced, priors)

    latents = totals_of(identified, design, start.latents)
    basis = linalg.block_diag(np.eye(n_free), *identified.bases)
    _, information = quadratic(reduced, counts, basis, latents)
    mode = basis.T @ latents
    prior = 1 / (fixed + shares @ start.hypers**2)
    prior = np.concatenate([prior[:1], sd[1:] ** -2.0, prior[1:]])
    covariance = linalg.inv(information + np.diag(prior))
    bases, precisions, pulls = [], [], []
    at = n_free
    for own_basis in identified.bases:
        own = slice(at, at + own_basis.shape[1])
        at = own.stop
        posterior = linalg.inv(covariance[own, own])
        values, rotation = linalg.eigh(posterior - np.diag(prior[own]))
        bases.append(own_basis @ rotation)
        precisions.append(np.clip(values, 0, None))
        pulls.append(rotation.T @ posterior @ mode[own])

    nothing = np.empty(0)
    fixed_data = {
        "mean": mean,
        "coefficient_sd": sd[1:],
        "centre": mode[:n_free],
        "root": linalg.cholesky(covariance[:n_free, :n_free], lower=True),
        "fixed": fixed,
    }
    cells = {
        "x": np.vstack([np.ones(counts.height), rows.x.T]),
        **{name: counts[name].cast(pl.Float64).to_numpy() for name in ("n", "y")},
    }
    if design.effects:
        fixed_data |= {
            "shares": shares,
            "scale": np.array([priors.for_sd(effect.term).scale for effect in design.effects]),
            "information": np.concatenate([nothing, *precisions]),
            "pull": np.concatenate([nothing, *pulls]),
            "basis": linalg.block_diag(*bases),
        }
        cells["level"] = rows.index.T - n_free
    point = np.concatenate([np.zeros(n_free), np.log(start.hypers), np.zeros(sum(blocks))])
    structure = TotalsStructure(n_free=n_free, n_sds=len(design.effects), n_coordinates=sum(blocks))
    sampled = SampledForm(structure, fixed_data, cells, point)
    return TotalsForm(sampled, identified, tuple(bases), design, priors)
