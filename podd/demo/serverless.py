"""A serverless endpoint's life. The runpod package from PyPI is at both ends: the client, and the worker."""

import logging
import os
import shlex
import time
from collections.abc import Callable
from typing import Any, TypeVar

from podd.demo.failure import DemoError, wait_for
from podd.demo.images import HANDLER, Images
from podd.demo.place import Place
from podd.demo.screen import Say

T = TypeVar("T")

POOL = "AMPERE_48"  # what RunPod calls GPUs such as the RTX A6000
IDLE_TIMEOUT = 5
JOB_WITHIN = 60


class EndpointTour:
    """Each method is a step, and needs those before it."""

    def __init__(self, place: Place, images: Images) -> None:
        self._place = place
        self._images = images
        self._runpod: Any = None
        self._endpoint: Any = None
        self._id = ""
        self._last_job_at = 0.0

    def create(self, say: Say) -> None:
        say("the worker's program, handler.py:")
        for line in HANDLER.splitlines():
            say(f"    {line}")
        self._runpod = _sdk(self._place.daemon.url, self._place.api.key)
        template = self._call(
            say,
            "create_template",
            name="demo",
            image_name=self._images.worker,
            docker_start_cmd=f"python3 -u {shlex.quote(self._images.handler)}",
            is_serverless=True,
        )
        endpoint = self._call(
            say,
            "create_endpoint",
            name="demo",
            template_id=template["id"],
            gpu_ids=POOL,
            idle_timeout=IDLE_TIMEOUT,
            workers_min=0,
            workers_max=1,
        )
        self._id = endpoint["id"]
        say(f"endpoint {self._id}; {self._workers(0)}")

    def run_sync(self, say: Say) -> None:
        """The first job brings the first worker."""
        self._endpoint = self._call(say, "Endpoint", self._id)
        wish = {"input": {"text": "from zero to one"}}
        say(f">>> endpoint.run_sync({wish})")
        output = _attempt("run_sync", lambda: self._endpoint.run_sync(wish, timeout=JOB_WITHIN))
        self._show(say, wish, output)
        say(f"{self._workers(1)}, started for this job")

    def run(self, say: Say) -> None:
        """The second finds it waiting."""
        wish = {"input": {"text": "and again"}}
        say(f">>> job = endpoint.run({wish})")
        job = _attempt("run", lambda: self._endpoint.run(wish))
        say(f">>> job.output(timeout={JOB_WITHIN})")
        output = _attempt("output", lambda: job.output(timeout=JOB_WITHIN))
        self._show(say, wish, output)
        say(f"{self._workers(1)}, the same as before")
        self._last_job_at = time.monotonic()

    def await_idle(self, say: Say) -> None:
        say(f"the endpoint's idle timeout is {IDLE_TIMEOUT} s")
        wait_for("the idle worker to be stopped", lambda: None if self._place.containers() else True)
        say(f"{self._workers(0)}, {time.monotonic() - self._last_job_at:.0f} s after the last job")

    def delete(self, say: Say) -> None:
        document = f'mutation {{ deleteEndpoint(id: "{self._id}") }}'
        say(document)
        self._place.api.graphql(document)

    # Private

    def _call(self, say: Say, function: str, /, *args: object, **options: object) -> Any:
        """Call the SDK, and show what was called."""
        words = [repr(arg) for arg in args] + [f"{key}={value!r}" for key, value in options.items()]
        say(f">>> runpod.{function}({', '.join(words)})")
        return _attempt(function, lambda: getattr(self._runpod, function)(*args, **options))

    def _show(self, say: Say, wish: dict[str, dict[str, str]], output: Any) -> None:
        """The output, if it is the right one, and the job's times."""
        if not isinstance(output, dict) or output.get("reversed") != wish["input"]["text"][::-1]:
            raise DemoError(f"The job's output is {output!r}, which is not what the handler returns.")
        status = self._place.api.get(f"/v2/{self._id}/status/{output['job']}")
        say(f"{output}")
        delay, execution = status["delayTime"], status["executionTime"]
        say(f"{status['status']}: waited {delay} ms (delayTime), ran {execution} ms (executionTime)")

    def _workers(self, expected: int) -> str:
        names = [container.name for container in self._place.containers()]
        if len(names) != expected:
            raise DemoError(f"The endpoint has {len(names)} workers instead of {expected}.")
        return f"workers: {expected}" + "".join(f" (container {name})" for name in names)


def _sdk(url: str, key: str) -> Any:
    """The runpod package, sent to this podd. It reads where to go when it is imported."""
    os.environ.update(RUNPOD_API_BASE_URL=url, RUNPOD_ENDPOINT_BASE_URL=f"{url}/v2")
    os.environ.update(no_proxy="127.0.0.1", NO_PROXY="127.0.0.1")
    import runpod

    # It makes every library log to the terminal, keys included.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    runpod.api_key = key
    return runpod


def _attempt(name: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except Exception as error:  # the SDK raises what it likes
        raise DemoError(f"{name} failed: {error}") from error
