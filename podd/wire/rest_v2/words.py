"""Kinds of values that more than one resource has, and the bases of bodies, queries and answers."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

MOST = 2**31 - 1


def whole(value: object) -> object:
    """20.0 is a whole number in JSON, and how some clients write 20."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def split(value: object) -> object:
    """A query array: joined with commas, repeated, or both."""
    parts = value if isinstance(value, list) else [value]
    return [word for part in parts for word in str(part).split(",") if word]


Split = BeforeValidator(split)
Whole = Annotated[int, BeforeValidator(whole), Field(le=MOST)]
Positive = Annotated[int, BeforeValidator(whole), Field(ge=1, le=MOST)]
Natural = Annotated[int, BeforeValidator(whole), Field(ge=0, le=MOST)]
Name = Annotated[str, Field(min_length=1)]
CudaVersion = Annotated[str, Field(pattern=r"^\d+\.\d+$")]
Cloud = Literal["SECURE", "COMMUNITY"]
VolumeType = Literal["STANDARD", "HIGH_PERFORMANCE"]
Region = Literal[
    "NORTH_AMERICA",
    "SOUTH_AMERICA",
    "EUROPE",
    "ASIA",
    "MIDDLE_EAST",
    "AFRICA",
    "OCEANIA",
    "ANTARCTICA",
    "UNKNOWN",
]
AvailabilityLevel = Literal["NONE", "LOW", "MEDIUM", "HIGH"]


class Body(BaseModel):
    """A body as the schema has it. None: not said."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
        str_max_length=1024 * 1024,
    )

    def says(self, name: str) -> bool:
        """Whether the field was sent at all, if only to clear it."""
        return name in self.model_fields_set


class Query(BaseModel):
    """Parameters after the `?`. Unknown ones are ignored, as upstream ignores them."""

    model_config = ConfigDict(extra="ignore", alias_generator=to_camel, populate_by_name=True)


class PageQuery(Query):
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000
    cursor: str | None = None


class View(BaseModel):
    """What podd answers, in the names of the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


def left_out() -> Any:
    """A field that is not in the answer when it has no value."""
    empty: Callable[[object], bool] = lambda value: value is None  # noqa: E731 - one line where it is used
    return Field(None, exclude_if=empty)


class Problem(View):
    """Every error, as application/problem+json."""

    title: str
    status: int
    detail: str
    errors: list[str] | None = left_out()


class Pagination(View):
    next_cursor: str | None
    has_next_page: bool


class CatalogResourceAvailability(View):
    """A GPU type, CPU flavour or data center, and how much of it is free."""

    id: str
    name: str
    availability: AvailabilityLevel
