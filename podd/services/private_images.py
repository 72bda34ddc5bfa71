"""An image that was pulled with a credential is on this machine for everybody to start, but not everybody's.

Its registry says whose: it is asked once for each account, credential and image, and the answer is kept, so
that a registry that is away keeps nobody from what was theirs. Images pulled without a credential, or put
here by the operator, are for all.
"""

import asyncio

from podd.domain.container import ImageUse, RegistryAuth
from podd.ports import Engine
from podd.services.platform import Platform
from podd.store import images
from podd.store.db import Reader, Tx


class PrivateImages:
    def __init__(self, podd: Platform, engine: Engine) -> None:
        self._podd = podd
        self._engine = engine

    async def check(self, use: ImageUse, auth: RegistryAuth | None) -> None:
        """Raises ImageMissing when the account may not have the image, which is on this machine,
        and EngineError when the registry that knows cannot be asked."""
        reference = use.reference
        image_id = await asyncio.to_thread(self._engine.image_id, reference)
        # A credential that is not the account's own shows nothing.
        credential_id = use.credential_id if auth else ""

        def settled(db: Reader) -> bool:
            return not images.is_private(db, reference, image_id) or images.is_granted(
                db, image_id, use.account_id, credential_id
            )

        if await self._podd.store.read(settled):
            return
        await asyncio.to_thread(self._engine.check_access, reference, auth)
        now = self._podd.clock.now()
        await self._podd.store.write(images.grant, image_id, use.account_id, credential_id, now)

    async def before_pull(self, reference: str) -> None:
        """It is about to be pulled with a credential: private from here on, also if podd ends meanwhile."""
        await self._podd.store.write(images.note_private, reference)

    async def after_pull(self, reference: str) -> None:
        """It is there: private under whatever name, unless it was here for all under another. Or it is not:
        then its name says nothing."""
        image_id = await asyncio.to_thread(self._engine.image_id, reference)
        if not image_id:
            await self._podd.store.write(images.forget_private, reference)
            return
        others = await asyncio.to_thread(self._engine.other_names, reference)

        def note(tx: Tx) -> None:
            if all(images.is_private(tx, name, "") for name in others):
                images.note_private(tx, image_id)

        await self._podd.store.write(note)
