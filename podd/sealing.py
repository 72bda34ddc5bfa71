"""Seals what must be stored and used again but never read in the database: AES-GCM with a key made from
the installation's secret. A sealed text names its key, so that keys can be changed one day."""

import base64
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_NAME = "k1"
_NONCE = 12


class SealBroken(Exception):
    """This was not sealed here: the installation's secret is another one, or the text was changed."""


class Sealer:
    def __init__(self, secret: bytes) -> None:
        derived = HKDF(SHA256(), 32, salt=None, info=b"podd sealing").derive(secret)
        self._cipher = AESGCM(derived)

    def seal(self, text: str, purpose: str) -> str:
        """`purpose` must be the same when it is opened: a sealed text cannot be moved to another row."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._cipher.encrypt(nonce, text.encode(), purpose.encode())
        return f"{_KEY_NAME}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, purpose: str) -> str:
        """The text. Raises SealBroken."""
        name, _, payload = sealed.partition(":")
        raw = base64.b64decode(payload)
        if name != _KEY_NAME:
            raise SealBroken(f"sealed with the unknown key {name!r}")
        try:
            return self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], purpose.encode()).decode()
        except InvalidTag:
            raise SealBroken("the seal does not fit") from None
