"""Be ready for visitors: whoever opens a link to a public survey should not wait for what is started once."""

import contextlib

from sqlalchemy.exc import DBAPIError

from api.charts import warm
from api.errors import ApiError
from api.services import Services
from polling.errors import PollingError

__all__ = ["get_ready"]


def get_ready(services: Services) -> None:
    """Start what draws charts, if some survey is public; otherwise the page for signing in does."""
    # Without a database there is nothing to look at, and the service starts all the same.
    with contextlib.suppress(PollingError, ApiError, DBAPIError):
        if services.memory.find_public():
            warm()
