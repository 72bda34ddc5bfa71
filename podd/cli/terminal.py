"""What the commands share: their options, the daemon they speak to, and how they end."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from podd.client import Client, ClientError
from podd.config import ConfigError, Settings, load

A = TypeVar("A", bound=BaseModel)

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="Settings file (default: /etc/podd/podd.toml if it is there)."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def settings_of(config: Path | None) -> Settings:
    """The settings; ends the command when they are wrong."""
    try:
        return load(config)
    except ConfigError as error:
        fail(str(error), 2)


@contextmanager
def speaking(config: Path | None) -> Iterator[Client]:
    """A client; ends the command when something does not go well."""
    try:
        with Client.find(settings_of(config).data_dir) as client:
            yield client
    except ClientError as error:
        fail(str(error))


def tell(config: Path | None, path: str, wish: BaseModel, answer: type[A]) -> A:
    """Post `wish` to podd; ends the command when it does not go well."""
    with speaking(config) as client:
        return client.post(path, wish, answer)


def ask(config: Path | None, path: str, answer: type[A]) -> A:
    """Read from podd; ends the command when it does not go well."""
    with speaking(config) as client:
        return client.get(path, answer)


def read(config: Path | None, path: str) -> str:
    """Read a text from podd; ends the command when it does not go well."""
    with speaking(config) as client:
        return client.text(path)


def columns(*heads: str) -> Table:
    """A table under these heads, for `print_table`."""
    return Table(*heads, box=None, pad_edge=False)


def print_table(table: Table) -> None:
    """As wide as it takes, also through a pipe: an id that is cut off is of no use."""
    Console(highlight=False, width=1000).print(table)


def fail(message: str, code: int = 1) -> NoReturn:
    print(f"podd: {message}", file=sys.stderr)
    raise typer.Exit(code)
