"""podd audit: who changed what."""

import re
import time
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.markup import escape
from rich.table import Table

from podd.cli.terminal import AsJson, Config, ask, fail, print_table
from podd.domain.audit import Entry
from podd.wire.audit import AuditPage

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def audit(
    since: Annotated[str, typer.Option(help="How far back, such as 30m, 24h, 7d, or a date.")] = "",
    account: Annotated[str, typer.Option(metavar="ID|EMAIL", help="Of this account.")] = "",
    operation: Annotated[str, typer.Option(help="Such as pod.stop, or pod. for all of pods.")] = "",
    who: Annotated[str, typer.Option(help="Id of a user, key, session or pod, or an address.")] = "",
    thing: Annotated[str, typer.Option(help="The id of what was changed.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")] = 100,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Show who changed what, from where, and who tried to without being allowed; newest first."""
    query = {
        "since": _millis(since) if since else "",
        "account": account,
        "operation": operation,
        "who": who,
        "thing": thing,
        "limit": limit,
    }
    wanted = urlencode({name: value for name, value in query.items() if value})
    found = ask(config, f"/operator/v1/audit?{wanted}", AuditPage)
    if as_json:
        print(found.model_dump_json())
        return
    table = Table("time (UTC)", "who", "from", "operation", "of", "outcome", box=None, pad_edge=False)
    for entry in found.entries:
        when = f"{datetime.fromtimestamp(entry.at / 1000, UTC):%Y-%m-%d %H:%M:%S}"
        where = f"{entry.address} {entry.surface}".strip()
        words = (when, _who(entry), where, entry.operation, entry.thing, entry.outcome)
        table.add_row(*(escape(word) for word in words))
    print_table(table)


# Private


def _who(entry: Entry) -> str:
    shown = {"key": entry.key_id, "session": entry.session_id, "workload": entry.workload_id}
    by = next((f"{kind} {id}" for kind, id in shown.items() if id), "")
    person = entry.user_id or (entry.account_id if entry.actor == "account" else "")
    return " ".join(word for word in (entry.actor, person, by) if word)


def _millis(since: str) -> int:
    match = re.fullmatch(r"(\d+)([mhdw])", since.strip())
    if match:
        return round((time.time() - int(match[1]) * _UNITS[match[2]]) * 1000)
    try:
        at = datetime.fromisoformat(since.strip())
    except ValueError:
        fail(f"--since: {since!r} is neither a time such as 2026-01-31 nor a span such as 24h.", 2)
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
