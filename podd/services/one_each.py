"""Questions that may take long, one at a time for each thing they are about."""

import asyncio
from collections.abc import Coroutine


class OneEach:
    """`begin` starts a question unless one about the same thing is under way; `wait` gives those that are
    some time. A question asks its thread for an answer through `turn`, so that not too many are at once."""

    def __init__(self, at_once: int, patience: float) -> None:
        self.turn = asyncio.Semaphore(at_once)
        self._patience = patience
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def begin(self, about: str, question: Coroutine[None, None, None]) -> None:
        if about in self._under_way:
            question.close()
            return
        task = self._under_way[about] = asyncio.create_task(question)
        task.add_done_callback(lambda _: self._under_way.pop(about))

    async def wait(self) -> None:
        """Until all are answered, `patience` seconds at most; the others go on. Raises what one did."""
        if not self._under_way:
            return
        done, _ = await asyncio.wait(self._under_way.values(), timeout=self._patience)
        for question in done:
            question.result()
