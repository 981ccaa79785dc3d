"""Pictures of a fit, computed and drawn by ArviZ, as SVG.

Matplotlib is imported here when something is drawn: a second and 150 MB, which no web process should pay; see
``jobs.picture_process``.
"""

from mrp.figures.catalogue import CATALOGUE, FigureKind, kinds_of
from mrp.figures.drawing import Figure, draw_figures

__all__ = ["CATALOGUE", "Figure", "FigureKind", "draw_figures", "kinds_of"]
