"""Compare entity tags (RFC 9110, section 13.1.2)."""

__all__ = ["matches"]


def matches(header: str | None, tag: str) -> bool:
    """Whether an ``If-None-Match`` names a tag; compared weakly, as that header is."""
    if not header:
        return False
    given = {part.strip().removeprefix("W/") for part in header.split(",")}
    return tag.removeprefix("W/") in given or "*" in given
