"""The two roots that operations hang on, and what a resolver finds in `info.context`."""

from typing import Any, ParamSpec, TypeVar

from ariadne import MutationType, QueryType

P = ParamSpec("P")
T = TypeVar("T")
Input = dict[str, Any]

query = QueryType()
mutation = MutationType()
