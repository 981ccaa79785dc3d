"""The web page: what the interface answers, for people who look.

Pages are made by the server from the same payloads that the routes under /v1 answer with (``api.page.asking``), by
Jinja2; a browser needs no script for them. One small script follows the survey's events and fetches the page anew when
a release is published. Nothing is loaded from elsewhere, and the content security policy allows nothing else.

``render`` puts a page together and gives it its headers, ``kept`` remembers what was made for a release, ``assets`` has
the style sheet and the script, ``errors`` answers a browser with a page where a program gets a problem. The other
modules are the pages, each with its route. Who may open what is said in ``api.auth`` and ``api.page_access``.
"""

from api.page.routes import page_routes

__all__ = ["page_routes"]
