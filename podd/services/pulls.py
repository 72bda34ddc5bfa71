"""Images on their way to the engine. A pull takes minutes; nobody waits in it."""

import asyncio
from collections.abc import Callable

import structlog

from podd.domain.container import RegistryAuth
from podd.ports import Engine, EngineError
from podd.services.private_images import PrivateImages

log = structlog.get_logger()

Wanted = tuple[str, RegistryAuth | None]


class Pulls:
    """Each image is pulled once, however many workloads wait for it. Another credential is another pull.

    `done` is called when a pull has ended either way; `progress` with the image and a line now and then,
    from a thread of the pull's own.
    """

    STALE_AFTER = 30.0  # seconds; a failure nobody asked about in this time says nothing about the next try

    def __init__(
        self,
        engine: Engine,
        private: PrivateImages,
        done: Callable[[], None],
        progress: Callable[[str, str], None],
    ) -> None:
        self._engine = engine
        self._private = private
        self._done = done
        self._progress = progress
        self._running: dict[Wanted, asyncio.Task[None]] = {}
        self._failed: dict[Wanted, tuple[EngineError, float]] = {}

    async def ready(self, image: str, auth: RegistryAuth | None) -> bool:
        """Whether the image is there. If it is not, begin to fetch it. Raises, once, what the pull raised."""
        wanted = (image, auth)
        if wanted in self._running:
            return False
        error, failed_at = self._failed.pop(wanted, (None, 0.0))
        if error is not None and _loop_time() - failed_at < self.STALE_AFTER:
            raise error
        if await asyncio.to_thread(self._engine.has_image, image):
            return True
        if wanted not in self._running:
            self._running[wanted] = asyncio.create_task(self._pull(wanted), name=f"pull {image}")
        return False

    async def cancel(self) -> None:
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _pull(self, wanted: Wanted) -> None:
        image, auth = wanted
        log.info("pulling", image=image)
        try:
            await self._fetch(image, auth)
        except EngineError as error:
            self._failed[wanted] = (error, _loop_time())
        except Exception as error:
            log.exception("pull broke", image=image)
            self._failed[wanted] = (EngineError(f"pulling {image} failed: {error}"), _loop_time())
        finally:
            del self._running[wanted]
            self._done()

    async def _fetch(self, image: str, auth: RegistryAuth | None) -> None:
        if auth is not None:
            await self._private.before_pull(image)
        try:
            await asyncio.to_thread(self._engine.pull, image, auth, lambda line: self._progress(image, line))
        finally:
            if auth is not None:
                await self._private.after_pull(image)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
