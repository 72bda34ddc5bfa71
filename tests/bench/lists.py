"""How long lists of many pods take: `python -m tests.bench.lists [stopped] [running]`.

One run measures each list with few pods and with many over real HTTP, so that what a pod costs can be told
from what a request costs on any machine. Medians, in milliseconds, and the processor time of podd and of the
client together, which tells more on a busy machine. No test: nothing here passes or fails.
"""

import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from runpod.api.queries.pods import QUERY_POD
from structlog.testing import capture_logs

from podd.domain.pod import Pod
from podd.domain.workload import Desired, Kind, Needs, Phase, Workload
from podd.ids import new_id
from podd.store import workloads
from podd.store.db import Tx
from tests.api import documented
from tests.api.served import IMAGE, QUICKLY, Served

Ask = Callable[[httpx.Client], httpx.Response]
TIMES = 30
JSON = {"content-type": "application/json"}
BARE = '{"query": "query { myself { pods { id name desiredStatus costPerHr } } }"}'


def main(stopped: int, running: int) -> None:
    logging.disable()  # the SDK asks for it with every request, once it is imported
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as name, capture_logs():
        podd = Served(Path(name))
        try:
            many = podd.account("many@example.com")
            few = podd.account("few@example.com")
            fill(podd, many, stopped, running)
            fill(podd, few, 10, 1)
            podd.settle()
            print(f"{stopped} stopped pods and {running} running; in brackets 10 and 1 (another account's)")
            for what, ask in lists().items():
                (wall, cpu), (few_wall, few_cpu) = medians(podd, ask, many), medians(podd, ask, few)
                print(
                    f"{what:<36}{wall:7.1f} ms, CPU {cpu:5.1f} ms  ({few_wall:.1f} ms, CPU {few_cpu:.1f} ms)",
                    flush=True,
                )
            print(f"{'a tick with nothing to do':<36}{tick(podd):7.1f} ms")
        finally:
            podd.close()


def lists() -> dict[str, Ask]:
    def documented_list(client: httpx.Client) -> httpx.Response:
        return client.post("/graphql", content=documented.LIST_PODS, headers=JSON)

    def as_the_sdk_asks(client: httpx.Client) -> httpx.Response:
        return client.post("/graphql", json={"query": QUERY_POD})

    return {
        "GET /v1/pods": lambda client: client.get("/v1/pods"),
        "GET /v2/pods": lambda client: client.get("/v2/pods?limit=1000"),
        "GraphQL myself.pods, four fields": lambda client: client.post(
            "/graphql", content=BARE, headers=JSON
        ),
        "GraphQL myself.pods, as documented": documented_list,
        "GraphQL myself.pods, of the SDK": as_the_sdk_asks,
        "GET /health": lambda client: client.get("/health"),
    }


def medians(podd: Served, ask: Ask, key: str) -> tuple[float, float]:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=podd.url, headers=headers, timeout=30, **QUICKLY) as client:
        walls, cpus = zip(*(timed(ask, client) for _ in range(TIMES)), strict=True)
    return statistics.median(walls), statistics.median(cpus)


def timed(ask: Ask, client: httpx.Client) -> tuple[float, float]:
    begun, used = time.perf_counter(), time.process_time()
    answer = ask(client)
    assert answer.status_code == 200, answer.text
    return (time.perf_counter() - begun) * 1000, (time.process_time() - used) * 1000


def tick(podd: Served) -> float:
    def once() -> float:
        begun = time.perf_counter()
        podd.do(podd.reconciler.tick(podd.clock.now()))
        return (time.perf_counter() - begun) * 1000

    return statistics.median(once() for _ in range(TIMES))


def fill(podd: Served, key: str, stopped: int, running: int) -> None:
    """Pods written straight into the books: this machine would not have the memory for them."""
    account = podd.data("query { myself { id } }", key=key)["myself"]["id"]

    def insert(tx: Tx) -> None:
        for number in range(stopped + running):
            workloads.insert_pod(
                tx, pod(account, number, Desired.RUNNING if number < running else Desired.STOPPED)
            )

    podd.do(podd.podd.store.write(insert))


def pod(account: str, number: int, desired: Desired) -> Pod:
    needs = Needs(
        image=IMAGE,
        command=("python", "-u", "train.py"),
        env={f"NAME_{n}": "a value of some length" for n in range(8)},
        cpus=1,
        memory=1024,
        disk=10,
        volume=20,
    )
    workload = Workload(
        id=new_id(),
        kind=Kind.POD,
        account_id=account,
        desired=desired,
        phase=Phase.NONE,
        generation=1,
        needs=needs,
        created_at=number,
        changed_by="Rented by User",
    )
    return Pod(
        workload=workload,
        name=f"pod {number}",
        template_id="",
        ports="8888/http,22/tcp",
        gpu_type_id="NVIDIA RTX A6000",
        gpu_count=1,
        price=490_000_000,
        cloud_type="SECURE",
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, int(sys.argv[2]) if len(sys.argv) > 2 else 100)
