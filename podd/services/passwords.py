"""Passwords as hashes that are slow to make, so made in threads, and few at the same time."""

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError


class Passwords:
    """Argon2id with the parameters of RFC 9106 for little memory: 64 MiB and part of a second each,
    `at_once` of them at the same time."""

    def __init__(self, at_once: int) -> None:
        self._hasher = PasswordHasher()
        self._turns = asyncio.Semaphore(at_once)
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def fits(self, known: str | None, password: str) -> bool:
        """Whether it is the password of this hash. Where there is none it takes as long to say no."""
        if known is None:
            if self._nobodys is None:
                self._nobodys = await self.hash(secrets.token_hex())
            await self._verified(self._nobodys, password)
            return False
        return await self._verified(known, password)

    def is_outdated(self, known: str) -> bool:
        """Whether the hash was made with parameters that are no longer used."""
        return self._hasher.check_needs_rehash(known)

    async def _verified(self, known: str, password: str) -> bool:
        async with self._turns:
            try:
                return await asyncio.to_thread(self._hasher.verify, known, password)
            except (VerifyMismatchError, InvalidHashError):
                return False
