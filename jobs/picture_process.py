"""The process that makes pictures and files of a fit: ``python -m jobs.picture_process FOLDER``; see ``jobs.pictures``.

The folder holds ``order.json``, ``draws.npz`` and perhaps ``evidence.npz``. What is made lies there when it ends with
status 0: ``figures.json``, or ``fit.nc``. Status 3: it cannot be made, ``refused.txt`` says why.
"""

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from jobs.pictures import EVIDENCE_FILE, FIGURES_FILE, NETCDF_FILE, ORDER_FILE, REFUSED, REFUSED_FILE
from mrp.errors import MrpError
from mrp.evidence import Evidence, kept_tree
from mrp.latents import LatentDraws
from mrp.outcomes import dataset_of, design_from_json
from mrp.shifts import as_fitted

__all__ = ["main"]

NICE = 10
"""Whoever waits for an answer comes before whoever waits for a picture."""


def main(arguments: list[str]) -> int:
    """Do the order in the folder ``arguments[0]``."""
    folder = Path(arguments[0])
    try:
        _make(folder, json.loads((folder / ORDER_FILE).read_text(encoding="utf-8")))
    except MrpError as error:
        (folder / REFUSED_FILE).write_text(str(error), encoding="utf-8")
        return REFUSED
    return 0


def _make(folder: Path, order: dict[str, Any]) -> None:
    # As they were fitted: what is done to draws afterwards is no part of the model.
    latents, design = as_fitted(
        LatentDraws.from_bytes((folder / "draws.npz").read_bytes()), design_from_json(order["design"])
    )
    kept = folder / EVIDENCE_FILE
    evidence = Evidence.from_bytes(kept.read_bytes()) if kept.exists() else None
    tree = kept_tree(latents, evidence, design.common, named=partial(dataset_of, design))
    if order["what"] == "figures":
        from mrp.figures import draw_figures

        drawn = draw_figures(tree, engine=order["engine"], confirmation=order["confirmation"])
        made = {figure.kind.name: figure.svg for figure in drawn}
        (folder / FIGURES_FILE).write_text(json.dumps(made), encoding="utf-8")
        return
    tree.attrs = order["attributes"]
    tree.to_netcdf(folder / NETCDF_FILE, engine="h5netcdf", encoding=_compressed(tree))


def _compressed(tree: Any) -> dict[str, Any]:
    """Zlib for every number of every group."""
    squeeze = {"zlib": True, "complevel": 4}
    return {
        node.path: {name: squeeze for name, array in node.data_vars.items() if array.ndim and array.dtype.kind in "fiu"}
        for node in tree.subtree
        if node.data_vars
    }


if __name__ == "__main__":
    os.nice(NICE)
    sys.exit(main(sys.argv[1:]))
