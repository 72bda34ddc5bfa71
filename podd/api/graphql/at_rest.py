"""What was worked out for things at rest, kept for the next who asks the same: most pods of a long list have
not changed since they were listed last, and to go through their fields one by one is what takes the time."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
from graphql import Executor, GraphQLObjectType, GraphQLResolveInfo
from graphql.pyutils import Path

from podd.api.context import Call
from podd.api.graphql.views import View
from podd.api.kept import Kept
from podd.api.visits import Visit


@dataclass(frozen=True, slots=True)
class AtRest:
    """A view that is a function of `key` and nothing else: neither of the time nor of who looks. It must not
    wait for anything."""

    key: Hashable
    view: Callable[[], View]


Shown = View | AtRest


@dataclass(frozen=True)
class Question(Call):
    """A call, the visit it belongs to, and a short name for all that it says: document, variables and
    operation."""

    visit: Visit
    digest: bytes
    kept: Kept


class Remembering(Executor[None]):  # type: ignore[misc]  # graphql-core is followed by nobody
    """Executes each selection of an `AtRest` once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The lists are part of the value so that no other can come to lie at their address meanwhile.
        self._selections: dict[int, tuple[bytes, list[Any]]] = {}

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: list[Any],
        info: GraphQLResolveInfo,
        path: Path,
        result: Any,
        position_context: None,
    ) -> Any:
        def complete(view: object) -> Any:
            return super(Remembering, self).complete_object_value(
                return_type, field_details_list, info, path, view, position_context
            )

        if not isinstance(result, AtRest):
            return complete(result)
        question: Question = self.context_value
        key = (self._selection(question, field_details_list, path), result.key)
        json = question.kept.get(key)
        if json is None:
            completed = complete(result.view())
            if self.is_awaitable(completed) or self.collected_errors.errors:
                return completed
            json = msgspec.json.encode(completed)
            question.kept.put(key, json)
        return msgspec.Raw(json)

    def _selection(self, question: Question, fields: list[Any], path: Path) -> bytes:
        """Which of the question's selections it is: that of the fields at this path, whatever the indices."""
        known = self._selections.get(id(fields))
        if known is None:
            names = [part for part in path.as_list() if isinstance(part, str)]
            name = sha256(question.digest + ".".join(names).encode()).digest()
            known = self._selections[id(fields)] = name, fields
        return known[0]
