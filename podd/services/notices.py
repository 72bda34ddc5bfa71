"""Notices to people: what the event log says they are told (`store/notices.py`) is put into letters, and the
letters are sent, until they are taken or given up."""

import asyncio
from collections.abc import Mapping

from podd.domain import notice as rules
from podd.domain.account import Account, Caller, require
from podd.ports import Message, Postman, Refused, Undeliverable
from podd.services import letters
from podd.services.accounts import named
from podd.services.outbox import Outbox
from podd.services.platform import Platform
from podd.store import accounts, events
from podd.store import notices as rows
from podd.store.db import Reader, Tx
from podd.store.notices import BELL, Letter, Listed, Notice

MAIL, CHANNEL = "mail", "channel"
MACHINE = rules.MACHINE


class Letters(Outbox):
    """`postmen` by route. Not many by one route at once: a mail server that hangs holds up no channel."""

    def __init__(self, podd: Platform, postmen: Mapping[str, Postman]) -> None:
        limits = podd.settings.notices
        super().__init__(
            podd, "letter", BELL, at_once=limits.at_once, at_once_per_group=limits.at_once_per_route
        )
        self._postmen = postmen
        self._longest = int(limits.longest_retry_seconds * 1000)

    async def tick(self, now: int) -> None:
        """Write the letters that are due, and begin to send those that are."""
        for account_id in await self._podd.store.read(_due_for, self._podd, now):
            await self._podd.store.write(address, self._podd, account_id, now)
        await super().tick(now)

    async def due(self, now: int, limit: int) -> list[tuple[int, str]]:
        return await self._podd.store.read(rows.due, now, self._longest, limit)

    async def deliver(self, number: int) -> None:
        found = await self._podd.store.read(rows.letter, number)
        if found is None:
            return
        letter, said = found
        write, now = self._podd.store.write, self._podd.clock.now
        try:
            message = await asyncio.to_thread(_written, self._podd, letter, said)
            await self._postmen[letter.route].send(message)
        except Undeliverable as error:
            await write(note_failed, self._podd, letter, error, now())
        else:
            await write(note_sent, letter, now())


def address(tx: Tx, podd: Platform, account_id: str, now: int) -> None:
    """What waits for the account ("": the operator) goes into letters to where it is to go."""
    rows.put_into_letters(tx, account_id, _routes(podd, accounts.get(tx, account_id)), now)
    tx.ring(BELL)


def note_sent(tx: Tx, letter: Letter, now: int) -> None:
    rows.note_sent(tx, letter.number, now)
    tx.tell("letter sent", letter=letter.number, account=letter.account_id, route=letter.route)


def note_failed(tx: Tx, podd: Platform, letter: Letter, error: Undeliverable, now: int) -> None:
    """It was not taken: once more after a pause, or, after all this time or for good, never."""
    limits, reason = podd.settings.notices, str(error)
    again = None
    if not isinstance(error, Refused):
        again = rules.next_try(
            letter.made_at,
            letter.tries + 1,
            now,
            first=int(limits.first_retry_seconds * 1000),
            longest=int(limits.longest_retry_seconds * 1000),
            give_up_after=int(limits.give_up_hours * 3_600_000),
        )
    rows.note_failed(tx, letter.number, reason, again, now)
    if again is None:
        text = f"A letter by {letter.route} was given up: {reason}."
        events.add(tx, letter.account_id or MACHINE, "notice given up", text, now)
    else:
        tx.tell("letter not sent", letter=letter.number, route=letter.route, reason=reason)


# What the operator does


def test(tx: Tx, caller: Caller, account: str, now: int) -> Listed:
    """Send a notice to an account, named by id or e-mail address, or with "" to the operator. Raises
    NotFound."""
    require(caller, "notice.test")
    subject = named(tx, account).id if account else MACHINE
    events.add(tx, subject, rules.TEST, "The operator has sent this to see whether notices arrive.", now)
    return rows.listed(tx, "" if subject == MACHINE else subject, 1)[0]


def listed(db: Reader, caller: Caller, account: str, limit: int) -> list[Listed]:
    """The last notices, newest first, of one account or with "" of all. Raises NotFound."""
    require(caller, "notice.read")
    return rows.listed(db, named(db, account).id if account else None, limit)


# Private


def _due_for(db: Reader, podd: Platform, now: int) -> list[str]:
    pause = int(podd.settings.notices.digest_minutes * 60_000)
    return [id for id, last in rows.waiting(db) if rules.digest_is_due(last, now, pause)]


def _routes(podd: Platform, owner: Account | None) -> list[tuple[str, str]]:
    settings = podd.settings
    mail, channels = bool(settings.mail.host), settings.notices.channels
    found = [(MAIL, owner.email)] if owner and mail else []
    if owner is None or settings.notices.operator_hears == "everything":
        found += [(MAIL, address) for address in settings.notices.operator_mail if mail]
        found += [(CHANNEL, name) for name in sorted(channels)]
    return found


def _written(podd: Platform, letter: Letter, said: list[Notice]) -> Message:
    settings = podd.settings
    return letters.write(
        letter,
        said,
        most=settings.notices.notices_per_letter,
        url=settings.public_url,
        machine=settings.machine.host_name,
    )
