"""podd volumes: network volumes, which outlive pods."""

from typing import Annotated

import typer

from podd.cli.terminal import AsJson, Config, fail
from podd.cli.things import Account, Kind, acting, add_delete, add_get, add_list, said, show

volumes = typer.Typer(help="Network volumes: data that outlives pods.", no_args_is_help=True)

VOLUMES = Kind(
    "volume",
    "volumes",
    "/v2/network-volumes",
    "networkVolumes",
    {
        "id": lambda one: one["id"],
        "name": lambda one: one["name"],
        "GB": lambda one: one["size"],
        "data center": lambda one: one["dataCenter"],
    },
)

add_list(volumes, VOLUMES)
add_get(volumes, VOLUMES)
add_delete(volumes, VOLUMES, what="Delete a network volume and all that is on it.")


@volumes.command("create", epilog="Example: podd volumes create models --size 100")
def create(
    name: Annotated[str, typer.Argument(help="What to call the volume.")],
    size: Annotated[int, typer.Option(metavar="GB", help="How large; it can grow later.")],
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Make a network volume."""
    with acting(config, account) as client:
        place = client.call("GET", "/v2/catalog/datacenters")["dataCenters"][0]["id"]
        wish = {"name": name, "size": size, "dataCenter": place}
        show(client.call("POST", VOLUMES.path, wish), as_json)


@volumes.command("update", epilog="Example: podd volumes update VOLUME --size 200")
def update(
    volume: Annotated[str, typer.Argument(metavar="VOLUME", help="The id of the volume.")],
    name: Annotated[str | None, typer.Option(help="What to call the volume.")] = None,
    size: Annotated[int | None, typer.Option(metavar="GB", help="More than now.")] = None,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Give a network volume another name, or make it larger."""
    wish = said(name=name, size=size)
    if not wish:
        fail("Say --name, --size or both.", 2)
    with acting(config, account, volume) as client:
        show(client.call("PATCH", VOLUMES.one(volume), wish), as_json)
