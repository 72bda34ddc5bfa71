"""Is podd alive, and can it do its work: for uptime monitors and the service manager. No key needed, and
nothing told but yes and no."""

from typing import Any

from litestar import Response, get

from podd.api.context import AnyRequest, api_of
from podd.domain.errors import StorageFailed
from podd.store import meta


@get("/livez")
async def livez(request: AnyRequest) -> Response[dict[str, Any]]:
    """The event loop turns, the writer answers, and the reconciler looks again and again."""
    api = api_of(request)
    dead = api.vitals.dead(api.podd.clock.monotonic())
    if dead:
        return Response({"status": "unavailable", "dead": dead}, status_code=503)
    return Response({"status": "ok"})


@get(["/readyz", "/health"])
async def readyz(request: AnyRequest) -> Response[dict[str, Any]]:
    """The database stores and the container engine answers."""
    api = api_of(request)
    checks = {"database": await _database_stores(request), "engine": api.engine_answers()}
    ready = all(checks.values())
    body = {
        "status": "ok" if ready else "unavailable",
        "checks": {name: "ok" if fine else "failed" for name, fine in checks.items()},
    }
    return Response(body, status_code=200 if ready else 503)


async def _database_stores(request: AnyRequest) -> bool:
    api = api_of(request)
    try:
        await api.podd.store.write(meta.put, "ready_at", str(api.now))
    except StorageFailed:
        return False
    return True


HANDLERS = [livez, readyz]
