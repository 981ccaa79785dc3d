"""One HTML file that tells everything about a release, for sending: nothing is loaded, nothing runs, it prints.

    text = make_report(ask_release(services, survey, question, release))

It shares the templates, filters, style sheet and charts of the web page (`api.page`).
"""

from api.report.document import make_report

__all__ = ["make_report"]
