"""Webhooks: the ends of jobs, told to whoever asked for it, from rows that outlive a restart.

Delivered at least once: podd may die between the receiver's answer and the note of it. Nothing here ever
changes a job.
"""

import asyncio
import json
from collections import Counter

import structlog

from podd.domain.measure import Measure
from podd.domain.webhook import NO_ANSWER, delivered
from podd.ports import Courier, Undeliverable
from podd.services.platform import WEBHOOKS, Platform
from podd.store import endpoints, measures, webhooks
from podd.store.db import Tx
from podd.store.webhooks import Delivery
from podd.wire.job import job_object

log = structlog.get_logger()


class Outbox:
    """Delivers what is due, several at once, but not many of one endpoint: a receiver that hangs holds up
    nobody else."""

    def __init__(self, podd: Platform, courier: Courier) -> None:
        self._podd = podd
        self._courier = courier
        self._limits = podd.settings.webhooks
        self._busy: dict[int, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def tick(self, now: int) -> None:
        """Begin to deliver what is due; the end of a delivery rings for the next."""
        room = self._limits.at_once - len(self._busy)
        if room <= 0:
            return
        # Those under way are still due, and an endpoint may have many more than its share.
        found = await self._podd.store.read(
            webhooks.due, now, int(self._limits.pause_seconds * 1000), len(self._busy) + 16 * room
        )
        of_endpoint = Counter(self._busy.values())
        for number, endpoint_id in found:
            if number in self._busy or of_endpoint[endpoint_id] >= self._limits.at_once_per_endpoint:
                continue
            of_endpoint[endpoint_id] += 1
            self._begin(number, endpoint_id)
            room -= 1
            if not room:
                return

    async def close(self) -> None:
        """Deliveries under way are broken off; they are made again after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Private

    def _begin(self, number: int, endpoint_id: str) -> None:
        self._busy[number] = endpoint_id
        task = asyncio.create_task(self._deliver(number), name=f"webhook {number}")
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._ended(task, number))

    def _ended(self, task: asyncio.Task[None], number: int) -> None:
        self._tasks.discard(task)
        del self._busy[number]
        self._podd.bells.ring([WEBHOOKS])
        if not task.cancelled() and task.exception():
            log.error("webhook not delivered", number=number, exc_info=task.exception())

    async def _deliver(self, number: int) -> None:
        delivery = await self._podd.store.read(webhooks.get, number)
        if delivery is None:
            return
        message = await asyncio.to_thread(_message, delivery)
        try:
            status, reason = await self._courier.post(delivery.url, message), ""
        except Undeliverable as error:
            status, reason = NO_ANSWER, str(error)
        await self._podd.store.write(note, self._podd, delivery, status, reason, self._podd.clock.now())


def note(tx: Tx, podd: Platform, delivery: Delivery, status: int, reason: str, now: int) -> None:
    """The receiver has answered `status` (0: not at all, for `reason`): done, or once more after a pause."""
    limits = podd.settings.webhooks
    if endpoints.get(tx, delivery.job.endpoint_id) is not None:
        outcome = Measure.WEBHOOK_SENT if delivered(status) else Measure.WEBHOOK_FAILED
        measures.note(tx, delivery.job.endpoint_id, {outcome: None}, now)
    tried = delivery.tries + 1
    tx.tell(
        "webhook delivered" if delivered(status) else "webhook refused",
        job=delivery.job.id,
        endpoint=delivery.job.endpoint_id,
        status=status,
        tried=tried,
        **({"reason": reason} if reason else {}),
    )
    if delivered(status) or tried >= limits.tries:
        webhooks.drop(tx, delivery.number)
    else:
        webhooks.put_off(tx, delivery.number, now + int(limits.pause_seconds * 1000))


# Private


def _message(delivery: Delivery) -> bytes:
    wish = json.loads(delivery.job.body)
    more = {"input": json.dumps(wish["input"]), "webhook": json.dumps(delivery.url)}
    return job_object(delivery.job, **more).encode()
