r"""Sample the model of several options with NUTS: the reference engine.

Coordinates of the vectors over options are ``z = R(h) u`` in every direction of a zero-sum basis, with ``u`` standard
normal a priori and R the root of `mrp.whitened`; where each option has its own sds they are, for each option,
``z = D_k R_1 u``, with the sds D_k and the root R_1 of sds of 1, less their mean over options. The sampler moves in
``eps``:

    u = m + L'^-1 eps,      L L' = I + R'H R at the most probable h

H and m the information and mode of the latents there: a fixed change of variables, exact whatever H and m are, that
leaves ``eps`` nearly standard normal as long as ``h`` is near its mode. One that moves with ``h``, as binary questions
have it, would cost the cube of the latents of all options at every step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import logit

from mrp.aliasing import data_warnings
from mrp.categorical.counts import count_name, option_cells
from mrp.categorical.design import CategoricalDesign, SharedSd
from mrp.categorical.hyper import option_sds, option_space
from mrp.categorical.model import require_categorical_priors
from mrp.categorical.posterior import categorical_dataset
from mrp.compiled import SampledForm
from mrp.dispersion import Dispersion, dispersion_variables, log_likelihood, precision_of
from mrp.errors import SamplingError
from mrp.hyper import hyper_space
from mrp.numbers import require_seed
from mrp.nuts import NutsSettings, sample_form
from mrp.priors import Priors
from mrp.progress import Progress, Reporter
from mrp.structure import autoregressive_precision, correlation_root, zero_sum_basis

if TYPE_CHECKING:
    from xarray import DataTree

    from mrp.whitened import WhitenedStructure

__all__ = ["CategoricalStructure", "categorical_form", "sample_categorical_nuts"]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CategoricalStructure:
    """What the graph of a posterior of several options depends on; see `mrp.compiled`."""

    prior: "WhitenedStructure"
    n_options: int
    n_own: int
    sd: SharedSd
    is_dispersed: bool

    def declare(self, data: Mapping[str, Any]) -> None:
        """Declare ``sd``, ``unit`` and ``phi`` if there are any, ``eps``, and ``moved``, the coordinates.

        Directions of the vectors over options (or options) first, coordinate by coordinate, then the options' own
        coefficients.
        """
        import pymc as pm
        import pytensor.tensor as pt

        width, n_vectors = data["options"].type.shape[1], self.prior.size
        n = n_vectors * width
        root = self.prior.declare_root(data, unit=self.sd == "by option")
        eps: Any = pm.Flat("eps", shape=n + self.n_own)
        standard = data["middle"] + pt.dot(data["spread"], eps)
        vectors = pt.dot(root, standard[:n].reshape((n_vectors, width)))
        if self.sd == "by option":
            sd: Any = pm.HalfNormal("sd", data["scale"], shape=self.prior.n_sds * self.n_options)
            by_option = pt.concatenate([sd.reshape((-1, self.n_options)), pt.ones((1, self.n_options))])
            vectors = by_option[self.prior.sd_of] * vectors
        latent = pt.dot(data["basis"], vectors)  # (latent, direction or option)
        free = pt.dot(data["x"].T, latent[: self.prior.n_free])
        direction = free + (data["weight"][:, :, None] * latent[data["index"]]).sum(
            axis=0
        )  # (cell, direction or option)
        eta = pt.dot(data["options"], direction.T) + data["offset"]  # (option, cell)
        parts = [vectors.ravel()]
        if self.n_own:
            own = data["own_mean"] + data["own_sd"] * standard[n:]
            values = data["own"].reshape((self.n_own, self.n_options, -1))
            eta = eta + (values * own[:, None, None]).sum(axis=0)
            parts.append(own)
        pm.Deterministic("moved", pt.concatenate(parts))
        # What does not stand has no part in the sum; without the largest no exponential is infinite.
        top = pt.max(eta, axis=0)
        total = top + pt.log(pt.sum(data["stands"] * pt.exp(eta - top), axis=0))
        pm.Potential("latent prior", -0.5 * pt.sum(standard**2))
        if self.is_dispersed:
            dispersion = pm.HalfNormal("dispersion", data["dispersion_scale"][0])
            share = data["stands"] * pt.exp(eta - total)
            pm.Potential("likelihood", log_likelihood(data["y"], share, precision_of(dispersion)))
        else:
            pm.Potential("likelihood", pt.sum(data["y"] * eta) - pt.sum(data["n"] * total))


def categorical_form(
    design: CategoricalDesign, counts: pl.DataFrame, priors: Priors, *, dispersion: Dispersion = "none"
) -> SampledForm:
    """Choose coordinates around the most probable values, found by the Laplace engine.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.categorical.model.build_categorical_model`; counts as `option_cells` makes them.
    dispersion
        As for the model.
    """
    from mrp.categorical.conditional import CategoricalConditional
    from mrp.laplace.search import most_probable
    from mrp.warm_start import WarmStart
    from mrp.whitened import WhitenedStructure, whitened_form

    k, n_own, space = design.n_options, len(design.own), option_space(design, priors)
    conditional = CategoricalConditional(design, counts, priors)
    point = np.zeros(conditional.n_coordinates)
    try:
        hypers = most_probable(conditional, space)
        point = conditional.mode(hypers).point
    except SamplingError:  # a reason to sample in the first place: only speed depends on the start
        hypers = space.natural(space.working(space.start()))
    # The binary form of the same terms; of its counts nothing is kept.
    of_one = counts.with_columns(y=pl.col(count_name(design.options[0])))
    shared = hyper_space(design.common, priors)
    middle = WarmStart(shared.natural(shared.working(shared.start())), np.zeros(design.n_common))
    binary = whitened_form(design.common, of_one, priors, middle)
    assert isinstance(binary.structure, WhitenedStructure)
    own_prior = [priors.for_predictor(predictor.term) for predictor in design.own]
    own_mean, own_sd = np.array([(p.mean, p.sd) for p in own_prior], dtype=np.float64).reshape(-1, 2).T
    options = zero_sum_basis(k) if design.sd == "shared" else np.eye(k)
    change = conditional.points(_standard_latents(design, priors, hypers, binary.fixed["basis"])).T
    gradient, information = conditional.information(point)
    n = change.shape[1]
    lower = linalg.cholesky(np.eye(n) + change.T @ information @ change, lower=True)
    fixed_of_one = ("information", "pull", "mean", "scale")
    fixed = {name: value for name, value in binary.fixed.items() if name not in fixed_of_one} | {
        "scale": space.scale,
        # At the mode standard normal numbers are what the likelihood pulls them to.
        "middle": change.T @ gradient,
        "spread": linalg.solve_triangular(lower.T, np.eye(n), lower=False),
        "options": options,
    }
    rows = design.rows(counts)
    stands = np.isfinite(rows.offset)
    cells = {name: binary.cells[name] for name in ("x", "index", "weight")} | {
        "offset": np.where(stands, rows.offset, 0.0).T,
        "stands": stands.T.astype(np.float64),
        "y": counts.select(map(count_name, design.options)).to_numpy().T.astype(np.float64),
        "n": counts["n"].cast(pl.Float64).to_numpy(),
    }
    if n_own:
        fixed |= {"own_mean": own_mean, "own_sd": own_sd}
        cells["own"] = np.ascontiguousarray(rows.own.transpose(1, 2, 0)).reshape(n_own * k, -1)
    correlations, mixings = hypers[space.n_sds : space.first_mixing], hypers[space.first_mixing :]
    sd, others = np.log(hypers[: space.n_sds]), [logit((correlations + 1) / 2), logit(mixings)]
    # Sds of each option are declared last.
    ordered = [sd, *others, np.zeros(n)] if design.sd == "shared" else [*others, np.zeros(n), sd]
    is_dispersed = dispersion != "none"
    if is_dispersed:
        fixed["dispersion_scale"] = np.array([priors.dispersion.scale])
        ordered.append(np.log([0.5 * priors.dispersion.scale]))
    structure = CategoricalStructure(binary.structure, k, n_own, design.sd, is_dispersed)
    return SampledForm(structure, fixed, cells, np.concatenate(ordered))


def _standard_latents(design: CategoricalDesign, priors: Priors, hypers: Floats, basis: Floats) -> Floats:
    """Latents of the design for each standard normal number being 1, the others 0; shape (number, latent).

    Parameters
    ----------
    basis
        Latents of one option from its coordinates, those of `mrp.whitened`.
    """
    space, common, k = option_space(design, priors), design.common, design.n_options
    coefficients = [priors.for_predictor(p.name).sd for p in common.predictors for _ in p.coefficients]
    free = np.array([priors.intercept.sd, *coefficients])
    roots, scales = [np.diag(free)], [np.ones((free.size, k))]
    for effect, term in zip(common.effects, space.terms, strict=True):
        sds, partial = option_sds(design, term, hypers), hypers[term.correlations]
        n, width = effect.n_coordinates, len(effect.columns)
        root: Floats = np.eye(n)
        match effect.kind:
            case "ar1":
                root = linalg.cholesky(linalg.inv(autoregressive_precision(n, partial[0])), lower=True)
            case "bym2":
                phi = hypers[term.mixings][0]
                root = np.diag(np.sqrt(1 - phi + phi * effect.directions))
            case "correlated slopes":
                root = np.asarray(np.kron(np.eye(n // width), np.array(correlation_root(partial, width))))
        roots.append(root)
        scales.append(np.tile(sds, (n // len(sds), 1)))
    root, scale = linalg.block_diag(*roots), np.concatenate(scales)
    n = len(root)
    if design.sd == "shared":
        over_options = zero_sum_basis(k)
        vectors = np.kron(basis @ (scale[:, :1] * root), over_options)
    else:
        by_option = np.stack([basis @ (scale[:, [o]] * root) for o in range(k)], axis=1)  # (latent, option, number)
        centred = np.eye(k) - 1 / k
        vectors = np.einsum("lon,po->lpno", by_option, centred).reshape(len(basis) * k, n * k)
    own_sd = [priors.for_predictor(predictor.term).sd for predictor in design.own]
    return np.asarray(linalg.block_diag(vectors, np.diag(own_sd) if own_sd else np.empty((0, 0))).T)


def sample_categorical_nuts(
    design: CategoricalDesign,
    counts: pl.DataFrame,
    priors: Priors,
    *,
    seed: int,
    settings: NutsSettings = NutsSettings(),
    dispersion: Dispersion = "none",
    on_progress: Callable[[Progress], None] | None = None,
) -> "DataTree":
    """Draw from the posterior of a model of several options; see `mrp.nuts.sample_nuts`.

    Raises
    ------
    CountsError, PriorError
        If the counts cannot be fitted, or priors do not belong to the design.
    SamplingError
        If settings or seed make no sense, or the sampler cannot start.
    """
    report = Reporter(on_progress)
    report("prepare", 0.0)
    settings.check()
    require_seed(seed)
    require_categorical_priors(priors, design)
    cells = option_cells(design, counts, dispersion)
    first, second = np.random.SeedSequence(seed).spawn(2)
    form = categorical_form(design, cells, priors, dispersion=dispersion)
    return sample_form(
        form,
        partial(_collect, form=form, design=design),
        settings=settings,
        seed=seed,
        chain_seeds=(first, second),
        warnings=data_warnings(design.common, cells),
        report=report,
    )


def _collect(raw: "DataTree", form: SampledForm, design: CategoricalDesign) -> "DataTree":
    """Draws of the model's own variables from what the sampler kept."""
    import xarray as xr

    sampled = raw["posterior"].to_dataset()
    hypers = [sampled["sd"].to_numpy()] if "sd" in sampled else []
    if "unit" in sampled:
        hypers.append(2 * sampled["unit"].to_numpy() - 1)
    if "phi" in sampled:
        hypers.append(sampled["phi"].to_numpy()[:, :, None])
    moved = sampled["moved"].to_numpy()
    basis, options = form.fixed["basis"], form.fixed["options"]
    width = options.shape[1]
    n = basis.shape[1] * width
    directions = moved[:, :, :n].reshape(*moved.shape[:2], -1, width)
    vectors = basis @ directions @ options.T
    vectors -= vectors.mean(axis=-1, keepdims=True)
    latents = np.concatenate([vectors.reshape(*moved.shape[:2], -1), moved[:, :, n:]], axis=2)
    labels = [f"direction {i + 1} of all latents" for i in range(sampled["eps"].shape[2])]
    return xr.DataTree.from_dict(
        {
            "posterior": categorical_dataset(design, latents, np.concatenate(hypers, axis=2)).assign(
                dispersion_variables(sampled)
            ),
            "sampled": sampled[["eps"]].assign_coords({sampled["eps"].dims[2]: labels}),
            "sample_stats": raw["sample_stats"].to_dataset(),
        }
    )
