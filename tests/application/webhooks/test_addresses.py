"""Webhooks go to the public internet and nowhere else, however an address is written."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.webhooks.addresses import (
    AddressError,
    Allowed,
    Target,
    check_address,
    check_url,
    is_public,
)

STRICT = Allowed()
ANY = Allowed(private=True, https_only=False)

INSIDE = [
    "0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1",
    "127.255.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.168.1.1",
    "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.9", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255", "168.63.129.16",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:7f00:1", "::8.8.8.8",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    "2001::1", "2001:db8::1", "100::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
    "4000::1",
]  # fmt: skip
OUTSIDE = [
    "1.1.1.1", "8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1",
    "192.0.1.1", "198.17.0.1", "198.20.0.1", "223.255.255.255",
    "2606:4700:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(AddressError):
        check_address(address, STRICT)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressError):
        check_url(f"https://{host}/hooks", STRICT)
    check_address(address, ANY)


@pytest.mark.parametrize("address", OUTSIDE)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    check_address(address, STRICT)


@given(st.ip_addresses())
def test_nothing_is_public_that_python_knows_to_be_private(address: object) -> None:
    found = ip_address(str(address))
    if is_public(found):
        is_reserved = found.is_reserved and found.version == 4
        marks = (found.is_private, found.is_loopback, found.is_link_local, found.is_multicast)
        assert not any([*marks, is_reserved])


def test_an_address_of_one_network_card_is_one_of_this_machine() -> None:
    with pytest.raises(AddressError):
        check_address("fe80::1%eth0", STRICT)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", Target("https", "example.com", 443)),
        ("https://example.com:8443/a?b=c", Target("https", "example.com", 8443)),
        ("https://EXAMPLE.com/", Target("https", "example.com", 443)),
        ("https://[2606:4700:4700::1111]/", Target("https", "2606:4700:4700::1111", 443)),
    ],
)
def test_a_url_leads_somewhere(url: str, target: Target) -> None:
    assert check_url(url, STRICT) == target


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "//example.com/", "https://", "https:///path", "ftp://example.com/",
        "file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)", "http://example.com/",
        "https://user@example.com/", "https://user:password@example.com/", "https://@example.com/",
        "https://example.com#part", "https://example.com:0/", "https://example.com:99999/",
        "https://example.com:port/", "https://example.com/a b", "https://example.com/\n",
        "https://ex\u00e4mple.com/", "https://example.com/" + "a" * 2000, "https://[::1", "https://[]/",
        "https://localhost/", "https://LOCALHOST:8000/", "https://app.localhost/",
        "https://example.com\\@127.0.0.1/",
    ],
)  # fmt: skip
def test_other_urls_are_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(AddressError) as caught:
        check_url(url, STRICT)
    assert len(str(caught.value)) > 10


def test_while_it_is_developed_messages_may_go_to_this_machine_in_the_clear() -> None:
    assert check_url("http://localhost:9000/x", ANY) == Target("http", "localhost", 9000)
    with pytest.raises(AddressError):
        check_url("http://localhost:9000/x", Allowed(private=True))
    with pytest.raises(AddressError):
        check_url("http://127.0.0.1:9000/x", Allowed(https_only=False))
