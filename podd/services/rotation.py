"""Another key for what is sealed.

The new key is on disk before any row needs it, the rows change in one transaction, and the old key goes last:
wherever podd ends in between, all keys that rows name are there, and rotating again finishes the work.
"""

import asyncio
import secrets
from dataclasses import dataclass

from podd.domain.account import Caller, require
from podd.installation import sealing_keys, write_sealing_keys
from podd.services.platform import Platform
from podd.store import sealed
from podd.store.db import Tx


@dataclass(frozen=True, slots=True)
class Rotated:
    """The new key's name, and how many texts it seals now."""

    key: str
    count: int


async def rotate(podd: Platform, caller: Caller) -> Rotated:
    """Make a new key and seal everything with it."""
    require(caller, "secret.rotate")
    sealer, directory = podd.sealer, podd.settings.data_dir
    async with sealer.rotating:
        name, key = f"k{secrets.token_hex(4)}", secrets.token_bytes(32)
        known = await asyncio.to_thread(sealing_keys, directory)
        await asyncio.to_thread(write_sealing_keys, directory, {**known, name: key})
        sealer.add(name, key)

        def again(text: str, purpose: str) -> str:
            return sealer.seal(sealer.open(text, purpose), purpose)

        def reseal(tx: Tx) -> int:
            require(caller, "secret.rotate")
            return sealed.reseal(tx, again)

        count = await podd.store.write(reseal)
        await asyncio.to_thread(write_sealing_keys, directory, {name: key})
        sealer.drop_older()
    return Rotated(name, count)
