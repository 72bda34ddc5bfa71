"""What is wrong with a body, said as upstream says it: `$.gpu: additional properties 'x' not allowed`."""

from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

# Which member of a union was meant is not part of the path.
_TAGS = frozenset({"QUEUE_DELAY", "REQUEST_COUNT"})
_WANTED = {
    "string_type": "string",
    "int_type": "integer",
    "float_type": "number",
    "bool_type": "boolean",
    "list_type": "array",
    "dict_type": "object",
    "model_type": "object",
    "model_attributes_type": "object",
}
_AT_LEAST = {"greater_than_equal": ("minimum", "ge"), "less_than_equal": ("maximum", "le")}


def not_json(error: ValidationError) -> bool:
    return any(detail["type"] == "json_invalid" for detail in error.errors(include_url=False))


def body_problems(error: ValidationError) -> list[str]:
    return [_problem(detail, "$") for detail in error.errors(include_url=False)]


def query_problems(error: ValidationError) -> list[str]:
    return [_problem(detail, "query") for detail in error.errors(include_url=False)]


def _problem(detail: ErrorDetails, root: str) -> str:
    loc = [part for part in detail["loc"] if part not in _TAGS]
    if detail["type"] == "extra_forbidden":
        return f"{_path(root, loc[:-1])}: additional properties '{loc[-1]}' not allowed"
    if detail["type"] in ("missing", "union_tag_not_found"):
        missing = loc[-1] if detail["type"] == "missing" else "type"
        parent = loc[:-1] if detail["type"] == "missing" else loc
        return f"{_path(root, parent)}: missing property '{missing}'"
    return f"{_path(root, loc)}: {_reason(detail)}"


def _path(root: str, loc: Sequence[int | str]) -> str:
    return root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)


def _reason(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    kind = detail["type"]
    if kind in _WANTED:
        return f"got {_kind_of(detail['input'])}, want {_WANTED[kind]}"
    if kind in _AT_LEAST:
        word, bound = _AT_LEAST[kind]
        return f"{word}: got {detail['input']}, want {context[bound]}"
    if kind == "literal_error":
        return f"value must be one of {context['expected'].replace(' or ', ', ')}"
    if kind == "union_tag_invalid":
        return f"value of 'type' must be one of {context['expected_tags']}"
    if kind == "value_error":
        return str(context["error"])
    return detail["msg"]


def _kind_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int() | float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"
