"""Accounts whose credit runs out: told, halted, and in the end without what they stored. New credit ends it:
then endpoints have workers again, and pods run when their owner resumes them."""

from podd.domain import arrears as rules
from podd.domain.arrears import Deed, Standing, Step, Stored, Terms
from podd.domain.ledger import credit
from podd.domain.money import prose, prose_time
from podd.services import billing, endpoints, pods, volumes, workers
from podd.services.funds import enforced
from podd.services.platform import AUTOSCALE, Platform
from podd.store import endpoints as endpoint_rows
from podd.store import events, halts, ledger, workloads
from podd.store import volumes as volume_rows
from podd.store.db import Reader, Tx

HOUR_MS = 3_600_000


async def tick(podd: Platform, now: int) -> None:
    """Look at the accounts it may concern; only those whose state changes cost a transaction."""
    for account_id in await podd.store.read(_to_settle, podd, now):
        await podd.store.write(settle, podd, account_id, now)


def settle(tx: Tx, podd: Platform, account_id: str, now: int) -> None:
    """Do with the account what its credit asks for. Each step is an event of the account."""
    while (step := _next_step(tx, podd, account_id, now)) is not None:
        _do(tx, podd, account_id, step, now)


# Private


def _to_settle(db: Reader, podd: Platform, now: int) -> list[str]:
    found = halts.concerned(db)
    return [account_id for account_id in found if _next_step(db, podd, account_id, now) is not None]


def _next_step(db: Reader, podd: Platform, account_id: str, now: int) -> Step | None:
    return rules.next_step(_standing(db, account_id), _terms(podd), now)


def _terms(podd: Platform) -> Terms:
    settings = podd.settings.billing
    pods_kept = settings.pod_grace_hours * HOUR_MS
    return Terms(
        enforced=enforced(podd),
        low_minutes=settings.low_credit_hours * 60,
        halt_minutes=settings.low_cover_minutes,
        graces={
            Stored.PODS: pods_kept,
            Stored.NETWORK_VOLUMES: max(settings.network_volume_grace_days * 24 * HOUR_MS, pods_kept),
        },
        notice=settings.removal_notice_hours * HOUR_MS,
    )


def _standing(db: Reader, account_id: str) -> Standing:
    halted_with = halts.get(db, account_id)
    return Standing(
        balance=ledger.balance(db, credit(account_id)),
        hourly=billing.hourly(db, account_id),
        low_with=halts.told_with(db, account_id),
        halted_with=halted_with,
        removals=halts.removals(db, account_id),
        holds=_holds(db, account_id) if halted_with is not None else frozenset(),
    )


def _holds(db: Reader, account_id: str) -> frozenset[Stored]:
    held = {
        Stored.PODS: workloads.pods_of(db, account_id),
        Stored.NETWORK_VOLUMES: volume_rows.of_account(db, account_id),
    }
    return frozenset(what for what, things in held.items() if things)


def _do(tx: Tx, podd: Platform, account_id: str, step: Step, now: int) -> None:
    balance = ledger.balance(tx, credit(account_id))
    match step:
        case Step(Deed.TELL):
            hourly = prose(billing.hourly(tx, account_id))
            hours = podd.settings.billing.low_credit_hours
            text = f"{prose(balance)} does not last {hours} hours of what runs, {hourly} an hour"
            halts.note_told(tx, account_id, balance, now)
            events.add(tx, account_id, rules.CREDIT_LOW, text, now)
        case Step(Deed.FORGET):
            halts.forget_told(tx, account_id)
        case Step(Deed.HALT):
            _halt(tx, podd, account_id, balance, now)
        case Step(Deed.RESUME):
            _resume(tx, account_id, balance, now)
        case Step(Deed.SCHEDULE, Stored() as what, due_at):
            halts.schedule(tx, account_id, what, due_at)
            events.add(tx, account_id, rules.REMOVAL_SCHEDULED, _date(tx, account_id, what, due_at), now)
        case Step(Deed.WARN, Stored() as what, due_at):
            halts.schedule(tx, account_id, what, due_at, warned_at=now)
            events.add(tx, account_id, rules.REMOVAL_NEAR, _date(tx, account_id, what, due_at), now)
        case Step(Deed.REMOVE, Stored() as what):
            text = f"removed for want of credit: {_named(tx, account_id, what)}"
            _remove(tx, podd, account_id, what, now)
            halts.call_off(tx, account_id, what)
            events.add(tx, account_id, rules.REMOVED, text, now)
        case Step(Deed.CALL_OFF, Stored() as what):
            halts.call_off(tx, account_id, what)


def _halt(tx: Tx, podd: Platform, account_id: str, balance: int, now: int) -> None:
    minutes = podd.settings.billing.low_cover_minutes
    reason = f"The account's credit does not cover {minutes} more minutes of what it runs."
    halts.begin(tx, account_id, balance, now)
    for pod in workloads.pods_of(tx, account_id):
        pods.halt(tx, podd, pod, reason, now)
    for endpoint in endpoint_rows.of_account(tx, account_id):
        for worker in workloads.workers_of(tx, endpoint.id):
            workers.see_off(tx, podd, worker, "its account has no credit left", now)
    text = f"{prose(balance)} does not cover {minutes} more minutes of what runs: all of it was stopped"
    events.add(tx, account_id, rules.HALTED, text, now)
    tx.ring(AUTOSCALE)


def _resume(tx: Tx, account_id: str, balance: int, now: int) -> None:
    called_off = "; what was to be removed stays" if halts.removals(tx, account_id) else ""
    halts.end(tx, account_id)
    text = f"{prose(balance)}: endpoints serve again, pods run when they are resumed{called_off}"
    events.add(tx, account_id, rules.CREDIT_RESUMED, text, now)
    tx.ring(AUTOSCALE)


def _remove(tx: Tx, podd: Platform, account_id: str, what: Stored, now: int) -> None:
    match what:
        case Stored.PODS:
            for pod in workloads.pods_of(tx, account_id):
                pods.discard(tx, podd, pod, now)
        case Stored.NETWORK_VOLUMES:
            for endpoint in endpoint_rows.of_account(tx, account_id):
                endpoints.let_go_of_volume(tx, endpoint, "its network volume was removed", now)
            for volume in volume_rows.of_account(tx, account_id):
                volumes.discard(tx, volume, now)


def _date(db: Reader, account_id: str, what: Stored, due_at: int) -> str:
    named = _named(db, account_id, what)
    return f"will be removed at {prose_time(due_at)}, unless credit is added before: {named}"


def _named(db: Reader, account_id: str, what: Stored) -> str:
    """How many things, and which."""
    match what:
        case Stored.PODS:
            names = [f"{pod.name} ({pod.id})" for pod in workloads.pods_of(db, account_id)]
        case Stored.NETWORK_VOLUMES:
            names = [f"{volume.name} ({volume.id})" for volume in volume_rows.of_account(db, account_id)]
    kind = what.value if len(names) != 1 else what.value.removesuffix("s")
    return f"{len(names)} {kind}: {', '.join(names)}"
