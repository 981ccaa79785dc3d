"""Which addresses sources may be at, and events may be sent to.

The service must not be made to read what only it can reach: its own host, its
neighbours, the metadata service of its cloud. A host is resolved here, every
address of it has to be public, and the caller connects to that very address,
so that a second, different answer of the name server changes nothing.
"""

import ipaddress
import socket

from jobs.errors import SourceUnreachable
from jobs.networks import Network
from jobs.settings import Settings

__all__ = ["allowed_address", "checked_address"]


def checked_address(host: str, port: int, settings: Settings) -> str:
    """An address of a host that may be read.

    Raises
    ------
    SourceUnreachable
        If the host is not found, or has an address that is not public and the setting source_networks does not allow
        it.
    """
    addresses = _addresses(host, port)
    if settings.source_networks != "any":
        for address in addresses:
            if not _is_public(address):
                raise SourceUnreachable(
                    f"The host {host} is not public ({address}). If it is meant, set source_networks to any."
                )
    return addresses[0]


def allowed_address(host: str, port: int, *, also: tuple[Network, ...], setting: str) -> str:
    """An address of a host that is public, or in a network that the operator listed.

    Parameters
    ----------
    setting
        Where the operator lists them.

    Raises
    ------
    SourceUnreachable
        If the host is not found, or has an address that is neither. It does not tell the address: who may ask for it
        need not know how names resolve here.
    """
    addresses = _addresses(host, port)
    for address in addresses:
        parsed = ipaddress.ip_address(address.partition("%")[0])
        if not _is_public(address) and not any(parsed in network for network in also):
            raise SourceUnreachable(f"The host {host} is not public. If it is meant, list its network in {setting}.")
    return addresses[0]


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # the second: a label of a name that no name server could be asked for
        raise SourceUnreachable(f"The host {host} was not found.") from None
    return [str(one[4][0]) for one in found]


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed.sixtofour or parsed
    return parsed.is_global and not parsed.is_multicast
