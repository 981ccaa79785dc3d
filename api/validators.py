"""Compare what a caller has with what there is (RFC 9110, section 13.1.2)."""

__all__ = ["matches"]


def matches(header: str | None, tag: str) -> bool:
    """Whether ``If-None-Match`` names an entity tag; weakly, as it compares."""
    if not header:
        return False
    given = {part.strip().removeprefix("W/") for part in header.split(",")}
    return tag.removeprefix("W/") in given or "*" in given
