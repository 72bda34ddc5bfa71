"""What a job request may hold, what a worker's post means, how long a caller may wait."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podd.domain.errors import Invalid
from podd.domain.job import (
    FINAL,
    Job,
    JobLimits,
    JobStatus,
    Progress,
    Result,
    lost_message,
    parse_post,
    parse_request,
    parse_wait,
    to_json,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def body_of(raw: object) -> Any:
    """What the worker will get of this request."""
    return json.loads(parse_request(json.dumps(raw).encode(), sync=False).body)


# Requests


@pytest.mark.parametrize("value", [{}, None, 0, "", [], False, {"a": 1}, "text", {"input": {}}])
def test_any_input_is_kept_an_empty_one_too(value: object) -> None:
    assert body_of({"input": value}) == {"input": value}


@given(json_values)
def test_the_input_reaches_the_worker_as_it_was_sent(value: object) -> None:
    assert body_of({"input": value}) == {"input": value}


def test_half_a_surrogate_pair_does_not_keep_a_job_out() -> None:
    request = parse_request(b'{"input": "\\ud83d"}', sync=False)
    assert json.loads(request.body) == {"input": "\ud83d"}
    request.body.encode()  # it can be stored and sent


def test_what_travels_with_the_input_is_kept_but_policy_and_id_are_podds() -> None:
    extras = {"webhook": "https://example.org", "s3Config": {"bucketName": "b"}, "unknown": [1]}
    sent = {"input": 1, "id": "mine", "policy": {"ttl": 10_000}, **extras}
    assert body_of(sent) == {"input": 1, **extras}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense",
        b"{",
        b'{"input": 1',
        b"\xff\xfe",
        b'{"input": \xff}',
        b"[" * 100_000,
        b'{"input":' * 100_000,
        b'{"input": NaN}',
        b'{"input": [1e400]}',
    ],
    ids=[
        "empty",
        "word",
        "open",
        "cut off",
        "bytes",
        "not UTF-8",
        "too deep",
        "too deep in the input",
        "no number",
        "no double",
    ],
)
def test_what_is_not_json_is_refused_in_runpods_words(raw: bytes) -> None:
    with pytest.raises(Invalid, match=r"^json is invalid"):
        parse_request(raw, sync=False)


@pytest.mark.parametrize("raw", [b"[]", b"null", b"1", b'"x"', b"{}", b'{"inputs": 1}', b'[{"input": 1}]'])
def test_a_body_without_an_input_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid, match=r"^json is invalid"):
        parse_request(raw, sync=False)


def test_a_request_says_how_it_was_sent() -> None:
    assert parse_request(b'{"input": 1}', sync=True).sync
    assert not parse_request(b'{"input": 1}', sync=False).sync


def policy(**values: object) -> bytes:
    return json.dumps({"input": 1, "policy": values}).encode()


@pytest.mark.parametrize(
    "raw", [b'{"input": 1}', b'{"input": 1, "policy": null}', b'{"input": 1, "policy": {}}']
)
def test_without_a_policy_the_defaults_hold(raw: bytes) -> None:
    request = parse_request(raw, sync=False)
    assert (request.execution_timeout, request.ttl, request.low_priority) == (None, None, False)


@pytest.mark.parametrize("value", [0, 5_000, 86_400_000])
def test_an_execution_timeout_within_its_range_is_taken(value: int) -> None:
    assert parse_request(policy(executionTimeout=value), sync=False).execution_timeout == value


@pytest.mark.parametrize("value", [10_000, 7 * 86_400_000])
def test_a_ttl_within_its_range_is_taken(value: int) -> None:
    assert parse_request(policy(ttl=value), sync=False).ttl == value


@pytest.mark.parametrize("value", [1, 4_999, 86_400_001, -1, "5000", 5000.5, True, False, [], {}, math.inf])
def test_a_wrong_execution_timeout_is_refused_by_its_name(value: object) -> None:
    with pytest.raises(Invalid, match=r"^policy\.executionTimeout must be .* between 5000 and 86400000\.$"):
        parse_request(policy(executionTimeout=value), sync=False)


@pytest.mark.parametrize("value", [0, 9_999, 7 * 86_400_000 + 1, "10000", False, [], 1e300])
def test_a_wrong_ttl_is_refused_by_its_name(value: object) -> None:
    with pytest.raises(Invalid, match=r"^policy\.ttl must be .* between 10000 and 604800000\.$"):
        parse_request(policy(ttl=value), sync=False)


def test_the_ranges_are_the_operators() -> None:
    limits = JobLimits(min_ttl=1, max_ttl=2, min_execution_timeout=3, max_execution_timeout=4)
    request = parse_request(policy(ttl=2, executionTimeout=3), sync=False, limits=limits)
    assert (request.ttl, request.execution_timeout) == (2, 3)
    for bad in (policy(ttl=3), policy(executionTimeout=5)):
        with pytest.raises(Invalid, match=r"^policy\."):
            parse_request(bad, sync=False, limits=limits)


@pytest.mark.parametrize("value", ["slow", 5, ["ttl"], True])
def test_a_policy_that_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(Invalid, match=r"^policy must be an object\.$"):
        parse_request(json.dumps({"input": 1, "policy": value}).encode(), sync=False)


@pytest.mark.parametrize(
    ("value", "low"), [(True, True), (False, False), (None, False), ("true", False), (1, False)]
)
def test_only_true_makes_a_job_one_of_low_priority(value: object, low: bool) -> None:
    assert parse_request(policy(lowPriority=value), sync=False).low_priority is low


# What a worker posts, as the SDK writes it (section B5 of the protocol)

POSTS: dict[str, tuple[bytes, Progress | Result]] = {
    "a number": (b'{"output": 1}', Result("1", None)),
    "a text": (b'{"output": "x"}', Result('"x"', None)),
    "a list": (b'{"output": []}', Result("[]", None)),
    "false is a result": (b'{"output": false}', Result("false", None)),
    "None": (b'{"output": null}', Result("null", None)),
    "an empty object leaves no output": (b"{}", Result(None, None)),
    "nothing at all": (b"", Result(None, None)),
    "an error": (b'{"error": "boom"}', Result(None, "boom")),
    "an error and an output": (b'{"output": {"output": 1}, "error": "x"}', Result('{"output":1}', "x")),
    "an error object becomes text": (b'{"error": {"k": 1}}', Result(None, '{"k":1}')),
    "an error list becomes text": (b'{"error": ["a"]}', Result(None, '["a"]')),
    "no error after all": (b'{"error": null, "output": 1}', Result("1", None)),
    "an empty error is none": (b'{"error": "", "output": 1}', Result("1", None)),
    "refresh": (b'{"output": 1, "stopPod": true}', Result("1", None, refresh=True)),
    "refresh after an error": (b'{"error": "x", "stopPod": true}', Result(None, "x", refresh=True)),
    "stopPod must be true": (b'{"output": 1, "stopPod": "no"}', Result("1", None)),
    "progress": (b'{"status": "IN_PROGRESS", "output": {"p": 1}}', Progress('{"p":1}')),
    "progress without a word": (b'{"status": "IN_PROGRESS"}', Progress("null")),
    "progress is not an error": (b'{"status": "IN_PROGRESS", "output": 1, "error": "x"}', Progress("1")),
    "NaN becomes null": (
        b'{"output": [NaN, Infinity, {"a": -Infinity}]}',
        Result('[null,null,{"a":null}]', None),
    ),
    "text in UTF-8 stays as it is": ('{"output": "größer"}'.encode(), Result('"größer"', None)),
    "a generator without aggregate": (b'{"output": []}', Result("[]", None)),
}


@pytest.mark.parametrize(("raw", "meaning"), POSTS.values(), ids=POSTS.keys())
def test_a_post_means(raw: bytes, meaning: Progress | Result) -> None:
    assert parse_post(raw) == meaning


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense",
        b"[]",
        b"null",
        b'"x"',
        b"\xff",
        b'{"output":' * 100_000,
        b'{"output":' + b"[" * 480 + b"NaN",
    ],
)
def test_a_post_that_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid, match=r"^The result "):
        parse_post(raw)


@pytest.mark.parametrize("depth", [400, 480, 700, 900, 990])
def test_a_deep_result_is_either_kept_or_refused_but_breaks_nothing(depth: int) -> None:
    raw = b'{"output":' + b"[" * depth + b"NaN" + b"]" * depth + b"}"
    try:
        posted = parse_post(raw)
    except Invalid:
        return
    assert isinstance(posted, Result)
    assert posted.output == "[" * depth + "null" + "]" * depth


def test_a_result_with_half_a_surrogate_pair_can_be_stored() -> None:
    posted = parse_post(b'{"output": "\\ud83d", "error": "\\ud83d!"}')
    assert isinstance(posted, Result)
    assert posted.output is not None
    assert posted.error is not None
    assert json.loads(posted.output) == "\ud83d"
    posted.output.encode()
    posted.error.encode()


@given(json_values)
def test_an_output_is_told_as_the_worker_told_it(value: object) -> None:
    posted = parse_post(json.dumps({"output": value}, ensure_ascii=False).encode())
    assert isinstance(posted, Result)
    assert posted.output is not None
    assert json.loads(posted.output) == value
    assert posted.status is JobStatus.COMPLETED


def test_a_result_with_an_error_is_a_failure() -> None:
    assert Result("1", "x").status is JobStatus.FAILED
    assert Result(None, None).status is JobStatus.COMPLETED


def test_json_is_compact_and_valid_for_strict_readers() -> None:
    assert to_json({"a": [1, 2.5, "ä", None, True]}) == '{"a":[1,2.5,"ä",null,true]}'
    assert to_json({"a": math.nan}) == '{"a":null}'


# Waiting


@pytest.mark.parametrize(
    ("text", "wait"), [(None, 90_000), ("", 90_000), ("1000", 1000), ("300000", 300_000)]
)
def test_a_wait_is_in_milliseconds_and_ninety_seconds_by_default(text: str | None, wait: int) -> None:
    assert parse_wait(text) == wait


@pytest.mark.parametrize(
    "text", ["999", "300001", "abc", "-1000", "1000.5", "1e4", " 5000", "٥٠٠٠", "²", "9" * 5000]
)
def test_a_wrong_wait_is_refused_in_runpods_words(text: str) -> None:
    with pytest.raises(Invalid, match=r"^wait is invalid; must be between 1000 and 300000$"):
        parse_wait(text)


def test_the_longest_wait_is_the_operators() -> None:
    limits = JobLimits(default_wait=2_000, max_wait=3_000)
    assert parse_wait(None, limits) == 2_000
    with pytest.raises(Invalid, match=r"between 1000 and 3000$"):
        parse_wait("3001", limits)


# States


@pytest.mark.parametrize("status", JobStatus)
def test_a_job_is_final_in_all_states_but_the_two_open_ones(status: JobStatus) -> None:
    job = Job(
        id="j",
        endpoint_id="e",
        status=status,
        sync=False,
        attempt=0,
        retries=0,
        submitted_at=0,
        enqueued_at=0,
    )
    assert job.final == (status not in (JobStatus.IN_QUEUE, JobStatus.IN_PROGRESS))
    assert job.final == (status in FINAL)


def test_a_lost_job_says_so_in_runpods_words() -> None:
    assert lost_message(1) == "job timed out after 1 retries"
