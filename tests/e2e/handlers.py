"""What the workers of the end-to-end tests run, with the unmodified worker SDK: `python3 handlers.py NAME`.

A job's input says what to do, as in {"sleep": 2, "return": "done"}; one that says nothing is returned.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import runpod

Job = dict[str, Any]

_jobs_done = 0


def act(job: Job) -> Any:
    """Everything but sleeping."""
    global _jobs_done
    _jobs_done += 1
    wish = job["input"]
    if not isinstance(wish, dict) or not wish:
        return {"got": wish}
    if "append" in wish:
        with Path(wish["append"]).open("a") as file:
            file.write(f"{job['id']}\n")
    if "crash unless" in wish and not Path(wish["crash unless"]).exists():
        Path(wish["crash unless"]).touch()
        os._exit(9)
    if wish.get("crash"):
        os._exit(9)
    if "raise" in wish:
        raise ValueError(wish["raise"])
    if wish.get("tell job"):
        return job
    if wish.get("tell process"):
        return {"pid": os.getpid(), "jobs": _jobs_done, "refresh_worker": bool(wish.get("refresh"))}
    if wish.get("tell environment"):
        return {name: value for name, value in os.environ.items() if name.startswith("RUNPOD_")}
    if wish.get("tell sdk"):
        job_loop = sys.modules["runpod.serverless.modules.rp_scale"]
        accelerated = any(name.startswith("_podd") for name in vars(job_loop))
        return {"version": runpod.version.__version__, "accelerated": accelerated, "path": sys.path}
    if wish.get("set"):
        return {1, 2, 3}
    if wish.get("not a number"):
        return {"nan": float("nan"), "inf": [float("inf")]}
    return wish.get("return", wish)


async def ready(job: Job) -> Any:
    """Many jobs at a time, none of which blocks the others."""
    wish = job["input"]
    if isinstance(wish, dict):
        if "begin" in wish:
            Path(wish["begin"]).touch()
        await asyncio.sleep(wish.get("sleep", 0))
        if "until" in wish:
            await asyncio.to_thread(wait_for, wish["until"])
    return act(job)


def busy(job: Job) -> Any:
    """One job at a time, and nothing else meanwhile."""
    wish = job["input"]
    if isinstance(wish, dict):
        time.sleep(wish.get("sleep", 0))
    return act(job)


def telling(job: Job) -> Any:
    """Tells how far it is, and goes on when a file is there."""
    runpod.serverless.progress_update(job, job["input"]["progress"])
    wait_for(job["input"]["until"])
    return "done"


def parts(job: Job) -> Iterator[Any]:
    """`count` numbers, `pause` seconds apart, or the values of `parts`; with "raise" instead of the last."""
    wish = job["input"]
    for part in wish.get("parts", range(wish.get("count", 0))):
        time.sleep(wish.get("pause", 0))
        yield part
    if "raise" in wish:
        raise ValueError(wish["raise"])


async def parts_async(job: Job) -> AsyncIterator[Any]:
    for part in parts(job):
        await asyncio.sleep(0)
        yield part


def wait_for(path: str) -> None:
    while not Path(path).exists():
        time.sleep(0.02)


async def openai_mock(job: Job) -> AsyncIterator[Any]:
    """Answers as vLLM's worker does: events as text, cut where it comes, or one object."""
    route, asked = job["input"]["openai_route"], job["input"]["openai_input"]
    if route == "/v1/models":
        yield {"object": "list", "data": [{"id": "mock", "object": "model", "created": 1, "owned_by": "me"}]}
        return
    said = asked["messages"][-1]["content"]
    head = {"id": "chatcmpl-1", "created": 1, "model": asked["model"]}
    if said == "fail":
        raise ValueError("no luck")
    if not asked.get("stream"):
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        yield {**head, "object": "chat.completion", "choices": [choice]}
        return
    for word in said.split():
        choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
        event = json.dumps({**head, "object": "chat.completion.chunk", "choices": [choice]})
        for piece in (f"data: {event[:20]}", f"{event[20:]}\n", "\n"):
            yield piece
    yield "data: [DONE]\n\n"


HANDLERS: dict[str, dict[str, Any]] = {
    "ready": {"handler": ready, "concurrency_modifier": lambda _: 32},
    "four": {"handler": ready, "concurrency_modifier": lambda _: 4},
    "single": {"handler": ready},
    "busy": {"handler": busy},
    "telling": {"handler": telling},
    "parts": {"handler": parts},
    "parts_async": {"handler": parts_async, "concurrency_modifier": lambda _: 4},
    "aggregate": {"handler": parts, "return_aggregate_stream": True},
    "openai": {"handler": openai_mock, "return_aggregate_stream": True},
    "fresh": {"handler": busy, "refresh_worker": True},
}


if __name__ == "__main__":
    runpod.serverless.start(HANDLERS[sys.argv[1]])
