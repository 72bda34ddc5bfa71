"""Where the end of a job may be told."""

import ipaddress

import pytest

from podd.domain.errors import Invalid
from podd.domain.webhook import checked_url, may_reach


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_webhook_is_fine(nothing: object) -> None:
    assert checked_url(nothing) == ""


@pytest.mark.parametrize(
    "url",
    ["http://example.org", "https://example.org:8443/a?b=c", "http://[2001:db8::1]/x", "http://10.0.0.1"],
)
def test_a_url_is_kept_as_it_is(url: str) -> None:
    assert checked_url(url) == url


@pytest.mark.parametrize(
    "value",
    [
        "ftp://example.org",
        "file:///etc/passwd",
        "example.org/hook",
        "http://",
        "http://a:port/",
        "http://a:0/",
        "http://[::1/",
        "http://a/\r\nX: y",
        "http://a/" + "x" * 2048,
        7,
        ["http://a"],
    ],
)
def test_what_is_no_url_is_refused_with_a_reason(value: object) -> None:
    with pytest.raises(Invalid, match="webhook must be"):
        checked_url(value)


PRIVATE = (
    "127.0.0.1 0.0.0.0 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 224.0.0.1 255.255.255.255 "
    "::1 :: fe80::1 fc00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 2002:7f00:1:: 64:ff9b::a00:1"
)


@pytest.mark.parametrize("address", PRIVATE.split())
def test_addresses_inside_are_not_called(address: str) -> None:
    assert not may_reach(ipaddress.ip_address(address), [])


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_public_addresses_are_called(address: str) -> None:
    assert may_reach(ipaddress.ip_address(address), [])


def test_the_operator_may_allow_a_network_in_either_way_of_writing() -> None:
    lan = [ipaddress.ip_network("192.168.1.0/24")]
    assert may_reach(ipaddress.ip_address("192.168.1.7"), lan)
    assert may_reach(ipaddress.ip_address("::ffff:192.168.1.7"), lan)
    assert not may_reach(ipaddress.ip_address("192.168.2.7"), lan)
