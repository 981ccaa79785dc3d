"""Addresses and networks, as a setting names them."""

from ipaddress import IPv4Network, IPv6Network, ip_network

__all__ = ["Network", "networks"]

type Network = IPv4Network | IPv6Network


def networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks with commas between; a single address is a network of one.

    Raises
    ------
    ValueError
        If one cannot be read; it says which.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",")) if text.strip() else ()
