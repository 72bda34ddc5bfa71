"""The page that the operator's links lead to: it signs people in, and makes them a key and a password. It
loads nothing, and runs and looks like nothing but what stands in it."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from litestar import MediaType, Response, get

_PAGE = Path(__file__).with_name("sign_in.html")
_PARTS = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)


@get("/sign-in", include_in_schema=False)
async def sign_in_page() -> Response[str]:
    """The same for everybody: the link's token stands behind the #, which no server sees."""
    text, policy = _page()
    headers = {
        "content-security-policy": policy,
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cross-origin-opener-policy": "same-origin",
    }
    return Response(text, media_type=MediaType.HTML, headers=headers)


HANDLERS = [sign_in_page]


# Private


@cache
def _page() -> tuple[str, str]:
    text = _PAGE.read_text()
    allowed = " ".join(f"{part}-src '{_hash(content)}';" for part, content in _PARTS.findall(text))
    policy = f"default-src 'none'; {allowed} connect-src 'self'; form-action 'none'; "
    return text, f"{policy}base-uri 'none'; frame-ancestors 'none'"


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
