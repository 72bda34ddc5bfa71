"""Logins before http ports of pods: which ports ask for one, and who may visit them.

Whoever may connect to a pod may visit its ports: with an API key, a session, or a pass. A pass is what a
browser shows on the port's own host name, where it has neither; it hangs on the key or session it was made
with, and ends with that.
"""

import hmac
from dataclasses import dataclass, replace

from podd.domain import account as rules
from podd.domain.account import Caller, CallerKind
from podd.domain.errors import Invalid, NotFound, Unauthenticated
from podd.domain.workload import Desired, Kind, Workload, offers_http
from podd.services import accounts, entry, sign_in
from podd.services.platform import Platform
from podd.store import events, keys, sessions, workloads
from podd.store.db import Reader, Tx

MISSING = "pod not found"
LINK, COOKIE = "link", "cookie"
"""What a pass is for: one is in an address and good for a minute, the other stays in the browser."""


@dataclass(frozen=True, slots=True)
class Door:
    """A port of a pod."""

    pod_id: str
    port: int


def guard(tx: Tx, podd: Platform, caller: Caller, door: Door, required: bool) -> Workload:
    """Let a port ask for a login, or (False) be open to everybody again. Raises NotFound, Invalid."""
    rules.require(caller, "pod.guard")
    pod = _pod(tx, caller, door)
    guarded = pod.guarded | {door.port} if required else pod.guarded - {door.port}
    workloads.change(tx, pod.id, guarded_ports=" ".join(map(str, sorted(guarded))))
    text = f"Port {door.port} asks for a login." if required else f"Port {door.port} is open to everybody."
    events.add(tx, pod.id, "port login", text, podd.clock.now())
    return replace(pod, guarded=guarded)


def link(tx: Tx, podd: Platform, caller: Caller, door: Door) -> str:
    """A pass for the address of the port. Raises NotFound, Invalid."""
    admission = entry.by_caller(tx, caller, door.pod_id)
    _pod(tx, caller, door)
    entry.note(tx, podd, admission, entry.Entering.VISIT)
    return make_pass(podd, LINK, door, _shown_by(tx, podd, caller), podd.settings.proxy.login_link_seconds)


def make_pass(podd: Platform, use: str, door: Door, shown_hash: str, seconds: float) -> str:
    until = podd.clock.now() + round(seconds * 1000)
    return f"{until}.{shown_hash}.{podd.keys.port_pass(use, door.pod_id, door.port, until, shown_hash)}"


def shown_in(podd: Platform, use: str, door: Door, text: str) -> str:
    """The hash of what a pass was made with; "" for one that is not good, or not any more."""
    until, _, rest = text.partition(".")
    shown_hash, _, _mac = rest.partition(".")
    if not (until.isascii() and until.isdigit() and len(until) < 16) or int(until) <= podd.clock.now():
        return ""
    mac = podd.keys.port_pass(use, door.pod_id, door.port, int(until), shown_hash)
    good = hmac.compare_digest(text.encode("utf-8", "replace"), f"{until}.{shown_hash}.{mac}".encode())
    return shown_hash if good else ""


def visitor(db: Reader, podd: Platform, shown_hash: str, door: Door) -> Caller:
    """Who may visit the port with the key or session of this hash. Raises Unauthenticated, Forbidden,
    NotFound."""
    now = podd.clock.now()
    caller = accounts.caller_by_hash(db, shown_hash, podd.operator_key_hash, now)
    caller = caller or sign_in.caller_by_hash(db, podd, shown_hash)
    if caller is None:
        raise Unauthenticated("Unauthorized")
    entry.by_caller(db, caller, door.pod_id)
    return caller


# Private


def _pod(db: Reader, caller: Caller, door: Door) -> Workload:
    pod = workloads.get(db, door.pod_id)
    if pod is None or pod.kind is not Kind.POD or pod.desired is Desired.TERMINATED:
        raise NotFound(MISSING)
    if caller.kind is not CallerKind.OPERATOR:
        rules.require_own(caller, pod.account_id, pod.id, MISSING)
    if not offers_http(pod, door.port):
        raise Invalid(f"The pod does not offer {door.port}/http.")
    return pod


def _shown_by(db: Reader, podd: Platform, caller: Caller) -> str:
    if caller.kind is CallerKind.OPERATOR:
        return podd.operator_key_hash
    found = sessions.hash_of(db, caller.session_id) if caller.session_id else keys.hash_of(db, caller.key_id)
    if not found:
        raise Unauthenticated("Unauthorized")
    return found
