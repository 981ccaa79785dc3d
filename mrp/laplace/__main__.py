"""Compile the kernels, once: ``python -m mrp.laplace``.

The machine code is kept in ``__pycache__`` beside the kernels, in the user's cache where that folder cannot be written
to, or in ``NUMBA_CACHE_DIR``. A first fit does the same when nobody has done it before, and takes as much longer: about
half a minute.
"""

import time

import numpy as np
import polars as pl

from mrp.categorical.conditional import CategoricalConditional
from mrp.categorical.design import build_categorical_design
from mrp.categorical.options import Options
from mrp.design import build_design
from mrp.electorate import Electorate
from mrp.laplace.conditional import Conditional
from mrp.ordinal.conditional import ordinal_conditional
from mrp.ordinal.design import build_ordinal_design
from mrp.priors import Priors


def main() -> None:
    """Call every kernel once. All models call them with the same types."""
    start = time.perf_counter()
    frame = pl.DataFrame({"district": ["A", "B"], "n_people": [1.0, 1.0]})
    districts = pl.DataFrame({"code": ["A", "B"], "name": ["A", "B"]})
    electorate = Electorate(frame, districts, "district", {})
    design = build_design("(1|district)", electorate)
    counts = pl.DataFrame({"district": ["A", "B"], "n": [2, 2], "y": [1, 2]})
    conditional = Conditional(design, counts, Priors())
    sd = np.ones(1)
    mode, _ = conditional.slope(sd)
    latents, _ = conditional.draw(sd, mode, np.zeros((1, conditional.n_coordinates)))
    conditional.log_joint(latents, sd)
    of_options = build_categorical_design("(1|district)", electorate, Options(("yes", "no")))
    of_two = counts.with_columns(pl.col("y").alias("y[yes]"), (pl.col("n") - pl.col("y")).alias("y[no]")).drop("y")
    categorical = CategoricalConditional(of_options, of_two, Priors())
    best, _ = categorical.slope(sd)
    latents, _ = categorical.draw(sd, best, np.zeros((1, categorical.n_coordinates)))
    categorical.log_joint(latents, sd)
    of_scale = build_ordinal_design("(1|district)", electorate, ("no", "perhaps", "yes"))
    of_three = of_two.rename({"y[yes]": "y[perhaps]"}).with_columns(pl.lit(0).alias("y[yes]"))
    ordinal = ordinal_conditional(of_scale, of_three, Priors())
    found, _ = ordinal.slope(sd)
    latents, _ = ordinal.draw(sd, found, np.zeros((1, ordinal.n_coordinates)))
    ordinal.log_joint(latents, sd)
    print(f"kernels of the Laplace engine ready after {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
