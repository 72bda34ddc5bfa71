"""Sends letters by whatever apprise knows: ntfy, Gotify, Slack and many others. Their URLs hold secrets, so
letters name channels, and nothing apprise says goes further."""

import asyncio
import logging
from collections.abc import Mapping

from pydantic import SecretStr

from podd.ports import Message, Refused, Undeliverable

# It logs what it was told and where it sends it.
logging.getLogger("apprise").addHandler(logging.NullHandler())
logging.getLogger("apprise").propagate = False


class ApprisePostman:
    """`channels` are URLs by name; a message's address is such a name."""

    def __init__(self, channels: Mapping[str, SecretStr]) -> None:
        self._channels = channels

    async def send(self, message: Message) -> None:
        url = self._channels.get(message.address)
        if url is None:
            raise Refused(f"there is no channel {message.address!r} any more (notices.channels)")
        if not await asyncio.to_thread(_tell, url.get_secret_value(), message):
            raise Undeliverable(f"the channel {message.address} did not take it")


def _tell(url: str, message: Message) -> bool:
    import apprise  # it knows 140 services, and nobody but who uses channels is to wait for that

    asset = apprise.AppriseAsset(app_id="podd", app_desc="podd", app_url="", async_mode=False)
    channel = apprise.Apprise.instantiate(url, asset=asset)
    if channel is None:
        raise Undeliverable(f"the URL of the channel {message.address} is none that apprise knows")
    return bool(channel.notify(title=message.title, body=message.text, body_format=apprise.NotifyFormat.TEXT))
