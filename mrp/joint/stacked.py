"""The questions of a joint design as one linear model: cells of all questions, one after the other.

The free latents of all questions come first, then the terms in the order of the questions, those that are shared where
they appear first. A shared term is one of correlated slopes: its columns are the questions, the slopes of a question
being 1 in its own cells and 0 in the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.coding import EffectCoding, PredictorCoding
from mrp.design import Design
from mrp.hyper import HyperSpace, TermHypers, hyper_space
from mrp.joint.design import JointDesign, SharedTerm
from mrp.linear import LinearModel, linear_model
from mrp.priors import Priors
from mrp.terms import label_of

__all__ = ["Stacked", "joint_linear_model", "joint_space", "stack"]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Stacked:
    """Where everything of a joint design is in one linear model."""

    effects: tuple[EffectCoding, ...]
    """Own terms are called "(1|age) of rail", shared ones "(1|p|district)"."""
    shared: Mapping[int, SharedTerm]
    """Those of the terms that are shared, by position."""
    offsets: tuple[int, ...]
    coefficient_names: tuple[str, ...]
    """Of all free latents but the first."""
    order: NDArray[np.int64]
    """Where each latent of the joint design is among those of the linear model, shape (latent,)."""
    effect_of: Mapping[str, tuple[int, ...]]
    """For each question the position of each of its terms among ``effects``."""
    columns: Mapping[str, tuple[int, ...]]
    """For each question and each of its terms the column of the effects that is its own: 0 unless it is shared."""

    @property
    def n_latents(self) -> int:
        return self.order.size

    @property
    def hypers(self) -> tuple[tuple[slice, slice, slice], ...]:
        """Of each term the positions of its sds, correlations and mixings among all parameters."""
        counts = [(len(effect.columns), effect.n_correlations, effect.n_mixings) for effect in self.effects]
        ends = np.cumsum(np.array(counts).T).reshape(3, -1)
        found = []
        for of_term, sizes in zip(ends.T, counts, strict=True):
            sds, correlations, mixings = (slice(int(e - size), int(e)) for e, size in zip(of_term, sizes, strict=True))
            found.append((sds, correlations, mixings))
        return tuple(found)


def stack(design: JointDesign) -> Stacked:
    """Lay out the latents of all questions."""
    shared = {of.label: of for of in design.shared}
    effects: list[EffectCoding] = []
    at_label: dict[str, int] = {}
    effect_of: dict[str, tuple[int, ...]] = {}
    columns: dict[str, tuple[int, ...]] = {}
    for question, one in design.designs.items():
        places, own_columns = [], []
        for effect in one.effects:
            label = label_of(effect.term)
            if label not in shared:
                places.append(len(effects))
                own_columns.append(0)
                effects.append(replace(effect, term=f"{effect.term} of {question}"))
                continue
            if label not in at_label:
                at_label[label] = len(effects)
                names = shared[label].questions
                slopes = PredictorCoding("question", "question", names, np.eye(len(names)))
                together = replace(effect, kind="correlated slopes", slopes=(slopes,), intercept=False)
                effects.append(replace(together, term=shared[label].term))
            places.append(at_label[label])
            own_columns.append(shared[label].questions.index(question))
        effect_of[question], columns[question] = tuple(places), tuple(own_columns)
    free = [f"{name} of {question}" for question, one in design.designs.items() for name in _free_names(one)]
    ends = np.cumsum([len(free), *(effect.size for effect in effects)])
    order = []
    first = 0
    for question, one in design.designs.items():
        n_free = len(_free_names(one))
        order.append(np.arange(first, first + n_free))
        first += n_free
        for effect, k, column in zip(one.effects, effect_of[question], columns[question], strict=True):
            width = effects[k].size // effect.size
            order.append(ends[k] + width * np.arange(effect.size) + column)
    return Stacked(
        effects=tuple(effects),
        shared={k: shared[label] for label, k in at_label.items()},
        offsets=tuple(int(end) for end in ends[:-1]),
        coefficient_names=tuple(free[1:]),
        order=np.concatenate(order).astype(np.int64),
        effect_of=effect_of,
        columns=columns,
    )


def joint_space(design: JointDesign, priors: Mapping[str, Priors]) -> HyperSpace:
    """The parameters of the priors of all effects: sds of every term, then correlations, then mixings."""
    stacked = stack(design)
    scales: dict[int, list[float]] = {}
    own: dict[int, TermHypers] = {}
    for question, one in design.designs.items():
        for k, hypers in zip(stacked.effect_of[question], hyper_space(one, priors[question]).terms, strict=True):
            own[k] = hypers
            scales.setdefault(k, []).extend([hypers.scale] * (hypers.sds.stop - hypers.sds.start))
    terms: list[TermHypers] = []
    for k, (effect, (sds, correlations, mixings)) in enumerate(zip(stacked.effects, stacked.hypers, strict=True)):
        # Of a shared term each sd has the scale of its question: those of the whole space.
        together = replace(own[k], term=effect.term, sds=sds, correlations=correlations, mixings=mixings)
        shared = stacked.shared.get(k)
        terms.append(replace(together, shapes=_shapes(shared, priors)) if shared else together)
    shapes = [shape for term in terms for shape in term.shapes]
    return HyperSpace(
        terms=tuple(terms),
        scale=np.array([scale for k in range(len(terms)) for scale in scales[k]], dtype=np.float64),
        shapes=np.array(shapes, dtype=np.float64).reshape(-1, 2),
        mixings=tuple(term.mixing for term in terms if term.mixing is not None),
    )


def joint_linear_model(
    design: JointDesign, counts: Mapping[str, pl.DataFrame], priors: Mapping[str, Priors]
) -> LinearModel:
    """The numbers of all questions.

    Parameters
    ----------
    counts
        Of each question, as `mrp.counts.coarsest` makes them.
    priors
        Of each question.
    """
    stacked, parts = stack(design), design.parts
    models = [linear_model(one, counts[question], priors[question]) for question, one in design.designs.items()]
    n_cells = np.cumsum([0, *(len(model.n) for model in models)])
    n_frees = np.cumsum([0, *(model.n_free for model in models)])
    n_entries = np.cumsum([0, *(len(model.effect_of) for model in models)])
    x = np.zeros((n_cells[-1], n_frees[-1]))
    index = np.zeros((n_cells[-1], n_entries[-1]), dtype=np.int32)
    weight = np.zeros(index.shape)
    present = np.zeros(index.shape, dtype=np.bool_)
    effect_of: list[int] = []
    for i, (question, model) in enumerate(zip(design.questions, models, strict=True)):
        rows = slice(n_cells[i], n_cells[i + 1])
        entries = slice(n_entries[i], n_entries[i + 1])
        x[rows, n_frees[i] : n_frees[i + 1]] = model.x
        index[rows, entries] = stacked.order[parts[question].start + model.index]
        weight[rows, entries] = model.weight
        present[rows, entries] = True
        effect_of += [stacked.effect_of[question][k] for k in model.effect_of]
    return LinearModel(
        x=x,
        index=index,
        weight=weight,
        effect_of=tuple(effect_of),
        effects=stacked.effects,
        offsets=stacked.offsets,
        mean=np.concatenate([model.mean for model in models]),
        sd=np.concatenate([model.sd for model in models]),
        space=joint_space(design, priors),
        n=np.concatenate([model.n for model in models]),
        y=np.concatenate([model.y for model in models]),
        start=np.concatenate([model.start for model in models]),
        present=present,
    )


def _free_names(design: Design) -> tuple[str, ...]:
    return ("intercept", *design.coefficient_names)


def _shapes(shared: SharedTerm, priors: Mapping[str, Priors]) -> tuple[tuple[float, float], ...]:
    """Beta priors of the partial correlations between the questions of a shared term."""
    k, eta = len(shared.questions), priors[shared.questions[0]].for_correlation(shared.term).eta
    return tuple((eta + (k - 2 - j) / 2,) * 2 for i in range(k) for j in range(i))
