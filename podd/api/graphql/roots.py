"""The two roots that operations hang on, and what a resolver finds in `info.context`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from ariadne import MutationType, QueryType

from podd.api.context import Api
from podd.domain.account import Caller
from podd.services.platform import Platform
from podd.store.db import Reader, Tx

P = ParamSpec("P")
T = TypeVar("T")
Input = dict[str, Any]

query = QueryType()
mutation = MutationType()


@dataclass(frozen=True)
class Context:
    """Who is calling, and what verbs and questions are put to."""

    api: Api
    caller: Caller

    @property
    def podd(self) -> Platform:
        return self.api.podd

    @property
    def now(self) -> int:
        return self.api.now

    async def read(
        self, question: Callable[Concatenate[Reader, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self.podd.store.read(question, *args, **kwargs)

    async def write(self, verb: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.podd.store.write(verb, *args, **kwargs)
