"""Web origins, as a setting names them."""

import re

__all__ = ["ANY", "origins"]

ANY = "*"
_ORIGIN = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?")


def origins(text: str) -> frozenset[str]:
    """Read origins with commas between, or ``*`` alone for any.

    Raises
    ------
    ValueError
        If one is no origin as a browser sends it; it says which.
    """
    found = frozenset(part.strip() for part in text.split(",") if part.strip())
    if found == {ANY}:
        return found
    for one in sorted(found):
        if one == ANY:
            raise ValueError("* stands alone: it is every origin")
        if not _ORIGIN.fullmatch(one):
            raise ValueError(f"{one!r} is no origin")
    return found
