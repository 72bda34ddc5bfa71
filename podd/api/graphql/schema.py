"""The executable schema: resolvers bound to schema.graphql, scalars as clients need them."""

from importlib import resources
from typing import Any

from ariadne import MutationType, QueryType, ScalarType, make_executable_schema
from graphql import GraphQLError, GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema

from podd.api.access import check_field
from podd.api.graphql.inputs import instant_of
from podd.domain.endpoint import FLASH_BOOT

_date_time = ScalarType("DateTime")
_port = ScalarType("Port")
_flash_boot = ScalarType("FlashBootType")
_void = ScalarType("Void")
_float = ScalarType("Float")


@_date_time.value_parser
def parse_date_time(value: object) -> str | None:
    """An ISO-8601 instant; the empty string means unset."""
    if value == "":
        return None
    try:
        instant_of(str(value))
    except ValueError:
        raise GraphQLError(f"{value!r} is not an instant such as 2026-01-31T12:00:00Z.") from None
    return str(value)


@_port.value_parser
def parse_port(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise GraphQLError(f"{value!r} is not a port number.") from None


@_flash_boot.value_parser
def parse_flash_boot(value: object) -> str | None:
    if value == "":
        return None
    if value not in FLASH_BOOT:
        raise GraphQLError(f"{value!r} is not one of {', '.join(FLASH_BOOT)}.")
    return str(value)


@_float.serializer
def serialize_float(value: object) -> float | int:
    """61, never 61.0: Go clients read these fields into integers."""
    number = float(str(value))
    return int(number) if number.is_integer() else number


@_void.serializer
def serialize_void(value: object) -> None:  # noqa: ARG001 - nothing is what it stands for
    return None


def build(query: QueryType, mutation: MutationType) -> GraphQLSchema:
    text = resources.files("podd.api.graphql").joinpath("schema.graphql").read_text()
    schema = make_executable_schema(text, query, mutation, _date_time, _port, _flash_boot, _void, _float)
    for root in (schema.query_type, schema.mutation_type):
        assert isinstance(root, GraphQLObjectType)
        _check_complete(root)
        for name, field in root.fields.items():
            field.resolve = _guarded(name, field.resolve)
    return schema


def _check_complete(root: GraphQLObjectType) -> None:
    missing = [name for name, field in root.fields.items() if field.resolve is None]
    assert not missing, f"operations without a resolver: {missing}"


def _guarded(name: str, resolve: Any) -> Any:
    """The resolver, for who may do that at all. What it may be done to is decided by the verb."""

    def guarded(root: object, info: GraphQLResolveInfo, **arguments: object) -> Any:
        check_field(info.context.caller, name)
        return resolve(root, info, **arguments)

    return guarded
