"""The disclosure statement of a release: AAPOR's items and the minimum of ESOMAR/WAPOR, from stored records alone.

``records`` reads what is stored, ``method``, ``model`` and ``caveats`` say it in sections, ``compose`` puts them in
order, ``html`` and ``markdown`` render the one value that JSON has too. No draws are needed: it is given for every
release that ever was.
"""

from api.statement.compose import statement_of
from api.statement.html import render_html
from api.statement.markdown import render_markdown
from api.statement.payloads import StatementPayload

__all__ = ["StatementPayload", "render_html", "render_markdown", "statement_of"]
