"""The model caches: one for each account whose endpoints name a model, shared by all workers of these.

It is a volume of its own, mounted where workers look for Hugging Face's cache. What one worker has loaded is
there for all that start later. Its size is promised from the first endpoint with a model on, and it goes when
no endpoint has had one for long enough.
"""

import asyncio
from pathlib import Path

import structlog

from podd.domain.errors import Conflict, NotAvailable
from podd.domain.workload import retry_delay
from podd.ports import VolumeError, VolumeStorage
from podd.services import capacity
from podd.services.platform import Platform
from podd.store import model_caches as rows
from podd.store.db import Reader, Tx
from podd.store.model_caches import ModelCache

log = structlog.get_logger()

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def directory(podd: Platform, account_id: str) -> Path:
    return podd.settings.data_dir / "model-caches" / account_id


def size_of(db: Reader, account_id: str) -> int | None:
    """GB of the account's cache; None when it has none."""
    cache = rows.of_account(db, account_id)
    return cache.size if cache is not None and not cache.leaving else None


def want(tx: Tx, podd: Platform, account_id: str, now: int) -> None:
    """An endpoint of the account names a model: have its cache promised. Raises NoCapacity, Conflict,
    NotAvailable."""
    size = podd.settings.limits.model_cache_gb
    if not size:
        raise NotAvailable("modelReferences: the operator of this podd has switched model caches off.")
    cache = rows.of_account(tx, account_id)
    if cache is None:
        capacity.check_disk(tx, podd, volume=size)
        rows.insert(tx, ModelCache(account_id, size, now))
    elif cache.leaving:
        raise Conflict("The model cache is being removed, as nothing used it; try again in a minute.")
    elif cache.size < size:
        capacity.check_disk(tx, podd, volume=size - cache.size)
        rows.grow(tx, account_id, size)


async def tick(podd: Platform, storage: VolumeStorage, now: int) -> None:
    """Remove the caches that no endpoint has had a use for in `model_cache_unused_days`."""
    days = podd.settings.limits.model_cache_unused_days
    if used := await podd.store.read(rows.used_before, now - HOUR_MS):
        await podd.store.write(rows.note_used, used, now)
    before = now - int(days * DAY_MS)
    unused = await podd.store.read(rows.unused_since, before) if days else []
    if unused:
        await podd.store.write(rows.retire, before)
    for cache in await podd.store.read(rows.to_remove, now):
        try:
            await asyncio.to_thread(storage.remove, directory(podd, cache.account_id))
        except VolumeError as error:
            failures = cache.failures + 1
            problem = f"could not be removed: {error}"
            await podd.store.write(
                rows.note_problem, cache.account_id, problem, failures, now + retry_delay(failures)
            )
            log.warning("model cache in trouble", account=cache.account_id, problem=problem)
        else:
            await podd.store.write(rows.forget, cache.account_id)
            log.info("model cache removed", account=cache.account_id)
