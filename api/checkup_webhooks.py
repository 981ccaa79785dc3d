"""The check of ``hustings doctor`` that looks at webhooks: what waits, since when, and where they may be."""

from datetime import timedelta
from ipaddress import ip_address
from typing import Final

from api.checkup import Finding
from api.cli.runtime import Runtime
from polling.store.engine import Store

__all__ = ["webhooks_sent"]

LATE: Final = timedelta(hours=1)
METADATA: Final = ip_address("169.254.169.254")
"""Where machines of a cloud ask for their own credentials."""


def webhooks_sent(store: Store, runtime: Runtime) -> Finding:
    """Whether events reach their addresses, and what those may be; no address is named, it may be a secret."""
    from jobs.events import kinds_of
    from jobs.networks import networks
    from polling.store import webhooks

    allowed, now = runtime.settings.webhook_networks, runtime.now()
    with store.read() as session:
        listed = webhooks.list_webhooks(session)
        left = [(one, webhooks.waiting(session, one, kinds_of(one.types))) for one in listed]
        n_given_up = webhooks.count_given_up(session)
    if open_to := [str(one) for one in networks(allowed) if one.prefixlen == 0 or METADATA in one]:
        found = f"webhook_networks allows {', '.join(open_to)}: webhooks may ask whatever this machine can reach"
        return Finding(False, found, "List the networks of your receivers alone.")
    inside = f"; besides public addresses they may be in {allowed}" if allowed else ""
    if not listed:
        return Finding(True, f"none{inside}")
    waiting = [(one, rest.since) for one, rest in left if rest.since is not None]
    n = sum(rest.n for _, rest in left)
    found = f"{len(listed):,}; {n:,} events wait"
    if waiting:
        webhook, since = min(waiting, key=lambda one: one[1])
        found += f", the oldest since {since:%Y-%m-%d %H:%M} UTC for {webhook.survey_id}/{webhook.id}"
    if n_given_up:
        found += f"; {n_given_up:,} were given up"
    if waiting and since < now - LATE:
        remedy = f"`hustings webhook deliveries {webhook.survey_id} {webhook.id}` tells why. Does a worker run?"
        return Finding(False, f"{found}{inside}", remedy)
    return Finding(True, f"{found}{inside}")
