"""Webhooks: where the end of a job may be told. Pure."""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from podd.domain.errors import Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL = 2048
NO_ANSWER = 0
"""Stands for the status code of a try that nobody answered."""


def checked_url(value: object) -> str:
    """The webhook of a request, "" for none. Raises Invalid."""
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or len(value) > LONGEST_URL or not value.isprintable():
        raise Invalid(f"webhook must be a URL of at most {LONGEST_URL} characters.")
    try:
        url = urlsplit(value)
        well_formed = url.scheme in {"http", "https"} and url.hostname and url.port != 0
    except ValueError:  # a port that is none, a broken IPv6 address
        well_formed = False
    if not well_formed:
        raise Invalid("webhook must be an http:// or https:// URL with a host.")
    return value


def delivered(status: int) -> bool:
    return 200 <= status <= 299


def may_reach(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether podd, which stands inside the operator's network, may call this address for a stranger: any
    public one, and what the operator allows. An address that carries another one counts as that one."""
    address = _real(address)
    if any(address in network for network in allowed):
        return True
    return address.is_global and not address.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _real(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address
