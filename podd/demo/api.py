"""What a user sends to podd: GraphQL by curl, as RunPod's documentation shows it, or without it."""

import json
import shlex
import shutil
import subprocess
from typing import Any

import httpx

from podd.demo.failure import DemoError

Answer = dict[str, Any]

PATIENCE = 30


class Api:
    """One user's way to podd's API."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key
        self._curl = shutil.which("curl")
        self._http = httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def graphql(self, document: str) -> Answer:
        """The `data` of the answer. Raises DemoError with podd's own words when it refuses."""
        return _data(self._post(document))

    def curl(self, document: str) -> Answer:
        """The same, sent by the curl of this machine if it has one."""
        if self._curl is None:
            return self.graphql(document)
        quiet = ["--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", str(PATIENCE)]
        words = [self._curl, *quiet, *_curl_words(self._graphql_url(self.key), document)]
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)  # noqa: S603
        if done.returncode:
            raise DemoError(f"curl failed: {done.stderr.strip()}")
        return _data(done.stdout)

    def shown(self, document: str) -> str:
        """The command, fit for a shell, but for most of the key."""
        words = _curl_words(self._graphql_url(f"{self.key[:8]}..."), document)
        options = (
            f"{name} {shlex.quote(value)}" for name, value in zip(words[::2], words[1::2], strict=True)
        )
        without = "" if self._curl else "\n(there is no curl on this machine: the demo sends the same itself)"
        return "$ curl " + " \\\n    ".join(options) + without

    def get(self, path: str) -> Answer:
        """The JSON object at a path of the job API."""
        try:
            response = self._http.get(path, headers={"Authorization": f"Bearer {self.key}"})
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise DemoError(f"GET {path} failed: {error}") from error
        answer: Answer = response.json()
        return answer

    def _post(self, document: str) -> str:
        try:
            return self._http.post(self._graphql_url(self.key), json={"query": document}).text
        except httpx.HTTPError as error:
            raise DemoError(f"podd does not answer: {error}") from error

    def _graphql_url(self, key: str) -> str:
        return f"{self.url}/graphql?api_key={key}"


def _curl_words(url: str, document: str) -> list[str]:
    words = ["--request", "POST", "--header", "content-type: application/json", "--url", url]
    return [*words, "--data", json.dumps({"query": document})]


def _data(text: str) -> Answer:
    try:
        answer = json.loads(text)
    except ValueError:
        raise DemoError(f"podd answered {text[:200]!r}, which is not JSON.") from None
    if answer.get("errors"):
        raise DemoError(f"podd refused: {answer['errors'][0]['message']}")
    data: Answer = answer["data"]
    return data
