from ipaddress import IPv4Network
from typing import Any

from podd.containers import subnets

ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0103620A	0003	0	0	0	00000000	0	0	0
eth0	0003620A	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""


def test_a_subnet_that_anything_here_uses_is_left_out() -> None:
    within = IPv4Network("10.213.0.0/22")
    taken = [IPv4Network("10.213.0.0/24"), IPv4Network("10.213.2.128/25"), IPv4Network("192.168.0.0/16")]
    found = list(subnets.free(within, 24, taken))
    assert found == [(1, IPv4Network("10.213.1.0/24")), (3, IPv4Network("10.213.3.0/24"))]
    assert list(subnets.free(within, 24, [IPv4Network("10.0.0.0/8")])) == []


def test_the_ranges_of_networks_are_read_whatever_else_is_there() -> None:
    networks: list[dict[str, Any]] = [
        {"IPAM": {"Config": [{"Subnet": "fd00::/64"}, {"Subnet": "172.17.0.0/16"}]}},
        {"IPAM": {"Config": None}},
        {"IPAM": None},
    ]
    assert subnets.of_networks(networks) == [IPv4Network("172.17.0.0/16")]


def test_routes_are_read_without_the_default_route() -> None:
    assert subnets.of_routes(ROUTES) == [IPv4Network("10.98.3.0/24")]
    assert subnets.of_routes("") == []
