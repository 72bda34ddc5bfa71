"""podd templates: what containers are made from, under a name."""

from pathlib import Path
from typing import Annotated

import typer

from podd.cli.containers import Args, Disk, Env, Image, Port, Registry, container_of
from podd.cli.terminal import AsJson, Config, fail
from podd.cli.things import Account, Kind, acting, add_delete, add_get, add_list, said, show

templates = typer.Typer(help="Templates: what containers are made from.", no_args_is_help=True)

TEMPLATES = Kind(
    "template",
    "templates",
    "/v2/templates",
    "templates",
    {
        "id": lambda one: one["id"],
        "name": lambda one: one["name"],
        "image": lambda one: one["image"],
        "for": lambda one: "endpoints" if one["serverless"] else "pods",
        "public": lambda one: one["public"],
    },
)

Readme = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="A file that says what it is for.")
]
Public = Annotated[bool | None, typer.Option("--public/--private", help="Whether everybody sees it.")]

add_list(templates, TEMPLATES)
add_get(templates, TEMPLATES)
add_delete(templates, TEMPLATES)


@templates.command("create", epilog="Example: podd templates create worker --image me/worker:1 --serverless")
def create(
    name: Annotated[str, typer.Argument(help="What to call the template.")],
    image: Image,
    serverless: Annotated[bool, typer.Option("--serverless", help="For endpoints, not pods.")] = False,
    args: Args = None,
    disk: Disk = None,
    port: Port = None,
    env: Env = None,
    registry: Registry = None,
    readme: Readme = None,
    public: Public = None,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Make a template."""
    wish = said(
        name=name,
        serverless=serverless,
        public=public,
        readme=readme.read_text() if readme else None,
        **container_of(image, args, disk, env, port, registry),
    )
    with acting(config, account) as client:
        show(client.call("POST", TEMPLATES.path, wish), as_json)


@templates.command("update", epilog="Example: podd templates update TEMPLATE --image me/worker:2")
def update(
    template: Annotated[str, typer.Argument(metavar="TEMPLATE", help="The id of the template.")],
    name: Annotated[str | None, typer.Option(help="What to call the template.")] = None,
    image: Image = None,
    args: Args = None,
    disk: Disk = None,
    port: Port = None,
    env: Env = None,
    registry: Registry = None,
    readme: Readme = None,
    public: Public = None,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Change a template; endpoints that use it release a new version."""
    wish = said(
        name=name,
        public=public,
        readme=readme.read_text() if readme else None,
        **container_of(image, args, disk, env, port, registry),
    )
    if not wish:
        fail("Say what is to change; `podd templates update --help` shows what can be.", 2)
    with acting(config, account, template) as client:
        show(client.call("PATCH", TEMPLATES.one(template), wish), as_json)
