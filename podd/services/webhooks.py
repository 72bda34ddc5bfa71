"""Webhooks: the ends of jobs, told to whoever asked for it. Nothing here ever changes a job."""

import asyncio
import json

from podd.domain.measure import Measure
from podd.domain.webhook import NO_ANSWER, delivered
from podd.ports import Courier, Undeliverable
from podd.services.outbox import Outbox
from podd.services.platform import WEBHOOKS, Platform
from podd.store import endpoints, measures, webhooks
from podd.store.db import Tx
from podd.store.webhooks import Delivery
from podd.wire.job import job_object


class Webhooks(Outbox):
    """Not many of one endpoint at once."""

    def __init__(self, podd: Platform, courier: Courier) -> None:
        limits = podd.settings.webhooks
        super().__init__(
            podd,
            "webhook",
            WEBHOOKS,
            at_once=limits.at_once,
            at_once_per_group=limits.at_once_per_endpoint,
        )
        self._courier = courier
        self._pause = int(limits.pause_seconds * 1000)

    async def due(self, now: int, limit: int) -> list[tuple[int, str]]:
        return await self._podd.store.read(webhooks.due, now, self._pause, limit)

    async def deliver(self, number: int) -> None:
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
