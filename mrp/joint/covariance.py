r"""How the effects of a grouping go together across questions, draw by draw.

    S = diag(sd) R diag(sd),        R = L L',   L from partial correlations, see `mrp.structure.correlation_root`

What is known of one question then tells of another: given the effects x of some questions in a district, those of
others have the mean S_yx S_xx^-1 x, which is how known results calibrate what was only asked: see `mrp.known_totals`.

References
----------
Lax and Phillips (2009), "How should we estimate public opinion in the states?", American Journal of Political Science
53(1), 107-121: effects of districts by multilevel regression and poststratification, one question at a time.
Marble and Clinton (2024), "Improving small-area estimates of public opinion by calibrating to known population
quantities", doi 10.31235/osf.io/u3ekq; published by Cambridge University Press in 2026: what totals of districts say of
one question moves another by the regression of the one effect on the other.
"""

import numpy as np
from numpy.typing import NDArray

from mrp.errors import DrawsError
from mrp.evidence import Evidence
from mrp.joint.design import JointDesign
from mrp.joint.stacked import stack
from mrp.structure import correlation_root

__all__ = ["question_correlations", "question_covariances", "question_slopes"]

type Floats = NDArray[np.float64]


def question_covariances(evidence: Evidence, design: JointDesign, label: str) -> Floats:
    """Covariance matrices of the effects of a shared term.

    Parameters
    ----------
    evidence
        Of the fit: its draws are those of the latents that are kept, one by one.
    label
        Of the term: "p" of ``(1|p|district)``.

    Returns
    -------
    ndarray
        Squares of the scale of the link, shape (draw, question, question), in the order of the questions of
        ``design.term(label)``.

    Raises
    ------
    DrawsError
        If there is no shared term with this label.
    """
    sd, root = _parts(evidence, design, label)
    chol = sd[:, :, None] * root
    return np.asarray(chol @ chol.transpose(0, 2, 1))


def question_correlations(evidence: Evidence, design: JointDesign, label: str) -> Floats:
    """As `question_covariances`, of effects divided by their sds."""
    _, root = _parts(evidence, design, label)
    return np.asarray(root @ root.transpose(0, 2, 1))


def question_slopes(evidence: Evidence, design: JointDesign, label: str, *, known: tuple[str, ...]) -> Floats:
    """How far the effects of some questions move with those of others, S_yx S_xx^-1.

    Parameters
    ----------
    evidence, label
        As for `question_covariances`.
    known
        The questions x; y are the other ones of the term, in its order.

    Returns
    -------
    ndarray
        Shape (draw, question y, question x). Of two questions ``[:, 0, 0]`` is the slope that
        `mrp.known_totals.moved_along` takes.

    Raises
    ------
    DrawsError
        If there is no shared term with this label, a question does not have it, or none is left to be moved.
    """
    of = design.term(label).questions
    if unknown := [one for one in known if one not in of]:
        raise DrawsError(f"{unknown[0]!r} has no term with the label {label!r}; {', '.join(of)} have it")
    x, y = [of.index(one) for one in known], [i for i, one in enumerate(of) if one not in known]
    if not x or not y:
        raise DrawsError(f"of {', '.join(of)} some have to be known and some not, got known={known!r}")
    covariance = question_covariances(evidence, design, label)
    among, across = covariance[:, x][:, :, x], covariance[:, x][:, :, y]
    return np.asarray(np.linalg.solve(among, across).transpose(0, 2, 1))


def _parts(evidence: Evidence, design: JointDesign, label: str) -> tuple[Floats, Floats]:
    """Sds, shape (draw, question), and lower Cholesky factors of correlations, shape (draw, question, question)."""
    shared, stacked = design.term(label), stack(design)
    at = next(k for k, one in stacked.shared.items() if one == shared)
    sds, correlations, _ = stacked.hypers[at]
    hypers = evidence.hypers.astype(np.float64)
    rows = correlation_root(hypers[:, correlations].T, len(shared.questions))
    root = np.array([[np.broadcast_to(number, len(hypers)) for number in row] for row in rows])
    return hypers[:, sds], root.transpose(2, 0, 1)
