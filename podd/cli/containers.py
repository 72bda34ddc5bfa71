"""Options that say what a container is made of: the same for pods, endpoints and templates."""

from typing import Annotated, Any

import typer

from podd.cli.terminal import fail
from podd.cli.things import said

Image = Annotated[str | None, typer.Option(help="The image, such as pytorch/pytorch.")]
Args = Annotated[str | None, typer.Option("--args", help="The command, as after `docker run IMAGE`.")]
Disk = Annotated[int | None, typer.Option(metavar="GB", help="Size of the container disk.")]
Env = Annotated[list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="A variable; repeatable.")]
Port = Annotated[
    list[str] | None, typer.Option("--port", metavar="PORT", help="Such as 8888/http, 22/tcp; repeatable.")
]
Registry = Annotated[
    str | None, typer.Option(metavar="ID", help="Registry credential, as `podd registry list` shows it.")
]
Template = Annotated[str | None, typer.Option(metavar="ID", help="The template to take the rest from.")]
Cpu = Annotated[str | None, typer.Option(metavar="FLAVOR", help="No GPU but this CPU flavor, such as cpu3c.")]
Vcpus = Annotated[int, typer.Option(help="How many vCPUs, with --cpu.")]


def container_of(
    image: str | None,
    args: str | None,
    disk: int | None,
    env: list[str] | None,
    port: list[str] | None,
    registry: str | None,
) -> dict[str, Any]:
    """The fields of REST v2, without those that were not given."""
    variables = dict(_variable(one) for one in env) if env else None
    return said(image=image, args=args, disk=disk, env=variables, ports=port or None, registry=registry)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        fail(f"--env: {text!r} is not NAME=VALUE.", 2)
    return name, value
