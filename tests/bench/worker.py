"""A worker of podd's that speaks the protocol and nothing else: `python3 -m tests.bench.worker SLOTS`.

Each slot takes a job, echoes its input, posts that, and takes the next, over two connections that it keeps.
"""

import asyncio
import json
import os
import sys
from urllib.parse import urlsplit

import uvloop

from tests.bench.wire import Connection, Requests


async def work(slots: int) -> None:
    take, done = urlsplit(os.environ["RUNPOD_WEBHOOK_GET_JOB"]), os.environ["RUNPOD_WEBHOOK_POST_OUTPUT"]
    requests = Requests(f"{take.scheme}://{take.netloc}", os.environ["RUNPOD_AI_API_KEY"])
    asking = requests.get(f"{take.path}?{take.query}&job_in_progress=1")
    posting = done.removeprefix(f"{take.scheme}://{take.netloc}") + "&isStream=false"

    async def slot() -> None:
        async with Connection(requests.address) as takes, Connection(requests.address) as posts:
            while True:
                try:
                    found = await takes.ask(asking)
                except OSError:
                    await asyncio.sleep(0.05)  # podd is being started
                    continue
                if found.status == 200:
                    job = found.json()
                    body = json.dumps({"output": {"echo": job["input"]}}).encode()
                    await posts.ask(requests.post(posting.replace("$ID", job["id"]), body))

    await asyncio.gather(*(slot() for _ in range(slots)))


if __name__ == "__main__":
    uvloop.run(work(int(sys.argv[1])))
