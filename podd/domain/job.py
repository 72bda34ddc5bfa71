"""Jobs of a queue endpoint: what a request may hold, the states, and what a worker's post means.

States: IN_QUEUE → IN_PROGRESS → one of the final ones. A lost attempt goes back to IN_QUEUE; a final
state never changes.
"""

import json
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from podd.domain.errors import Invalid
from podd.domain.webhook import checked_url
from podd.domain.words import whole_number

MIN_WAIT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLimits:
    """What a request may ask for, in milliseconds. The defaults are RunPod's."""

    min_execution_timeout: int = 5_000
    max_execution_timeout: int = 86_400_000
    min_ttl: int = 10_000
    max_ttl: int = 7 * 86_400_000
    default_wait: int = 90_000
    max_wait: int = 300_000


DEFAULT_LIMITS = JobLimits()


class JobStatus(StrEnum):
    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.TIMED_OUT})
TOLD = FINAL - {JobStatus.CANCELLED}
"""The ends that a webhook hears of: whoever cancels a job knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A submitted job. `body` is, as JSON text, what the worker gets besides its id: `input` and what
    travels with it.

    `execution_timeout` and `ttl` in milliseconds, None: the endpoint's or podd's default; 0: no limit.
    `webhook` is where its end is to be told, "" for nowhere.
    """

    body: str
    sync: bool = False
    execution_timeout: int | None = None
    ttl: int | None = None
    low_priority: bool = False
    webhook: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`delay` and `execution` in milliseconds. `output`, `progress` and `error` as JSON text / text;
    None: there is none (which JSON null is not)."""

    id: str
    endpoint_id: str
    status: JobStatus
    sync: bool
    attempt: int
    retries: int
    submitted_at: int
    enqueued_at: int
    taken_at: int | None = None
    ended_at: int | None = None
    worker_id: str = ""
    body: str = "{}"
    progress: str | None = None
    output: str | None = None
    error: str | None = None

    @property
    def final(self) -> bool:
        return self.status in FINAL


def parse_request(raw: bytes, *, sync: bool, limits: JobLimits = DEFAULT_LIMITS) -> JobRequest:
    """A body of /run or /runsync. Raises Invalid in RunPod's words."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    return request_of(body, sync=sync, limits=limits)


def request_of(body: object, *, sync: bool = False, limits: JobLimits = DEFAULT_LIMITS) -> JobRequest:
    """A request from its JSON value, a dict of which is used up. Raises Invalid in RunPod's words."""
    if not isinstance(body, dict):
        raise Invalid("json is invalid: the body must be a JSON object with an input.")
    if "input" not in body:
        raise Invalid('json is invalid: "input" is missing.')
    policy = body.pop("policy", None) or {}
    if not isinstance(policy, dict):
        raise Invalid("policy must be an object.")
    body.pop("id", None)  # the id is podd's to give
    try:
        text = _dumps(body)
    except (ValueError, RecursionError):  # NaN and its like, which Python reads and JSON does not have
        raise Invalid("json is invalid: it has a number that is none, or is nested too deeply.") from None
    return JobRequest(
        body=text,
        sync=sync,
        execution_timeout=_milliseconds(
            policy,
            "executionTimeout",
            limits.min_execution_timeout,
            limits.max_execution_timeout,
            zero_ok=True,
        ),
        ttl=_milliseconds(policy, "ttl", limits.min_ttl, limits.max_ttl),
        low_priority=policy.get("lowPriority") is True,
        webhook=checked_url(body.get("webhook")),
    )


def _milliseconds(
    policy: dict[str, Any], name: str, least: int, most: int, *, zero_ok: bool = False
) -> int | None:
    value = policy.get(name)
    if value is None:
        return None
    if type(value) is int and (least <= value <= most or (zero_ok and value == 0)):
        return value
    raise Invalid(f"policy.{name} must be a whole number of milliseconds between {least} and {most}.")


def parse_wait(text: str | None, limits: JobLimits = DEFAULT_LIMITS, *, default: int | None = None) -> int:
    """The `wait` of a synchronous call in milliseconds. Raises Invalid in RunPod's words."""
    if text is None or text == "":
        return limits.default_wait if default is None else default
    wait = whole_number(text)
    if wait is None or not MIN_WAIT <= wait <= limits.max_wait:
        raise Invalid(f"wait is invalid; must be between {MIN_WAIT} and {limits.max_wait}")
    return wait


@dataclass(frozen=True, slots=True)
class Progress:
    """A sign of progress: the latest one shows as the output of the running job."""

    output: str


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a job as its worker tells it. JSON text or None. `refresh`: the worker wants to be
    started afresh before it gets another job."""

    output: str | None
    error: str | None
    refresh: bool = False

    @property
    def status(self) -> JobStatus:
        return JobStatus.FAILED if self.error is not None else JobStatus.COMPLETED


def parse_post(raw: bytes) -> Progress | Result:
    """What a worker posted to job-done. Python workers write NaN and Infinity, which JSON does not have:
    they become null. Raises Invalid when it is not a JSON object."""
    try:
        return _meaning(json.loads(raw or b"{}"))
    except (ValueError, RecursionError):
        raise Invalid("The result is not JSON, or nested too deeply.") from None


def parse_chunk(raw: bytes, most: int) -> list[str]:
    """What a worker posted to job-stream, as chunks in JSON text. A long text is cut into several of at
    most `most` bytes; other values stay whole. Raises Invalid when it is not a JSON object."""
    try:
        body = json.loads(raw or b"{}")
        if not isinstance(body, dict):
            raise Invalid("The chunk must be a JSON object.")
        return _cut(body.get("output"), most)
    except (ValueError, RecursionError):
        raise Invalid("The chunk is not JSON, or nested too deeply.") from None


def _cut(value: Any, most: int) -> list[str]:
    text = to_json(value)
    if not isinstance(value, str) or len(value) < 2 or len(text.encode()) <= most:
        return [text]
    middle = len(value) // 2
    return _cut(value[:middle], most) + _cut(value[middle:], most)


def _meaning(body: object) -> Progress | Result:
    if not isinstance(body, dict):
        raise Invalid("The result must be a JSON object.")
    output = to_json(body["output"]) if "output" in body else None
    if body.get("status") == JobStatus.IN_PROGRESS:
        return Progress(output if output is not None else "null")
    error = body.get("error")
    if error is not None and not isinstance(error, str):
        error = to_json(error)
    # Half a surrogate pair can be written in JSON, but is no text that could be stored.
    error = error and error.encode(errors="backslashreplace").decode()
    return Result(output=output, error=error or None, refresh=body.get("stopPod") is True)


def to_json(value: Any) -> str:
    """Compact JSON that every client can read. NaN and Infinity become null."""
    try:
        return _dumps(value)
    except ValueError:
        return _dumps(_finite(value))


_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _dumps(value: Any) -> str:
    """Compact JSON. Raises ValueError for NaN and Infinity."""
    text = _COMPACT.encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: no text, except as an escape
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text


def _finite(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list():
            return [_finite(item) for item in value]
    return value


def lost_message(retries: int) -> str:
    """The error of a job whose workers died under it, in RunPod's words."""
    return f"job timed out after {retries} retries"


EXECUTION_TIMEOUT_MESSAGE = "executionTimeout exceeded"
EXPIRED_MESSAGE = "The job was not finished within its time to live."
