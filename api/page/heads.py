"""What every page of a question begins with: where one is, what was asked, which release answers, what else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from api.auth import PAGES, ROLES, Principal
from api.group_query import EstimateQuery
from api.misreport import of_reports, words_of
from api.page.addresses import question_address, survey_address
from api.page.asking import Asking
from api.page.population import Choice, Other, others_of, populations_to_choose, truly
from api.systematic_words import how_shown
from api.whom import doubts_about, notes_of, whom, whom_sentence

__all__ = ["Head", "head_of"]

REPORTED: Final = "Shares are of what people report of themselves, not of what they did."


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of the same question."""

    name: str
    address: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a page."""

    survey_title: str
    survey_address: str
    text: str
    """The wording of the question."""
    release: Any
    """A ``ReleaseRecord``."""
    tabs: list[Tab]
    reasons: list[Tab]
    """Pages that tell why to believe it."""
    is_reason: bool
    """Whether this is one of them."""
    stale_since: Any
    stale_reason: str | None
    is_held: bool
    is_current: bool
    """Whether it is the release that is served."""
    is_named: bool
    """Whether the address names it."""
    latest: str
    """Address of this page for whatever release is served."""
    permanent: str
    """Address of this page for this very release."""
    whom: str
    """Whom its answers are about, in a sentence; empty for everybody."""
    of_what: str
    """That its estimates are of what people report, where that is wrong at declared rates; else empty."""
    populations: list[Choice]
    """Those that the page can be about; none where there is no choice."""
    others: list[Other]
    """On the first page: what people did where it tells what they report, and what other populations think."""
    whom_warnings: list[str]
    """What is to be known of who belongs to them."""
    warnings: list[str]
    data_notes: list[str]
    systematic: str
    """How the error that polls share is shown, and what it is; empty where none is declared."""


def head_of(asking: Asking, principal: Principal, here: str, *more: str, also: Mapping[str, Any] | None = None) -> Head:
    """The head of a page.

    Parameters
    ----------
    here
        Operation id of the page.
    more
        The rest of its path after the question.
    also
        What else its address says, to be kept when another population is chosen; None for a page that has no choice.
    """
    served, release, loaded = asking.served, asking.served.release, asking.loaded
    place = (release.survey_id, release.question_id)
    named: Any = asking.named
    of_release = (release.survey_id, "releases", release.id)
    reasons = _tabs(
        principal,
        here,
        ("pageRepresentation", "Who was interviewed", survey_address(*of_release, "representation")),
        ("pageMethods", "Raw and weighted", question_address(*place, "methods", release=asking.release_id)),
        ("pageChecks", "Checks", survey_address(*of_release, "checks")),
        ("pageDiagnostics", "Diagnostics", survey_address(*of_release, "diagnostics")),
        ("pageTrackRecord", "Track record", question_address(*place, "track-record")),
        ("pageReleases", "Releases", question_address(*place, "releases")),
        ("pageDisclosure", "How it was made", survey_address(*of_release, "disclosure")),
    )
    kind = loaded.question.kind
    is_reason = any(tab.is_here for tab in reasons)
    # What is compared with interviews is about everybody.
    about = loaded if is_reason else asking.about
    tabs = _tabs(
        principal,
        {"pageDistrict": "pageDistricts"}.get(here, here),
        ("pageQuestion", "Overview", question_address(*place, **named)),
        ("pageCrosstab", "Crosstab", question_address(*place, "crosstab", **named)),
        ("pageDistricts", "Districts", question_address(*place, "districts", **named)),
        ("pageTrend", "Trend", question_address(*place, "trend", **named)),
        ("pageSeats", "Seats", question_address(*place, "seats", **named)),
        ("pageRevision", "What changed", question_address(*place, "revision", **named)),
        ("pageWhomToAsk", "Whom to ask", question_address(*place, "whom-to-ask", **named)),
    )
    of_page: Any = {} if also is None else {"population": asking.population}
    absent = set() if asking.has_periods else {"Trend"}
    absent |= {"Seats"} if kind in ("ordinal", "numeric") else set()
    tabs = [tab for tab in tabs if tab.name not in absent]
    if reasons:
        tabs.append(Tab("Why believe it", reasons[0].address, is_here=is_reason))
    return Head(
        survey_title=loaded.declaration.title,
        survey_address=survey_address(release.survey_id),
        text=loaded.question.text,
        release=release,
        tabs=tabs,
        reasons=reasons,
        is_reason=is_reason,
        stale_since=served.stale_since,
        stale_reason=served.stale_reason,
        is_held=served.state.hold is not None,
        is_current=served.state.release_id == release.id,
        is_named=asking.release_id is not None,
        latest=question_address(*place, *more, **of_page),
        permanent=question_address(*place, *more, **of_page, release=release.id),
        whom=whom_sentence(whom(served, about, interval=EstimateQuery().interval)),
        of_what=REPORTED if of_reports(loaded) else "",
        populations=[] if also is None else populations_to_choose(asking, *more, also=also),
        others=[*truly(asking), *others_of(asking)] if here == "pageQuestion" else [],
        whom_warnings=[*doubts_about(served, about.among), *notes_of(served, about.among)],
        warnings=list(loaded.verdict.warnings),
        data_notes=[*served.data_notes, *words_of(loaded.fit)],
        systematic=how_shown(loaded),
    )


def _tabs(principal: Principal, here: str, *pages: tuple[str, str, str]) -> list[Tab]:
    """Those of some pages, by operation, name and address, that the caller may open."""
    return [
        Tab(name, address, is_here=operation == here)
        for operation, name, address in pages
        if principal.role in ROLES[PAGES[operation]]
    ]
