"""A disclosure statement as Markdown, with everything in it that could be markup made harmless."""

import re

from api.statement.payloads import StatementPayload, StatementSection, StatementTable

__all__ = ["render_markdown"]

# What has a meaning in CommonMark or GitHub's tables, wherever it stands.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&!$])")
# What has one at the beginning of a line.
_BEGIN = re.compile(r"^(\d+)([.)])|^([-+=:])")


def render_markdown(statement: StatementPayload) -> str:
    """The text; every paragraph and cell is one line."""
    parts = [f"# {_plain(statement.title)}", *(_section(section) for section in statement.sections)]
    parts.append(f"Generated from stored records on {statement.written_at:%Y-%m-%d at %H:%M} UTC.")
    return "\n\n".join(parts) + "\n"


def _section(section: StatementSection) -> str:
    head = [f"## {_plain(section.title)}", f"*Asked by: {_plain(', '.join(section.asked_by))}*"]
    return "\n\n".join([*head, *(_plain(text) for text in section.text), *(_table(table) for table in section.tables)])


def _table(table: StatementTable) -> str:
    head, *rows = (f"| {' | '.join(map(_plain, cells))} |" for cells in (table.columns, *table.rows))
    line = "|" + " --- |" * len(table.columns)
    return "\n".join([f"**{_plain(table.caption)}**", "", head, line, *rows])


def _plain(text: str) -> str:
    line = _MARKUP.sub(r"\\\1", " ".join(text.split()))
    return _BEGIN.sub(lambda found: f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}", line)
