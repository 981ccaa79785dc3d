"""The environment of a fit process: what it may use, and what is none of its business.

PyTensor's compiled models are kept between processes in ``Settings.kernel_cache``, and so are the kernels of the
Laplace engine where they cannot lie beside the program.
"""

import os
from pathlib import Path

from jobs.settings import Settings

__all__ = ["child_environment"]

PROGRAM = Path(__file__).resolve().parent.parent


def child_environment(settings: Settings) -> dict[str, str]:
    """Give the fit process its environment: kernel caches that outlive it, and one BLAS thread.

    Chains run in parallel threads already; BLAS threads under each of them
    would only fight for the same cores.
    """
    cache = settings.kernel_cache
    (cache / "pytensor").mkdir(parents=True, exist_ok=True)
    own_cache = {}
    if not os.access(PROGRAM / "mrp" / "laplace", os.W_OK):  # numba would not look for its kernels there either
        (cache / "numba").mkdir(parents=True, exist_ok=True)
        own_cache = {"NUMBA_CACHE_DIR": str(cache / "numba")}
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
    )
    flags = [os.environ.get("PYTENSOR_FLAGS", ""), f"base_compiledir={cache / 'pytensor'}"]
    search = [str(PROGRAM), os.environ.get("PYTHONPATH", "")]
    return {
        # A worker's secrets and database password are not for the child.
        **{name: value for name, value in os.environ.items() if not name.startswith("HUSTINGS_")},
        **threads,
        "POLARS_MAX_THREADS": str(settings.fit_cores),
        **own_cache,
        "PYTENSOR_FLAGS": ",".join(filter(None, flags)),
        "PYTHONPATH": os.pathsep.join(filter(None, search)),
        "HUSTINGS_FIT_NICE": str(settings.fit_nice),
        "HUSTINGS_FIT_MEMORY_MB": str(settings.fit_memory_mb),
    }
