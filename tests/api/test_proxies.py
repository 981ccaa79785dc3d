"""Whose word is believed on where a request came from."""

import asyncio
from typing import Any

import pytest

from api.edge import Edge
from api.proxies import TrustedProxies
from jobs.errors import BadSetting
from jobs.settings import Settings, load_settings

PEER = "10.0.0.2"


def seen(trusted: str, peer: str | None = PEER, *headers: tuple[str, str], scheme: str = "http") -> tuple[Any, str]:
    """Client and scheme that the application is told of."""
    scope = {
        "type": "http",
        "client": None if peer is None else (peer, 4711),
        "scheme": scheme,
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    told = TrustedProxies(trusted).seen_through(scope)
    return told["client"] and told["client"][0], told["scheme"]


def forwarded(value: str) -> tuple[str, str]:
    return ("x-forwarded-for", value)


def test_by_default_nobody_is_believed():
    told = seen(Settings().trusted_proxies, PEER, forwarded("192.0.2.1"), ("x-forwarded-proto", "https"))
    assert told == (PEER, "http")


def test_a_trusted_proxy_tells_address_and_scheme():
    told = seen("10.0.0.0/8", PEER, forwarded("192.0.2.1"), ("x-forwarded-proto", "https"))
    assert told == ("192.0.2.1", "https")


def test_somebody_else_who_sends_the_headers_is_not_believed():
    told = seen("10.0.0.0/8", "198.51.100.9", forwarded("192.0.2.1"), ("x-forwarded-proto", "https"))
    assert told == ("198.51.100.9", "http")


@pytest.mark.parametrize(
    ("hops", "caller"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("203.0.113.5, 192.0.2.1", "192.0.2.1"),  # the caller wrote the first one
        ("127.0.0.1, 192.0.2.1", "192.0.2.1"),  # ... even if it is one that would be trusted
        ("192.0.2.1, 10.0.0.7", "192.0.2.1"),
        ("192.0.2.1, 10.0.0.7, 10.9.9.9", "192.0.2.1"),
        ("10.0.0.7, 10.9.9.9", "10.0.0.7"),  # a caller inside: the farthest that is known
        ("192.0.2.1:50123", "192.0.2.1"),
        ("", PEER),
        (" , ,", PEER),
    ],
)
def test_the_caller_is_the_last_address_that_is_no_trusted_proxy(hops: str, caller: str):
    assert seen("10.0.0.0/8, 127.0.0.1", PEER, forwarded(hops))[0] == caller


def test_several_headers_are_one_list():
    assert seen("10.0.0.0/8", PEER, forwarded("203.0.113.5"), forwarded("192.0.2.1, 10.0.0.7"))[0] == "192.0.2.1"


@pytest.mark.parametrize(
    ("peer", "hops", "caller"),
    [
        ("fd00::1", "2001:db8::5", "2001:db8::5"),
        ("fd00::1", "[2001:db8::5]:443", "2001:db8::5"),
        ("fd00::1", "2001:DB8:0::5", "2001:db8::5"),
        ("::ffff:10.0.0.2", "2001:db8::5", "2001:db8::5"),
        (PEER, "::ffff:192.0.2.1, ::ffff:10.0.0.7", "192.0.2.1"),
        ("fd00::1%eth0", "2001:db8::5", "2001:db8::5"),
        ("2001:db8::66", "2001:db8::5", "2001:db8::66"),
    ],
)
def test_ipv6(peer: str, hops: str, caller: str):
    assert seen("10.0.0.0/8, fd00::/8", peer, forwarded(hops))[0] == caller


@pytest.mark.parametrize(
    "rubbish", ["unknown", "_hidden", "localhost", "192.0.2", "1.2.3.4.5", "[", "[]", "' OR 1", "::g"]
)
def test_beyond_what_is_no_address_nothing_is_believed(rubbish: str):
    assert seen("10.0.0.0/8", PEER, forwarded(f"192.0.2.1, {rubbish}"))[0] == PEER
    assert seen("10.0.0.0/8", PEER, forwarded(f"192.0.2.1, {rubbish}, 10.0.0.7"))[0] == "10.0.0.7"
    assert seen("10.0.0.0/8", PEER, forwarded(f"{rubbish}, 192.0.2.1"))[0] == "192.0.2.1"


@pytest.mark.parametrize(
    ("told", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("https, http", "http"),
        ("ftp", "http"),
        ("", "http"),
        ("javascript:", "http"),
    ],
)
def test_only_http_and_https_are_schemes(told: str, scheme: str):
    assert seen("10.0.0.0/8", PEER, ("x-forwarded-proto", told))[1] == scheme


@pytest.mark.parametrize("peer", [None, "", "testclient", "/run/hustings.sock"])
def test_a_peer_without_an_address_is_nobody(peer: str | None):
    assert seen("0.0.0.0/0, ::/0", peer, forwarded("192.0.2.1"))[0] == peer


async def answered(scope: dict[str, Any], trusted: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        found.update(scope)

    async def nothing(*_: Any) -> Any:
        return None

    await Edge(app, proxies=TrustedProxies(trusted))(scope, nothing, nothing)
    return found


def test_the_application_is_told_by_the_edge():
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/health",
        "client": (PEER, 1),
        "scheme": "http",
        "headers": [(b"X-Forwarded-For", b"192.0.2.1"), (b"X-Forwarded-Proto", b"https")],
    }
    told = asyncio.run(answered(dict(scope), f"{PEER}/32"))
    assert (told["client"], told["scheme"]) == (("192.0.2.1", 0), "https")
    ignored = asyncio.run(answered(dict(scope), ""))
    assert (ignored["client"], ignored["scheme"]) == ((PEER, 1), "http")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("10.0.0.300", "10.0.0.300"),
        ("proxy.example.org", "proxy.example.org"),
        ("10.0.0.1/8", "host bits set"),
        ("127.0.0.1,", "''"),
        ("10.0.0.0/33", "10.0.0.0/33"),
    ],
)
def test_a_setting_that_names_no_network_is_refused(value: str, says: str):
    with pytest.raises(BadSetting, match=r"trusted_proxies is .*addresses or networks such as") as refused:
        load_settings(environ={"HUSTINGS_TRUSTED_PROXIES": value})
    assert says in str(refused.value)


@pytest.mark.parametrize("value", ["", "127.0.0.1", "127.0.0.1, ::1,10.0.0.0/8 , fd00::/8"])
def test_a_setting_that_does_is_taken(value: str):
    assert load_settings(environ={"HUSTINGS_TRUSTED_PROXIES": value}).trusted_proxies == value
