"""How urgent each kind of job is: 0 first. What waits becomes more urgent (``polling.store.turns``)."""

__all__ = ["PRIORITIES"]

PRIORITIES = {
    "refit": 0,
    "source": 1,
    "free-bytes": 1,
    "backup": 5,
    "confirm": 9,
}
"""Kind -> priority. Somebody waits for a refit; nobody for a confirmation."""
