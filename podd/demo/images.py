"""The images of the demo's containers: one from a registry if one answers at once, else one made here."""

import os
import threading
from contextlib import closing
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound

from podd import demo_image
from podd.containers.engine import DockerEngine
from podd.demo.failure import DemoError
from podd.demo.place import Place
from podd.demo.screen import Say
from podd.ports import EngineError

SMALL_IMAGE = "busybox:latest"
PULL_WITHIN = 5  # seconds

HANDLER = """\
import os
import runpod

def handler(job):
    text = job["input"]["text"]
    return {"reversed": text[::-1], "job": job["id"], "gpu": os.environ["NVIDIA_VISIBLE_DEVICES"]}

runpod.serverless.start({"handler": handler})
"""
"""The worker's program. The package runpod is the one everybody gets from PyPI."""


class Images:
    """`pod` and `worker` name the images, `handler` is the path of the worker's program in a container."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._own_image = f"podd-demo/worker:{place.directory.name.rpartition('-')[2]}"
        self._to_remove: list[str] = []
        self.pod = self.worker = self._own_image
        self.handler = "/handler.py"

    def provide(self, say: Say) -> None:
        if self._place.has_docker:
            self._try_pull(os.environ.get("PODD_DEMO_IMAGE") or SMALL_IMAGE, say)
            self._build(say)
        else:
            self._write_handler(say)

    def remove(self) -> None:
        """Take away what was not there before. Raises DockerException."""
        if not self._to_remove:
            return
        with closing(docker.from_env()) as client:
            for image in self._to_remove:
                try:
                    client.images.remove(image)
                except ImageNotFound:
                    continue

    # Private

    def _try_pull(self, image: str, say: Say) -> None:
        """Use this image for the pod if it is there, or comes within a few seconds."""
        say(f"trying to pull {image}")
        with closing(DockerEngine("none")) as engine:
            if not engine.has_image(image):
                self._to_remove.append(image)
                reason = _pull(engine, image)
                if reason is not None:
                    say(f"not to be had ({reason}); the pod uses the worker image")
                    return
        self.pod = image
        say(f"the pod uses {image}")

    def _build(self, say: Say) -> None:
        self._to_remove.append(self._own_image)
        files = {self.handler: HANDLER.encode()}
        try:
            with closing(docker.from_env(timeout=120)) as client:
                demo_image.build(client, self._own_image, progress=say, files=files)
        except (demo_image.CannotBuild, DockerException) as error:
            raise DemoError(f"The worker image could not be built: {error}.") from error

    def _write_handler(self, say: Say) -> None:
        handler = Path(self._place.directory) / "handler.py"
        handler.write_text(HANDLER)
        self.handler = str(handler)
        say("processes need none: the pod and the worker run programs of this machine")


def _pull(engine: DockerEngine, image: str) -> str | None:
    """Why the image did not come in time; None when it did. Closing the engine ends a pull that goes on."""
    outcome: list[str | None] = []

    def pull() -> None:
        try:
            engine.pull(image)
        except EngineError as error:
            outcome.append(str(error).rstrip("."))
        else:
            outcome.append(None)

    puller = threading.Thread(target=pull, daemon=True)
    puller.start()
    puller.join(PULL_WITHIN)
    return outcome[0] if outcome else f"no registry has sent it within {PULL_WITHIN} s"
