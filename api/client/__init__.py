"""A client for programs in Python: typed answers, retries with bounds, a cache of validators, events without a gap.

    from api.client import Hustings

    with Hustings("https://polls.example.org", key) as polls:
        for row in polls.estimates("demo", "rail", level="district", by=["age"]).estimates:
            print(row.area, row.groups, row.share, row.low, row.high)

Importing it loads httpx and msgspec, nothing of the service.
"""

from api.client.hustings import Hustings
from api.client.questions import Asked
from api.client.stream import Event
from api.client.transport import Problem, Unreachable

__all__ = ["Asked", "Event", "Hustings", "Problem", "Unreachable"]
