"""What an analyst needs to see of a fit: every parameter, the worst of them, and how the sampler went."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from mrp.attributes import facts_of
from mrp.convergence import ParameterSummary, convergence, energy_fraction, scalars
from mrp.latents import kept_draws
from mrp.summary import effective_draws

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["diagnose"]

_N_WORST = 5


def diagnose(tree: "DataTree", *, max_draws: int = 4000) -> dict[str, Any]:
    """Diagnostics of a fit.

    Parameters
    ----------
    tree
        As `mrp.nuts.sample_nuts` or `mrp.laplace.engine.fit_laplace` returns it.
    max_draws
        As for `mrp.latents.from_datatree`: ``parameters`` are those of the draws that are kept.

    Returns
    -------
    dict
        A value that ``json.dumps`` takes, numbers that are not finite as None. Of a fit by the Laplace engine:
        ``parameters`` (name, mean, sd, mcse), ``draws``, and the fit's attributes, k-hats and effective sizes among
        them; a k-hat is None where all weights are equal, as those of one or two sds are. Of a fit by NUTS:
        ``parameters`` (one object per scalar of the model: name, mean, sd, mcse, r_hat, ess_bulk, ess_tail), ``worst``
        (the highest R-hat and the lowest ESS, also among the sampler's own coordinates), ``divergences``, ``e_bfmi``
        (per chain), ``tree_depth`` (mean, most, and draws that reached the sampler's limit), ``acceptance``,
        ``chains``, ``draws``, and the fit's attributes.
    """
    if tree.attrs.get("engine") == "laplace":
        return _diagnose_laplace(tree)
    table = convergence(tree)
    stats = tree["sample_stats"]
    depth = np.asarray(stats["depth"].to_numpy())
    by_rhat = sorted(table, key=lambda row: -np.nan_to_num(row.r_hat, nan=np.inf))
    by_ess = sorted(table, key=lambda row: np.nan_to_num(min(row.ess_bulk, row.ess_tail), nan=-1.0))
    report = {
        "chains": tree["posterior"].sizes["chain"],
        "draws": tree["posterior"].sizes["draw"],
        "divergences": int(stats["diverging"].sum()),
        "e_bfmi": energy_fraction(tree).tolist(),
        "tree_depth": {
            "mean": float(depth.mean()),
            "most": int(depth.max()),
            "at_limit": int(stats["maxdepth_reached"].sum()) if "maxdepth_reached" in stats else 0,
        },
        "acceptance": float(stats["mean_tree_accept"].mean()) if "mean_tree_accept" in stats else None,
        "worst": {
            "r_hat": [asdict(row) for row in by_rhat[:_N_WORST]],
            "ess": [asdict(row) for row in by_ess[:_N_WORST]],
        },
        "parameters": [asdict(row) for row in _of_kept(tree, table, max_draws)],
        "fit": facts_of(tree),
    }
    finite: dict[str, Any] = _finite(report)
    return finite


def _of_kept(tree: "DataTree", table: list[ParameterSummary], max_draws: int) -> list[ParameterSummary]:
    """Of the model's variables, in the draws that somebody can look at again."""
    chosen, n_kept = kept_draws(tree["posterior"], max_draws=max_draws)
    if n_kept < tree["posterior"].sizes["draw"]:
        table = convergence(tree.from_dict({"posterior": tree["posterior"].to_dataset().isel(draw=chosen)}))
    return [row for row in table if row.group == "posterior"]


def _diagnose_laplace(tree: "DataTree") -> dict[str, Any]:
    told = facts_of(tree)
    facts = {name: value for name, value in told.items() if not isinstance(value, dict)}
    points = np.asarray(tree["sample_stats"]["point"].to_numpy()).ravel()
    parameters = []
    for name, values in scalars(tree["posterior"]):
        effective = effective_draws(values.reshape(-1, 1), points=points)[0]
        sd = float(values.std(ddof=1))
        parameters.append(
            {"name": name, "mean": float(values.mean()), "sd": sd, "mcse": sd / float(np.sqrt(effective))}
        )
    report: dict[str, Any] = _finite({**facts, "parameters": parameters, "fit": told})
    return report


def _finite(value: Any) -> Any:
    """The same value with NaN and infinities as None, which JSON does not have."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
