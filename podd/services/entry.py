"""Who may come into a pod or worker, and for how long."""

from dataclasses import dataclass, field
from enum import StrEnum

from podd.domain import account as rules
from podd.domain.account import ANONYMOUS, Caller, CallerKind, Origin
from podd.domain.errors import NotFound
from podd.domain.workload import Desired, Phase, Workload
from podd.ids import DerivedKeys
from podd.services import audit
from podd.services.platform import Platform
from podd.store import accounts, events, keys, teams, workloads
from podd.store.db import Reader, Tx

LOOK_AGAIN = 30
LONGEST_NAME = 100
MISSING = "There is no such pod or worker."


@dataclass(frozen=True, slots=True)
class Admission:
    """Somebody may come in. `who` says it in words; `ssh_key` is the body of the key, `key_id` the API key,
    that it hangs on, `by` is who it is for the audit log."""

    workload_id: str
    account_id: str
    who: str
    ssh_key: str = ""
    key_id: str = ""
    by: Caller = field(default=ANONYMOUS, compare=False)


class Entering(StrEnum):
    """What somebody who was let in does, as the audit log calls it."""

    SHELL = "connect.shell"
    COMMAND = "connect.command"
    FILES = "connect.files"
    FORWARD = "connect.forward"
    VISIT = "connect.visit"
    TOKEN = "connect.token"  # noqa: S105 - asked for one


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is opened: what for, and `way` says by which way, in words."""

    what: Entering
    way: str


def by_ssh_key(
    db: Reader, derived: DerivedKeys, user: str, key: str, shown: str, origin: Origin
) -> Admission | None:
    """For the `user` of an SSH connection, `<podHostId>` or the bare id. `key` is the body of the public key
    it holds, in base64, and `shown` its fingerprint. None without a word: what is missing, another's, or has
    other keys is not told apart."""
    if len(user) > LONGEST_NAME:
        return None
    workload_id, dash, suffix = user.partition("-")
    workload = workloads.get(db, workload_id)
    if workload is None or workload.desired is Desired.TERMINATED:
        return None
    if dash and suffix != derived.host_suffix(workload_id):
        return None
    if not _is_registered(db, workload.account_id, key):
        return None
    by = Caller(CallerKind.ACCOUNT, workload.account_id, key_id=shown, origin=origin)
    return Admission(workload.id, workload.account_id, f"the SSH key {shown}", ssh_key=key, by=by)


def by_caller(db: Reader, caller: Caller, workload_id: str) -> Admission:
    """For whoever shows an API key, or is the operator. Raises NotFound, Unauthenticated, Forbidden."""
    rules.require(caller, "pod.connect")
    workload = workloads.get(db, workload_id)
    if workload is None or workload.desired is Desired.TERMINATED:
        raise NotFound(MISSING)
    if caller.kind is CallerKind.OPERATOR:
        return Admission(workload.id, workload.account_id, "the operator", by=caller)
    rules.require_own(caller, workload.account_id, workload.id, MISSING)
    who = "the operator" if caller.actor is CallerKind.OPERATOR else f"the API key {caller.key_id}"
    return Admission(workload.id, workload.account_id, who, key_id=caller.key_id, by=caller)


def over(db: Reader, admission: Admission) -> str:
    """Why it is no longer good, in a sentence; "" while it is."""
    if admission.ssh_key and not _is_registered(db, admission.account_id, admission.ssh_key):
        return "The key has been removed from the account."
    if admission.key_id and not _may_connect(db, admission):
        return "The API key may not do this any more."
    workload = workloads.get(db, admission.workload_id)
    if workload is None or workload.desired is Desired.TERMINATED:
        return "It has been terminated."
    return "" if workload.desired is Desired.RUNNING else "It has been stopped."


def place(db: Reader, admission: Admission) -> Workload:
    """The workload as it is now. Raises NotFound with the reason when nobody can go in."""
    reason = over(db, admission)
    workload = workloads.get(db, admission.workload_id)
    if reason or workload is None:
        raise NotFound(reason or MISSING)
    if workload.phase is not Phase.RUNNING:
        raise NotFound("Its container is not running yet: try again in a moment.")
    if workload.frozen_at is not None:
        raise NotFound("It is frozen until there is a job for it.")
    return workload


def note_session(tx: Tx, podd: Platform, admission: Admission, session: Session) -> None:
    """A session was opened: the one place that tells of it."""
    text = f"A session was opened {session.way} with {admission.who}."
    events.add(tx, admission.workload_id, "session opened", text, podd.clock.now())
    note(tx, podd, admission, session.what)


def note(tx: Tx, podd: Platform, admission: Admission, what: Entering) -> None:
    """Into the audit log."""
    audit.note_done(tx, podd, admission.by, what, admission.account_id, admission.workload_id)


async def end_of(podd: Platform, admission: Admission) -> str:
    """Waits until the admission is over, or podd leaves; why, in a sentence."""
    bells = (workloads.bell(admission.workload_id), accounts.bell(admission.account_id))
    with podd.bells.listen(*bells) as bell:
        while not podd.bells.closed:
            reason = await podd.store.read(over, admission)
            if reason:
                return reason
            await bell.wait(LOOK_AGAIN)
    return "podd is leaving."


def _may_connect(db: Reader, admission: Admission) -> bool:
    key = keys.get(db, admission.key_id)
    role = teams.role_of(db, key.account_id, key.user_id) if key else None
    if key is None or role is None:
        return False
    caller = Caller(
        CallerKind.ACCOUNT, key.account_id, key.id, user_id=key.user_id, role=role, scope=key.scope
    )
    return rules.may(caller, "pod.connect") and rules.reaches(caller, key.account_id, admission.workload_id)


def _is_registered(db: Reader, account_id: str, key: str) -> bool:
    account = accounts.get(db, account_id)
    lines = account.pub_key.splitlines() if account else []
    return any(line.split()[1:2] == [key] for line in lines)
