"""A bare Litestar route on podd's own server stack: `python -m tests.bench.bare PORT`.

It parses a body and answers with an id: no keys, no storage.
"""

import sys
import uuid
from typing import Any

import uvicorn
from litestar import Litestar, post

from podd.config import Settings
from podd.listeners import web_server


@post("/v2/{endpoint_id:str}/run", status_code=200)
async def run(endpoint_id: str, data: dict[str, Any]) -> dict[str, str]:
    assert "input" in data, endpoint_id
    return {"id": str(uuid.uuid4()), "status": "IN_QUEUE"}


if __name__ == "__main__":
    app = Litestar([run], openapi_config=None, logging_config=None)
    config = web_server(app, Settings())
    config.host, config.port, config.loop = "127.0.0.1", int(sys.argv[1]), "uvloop"
    uvicorn.Server(config).run()
