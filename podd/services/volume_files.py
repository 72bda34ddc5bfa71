"""The files of network volumes, made to follow the books: they grow when the owner has said so, and go when
the volume was deleted and nothing uses it any more. What fails is kept, shown and tried again."""

import asyncio

import structlog

from podd.domain.workload import retry_delay
from podd.ports import VolumeError, VolumeStorage
from podd.services import volumes
from podd.services.platform import Platform
from podd.store import volumes as rows
from podd.store.volumes import Files

log = structlog.get_logger()


async def at_start(podd: Platform, storage: VolumeStorage) -> None:
    """After a reboot nothing is mounted any more, and whoever looked there would find an empty directory."""
    for files in await podd.store.read(rows.all_made):
        try:
            await asyncio.to_thread(storage.ensure, volumes.directory(podd, files.id), files.made)
        except VolumeError as error:
            await _note(podd, files, f"could not be mounted: {error}", podd.clock.now())


async def tick(podd: Platform, storage: VolumeStorage, now: int) -> None:
    for files in await podd.store.read(rows.to_grow, now):
        try:
            await asyncio.to_thread(storage.ensure, volumes.directory(podd, files.id), files.size)
        except VolumeError as error:
            await _note(podd, files, f"could not grow to {files.size} GB: {error}", now)
        else:
            await podd.store.write(rows.note_made, files.id, files.size)
            log.info("network volume grown", volume=files.id, size_gb=files.size)
    for files in await podd.store.read(rows.to_remove, now):
        try:
            await asyncio.to_thread(storage.remove, volumes.directory(podd, files.id))
        except VolumeError as error:
            await _note(podd, files, f"could not be removed: {error}", now)
        else:
            await podd.store.write(rows.forget, files.id)
            log.info("network volume removed", volume=files.id)


async def _note(podd: Platform, files: Files, problem: str, now: int) -> None:
    failures = files.failures + 1
    retry_at = now + retry_delay(failures)
    await podd.store.write(rows.note_problem, files.id, problem, failures, retry_at)
    log.warning("network volume in trouble", volume=files.id, problem=problem, failures=failures)
