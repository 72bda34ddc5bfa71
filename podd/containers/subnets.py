"""Which part of podd's address range the next network of containers gets. Pure."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import Any

Json = dict[str, Any]


def free(within: IPv4Network, prefix: int, taken: Iterable[IPv4Network]) -> Iterator[tuple[int, IPv4Network]]:
    """The subnets of `within` that overlap with nothing taken, each with its number in the range."""
    others = [network for network in taken if network.overlaps(within)]
    for number, subnet in enumerate(within.subnets(new_prefix=prefix)):
        if not any(subnet.overlaps(other) for other in others):
            yield number, subnet


def of_networks(networks: Iterable[Json]) -> list[IPv4Network]:
    """The IPv4 ranges of an engine's networks."""
    configs = [c for n in networks for c in (n.get("IPAM") or {}).get("Config") or [] if c.get("Subnet")]
    ranges = [ip_network(config["Subnet"], strict=False) for config in configs]
    return [network for network in ranges if isinstance(network, IPv4Network)]


def of_routes(table: str) -> list[IPv4Network]:
    """The destinations of /proc/net/route, without the default route."""
    rows = [line.split() for line in table.splitlines()[1:]]
    routes = [(_address(row[1]), _address(row[7])) for row in rows if len(row) > 7]
    return [IPv4Network(f"{to}/{mask}") for to, mask in routes if int(mask)]


def _address(little_endian: str) -> IPv4Address:
    return IPv4Address(bytes.fromhex(little_endian)[::-1])
