"""How urgent each kind of job is: 0 first. What waits becomes more urgent (``polling.store.turns``)."""

__all__ = ["PRIORITIES"]

PRIORITIES = {
    "refit": 0,
    "webhook": 0,
    "webhook-replay": 1,
    "source": 1,
    "free-bytes": 1,
    "score": 3,
    "backup": 5,
    "check": 8,
    "confirm": 9,
}
"""Kind -> priority. Somebody waits for a refit, and for an event, which takes no time; nobody for a confirmation."""
