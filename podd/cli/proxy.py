"""podd proxy: logins before http ports of pods."""

from enum import StrEnum
from typing import Annotated

import typer

from podd.cli.terminal import AsJson, Config, tell
from podd.wire.ports import PortLogins, PortLoginWish, PortVisit, PortVisitWish

proxy = typer.Typer(help="Logins before http ports of pods.", no_args_is_help=True)

Pod = Annotated[str, typer.Argument(help="The id of a pod.")]
Port = Annotated[int, typer.Argument(help="One of its http ports.", min=1, max=65535)]


class Switch(StrEnum):
    ON = "on"
    OFF = "off"


@proxy.command("login", epilog="Example: podd proxy login k3j9x0q2m4b7ca 8888 on")
def login(
    pod: Pod,
    port: Port,
    switch: Annotated[Switch, typer.Argument(help="Whether it asks for one.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Let a port ask for a login, or be open to everybody who knows its address (as at first)."""
    wish = PortLoginWish(pod=pod, port=port, required=switch is Switch.ON)
    done = tell(config, "/operator/v1/ports/login", wish, PortLogins)
    if as_json:
        print(done.model_dump_json())
    else:
        ports = ", ".join(map(str, done.ports)) or "none"
        print(f"ports of {done.pod} that ask for a login: {ports}")


@proxy.command("link", epilog="Example: podd proxy link k3j9x0q2m4b7ca 8888")
def link(pod: Pod, port: Port, as_json: AsJson = False, config: Config = None) -> None:
    """Print an address that opens a port which asks for a login in a browser."""
    made = tell(config, "/operator/v1/ports/visit", PortVisitWish(pod=pod, port=port), PortVisit)
    print(made.model_dump_json() if as_json else made.url)
