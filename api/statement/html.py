"""A disclosure statement as one page: no script, nothing loaded from elsewhere, readable on paper and to a reader.

Everything that comes from a survey, a pollster or a model is escaped.
"""

from base64 import b64encode
from hashlib import sha256
from html import escape

from api.statement.payloads import StatementPayload, StatementSection, StatementTable

__all__ = ["POLICY", "render_html"]

STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
h2 { font-size: 1.15rem; margin-top: 2rem; border-top: 1px solid #999; padding-top: .75rem; }
p { overflow-wrap: anywhere; }
.asked { color: #4d4d4d; font-size: .875rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; min-width: 24rem; }
caption { text-align: left; font-weight: 600; padding-bottom: .25rem; }
th, td { text-align: left; vertical-align: top; border: 1px solid #767676; padding: .25rem .5rem; }
thead th { background: #f0f0f0; }
@media print {
  body { max-width: none; margin: 0; font-size: 10pt; }
  h2, caption, thead { break-after: avoid; }
  tr, p { break-inside: avoid; }
  .scroll { overflow: visible; }
}
"""
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""Of the page: its own style alone, named by its hash."""


def render_html(statement: StatementPayload) -> str:
    """The page."""
    sections = "\n".join(_section(section) for section in statement.sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(statement.title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{escape(statement.title)}</h1>
{sections}
</main>
<footer><p class="asked">Generated from stored records on {statement.written_at:%Y-%m-%d at %H:%M} UTC.</p></footer>
</body>
</html>
"""


def _section(section: StatementSection) -> str:
    name = escape(section.id)
    paragraphs = "\n".join(f"<p>{escape(text)}</p>" for text in section.text)
    tables = "\n".join(_table(table) for table in section.tables)
    return f"""<section aria-labelledby="{name}">
<h2 id="{name}">{escape(section.title)}</h2>
<p class="asked">Asked by: {escape(", ".join(section.asked_by))}</p>
{paragraphs}
{tables}
</section>"""


def _table(table: StatementTable) -> str:
    heads = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    rows = "\n".join(_row(row) for row in table.rows)
    caption = escape(table.caption)
    # Who uses the keyboard alone has to be able to scroll it.
    return f"""<div class="scroll" role="region" aria-label="{caption}" tabindex="0">
<table>
<caption>{caption}</caption>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>"""


def _row(cells: list[str]) -> str:
    head, *rest = cells
    return f'<tr><th scope="row">{escape(head)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
