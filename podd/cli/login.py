"""podd login: where podd is and which key to show there, for who is not on its machine."""

import json
from typing import Annotated

import typer

from podd.cli.registry import unseen
from podd.cli.terminal import AsJson, Config, fail, settings_of
from podd.client import Client, ClientError, Login


def login(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where podd is, such as https://podd.lan:8484.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Keep podd's address and an API key, which is asked for or read from what is piped in, for the commands
    that follow. PODD_URL and PODD_API_KEY go before it."""
    settings_of(config)
    key = unseen("API key")
    try:
        with Client.remote(url.rstrip("/"), key) as client:
            client.call("GET", "/v2/catalog/gpus")  # open to every key, and to nobody without one
    except ClientError as error:
        fail(str(error))
    try:
        file = Login(url=url.rstrip("/"), key=key).keep()
    except OSError as error:
        fail(f"Cannot keep the login: {error}.")
    print(json.dumps({"url": url, "file": str(file)}) if as_json else f"signed in at {url}; kept in {file}")


def logout(as_json: AsJson = False, config: Config = None) -> None:
    """Forget what `podd login` has kept. The key stays good: `podd keys revoke` ends it."""
    settings_of(config)
    known = Login.kept()
    Login.file().unlink(missing_ok=True)
    if as_json:
        print(json.dumps({"url": known.url if known else None}))
    else:
        print(f"signed out of {known.url}" if known else "there was no login")
