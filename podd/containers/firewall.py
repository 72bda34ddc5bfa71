"""What containers may reach of this host and of the network it stands in: rules for iptables.

Two chains of this instance's own, one that INPUT and one that DOCKER-USER sends the packets of its bridges
to. Docker keeps its chain DOCKER-USER over restarts; whatever else may flush the rules, they are put back
the next time.
"""

import shutil
import socket
import subprocess
from collections.abc import Sequence
from ipaddress import IPv4Network

from podd.containers import spec as asks

_WAIT = 10.0


class FirewallProblem(Exception):
    """The rules cannot be set; the message is the reason."""


def rules(
    instance: str, bridges: Sequence[str], address: str, port: int, blocked: Sequence[IPv4Network]
) -> str:
    """The content of both chains, for iptables-restore.

    Of the host, containers reach `address`:`port` and DNS. Elsewhere they reach what is not `blocked`, DNS
    servers, and their own networks, which Docker keeps apart. What answers somebody is let through.
    """
    inward, outward = chains(instance)
    answers = "-m conntrack --ctstate ESTABLISHED,RELATED"
    lines = [
        "*filter",
        f":{inward} - [0:0]",
        f":{outward} - [0:0]",
        f"-A {inward} {answers} -j ACCEPT",
        f"-A {inward} -d {address}/32 -p tcp --dport {port} -j ACCEPT",
        *(f"-A {inward} -p {protocol} --dport 53 -j RETURN" for protocol in ("udp", "tcp")),
        f"-A {inward} -j REJECT",
        f"-A {outward} {answers} -j RETURN",
        *(f"-A {outward} -o {bridge} -j RETURN" for bridge in bridges),
        *(f"-A {outward} -p {protocol} --dport 53 -j RETURN" for protocol in ("udp", "tcp")),
        *(f"-A {outward} -d {network} -j REJECT" for network in blocked),
        "COMMIT",
    ]
    return "\n".join(lines) + "\n"


def chains(instance: str) -> tuple[str, str]:
    """The chains for packets to the host and for those that go on."""
    tag = asks.bridge_prefix(instance).upper()
    return f"PODD-{tag}-IN", f"PODD-{tag}-OUT"


def apply(instance: str, bridges: Sequence[str], text: str) -> None:
    """Set both chains to `text` in one step, and see that packets from `bridges` go there first. Doing it
    again changes nothing. Raises FirewallProblem."""
    _run("iptables-restore", "--noflush", given=text)
    for hook, chain in zip(("INPUT", "DOCKER-USER"), chains(instance), strict=True):
        for bridge in bridges:
            jump = ("-i", bridge, "-j", chain)
            if not _holds("iptables", "-w", "-C", hook, *jump):
                _run("iptables", "-w", "-I", hook, "1", *jump)


def remove(instance: str, bridges: Sequence[str]) -> None:
    """Take the rules away. Fine if there are none."""
    for hook, chain in zip(("INPUT", "DOCKER-USER"), chains(instance), strict=True):
        for bridge in bridges:
            while _holds("iptables", "-w", "-D", hook, "-i", bridge, "-j", chain):
                pass
        _holds("iptables", "-w", "-F", chain)
        _holds("iptables", "-w", "-X", chain)


def problem() -> str:
    """Why rules cannot be set from here, or "". Changes nothing."""
    try:
        _run("iptables", "-w", "-n", "-L", "DOCKER-USER")
    except FirewallProblem as reason:
        return str(reason)
    return ""


def by_hand(port: int, blocked: Sequence[IPv4Network]) -> str:
    """Commands for root that do as much for all bridges of podd, where podd itself may not."""
    new = "-i pd+ -m conntrack --ctstate NEW"
    commands = [
        f"iptables -I INPUT {new} -j REJECT",
        f"iptables -I INPUT {new} -p udp --dport 53 -j ACCEPT",
        f"iptables -I INPUT {new} -p tcp -m multiport --dports 53,{port} -j ACCEPT",
    ]
    if blocked:
        networks = ",".join(str(network) for network in blocked)
        commands.append(f"iptables -I DOCKER-USER {new} ! -o pd+ -d {networks} -j REJECT")
        commands += [
            f"iptables -I DOCKER-USER {new} -p {protocol} --dport 53 -j RETURN" for protocol in ("udp", "tcp")
        ]
    return " && ".join(commands)


def here(bridge: str) -> bool:
    """Whether the engine's bridges are in this network namespace, so that rules here meet their packets: not
    with a rootless or a remote engine."""
    return any(name == bridge for _, name in socket.if_nameindex())


def _holds(*command: str) -> bool:
    try:
        _run(*command)
    except FirewallProblem:
        return False
    return True


def _run(program: str, *args: str, given: str | None = None) -> None:
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path is None:
        raise FirewallProblem(f"{program} is not installed")
    try:
        done = subprocess.run(  # noqa: S603 - a program of the administrator's own PATH
            [path, *args], input=given, capture_output=True, text=True, timeout=_WAIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FirewallProblem(f"{program} cannot be run: {error}") from error
    if done.returncode:
        raise FirewallProblem(" ".join(done.stderr.split()) or f"{program} failed")
