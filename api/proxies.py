"""Who is calling, when a reverse proxy stands in between.

What a proxy says of the caller is believed only if the proxy's own address is one that the operator named
(``trusted_proxies``): anybody else can write ``X-Forwarded-For`` too. Every proxy appends the address it saw, so the
list is read from its end: the caller is the first address that is no trusted proxy's. What stands left of it was
written by the caller, and so was everything beyond an entry that is no address.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from jobs.networks import Network, networks

__all__ = ["TrustedProxies"]

type Address = IPv4Address | IPv6Address


class TrustedProxies:
    """Proxies that are believed; none by default.

    Parameters
    ----------
    trusted
        The setting ``trusted_proxies``.
    """

    def __init__(self, trusted: str = "") -> None:
        self._networks: tuple[Network, ...] = networks(trusted)

    def seen_through(self, scope: Any) -> Any:
        """The scope with the client and the scheme that the proxy tells of; as it is if nobody is to be believed."""
        if not self._networks or not scope.get("client"):
            return scope
        peer = _address(scope["client"][0])
        if peer is None or not self._is_trusted(peer):
            return scope
        client = self._caller(peer, _listed(scope["headers"], b"x-forwarded-for"))
        scheme = next(reversed(_listed(scope["headers"], b"x-forwarded-proto")), "").lower()
        # The port of the caller is not told.
        seen = scope["client"] if client == peer else (str(client), 0)
        return {**scope, "client": seen, "scheme": scheme if scheme in ("http", "https") else scope["scheme"]}

    def _caller(self, peer: Address, hops: list[str]) -> Address:
        found = peer
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                break
            found = address
            if not self._is_trusted(address):
                break
        return found

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _listed(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    """The members of a header that is a list and may come more than once."""
    lines = [value.decode("latin-1") for given, value in headers if given.lower() == name]
    return [member for line in lines for one in line.split(",") if (member := one.strip())]


@lru_cache(maxsize=4096)  # reading one takes longer than most answers
def _address(text: str) -> Address | None:
    """Read 192.0.2.1, 192.0.2.1:80, 2001:db8::1 or [2001:db8::1]:80; None if it is no address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # A socket for both families tells IPv4 addresses like this.
        return address.ipv4_mapped or IPv6Address(int(address))
    return address
