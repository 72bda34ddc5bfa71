"""Takes the sleeps out of the job loop of the `runpod` worker SDK. For Python 3.8 and newer.

The SDK looks whether a slot is free once a second, and whether there is something to run ten times a second.
Here it is woken when that changes. Its own code goes on running, with the same limits, order and longest
waits: three functions only get another `asyncio.sleep` and `asyncio.wait`.
"""

import asyncio
import hashlib
import sys

# rp_scale.py as released. What is not in this table is left alone.
_JOB_LOOPS = {
    "171813c0e81547c8de37244e1d0d0ba7bed711808b6f4741fda76b19ec384887": ("1.7.9", "1.7.10", "1.7.11"),
    "14ee95dd406a98b1b174c2d5f28af76223f0a7b6ec1cfda43e60a0d3d8808b1b": ("1.7.12", "1.7.13"),
    "592e69787bf7d0405c6a279a4ada91741a0e1494112d512f6cdd5e9579dfb726": ("1.8.1", "1.8.2"),
    "7cb7719f4a9b80b8461765d94a64c2fef23d6d3ee02de4221ffc36cd9102489e": ("1.9.0",),
    "dab2e6957a309b6ae663b2947e216ab6339f4e008ed061bc366f0c93dd80fa3d": ("1.9.1",),
    "8f2e815acc24aba825f1cb33ffd02654bce2acecd27a89cb9faeb006e2734532": ("1.10.0", "1.10.1", "1.11.0"),
    "42d855bb17ff46fb392904c992df15f31ae9b0d972976d2580befa6b3bd4802d": ("1.12.0",),
}


def accelerate(rp_scale):
    """Do so with the SDK's module, if it is one that we know."""
    with open(rp_scale.__file__, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    version = sys.modules["runpod.version"].__version__
    if version not in _JOB_LOOPS.get(digest, ()):
        return
    freed, arrived = _Bell(), _Bell()
    views = {"set_scale": _Taking(freed, arrived), "get_jobs": _Taking(freed, arrived)}
    views["run_jobs"] = _Running(freed, arrived)
    codes = {name: _with_view(rp_scale, name) for name in views}
    for name, view in views.items():
        setattr(rp_scale, _view_name(name), view)
    for name, code in codes.items():
        getattr(rp_scale.JobScaler, name).__code__ = code


def _view_name(function):
    return "_podd_asyncio_of_" + function


def _with_view(rp_scale, function):
    """The function's own code, but for the name under which it looks up asyncio."""
    code = getattr(rp_scale.JobScaler, function).__code__
    if code.co_names.count("asyncio") != 1:
        raise LookupError(function)
    names = (_view_name(function) if name == "asyncio" else name for name in code.co_names)
    return code.replace(co_names=tuple(names))


class _Bell:
    """Wakes those who wait at the moment."""

    def __init__(self):
        self._waiting = set()

    def listen(self):
        """A future that is done at the next ring. To be given back to `leave`."""
        listener = asyncio.get_running_loop().create_future()
        self._waiting.add(listener)
        return listener

    def leave(self, listener):
        self._waiting.discard(listener)
        listener.cancel()

    def ring(self):
        for listener in self._waiting:
            if not listener.done():
                listener.set_result(None)

    async def wait(self, seconds):
        listener = self.listen()
        try:
            await asyncio.wait([listener], timeout=seconds)
        finally:
            self.leave(listener)


class _View:
    """asyncio, for one function of the SDK."""

    def __init__(self, freed, arrived):
        self._freed = freed
        self._arrived = arrived

    def __getattr__(self, name):
        return getattr(asyncio, name)


class _Taking(_View):
    """Here sleep(1) waits for a slot to be free, sleep(0) ends each turn, and any other is for a fault."""

    async def sleep(self, seconds):
        if seconds == 1:
            await self._freed.wait(seconds)
            return
        if seconds == 0:
            self._arrived.ring()
        await asyncio.sleep(seconds)


class _Running(_View):
    """Here a sleep waits for jobs to arrive, and so does a wait for the running ones that has a timeout."""

    async def sleep(self, seconds):
        if seconds:
            await self._arrived.wait(seconds)
        else:
            await asyncio.sleep(0)

    async def wait(self, tasks, *, timeout=None, return_when=asyncio.FIRST_COMPLETED):
        if timeout is None:
            done, pending = await asyncio.wait(tasks, return_when=return_when)
        else:
            knock = self._arrived.listen()
            try:
                awaited = {*tasks, knock}
                done, pending = await asyncio.wait(awaited, timeout=timeout, return_when=return_when)
            finally:
                self._arrived.leave(knock)
            done, pending = done - {knock}, pending - {knock}
        if done:
            self._freed.ring()
        return done, pending
