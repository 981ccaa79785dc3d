"""Draw the pictures of a fit; see ``mrp.figures``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrp.figures.catalogue import FigureKind, kinds_of
from mrp.figures.svg import to_svg

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["Figure", "draw_figures"]

_HYPERS = 12
"""Parameters in one picture: more could not be read."""
_POINTS = 1000
_ENDS = (0.5, 0.9)
"""Probabilities of the thick and the thin line of a forest."""
_DRAWS = 8000
"""Of all chains and variables in one picture: a line of so many corners is a hundred kilobytes."""
_INK, _ACCENT, _FAINT = "#334155", "#0f6a8b", "#94a3b8"


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture that was drawn."""

    kind: FigureKind
    svg: str


def draw_figures(
    tree: "DataTree", *, engine: str, confirmation: Mapping[str, Sequence[float]] | None = None
) -> tuple[Figure, ...]:
    """Draw every picture that there is of a fit.

    Parameters
    ----------
    tree
        As `mrp.evidence.kept_tree` makes it.
    engine
        "laplace" or "nuts".
    confirmation
        How far the engines are apart, see `mrp.agreement.differences`.

    Returns
    -------
    tuple of Figure
        SVG on a white card, the same bytes for the same fit and libraries; without what the fit has not, such as
        coefficients of a model without predictors.
    """
    import arviz_plots
    import matplotlib as mpl
    from matplotlib import pyplot

    hypers = [str(name) for name in tree["prior"].data_vars] if "prior" in tree.children else []
    hypers = hypers[:_HYPERS]
    drawn: dict[str, Callable[[], Any]] = {}
    if hypers:
        sds = [name for name in hypers if name.startswith("sd ")]
        drawn["variation"] = lambda: arviz_plots.plot_forest(tree, var_names=sds, combined=True, ci_probs=_ENDS)
        # Draws of the fast engine share points: a density estimate would show those, a histogram does not.
        how = "kde" if engine == "nuts" else "hist"
        drawn["prior-posterior"] = lambda: arviz_plots.plot_prior_posterior(tree, var_names=hypers, kind=how)
    if "coefficient" in tree["posterior"]:
        named = {"var_names": ["coefficient"], "combined": True, "ci_probs": _ENDS}
        drawn["coefficients"] = lambda: arviz_plots.plot_forest(tree, **named)
    if engine == "nuts":
        shown = ["intercept", *hypers]
        drawn["rank"] = lambda: arviz_plots.plot_rank(_thinned(tree, len(shown)), var_names=shown)
        drawn["trace"] = lambda: arviz_plots.plot_trace_dist(_thinned(tree, 6), var_names=shown[:6])
        if "sample_stats" in tree.children and "energy" in tree["sample_stats"]:
            drawn["energy"] = lambda: arviz_plots.plot_energy(tree)
        drawn["ess"] = lambda: arviz_plots.plot_ess_evolution(tree, var_names=shown)
    if "exploration" in tree.children:
        explored = tree["exploration"]
        if explored.sizes["parameter"]:
            drawn["profiles"] = lambda: _profiles(explored)
        drawn["weights"] = lambda: _weights(explored)
    if confirmation is not None:
        drawn["confirmation"] = lambda: _confirmation(confirmation)
    figures = []
    style = {
        "svg.hashsalt": "hustings",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "axes.edgecolor": _FAINT,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "path.simplify_threshold": 0.5,
    }
    with mpl.rc_context():
        mpl.use("svg")
        arviz_plots.style.use("arviz-variat")
        mpl.rcParams.update(style)
        for kind in kinds_of(engine, confirmed=confirmation is not None):
            if kind.name in drawn:
                drawn[kind.name]()
                figures.append(Figure(kind, to_svg(pyplot.gcf(), kind)))
                pyplot.close("all")
    return tuple(figures)


def _thinned(tree: "DataTree", n_variables: int) -> "DataTree":
    """Every so manieth draw of each chain, so that a picture of every draw of some variables stays small."""
    posterior = tree["posterior"]
    step = -(-posterior.sizes["draw"] * posterior.sizes["chain"] * n_variables // _DRAWS)
    return tree if step < 2 else tree.isel(draw=slice(step - 1, None, step), missing_dims="ignore")


def _profiles(explored: Any) -> None:
    from matplotlib import pyplot

    points, density = explored["points"].to_numpy(), explored["log_density"].to_numpy()
    names = [str(name) for name in explored["parameter"].to_numpy()][:_HYPERS]
    below = density - density.max()
    n_columns = min(3, len(names))
    n_rows = -(-len(names) // n_columns)
    _, axes = pyplot.subplots(n_rows, n_columns, figsize=(3.4 * n_columns, 2.6 * n_rows), squeeze=False, sharey=True)
    for axis in axes.ravel()[len(names) :]:
        axis.set_axis_off()
    chosen = _spread(len(below), _POINTS)
    for k, (axis, name) in enumerate(zip(axes.ravel(), names, strict=False)):
        axis.plot(points[chosen, k], below[chosen], ".", color=_ACCENT, markersize=3, alpha=0.6)
        axis.set_title(name, fontsize=9)
        axis.set_ylim(bottom=max(below.min(), -12))
        if k % n_columns == 0:
            axis.set_ylabel("log density, largest 0", fontsize=8)


def _weights(explored: Any) -> None:
    from matplotlib import pyplot

    stages = (("log_weight_sd", "Standard deviations"), ("log_weight_joint", "Latents"))
    _, axes = pyplot.subplots(1, 2, figsize=(8, 3), sharey=True)
    for axis, (name, title) in zip(axes, stages, strict=True):
        log_weight = np.sort(explored[name].to_numpy().astype(np.float64))[::-1]
        weight = np.exp(log_weight - log_weight.max())
        relative = weight / weight.mean()
        chosen = _spread(relative.size, _POINTS)
        axis.plot((chosen + 1) / relative.size, relative[chosen], color=_ACCENT)
        axis.axhline(1, color=_FAINT, linestyle="--", linewidth=1)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("share of draws, largest weights first", fontsize=8)
    axes[0].set_ylabel("weight, mean 1", fontsize=8)


def _confirmation(apart: Mapping[str, Sequence[float]]) -> None:
    from matplotlib import pyplot

    difference, ratio = np.asarray(apart["difference"]), np.asarray(apart["log_sd_ratio"])
    _, axis = pyplot.subplots(figsize=(5, 4))
    axis.fill_between([-0.1, 0.1], -0.05, 0.05, color=_FAINT, alpha=0.4, linewidth=0)
    axis.plot(difference, ratio, ".", color=_ACCENT, alpha=0.7)
    for values, set_limits, least in ((difference, axis.set_xlim, 0.15), (ratio, axis.set_ylim, 0.1)):
        reach = max(least, 1.1 * float(np.abs(values).max(initial=0.0)))
        set_limits(-reach, reach)
    axis.set_xlabel("difference of means, in posterior sds")
    axis.set_ylabel("log ratio of posterior sds")


def _spread(n: int, most: int) -> NDArray[np.intp]:
    """At most so many positions of ``n``, evenly."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.intp))
