"""The pictures of a release's fit, and the fit as a file: found, or made once and kept with the draws.

Whoever asks first waits for the seconds that a process takes; whoever asks meanwhile waits with them. A page shows

    for kind in figure_kinds(session, release): kind.name, kind.title, kind.caption
    figure_of(services, release, name)          the SVG
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from api.errors import UnknownChoice
from api.services import Services
from jobs.draws import why_gone
from jobs.pictures import KeptFit, make_figures, make_netcdf, pack_figures, unpack_figures
from jobs.settings import Settings
from mrp.figures.catalogue import FigureKind, kinds_of
from mrp.outcomes.designs import design_from_json
from polling.errors import DrawsNotFound
from polling.store import confirmations, fits
from polling.store.records import FitRecord, ReleaseRecord

__all__ = ["FIGURE_POLICY", "figure_kinds", "figure_of", "fit_attributes", "kept_fit", "netcdf_of"]

FIGURE_POLICY: Final = "default-src 'none'; sandbox"
"""Of a picture that is opened by itself: it needs nothing."""


def figure_kinds(session: Session, release: ReleaseRecord) -> tuple[FigureKind, ...]:
    """What there is to be seen of a release's fit; nothing once its draws are gone."""
    if not release.has_draws:
        return ()
    kinds = kinds_of(release.engine, confirmed=_compared(session, release.fit_id) is not None)
    if fits.load_evidence(session, release.fit_id) is None:  # older than what most pictures need
        kinds = tuple(kind for kind in kinds if kind.name in ("coefficients", "confirmation"))
    stored: Any = fits.load_design(session, release.fit_id)
    design = design_from_json(stored).common
    missing = set() if design.predictors else {"coefficients"}
    missing |= set() if design.effects else {"variation", "prior-posterior", "profiles"}
    return tuple(kind for kind in kinds if kind.name not in missing)


def figure_of(services: Services, release: ReleaseRecord, name: str) -> str:
    """One picture, as SVG.

    Raises
    ------
    UnknownChoice
        If there is no such picture of this fit.
    DrawsNotFound
        If the draws are gone, and the pictures with them.
    PicturesFailed, ServiceBusy
        If it cannot be made, or not now.
    """
    _require_draws(release, services.settings)
    with services.store.read() as session:
        known = [kind.name for kind in figure_kinds(session, release)]
        kept = _kept_figures(session, release)
    if name not in known:
        raise UnknownChoice("figure", name, known)
    if kept is None:
        kept = _make_figures(services, release)
    if name not in kept:
        raise UnknownChoice("figure", name, sorted(kept))
    return kept[name]


def netcdf_of(services: Services, release: ReleaseRecord, attributes: Mapping[str, str | float | int]) -> bytes:
    """The fit as NetCDF.

    Raises
    ------
    DrawsNotFound
        If its draws are gone.
    PicturesFailed, ServiceBusy
        If it cannot be made, or not now.
    """
    _require_draws(release, services.settings)
    with services.store.read() as session:
        fit = kept_fit(session, fits.get_fit(session, release.fit_id))
    with services.pictures.take():
        return make_netcdf(fit, services.settings, attributes=attributes)


def _make_figures(services: Services, release: ReleaseRecord) -> dict[str, str]:
    with services.pictures.take():
        with services.store.read() as session:  # made while this request waited
            kept = _kept_figures(session, release)
            fit = kept_fit(session, fits.get_fit(session, release.fit_id))
        if kept is not None:
            return kept
        made = make_figures(fit, services.settings)
        with services.store.write() as session:
            fits.save_figures(session, release.fit_id, pack_figures(made, confirmed=fit.confirmation is not None))
    return made


def _kept_figures(session: Session, release: ReleaseRecord) -> dict[str, str] | None:
    content = fits.load_figures(session, release.fit_id)
    confirmed = _compared(session, release.fit_id) is not None
    return None if content is None else unpack_figures(content, confirmed=confirmed)


def kept_fit(session: Session, fit: FitRecord) -> KeptFit:
    """What pictures and files of a fit are made from.

    Raises
    ------
    DrawsNotFound
        If its draws are gone.
    """
    return KeptFit(
        engine=fit.engine,
        design=fits.load_design(session, fit.id),
        draws=fits.load_draws(session, fit.id),
        evidence=fits.load_evidence(session, fit.id),
        confirmation=_compared(session, fit.id),
    )


def fit_attributes(fit: FitRecord) -> dict[str, str | int]:
    """What a file of a fit says of it; NetCDF has numbers and text."""
    return {
        "survey": fit.survey_id,
        "question": fit.question_id,
        "fit_id": fit.id,
        "engine": fit.engine,
        "seed": fit.seed,
        "formula": fit.formula,
        "priors": json.dumps(fit.priors),
        "versions": json.dumps(fit.versions),
        "created_at": fit.created_at.isoformat(),
    }


def _compared(session: Session, fit_id: str) -> Mapping[str, Sequence[float]] | None:
    """How far the release and NUTS on the same interviews are apart in every estimate."""
    said = confirmations.find_confirmation(session, fit_id)
    numbers: Any = None if said is None else said.numbers
    compared: Mapping[str, Sequence[float]] | None = (numbers or {}).get("apart")
    return compared


def _require_draws(release: ReleaseRecord, settings: Settings) -> None:
    if release.has_draws:
        return
    erased = release.contains_erased_at is not None
    because = "they contained the answers of somebody who was erased" if erased else why_gone(settings)
    raise DrawsNotFound(release.fit_id, "draws", because)
