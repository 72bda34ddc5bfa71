"""Threads that wait for the engine, kept apart by what they wait for.

A container may take its whole grace to stop. However many do so at once, the threads that look at the
engine, and those that start what should run, are others.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Lanes:
    """`calls` and `stops` are how many of each may wait at once; more queue up behind their own kind."""

    def __init__(self, calls: int, stops: int) -> None:
        self._looks = ThreadPoolExecutor(2, thread_name_prefix="podd-look")
        self._calls = ThreadPoolExecutor(calls, thread_name_prefix="podd-engine")
        self._stops = ThreadPoolExecutor(stops, thread_name_prefix="podd-stop")

    async def look(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What is there."""
        return await _run(self._looks, call, *args, **kwargs)

    async def act(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Change something that does not take long."""
        return await _run(self._calls, call, *args, **kwargs)

    async def stop(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Wait for a container's end."""
        return await _run(self._stops, call, *args, **kwargs)

    def close(self) -> None:
        """Nothing new is begun; threads that still wait end by themselves."""
        for pool in (self._looks, self._calls, self._stops):
            pool.shutdown(wait=False, cancel_futures=True)


async def _run(pool: ThreadPoolExecutor, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, lambda: call(*args, **kwargs))
