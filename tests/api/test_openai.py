"""OpenAI's unmodified client, with a worker at the other end of its requests. Numbers in names are those of
the conformance scenarios podd was planned with."""

import json
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.api.conftest import NewPodd
from tests.api.served import QUICKLY, Served
from tests.waiting import eventually

Json = dict[str, Any]

MODELS = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "me"}]}
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Grüße"}}],
}
ASKED: Json = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def delta(text: str) -> Json:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
    }


class Mock:
    """An endpoint and its worker, which is told by the test what to post."""

    def __init__(self, podd: Served) -> None:
        self.podd = podd
        self.endpoint_id, self.worker = podd.woken()
        self.base_url = f"{podd.url}/v2/{self.endpoint_id}/openai/v1"
        self.client = self.client_with(podd.key)
        self.threads = ThreadPoolExecutor(2)

    def client_with(self, key: str) -> OpenAI:
        http = openai.DefaultHttpxClient(timeout=30, **QUICKLY)
        return OpenAI(base_url=self.base_url, api_key=key, max_retries=0, http_client=http)

    def close(self) -> None:
        self.client.close()
        self.threads.shutdown()

    def answered(self, asked: Any, *posts: Any, chunks: Sequence[Any] = ()) -> tuple[Json, Any]:
        """The job's input, and what the client makes of these results."""
        answer = self.threads.submit(asked)
        job = self.worker.take()
        for chunk in chunks:
            self.worker.stream(job["id"], chunk)
        for post in posts:
            self.worker.done(job["id"], post)
        return job["input"], answer.result()


@pytest.fixture
def mock(podd: Served) -> Iterator[Mock]:
    mock = Mock(podd)
    yield mock
    mock.close()


def test_103_models_are_asked_of_the_worker(mock: Mock) -> None:
    asked, models = mock.answered(lambda: mock.client.models.list(), {"output": MODELS})
    assert asked == {"openai_route": "/v1/models", "openai_input": None}
    assert [model.id for model in models.data] == ["m"]


@pytest.mark.parametrize("output", [COMPLETION, [COMPLETION]], ids=["returned", "aggregated"])
def test_104_a_completion_is_the_workers_output(mock: Mock, output: Any) -> None:
    asked, completion = mock.answered(
        lambda: mock.client.chat.completions.create(**ASKED), {"output": output}
    )
    assert asked == {"openai_route": "/v1/chat/completions", "openai_input": ASKED}
    assert completion.choices[0].message.content == "Grüße"


def test_104_a_generator_that_is_not_aggregated_answers_by_its_chunks(mock: Mock) -> None:
    _, completion = mock.answered(
        lambda: mock.client.chat.completions.create(**ASKED), {"output": []}, chunks=[COMPLETION]
    )
    assert completion.choices[0].message.content == "Grüße"


def streamed(mock: Mock) -> list[str]:
    with mock.client.chat.completions.create(**ASKED, stream=True) as stream:
        return [chunk.choices[0].delta.content or "" for chunk in stream]


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_105_events_arrive_whole_wherever_they_were_cut(mock: Mock, size: int) -> None:
    words = ["Grüße", ", ", "\U0001f680", ""] if size < 100 else [f"word {n} " for n in range(50)]
    text = "".join(f"data: {json.dumps(delta(word), ensure_ascii=False)}\n\n" for word in words)
    text += "data: [DONE]\n\n"
    size = max(size, len(text) // 40)
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    asked, got = mock.answered(lambda: streamed(mock), {"output": []}, chunks=chunks)
    assert asked["openai_input"]["stream"] is True
    assert got == words


def test_105_objects_are_framed_and_closed(mock: Mock) -> None:
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(
            httpx.post,
            f"{mock.base_url}/chat/completions",
            json={**ASKED, "stream": True},
            headers={"Authorization": f"Bearer {mock.podd.key}"},
            timeout=30,
            **QUICKLY,
        )
        job = mock.worker.take()
        mock.worker.stream(job["id"], {"a": 1})
        mock.worker.done(job["id"], {"output": []})
        response = answer.result()
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text == 'data: {"a":1}\n\ndata: [DONE]\n\n'


def test_105_the_first_events_arrive_before_the_job_ends(mock: Mock) -> None:
    stream = mock.threads.submit(lambda: mock.client.chat.completions.create(**ASKED, stream=True))
    job = mock.worker.take()
    mock.worker.stream(job["id"], f"data: {json.dumps(delta('first'))}\n\n")
    with stream.result() as chunks:
        assert next(chunks).choices[0].delta.content == "first"
        assert mock.podd.status(mock.endpoint_id, job["id"])["status"] == "IN_PROGRESS"
        mock.worker.stream(job["id"], "data: [DONE]\n\n")
        mock.worker.done(job["id"], {"output": []})
        assert list(chunks) == []


def test_105_a_worker_that_streams_nothing_is_streamed_by_its_result(mock: Mock) -> None:
    text = f"data: {json.dumps(delta('all'))}\n\ndata: [DONE]\n\n"
    _, got = mock.answered(lambda: streamed(mock), {"output": [text]})
    assert got == ["all"]


@pytest.mark.parametrize("stream", [False, True])
def test_106_a_workers_error_is_an_error_of_the_client(mock: Mock, stream: bool) -> None:
    with pytest.raises(openai.InternalServerError, match="no luck") as raised:
        mock.answered(
            lambda: mock.client.chat.completions.create(**ASKED, stream=stream), {"error": "no luck"}
        )
    assert raised.value.type == "server_error"


@pytest.mark.parametrize(
    "told",
    [
        {"object": "error", "message": "no such model", "type": "NotFoundError", "code": 404},
        {"error": {"message": "no such model", "type": "NotFoundError", "code": 404}},
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_106_an_error_that_is_returned_has_its_own_status(mock: Mock, told: Json, stream: bool) -> None:
    with pytest.raises(openai.NotFoundError, match="no such model"):
        mock.answered(
            lambda: mock.client.chat.completions.create(**ASKED, stream=stream),
            {"output": [told]},
            chunks=[told],
        )


def test_106_a_failure_in_the_middle_of_a_stream_is_its_last_event(mock: Mock) -> None:
    with pytest.raises(openai.APIError, match="no luck"):
        mock.answered(
            lambda: streamed(mock),
            {"error": "no luck"},
            chunks=[f"data: {json.dumps(delta('a'))}\n\n"],
        )


def test_107_embeddings_pass_through(mock: Mock) -> None:
    output = {
        "object": "list",
        "model": "m",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
    asked, found = mock.answered(
        lambda: mock.client.embeddings.create(model="m", input="x", encoding_format="float"),
        {"output": output},
    )
    assert asked["openai_route"] == "/v1/embeddings"
    assert found.data[0].embedding == [0.5, 1.0]


def test_errors_are_in_openais_shape(mock: Mock) -> None:
    with (
        mock.client_with("rpa_WRONG") as unknown,
        pytest.raises(openai.AuthenticationError, match="invalid api key") as raised,
    ):
        unknown.models.list()
    assert raised.value.body == {
        "message": "invalid api key",
        "type": "invalid_request_error",
        "param": None,
        "code": 401,
    }
    with mock.client_with(mock.podd.account()) as stranger, pytest.raises(openai.NotFoundError):
        stranger.models.list()
    response = mock.podd.http.post(f"{mock.base_url}/chat/completions", content=b"{")
    assert (response.status_code, response.json()["error"]["code"]) == (400, 400)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up_cancels_the_job(mock: Mock, stream: bool) -> None:
    body = json.dumps({**ASKED, "stream": stream})
    with socket.create_connection(mock.podd.address) as client:
        head = f"POST /v2/{mock.endpoint_id}/openai/v1/chat/completions HTTP/1.1\r\nHost: podd"
        head += f"\r\nAuthorization: {mock.podd.key}\r\nContent-Length: {len(body)}"
        client.sendall(f"{head}\r\n\r\n{body}".encode())
        job_id = mock.worker.take()["id"]
        mock.worker.stream(job_id, "data: ")
    eventually(lambda: mock.podd.status(mock.endpoint_id, job_id)["status"] == "CANCELLED")


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_nobody_works_on_is_given_up_and_cancelled(new_podd: NewPodd, stream: bool) -> None:
    podd = new_podd(limits={"openai_wait_seconds": 0.05})
    endpoint_id = podd.create_endpoint(workersMax=0)
    response = podd.http.post(f"/v2/{endpoint_id}/openai/v1/completions", json={"stream": stream})
    assert (response.status_code, response.json()["error"]["code"]) == (504, 504)
    eventually(lambda: podd.health(endpoint_id)["jobs"]["inQueue"] == 0)


def test_a_request_counts_as_a_job(mock: Mock) -> None:
    mock.answered(lambda: mock.client.models.list(), {"output": MODELS})
    assert mock.podd.health(mock.endpoint_id)["jobs"]["completed"] == 1
