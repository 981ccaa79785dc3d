"""Compile a density once, sample it with any data.

Compiling takes seconds to a minute, sampling a survey anew often less. What the compiler has to know is the *structure*
of a density: which variables there are, and how many numbers in each. Counts, codes of cells, priors' numbers and the
starting point are data that the compiled functions are handed, so that

- in one process a structure is compiled once, and kept here;
- another process finds PyTensor's compiled functions on disk. Their names are made of the graph *and the bytes of the
  constants in it*: with data among these they would never be found again, and the folder would grow with every fit.

What nutpie puts around those functions, their entry from Rust, is compiled by every process. That takes more than half
a second for every array of data, so there is only one: all numbers in a row, taken apart again in the graph.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["CompiledDensities", "SampledForm", "Structure"]

type Floats = NDArray[np.float64]


class Structure(Protocol):
    """What a graph depends on besides the shapes of its data, as a frozen value that can be compared and hashed."""

    def __hash__(self) -> int: ...

    def declare(self, data: Mapping[str, Any]) -> None:
        """Declare variables and potentials in the model that is being built, of the symbolic ``data``."""


@dataclass(frozen=True, slots=True)
class SampledForm:
    """A posterior in the coordinates that a sampler moves in."""

    structure: Structure
    fixed: Mapping[str, NDArray[Any]]
    """Data whose shapes belong to the structure, for `Structure.declare`."""
    cells: Mapping[str, NDArray[Any]]
    """Data of every cell, of which there may be any number: the last axis."""
    start: Floats
    """Where to start: unconstrained values of the variables in the order in which they are declared."""

    @property
    def key(self) -> Hashable:
        """What a compiled function is made for."""
        fixed = tuple((name, value.dtype.kind, value.shape) for name, value in self.fixed.items())
        cells = tuple((name, value.dtype.kind, value.shape[:-1]) for name, value in self.cells.items())
        return self.structure, fixed, cells

    @property
    def numbers(self) -> Floats:
        """All data in a row."""
        parts = [value.ravel() for value in (*self.fixed.values(), *self.cells.values())]
        return np.concatenate(parts).astype(np.float64)

    def model(self) -> "pm.Model":
        """The PyMC model."""
        import pymc as pm

        with pm.Model() as model:
            self.structure.declare(self._apart(pm.Data("numbers", self.numbers)))
        return model

    def example(self) -> "SampledForm":
        """Another form with the same key: one cell, and nothing of the data."""
        fixed = {name: np.zeros_like(value) for name, value in self.fixed.items()}
        return replace(self, fixed=fixed, cells={name: np.zeros_like(v[..., :1]) for name, v in self.cells.items()})

    def _apart(self, numbers: Any) -> dict[str, Any]:
        """The data, as expressions of ``numbers``."""
        import pytensor.tensor as pt

        def typed(value: NDArray[Any], part: Any) -> Any:
            return pt.cast(part, "int64") if value.dtype.kind == "i" else part

        data = {}
        at = 0
        for name, value in self.fixed.items():
            data[name] = typed(value, numbers[at : at + value.size].reshape(value.shape))
            at += value.size
        widths = [prod(value.shape[:-1]) for value in self.cells.values()]
        table = numbers[at:].reshape((sum(widths), -1))
        row = 0
        for (name, value), width in zip(self.cells.items(), widths, strict=True):
            data[name] = typed(value, table[row : row + width] if value.ndim > 1 else table[row])
            row += width
        return data


class CompiledDensities:
    """Compiled densities by structure, the last ``limit`` used of them. Safe to use from several threads.

    One thread compiles at a time: PyTensor's compiler is not made for several, and two that need the same structure
    should compile it once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, form: SampledForm) -> Any:
        """What ``nutpie.sample`` takes: the compiled density of a form, with the form's data and start."""
        with self._lock:
            compiled = self._kept.pop(form.key, None)
            if compiled is None:
                compiled = _compile(form)
            self._kept[form.key] = compiled
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        # A copy with data of its own: fits in other threads keep theirs.
        return replace(compiled.with_data(numbers=form.numbers), initial_point_func=_Scattered(form.start))


def _compile(form: SampledForm) -> Any:
    import nutpie

    # nutpie writes the data that a model is compiled with into the code, as an example of their type.
    return nutpie.compile_pymc_model(form.example().model())


@dataclass(frozen=True, slots=True)
class _Scattered:
    """Starting points of chains: uniform within 1 of the start in every direction, as nutpie's own."""

    centre: Floats

    def __call__(self, seed: int | None) -> Floats:
        return self.centre + np.random.default_rng(seed).uniform(-1, 1, self.centre.size)
