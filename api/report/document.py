"""Put the report together: contents, style, and a policy by which a browser loads nothing else."""

from base64 import b64encode
from hashlib import sha256

from markupsafe import Markup

from api.group_query import EstimateQuery
from api.page.asking import Asking
from api.page.assets import asset_text
from api.page.render import part
from api.report.opinion import opinion_of
from api.report.sample import sample_of
from api.report.trust import trust_of
from api.systematic_words import how_shown
from api.whom import doubts_about, notes_of, whom, whom_sentence

__all__ = ["make_report"]

SECTIONS = {
    "now": "What people think now",
    "where": "Where",
    "who": "Who",
    "trend": "Over time",
    "seats": "Districts won",
    "methods": "Raw, weighted and estimated",
    "represented": "Whom the interviews represent",
    "checks": "Does the model describe the interviews?",
    "diagnostics": "Diagnostics",
    "record": "Track record",
    "statement": "Disclosure statement",
}
"""Section -> its heading, in order. One about which there is nothing to say is left out."""


def make_report(asking: Asking) -> str:
    """The report of a release as one HTML file.

    Raises
    ------
    DrawsNotFound
        If its draws are not kept any more; it says why.
    """
    contents = {**opinion_of(asking), **sample_of(asking), **trust_of(asking)}
    style = f"{asset_text('style.css')}\n{asset_text('report.css')}"
    # The sheet is ours and has no "<" in it; escaped, its quotation marks would end strings.
    assert "<" not in style
    digest = b64encode(sha256(style.encode()).digest()).decode()
    page = part(
        "report.html",
        contents=contents,
        sections={name: title for name, title in SECTIONS.items() if contents[name] is not None},
        release=asking.described(),
        served=asking.served,
        loaded=asking.loaded,
        whom=whom_sentence(whom(asking.served, asking.about, interval=EstimateQuery().interval)),
        doubts=[*doubts_about(asking.served, asking.about.among), *notes_of(asking.served, asking.about.among)],
        style=Markup(style),  # noqa: S704
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'",
        now=asking.services.now(),
        systematic=how_shown(asking.loaded),
    )
    return str(page)
