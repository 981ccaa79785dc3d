"""The terms of options' own columns, in words."""

from mrp.categorical.options import OwnTerm

__all__ = ["describe_own_term"]


def describe_own_term(term: OwnTerm) -> str:
    """What one such term lets opinion depend on, e.g. "the logarithm of each option's own past ..."."""
    of = f"each option's own {term.name}"
    value = f"the logarithm of {of}" if term.log else of
    if term.call == "offset":
        return f"{value} in the district, added as it is: without anything else opinion would be as it says"
    return f"a coefficient of {value} in the district, the same for all options everywhere"
