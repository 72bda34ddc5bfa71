"""What people are still to be told, and have been told: notices, made in the transaction of their event, and
the letters they go out in.

A notice waits (`digest` is NULL) until it is put into letters together with all others that wait for the same
account, "" being the operator. A digest that nobody could be sent is 0.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from podd.domain import notice as rules
from podd.domain.notice import MACHINE, What
from podd.store.db import Reader, Row, Tx

BELL = "notices"
NOWHERE = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """`name` is what people call its subject."""

    number: int
    at: int
    account_id: str
    what: What
    subject: str
    name: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Letter:
    """Notices to one address. `route` is mail or channel; `tries` were made so far."""

    number: int
    route: str
    address: str
    account_id: str
    made_at: int
    tries: int
    digest: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A notice with one letter of it, if it is in any. `state`: waiting, sent, given up, nowhere."""

    notice: Notice
    state: str
    route: str
    address: str
    tries: int
    reason: str


def note(tx: Tx, subject: str, kind: str, text: str, at: int) -> None:
    """Something has happened: tell who is to be told, unless they do not want to be."""
    if kind not in rules.KINDS:
        return
    about = _about(tx, subject)
    rule = rules.RULES.get((What(about["what"]), kind)) if about else None
    if about is None or rule is None:
        return
    account_id = "" if rule.to_operator else about["account_id"]
    if rule.topic and not _wants(tx, account_id, rule.topic):
        return
    row = {"at": at, "account_id": account_id, "subject": subject, "kind": kind, "text": text}
    tx.insert("notices", {**row, "what": about["what"], "name": about["name"]})
    tx.ring(BELL)


def waiting(db: Reader) -> list[tuple[str, int | None]]:
    """For whom there are notices that wait, and when the last letter to them was made."""
    rows = db.rows(
        "SELECT account_id, (SELECT MAX(made_at) FROM letters WHERE letters.account_id = waiting.account_id) "
        "AS last FROM (SELECT DISTINCT account_id FROM notices WHERE digest IS NULL) AS waiting"
    )
    return [(row["account_id"], row["last"]) for row in rows]


def put_into_letters(tx: Tx, account_id: str, routes: Iterable[tuple[str, str]], now: int) -> None:
    """What waits for the account goes out together, once to each (route, address)."""
    letters = list(dict.fromkeys(routes))
    last: int = tx.value("SELECT COALESCE(MAX(digest), 0) FROM letters")
    digest = last + 1 if letters else NOWHERE
    tx.run("UPDATE notices SET digest = ? WHERE account_id = ? AND digest IS NULL", (digest, account_id))
    for route, address in letters:
        row = {"digest": digest, "account_id": account_id, "route": route, "address": address}
        tx.insert("letters", {**row, "state": "waiting", "made_at": now, "due_at": now})


def due(db: Reader, now: int, longest_pause: int, limit: int) -> list[tuple[int, str]]:
    """Number and route of letters that are due, oldest first. What is due later than any pause lasts is due
    as well: the clock was set back."""
    rows = db.rows(
        "SELECT number, route FROM letters WHERE state = 'waiting' AND (due_at <= ? OR due_at > ?) "
        "ORDER BY due_at, number LIMIT ?",
        (now, now + longest_pause, limit),
    )
    return [(row["number"], row["route"]) for row in rows]


def letter(db: Reader, number: int) -> tuple[Letter, list[Notice]] | None:
    """One that is still to be sent, and what it says, in the order it happened."""
    row = db.row(
        "SELECT number, route, address, account_id, made_at, tries, digest FROM letters "
        "WHERE number = ? AND state = 'waiting'",
        (number,),
    )
    if row is None:
        return None
    of = db.rows(
        f"SELECT {_NOTICE} FROM notices WHERE digest = ? AND account_id = ? ORDER BY number",
        (row["digest"], row["account_id"]),
    )
    return Letter(**row), [_notice(one) for one in of]


def note_sent(tx: Tx, number: int, now: int) -> None:
    tx.run(
        "UPDATE letters SET state = 'sent', tries = tries + 1, ended_at = ?, reason = '' WHERE number = ?",
        (now, number),
    )


def note_failed(tx: Tx, number: int, reason: str, next_try: int | None, now: int) -> None:
    """It is tried again at `next_try`, or never."""
    if next_try is None:
        tx.run(
            "UPDATE letters SET state = 'given up', tries = tries + 1, ended_at = ?, reason = ? "
            "WHERE number = ?",
            (now, reason, number),
        )
    else:
        tx.run(
            "UPDATE letters SET tries = tries + 1, due_at = ?, reason = ? WHERE number = ?",
            (next_try, reason, number),
        )


def listed(db: Reader, account_id: str | None, limit: int) -> list[Listed]:
    """The last ones, newest first: of one account ("" is the operator), or all (None)."""
    rows = db.rows(
        f"SELECT {', '.join('notices.' + name for name in _NOTICE.split(', '))}, letters.route, "
        "letters.address, letters.tries, letters.reason, CASE WHEN notices.digest = 0 THEN 'nowhere' "
        "ELSE COALESCE(letters.state, 'waiting') END AS state "
        "FROM notices LEFT JOIN letters ON letters.digest = notices.digest "
        "WHERE ?1 IS NULL OR notices.account_id = ?1 "
        "ORDER BY notices.number DESC, letters.number LIMIT ?2",
        (account_id, limit),
    )
    return [
        Listed(
            notice=_notice({name: row[name] for name in _NOTICE.split(", ")}),
            state=row["state"],
            route=row["route"] or "",
            address=row["address"] or "",
            tries=row["tries"] or 0,
            reason=row["reason"] or "",
        )
        for row in rows
    ]


def forget(tx: Tx, before: int, most: int) -> None:
    """Delete letters that ended before that time, and notices of then that are in no letter any more, up to
    `most` of each."""
    tx.run(
        "DELETE FROM letters WHERE number IN (SELECT number FROM letters WHERE ended_at < ? LIMIT ?)",
        (before, most),
    )
    tx.run(
        "DELETE FROM notices WHERE number IN (SELECT number FROM notices WHERE at < ? "
        "AND digest IS NOT NULL AND digest NOT IN (SELECT digest FROM letters) LIMIT ?)",
        (before, most),
    )


# Private

_NOTICE = "number, at, account_id, what, subject, name, kind, text"


def _notice(row: Row) -> Notice:
    return Notice(**{**row, "what": What(row["what"])})


def _about(db: Reader, subject: str) -> Row | None:
    """What the subject is, whose, and what people call it; None for what nobody is told of."""
    if subject == MACHINE:
        return {"what": What.MACHINE, "account_id": "", "name": MACHINE}
    return db.row(
        "SELECT 'pod' AS what, workloads.account_id, pods.name FROM pods JOIN workloads USING (id) "
        "WHERE pods.id = :id "
        "UNION ALL SELECT 'worker', endpoints.account_id, endpoints.name FROM workers "
        "JOIN endpoints ON endpoints.id = workers.endpoint_id WHERE workers.id = :id "
        "UNION ALL SELECT 'account', id, name FROM accounts WHERE id = :id "
        "UNION ALL SELECT 'gpu', '', position || ' (' || type_id || ', ' || uuid || ')' FROM gpus "
        "WHERE uuid = :id LIMIT 1",
        {"id": subject},
    )


def _wants(db: Reader, account_id: str, topic: str) -> bool:
    text: str = db.value("SELECT extras_json FROM accounts WHERE id = ?", (account_id,)) or "{}"
    return json.loads(text).get(topic) is not False
