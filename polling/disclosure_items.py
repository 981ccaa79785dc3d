"""Items of the disclosure statement that nobody but a survey's owner or its pollsters can tell.

AAPOR (Code of April 2021, section III.A) and ESOMAR/WAPOR ask of every published figure who paid for the interviews,
how they were done and where respondents came from. Whoever conducted them, the universe, the dates, the wording and the
numbers are told with every survey and wave anyway. An item is told once by the survey, or by every wave. Words such as
"not known" tell it too: readers then see that nobody knows, and are not left to believe that nobody looked.
"""

from collections.abc import Callable, Mapping, Sequence

from polling.declaration import SurveyDeclaration
from polling.faults import listing

__all__ = ["REQUIRED_ITEMS", "missing_items", "untold_items"]

REQUIRED_ITEMS = {
    "sponsor": "who paid for the interviews",
    "mode": "how the interviews were done",
    "sample_source": "where respondents came from",
}
"""Fact -> what it tells. A release without one of them is not published."""

_SHOWN = 3


def untold_items(declaration: SurveyDeclaration) -> list[str]:
    """A sentence for every required item that neither the survey tells nor its waves are required to tell."""
    told = {*declaration.facts, *declaration.required_facts}
    return [
        f"The survey does not tell {meaning}, and a release is published only if the waves in it do: write "
        f'{item} = "..." in [survey], if nobody knows {item} = "not known", or required_facts = ["{item}"] in [waves] '
        "where it differs between waves."
        for item, meaning in REQUIRED_ITEMS.items()
        if item not in told
    ]


def missing_items(
    declaration: SurveyDeclaration, waves: Callable[[], Sequence[tuple[str, Mapping[str, object]]]]
) -> list[str]:
    """What a release lacks to be published, in words; empty if nothing.

    Parameters
    ----------
    declaration
        Of the version of the survey that the fit used.
    waves
        Gives the name of each wave in the fit, such as "w1 of Alpha", and the facts that came with it; only asked
        where the survey is silent.
    """
    untold = {item: meaning for item, meaning in REQUIRED_ITEMS.items() if item not in declaration.facts}
    if not untold:
        return []
    known = waves()
    missing = []
    for item, meaning in untold.items():
        silent = [name for name, facts in known if item not in facts]
        if not known:
            missing.append(f"{meaning} ({item})")
        elif silent:
            waves_are = "wave" if len(silent) == 1 else "waves"
            missing.append(f"{meaning} ({item}; {waves_are} {listing(silent, most=_SHOWN)})")
    return missing
