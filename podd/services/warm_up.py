"""Images of endpoints, fetched when an endpoint is made or released: the first job finds them here."""

import asyncio
from dataclasses import dataclass

import structlog

from podd.domain.container import ImageUse, RegistryAuth
from podd.domain.workload import retry_delay
from podd.ports import EngineAway, EngineError, ImageMissing
from podd.services import registries
from podd.services.platform import Platform
from podd.services.private_images import PrivateImages
from podd.services.pulls import Pulls
from podd.store import endpoints, events, templates
from podd.store.db import Reader, Tx

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wish:
    """The image that a version of an endpoint will need."""

    endpoint_id: str
    version: int
    use: ImageUse


class WarmUp:
    """`tick` looks for endpoints whose image is not known to be here. What it begins goes on by itself; the
    end of a pull rings for the next tick."""

    def __init__(self, podd: Platform, pulls: Pulls, private: PrivateImages) -> None:
        self._podd = podd
        self._pulls = pulls
        self._private = private
        self._busy: dict[str, asyncio.Task[None]] = {}

    async def tick(self, now: int) -> None:
        if not self._podd.settings.limits.warm_up_images:
            return
        for wish in await self._podd.store.read(missing, now):
            if wish.endpoint_id not in self._busy:
                task = asyncio.create_task(self._warm(wish), name=f"image of {wish.endpoint_id}")
                self._busy[wish.endpoint_id] = task

    async def drain(self) -> None:
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    # Private

    async def _warm(self, wish: Wish) -> None:
        try:
            auth: RegistryAuth | None = await self._podd.store.read(registries.auth_for, self._podd, wish.use)
            if await self._pulls.ready(wish.use.reference, auth):
                await self._private.check(wish.use, auth)
                await self._podd.store.write(note_here, wish)
        except EngineAway:
            return  # the reconciler says so, and looks again
        except EngineError as error:
            log.info("image of an endpoint not here", endpoint=wish.endpoint_id, reason=str(error))
            hopeless = isinstance(error, ImageMissing)
            now = self._podd.clock.now()
            await self._podd.store.write(note_trouble, self._podd, wish, str(error), now, hopeless=hopeless)
        except Exception:
            log.exception("image of an endpoint not fetched", endpoint=wish.endpoint_id)
        finally:
            del self._busy[wish.endpoint_id]


def missing(db: Reader, now: int) -> list[Wish]:
    """The images that endpoints wait for and that are due for a look."""
    wishes = []
    for endpoint in endpoints.without_image(db, now):
        template = templates.get(db, endpoint.template_id)
        assert template is not None, "endpoints keep their template from being deleted"
        use = ImageUse(endpoint.account_id, template.image, template.registry_auth_id)
        wishes.append(Wish(endpoint.id, endpoint.version, use))
    return wishes


def note_here(tx: Tx, wish: Wish) -> None:
    """The image is on this machine, for whoever owns the endpoint."""
    endpoint = endpoints.get(tx, wish.endpoint_id)
    if endpoint is not None and endpoint.version == wish.version:
        endpoints.change(tx, endpoint.id, image_ready=1, image_trouble="", image_failures=0)


def note_trouble(tx: Tx, podd: Platform, wish: Wish, reason: str, now: int, *, hopeless: bool) -> None:
    """The image could not be fetched. One that does not exist is looked for again as seldom as an unhealthy
    worker is started again; else the next try is soon."""
    endpoint = endpoints.get(tx, wish.endpoint_id)
    if endpoint is None or endpoint.version != wish.version:
        return
    failures = endpoint.image_failures + 1
    rest = int(podd.settings.limits.unhealthy_retry_seconds * 1000) if hopeless else retry_delay(failures)
    endpoints.change(
        tx, endpoint.id, image_trouble=reason, image_failures=failures, image_retry_at=now + rest
    )
    if reason != endpoint.image_trouble:
        events.add(tx, endpoint.id, "image", f"its image is not here: {reason}", now)
