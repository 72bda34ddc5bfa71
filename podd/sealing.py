"""Seals what must be stored and used again but never read in the database: AES-GCM. A sealed text names its
key: at first one made from the installation's secret, after a rotation one of its own."""

import asyncio
import base64
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_FIRST = "k1"
_NONCE = 12


class SealBroken(Exception):
    """This was not sealed here: the installation's secret is another one, or the text was changed."""


class Sealer:
    """`keys` are those made since the first, by name, the newest last: that one seals, all open. Who changes
    the keys holds `rotating`."""

    def __init__(self, secret: bytes, keys: Mapping[str, bytes] = {}) -> None:
        derived = HKDF(SHA256(), 32, salt=None, info=b"podd sealing").derive(secret)
        self._ciphers = {_FIRST: AESGCM(derived)} | {name: AESGCM(key) for name, key in keys.items()}
        self.rotating = asyncio.Lock()

    @property
    def current(self) -> str:
        """The name of the key that seals."""
        return next(reversed(self._ciphers))

    def knows(self, name: str) -> bool:
        return name in self._ciphers

    def add(self, name: str, key: bytes) -> None:
        """Seal with this key from now on."""
        self._ciphers[name] = AESGCM(key)

    def drop_older(self) -> None:
        """Nothing is sealed with the keys before the current one any more."""
        self._ciphers = {name: c for name, c in self._ciphers.items() if name in (_FIRST, self.current)}

    def seal(self, text: str, purpose: str) -> str:
        """`purpose` must be the same when it is opened: a sealed text cannot be moved to another row."""
        nonce = secrets.token_bytes(_NONCE)
        name = self.current
        sealed = self._ciphers[name].encrypt(nonce, text.encode(), purpose.encode())
        return f"{name}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, purpose: str) -> str:
        """The text. Raises SealBroken."""
        name, _, payload = sealed.partition(":")
        raw = base64.b64decode(payload)
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise SealBroken(f"sealed with the unknown key {name!r}")
        try:
            return cipher.decrypt(raw[:_NONCE], raw[_NONCE:], purpose.encode()).decode()
        except InvalidTag:
            raise SealBroken("the seal does not fit") from None
