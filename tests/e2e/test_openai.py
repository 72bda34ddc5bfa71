"""OpenAI's unmodified client with the unmodified worker SDK. Numbers in names are those of the conformance
scenarios podd was planned with."""

from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI

from tests.e2e.daemon import Daemon


@pytest.fixture(scope="module")
def client(shared_daemon: Daemon) -> Iterator[OpenAI]:
    endpoint_id = shared_daemon.create_endpoint("openai", workersMin=1, workersMax=1)
    with OpenAI(
        base_url=f"{shared_daemon.url}/v2/{endpoint_id}/openai/v1",
        api_key=shared_daemon.key,
        max_retries=0,
        http_client=openai.DefaultHttpxClient(trust_env=False, timeout=60),
    ) as client:
        yield client
    shared_daemon.delete_endpoint(endpoint_id)


def test_103_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["mock"]


def test_104_a_completion(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="mock", messages=[{"role": "user", "content": "Grüße"}])
    assert answer.choices[0].message.content == "Grüße"


def test_105_a_streamed_completion(client: OpenAI) -> None:
    words = [f"word{n}" for n in range(30)]
    with client.chat.completions.create(
        model="mock", messages=[{"role": "user", "content": " ".join(words)}], stream=True
    ) as stream:
        assert [chunk.choices[0].delta.content for chunk in stream] == words


def test_106_a_failure(client: OpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match="no luck"):
        client.chat.completions.create(model="mock", messages=[{"role": "user", "content": "fail"}])
