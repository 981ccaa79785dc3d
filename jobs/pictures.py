"""Pictures of a fit, and the fit as a file for a notebook: made in a process of their own, which ends with it.

ArviZ, Matplotlib, xarray and pandas come with them: seconds to import, and memory that a web process should not pay
for as long as it lives.
"""

import json
import logging
import subprocess
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jobs.errors import PicturesFailed
from jobs.fit_environment import child_environment
from jobs.settings import Settings
from jobs.spool import spool_folder

__all__ = ["KeptFit", "make_figures", "make_netcdf", "pack_figures", "unpack_figures"]

TIMEOUT_S: Final = 120.0
ORDER_FILE: Final = "order.json"
EVIDENCE_FILE: Final = "evidence.npz"
FIGURES_FILE: Final = "figures.json"
NETCDF_FILE: Final = "fit.nc"
REFUSED_FILE: Final = "refused.txt"
REFUSED: Final = 3
VERSION: Final = 2
"""Of the pictures: a newer program draws others, and older ones are made anew."""


log = logging.getLogger("hustings.pictures")


@dataclass(frozen=True, slots=True)
class KeptFit:
    """What is kept of a fit, as it is stored."""

    engine: str
    design: Any
    """In its JSON form."""
    draws: bytes
    evidence: bytes | None
    confirmation: Mapping[str, Sequence[float]] | None = None
    """Estimates of both engines, see `mrp.figures.draw_figures`."""


def make_figures(fit: KeptFit, settings: Settings) -> dict[str, str]:
    """Draw every picture of a fit: name -> SVG.

    Raises
    ------
    PicturesFailed
        If they cannot be made, or take too long.
    """
    order = {"what": "figures", "engine": fit.engine, "confirmation": fit.confirmation}
    with spool_folder(settings.spool_dir) as folder:
        _run(fit, order, folder, settings)
        made: dict[str, str] = json.loads((folder / FIGURES_FILE).read_text(encoding="utf-8"))
    return made


def make_netcdf(fit: KeptFit, settings: Settings, *, attributes: Mapping[str, str | float | int]) -> bytes:
    """Write a fit as NetCDF: posterior, statistics of the sampler, priors; nothing of the interviews.

    Raises
    ------
    PicturesFailed
        If it cannot be made, or takes too long.
    """
    with spool_folder(settings.spool_dir) as folder:
        _run(fit, {"what": "netcdf", "attributes": dict(attributes)}, folder, settings)
        return (folder / NETCDF_FILE).read_bytes()


def pack_figures(figures: Mapping[str, str], *, confirmed: bool) -> bytes:
    """Pictures as they are kept."""
    head = {"version": VERSION, "confirmed": confirmed, "figures": dict(figures)}
    return zlib.compress(json.dumps(head).encode(), 9)


def unpack_figures(content: bytes, *, confirmed: bool) -> dict[str, str] | None:
    """Pictures that were kept; None if others would be made today.

    Parameters
    ----------
    confirmed
        Whether there is a comparison with NUTS, which may have come since.
    """
    head = json.loads(zlib.decompress(content))
    if (head["version"], head["confirmed"]) != (VERSION, confirmed):
        return None
    figures: dict[str, str] = head["figures"]
    return figures


def _run(fit: KeptFit, order: Mapping[str, Any], folder: Path, settings: Settings) -> None:
    (folder / "draws.npz").write_bytes(fit.draws)
    if fit.evidence is not None:
        (folder / EVIDENCE_FILE).write_bytes(fit.evidence)
    (folder / ORDER_FILE).write_text(json.dumps({**order, "design": fit.design}), encoding="utf-8")
    environment = child_environment(settings) | {"MPLCONFIGDIR": str(settings.kernel_cache / "matplotlib")}
    command = [sys.executable, "-m", "jobs.picture_process", str(folder)]
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise PicturesFailed(f"it took more than {TIMEOUT_S:.0f} seconds") from None
    if ended.returncode == REFUSED:
        raise PicturesFailed((folder / REFUSED_FILE).read_text(encoding="utf-8"))
    if ended.returncode:
        log.error("a picture process ended with status %d: %s", ended.returncode, ended.stderr.decode(errors="replace"))
        raise PicturesFailed(f"the process ended with status {ended.returncode}; the log of the service says more")
