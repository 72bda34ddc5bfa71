"""podd accounts quota, and podd idle: how much accounts may have, and which pods may stand idle."""

from typing import Annotated
from urllib.parse import quote

import typer

from podd.cli.terminal import AsJson, Config, ask, columns, print_table, tell
from podd.wire.quota import Exemption, ExemptionWish, QuotaList, QuotaWish

idle = typer.Typer(help="Pods whose GPUs stand idle.", no_args_is_help=True)

Amount = Annotated[int | None, typer.Option(min=0, help="At once; 0 is no limit.")]
Hours = Annotated[int | None, typer.Option(min=0, help="How long a pod may run; 0 is for ever.")]
Percent = Annotated[int | None, typer.Option(min=0, max=100, help="Idle is less use; 0 stops nobody.")]
Minutes = Annotated[int | None, typer.Option(min=0, help="In minutes.")]


def quota(
    account: Annotated[str, typer.Argument(metavar="ID|EMAIL", help="The account.")],
    gpus: Amount = None,
    pods: Amount = None,
    workers: Amount = None,
    volume_gb: Amount = None,
    member_gpus: Amount = None,
    member_pods: Amount = None,
    member_workers: Amount = None,
    member_volume_gb: Amount = None,
    lifetime_hours: Hours = None,
    idle_percent: Percent = None,
    idle_window_minutes: Minutes = None,
    idle_grace_minutes: Minutes = None,
    default: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Let the machine's setting count again.")
    ] = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Show what an account and each of its members may have at once, or set it for this account."""
    wishes = {
        "gpus": gpus,
        "pods": pods,
        "workers": workers,
        "volume_gb": volume_gb,
        "member_gpus": member_gpus,
        "member_pods": member_pods,
        "member_workers": member_workers,
        "member_volume_gb": member_volume_gb,
        "lifetime_hours": lifetime_hours,
        "idle_percent": idle_percent,
        "idle_window_minutes": idle_window_minutes,
        "idle_grace_minutes": idle_grace_minutes,
    }
    path = f"/operator/v1/quotas/{quote(account, safe='')}"
    amounts = {name: amount for name, amount in wishes.items() if amount is not None}
    back = [name.replace("-", "_") for name in default or []]
    if amounts or back:
        found = tell(config, path, QuotaWish(amounts=amounts, default=back), QuotaList)
    else:
        found = ask(config, path, QuotaList)
    if as_json:
        print(found.model_dump_json())
        return
    table = columns("quota", "used", "allowed", "set for")
    for one in found.quotas:
        used = "" if one.used is None else str(one.used)
        table.add_row(one.name, used, str(one.allowed or "-"), "this account" if one.own else "all")
    print_table(table)


@idle.command("exempt", epilog="Example: podd idle exempt POD")
def exempt(
    pod: Annotated[str, typer.Argument(metavar="POD", help="The id of the pod.")],
    off: Annotated[bool, typer.Option("--off", help="Stop it again when it is idle.")] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Let a pod stand idle as long as it likes."""
    path = f"/operator/v1/pods/{quote(pod, safe='')}/idle"
    done = tell(config, path, ExemptionWish(exempt=not off), Exemption)
    if as_json:
        print(done.model_dump_json())
    else:
        print(f"pod {done.pod} {'may stand idle' if done.exempt else 'is stopped when it is idle'}")
