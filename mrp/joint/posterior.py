"""Draws of several questions by the names that the model gives them, and what of them belongs to one question.

Variables of one question are called as those of a fit of it alone, with the question behind: "(1|age) of rail". Shared
terms have their sds and partial correlations together, "sd (1|p|district)", and their effects with each question.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrp.errors import DrawsError
from mrp.hyper import correlation_name, sd_name
from mrp.joint.design import JointDesign
from mrp.joint.stacked import Stacked, stack
from mrp.latents import LatentDraws, collect_latents
from mrp.posterior import posterior_dataset

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["joint_dataset", "joint_latents", "own_hypers", "question_latents", "question_tree"]

type Floats = NDArray[np.float64]


def joint_dataset(design: JointDesign, latents: NDArray[np.floating[Any]], hypers: Floats) -> "xr.Dataset":
    """Name draws by question, term and level.

    Parameters
    ----------
    latents
        In the order of `JointDesign.latent_names`, shape (chain, draw, latent).
    hypers
        In the order of `mrp.joint.stacked.joint_space`, shape (chain, draw, parameter).
    """
    import xarray as xr

    stacked, parts = stack(design), []
    for question, part in design.parts.items():
        own = hypers[:, :, own_hypers(stacked, question)]
        named = posterior_dataset(design.of(question), latents[:, :, part], own)
        named = named.drop_vars([sd_name(of.term) for of in stacked.shared.values() if question in of.questions])
        parts.append(named.rename({name: f"{name} of {question}" for name in _names(named)}))
    draws = ("chain", "draw")
    for k, shared_term in stacked.shared.items():
        term, of = shared_term.term, shared_term.questions
        sds, correlations, _ = stacked.hypers[k]
        pairs = [f"{one}, {two}" for i, two in enumerate(of) for one in of[:i]]
        partial = hypers[:, :, correlations]
        several = len(pairs) > 1
        parts.append(
            xr.Dataset(
                {
                    sd_name(term): ((*draws, f"{term} column"), hypers[:, :, sds]),
                    correlation_name(term): ((*draws, f"{term} pair"), partial)
                    if several
                    else (draws, partial[:, :, 0]),
                },
                coords={f"{term} column": list(of)} | ({f"{term} pair": pairs} if several else {}),
            )
        )
    return xr.merge(parts)


def own_hypers(stacked: Stacked, question: str) -> NDArray[np.int64]:
    """Which parameters of all are those of a question, in the order of a fit of it alone, shape (parameter,).

    Of a shared term that is the sd of the question; correlations with others are not its own.
    """
    sds: list[int] = []
    others: tuple[list[int], list[int]] = ([], [])  # correlations, mixings
    for k, column in zip(stacked.effect_of[question], stacked.columns[question], strict=True):
        first, *rest = stacked.hypers[k]
        if k in stacked.shared:
            sds.append(first.start + column)
            continue
        sds.extend(range(first.start, first.stop))
        for places, at in zip(others, rest, strict=True):
            places.extend(range(at.start, at.stop))
    return np.array([*sds, *others[0], *others[1]], dtype=np.int64)


def joint_latents(tree: "xr.DataTree", design: JointDesign, *, max_draws: int = 4000) -> LatentDraws:
    """Collect the latents of all questions from a fit, thinned; see `mrp.latents.from_datatree`.

    Raises
    ------
    DrawsError
        If a term of the design has no draws, or a draw is not finite.
    """
    wanted = [
        f"{name} of {question}"
        for question, one in design.designs.items()
        for name in ("intercept", *(["coefficient"] if one.coefficient_names else []), *(e.term for e in one.effects))
    ]
    return collect_latents(tree, wanted, names=design.latent_names, max_draws=max_draws)


def question_latents(latents: LatentDraws, design: JointDesign, question: str) -> LatentDraws:
    """The draws of one question, which are of the same fit as those of the others.

    Raises
    ------
    DrawsError
        If there is no such question, or the draws are of another design.
    """
    if latents.names != design.latent_names:
        raise DrawsError(
            f"the draws are of {len(latents.names)} latents and the joint design has {design.n_latents} (or other "
            "names); use the design that was stored with the fit"
        )
    names, part = design.of(question).latent_names, design.parts[question]
    return replace(latents, draws=np.ascontiguousarray(latents.draws[:, part]), names=names)


def question_tree(tree: "xr.DataTree", design: JointDesign, question: str) -> "xr.DataTree":
    """What of a fit belongs to one question, by the names of a fit of it alone.

    ``posterior`` has its variables; of ``exploration`` the points have its parameters alone. What tells of the sampler
    is that of all questions.
    """
    import xarray as xr

    stacked, posterior = stack(design), tree["posterior"].to_dataset()
    behind = f" of {question}"
    own = {name: name.removesuffix(behind) for name in _names(posterior) if name.endswith(behind)}
    part = posterior[[name for name in own if name in posterior.data_vars]].rename(
        {name: plain for name, plain in own.items() if name in posterior.data_vars or name in posterior.dims}
    )
    for shared in stacked.shared.values():
        if question in shared.questions:
            sd = posterior[sd_name(shared.term)].sel({f"{shared.term} column": question}, drop=True)
            part = part.assign({sd_name(shared.term): sd})
    groups = {name: child.to_dataset() for name, child in tree.children.items()} | {"posterior": part}
    if "exploration" in groups:
        explored = groups["exploration"]
        groups["exploration"] = explored.isel(parameter=own_hypers(stacked, question))
    of_question = xr.DataTree.from_dict(groups)
    of_question.attrs = dict(tree.attrs)
    return of_question


def _names(dataset: "xr.Dataset") -> list[str]:
    """Variables and dimensions, but for the draws."""
    return [str(name) for name in {**dataset.variables, **dataset.sizes} if name not in ("chain", "draw")]
