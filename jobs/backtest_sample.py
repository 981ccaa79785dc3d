"""Draw interviews from counts: the first n of a random order, and the rest.

The order is drawn without knowing who was interviewed: from the counts of cells, which say all that the model sees.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["subsample"]


def subsample(counts: pl.DataFrame, n: int, *, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first n interviews of a random order, and the rest, both as counts.

    Parameters
    ----------
    counts
        Cells with whole ``n`` and ``y``, or a column of answers for each option.
    n
        At most as many as there are.
    seed
        Of the order: samples with the same seed are nested.
    """
    names = ["y"] if "y" in counts.columns else [name for name in counts.columns if name.startswith("y[")]
    answers = counts.select(names).cast(pl.Int64).to_numpy()
    if names == ["y"]:  # and the others, whom no column counts
        answers = np.column_stack([answers, counts["n"].cast(pl.Int64).to_numpy() - answers[:, 0]])
    # An interview of a cell and an answer, as often as there are.
    which = np.repeat(np.arange(answers.size), answers.ravel())
    order = np.random.default_rng(seed).permutation(which.size)
    sample, left = (
        _counted(counts, names, np.bincount(which[chosen], minlength=answers.size).reshape(answers.shape))
        for chosen in (order[:n], order[n:])
    )
    return sample, left


def _counted(counts: pl.DataFrame, names: Sequence[str], answers: NDArray[np.int64]) -> pl.DataFrame:
    made = {name: answers[:, k] for k, name in enumerate(names)} | {"n": answers.sum(axis=1)}
    columns = [pl.Series(name, values, dtype=counts[name].dtype) for name, values in made.items()]
    return counts.with_columns(columns).filter(pl.col("n") > 0)
