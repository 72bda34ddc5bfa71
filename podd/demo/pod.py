"""A pod's life, by the calls of RunPod's GraphQL documentation."""

import json
import shutil
from typing import Any

import psutil

from podd.config import Settings
from podd.demo.child import GPU_TYPE
from podd.demo.failure import DemoError, wait_for
from podd.demo.images import Images
from podd.demo.place import Place
from podd.demo.screen import Say

JUPYTER_PASSWORD = "rn51hunbpgtltcpac3ol"  # noqa: S105 - the example's own
SHOWN_VARIABLES = ("RUNPOD_POD_ID", "RUNPOD_GPU_COUNT", "NVIDIA_VISIBLE_DEVICES", "JUPYTER_PASSWORD")

GB = 10**9
NEW_WORD = "/proc/sys/kernel/random/uuid"  # another one each time it is read

WHERE = "id imageName env machineId machine { podHostId }"
RUNTIME = (
    "runtime { uptimeInSeconds ports { ip isIpPublic privatePort publicPort type } "
    "gpus { id gpuUtilPercent memoryUtilPercent } container { cpuPercent memoryPercent } }"
)


class PodTour:
    """Each method is a step, and needs those before it."""

    def __init__(self, place: Place, images: Images, settings: Settings) -> None:
        self._place = place
        self._images = images
        self._settings = settings
        self._id = ""
        self._gpu = ""
        self._starts: list[str] = []

    def create(self, say: Say) -> None:
        document = self._creation(say)
        say(self._place.api.shown(document))
        pod = self._place.api.curl(document)["podFindAndDeployOnDemand"]
        self._id = pod["id"]
        say(json.dumps(pod))

    def await_runtime(self, say: Say) -> None:
        runtime = wait_for("the pod's runtime", self._runtime)
        self._gpu = runtime["gpus"][0]["id"]
        say(f"runtime: {json.dumps(runtime)}")

    def look_inside(self, say: Say) -> None:
        """The container has what the API says it has: the GPU, the variables, the volume."""
        seen = self._place.run_inside(self._id, "env; nvidia-smi -L 2>/dev/null || true")
        shown = [line for line in seen.splitlines() if line.partition("=")[0] in SHOWN_VARIABLES]
        for line in sorted(shown):
            say(f"in the container: {line}")
        for wanted in (f"JUPYTER_PASSWORD={JUPYTER_PASSWORD}", f"RUNPOD_POD_ID={self._id}", self._gpu):
            if wanted not in seen:
                raise DemoError(f"The container does not have {wanted}.")
        self._starts = self._read_starts(1)
        self._show_starts(say)
        say(f"on this machine that volume is {self._place.volume(self._id)}")

    def stop(self, say: Say) -> None:
        document = f'mutation {{ podStop(input: {{podId: "{self._id}"}}) {{ id desiredStatus }} }}'
        say(_brief(document))
        say(json.dumps(self._place.api.curl(document)["podStop"]))
        wait_for("the pod's container to go", lambda: None if self._place.containers(self._id) else True)
        if self._starts_on_host() != self._starts:
            raise DemoError("The volume of the stopped pod has not kept its data.")
        say("its container is gone, its GPU is free, its volume is kept")

    def resume(self, say: Say) -> None:
        wish = f'input: {{ podId: "{self._id}", gpuCount: 1 }}'
        document = f"mutation {{ podResume( {wish} ) {{ id desiredStatus {WHERE.removeprefix('id ')} }} }}"
        say(_brief(document))
        say(json.dumps(self._place.api.curl(document)["podResume"]))
        wait_for("the pod's runtime", self._runtime)
        starts = self._read_starts(2)
        if starts[:1] != self._starts:
            raise DemoError("The resumed pod does not find its data on the volume.")
        self._starts = starts
        self._show_starts(say)

    def list_all(self, say: Say) -> None:
        document = f"query Pods {{ myself {{ pods {{ id name {RUNTIME} }} }} }}"
        say(_brief(document))
        pods = self._place.api.curl(document)["myself"]["pods"]
        for pod in pods:
            say(json.dumps(pod))
        if [pod["id"] for pod in pods] != [self._id]:
            raise DemoError("The list of pods is not this one pod.")

    def terminate(self, say: Say) -> None:
        document = f'mutation {{ podTerminate(input: {{podId: "{self._id}"}}) }}'
        say(_brief(document))
        self._place.api.curl(document)
        wait_for("the pod to go", lambda: None if self._place.containers(self._id) else True)
        wait_for("its volume to go", lambda: None if self._place.volume(self._id).exists() else True)
        say("the pod, its container and its volume are gone")

    # Private

    def _creation(self, say: Say) -> str:
        """The example's mutation, with an image of this machine and a command that goes on until stopped."""
        sizes = self._sizes(say)
        values = ", ".join(
            [
                "cloudType: ALL, gpuCount: 1",
                *(f"{name}: {size}" for name, size in sizes.items()),
                f"gpuTypeId: {json.dumps(GPU_TYPE)}",
                'name: "RunPod Tensorflow"',
                f"imageName: {json.dumps(self._images.pod)}",
                f"dockerArgs: {json.dumps(self._command())}",
                'ports: "8888/http", volumeMountPath: "/workspace"',
                f'env: [{{ key: "JUPYTER_PASSWORD", value: "{JUPYTER_PASSWORD}" }}]',
            ]
        )
        return f"mutation {{ podFindAndDeployOnDemand( input: {{ {values} }} ) {{ {WHERE} }} }}"

    def _command(self) -> str:
        return f'sh -c "cat {NEW_WORD} >> {self._workspace()}/starts; exec sleep 86400"'

    def _workspace(self) -> str:
        """A process container shares this machine's files: its own root is the directory it starts in."""
        return "/workspace" if self._place.has_docker else "workspace"

    def _sizes(self, say: Say) -> dict[str, int]:
        """The example's, or what this machine has where that is less."""
        machine, memory = self._settings.machine, psutil.virtual_memory().total
        vcpus = (machine.vcpus or psutil.cpu_count() or 1) - machine.reserved_vcpus
        memory_gb = (machine.memory_gb or memory // 2**30) - machine.reserved_memory_gb
        disk_gb = shutil.disk_usage(self._place.directory).free // GB
        wanted = {"volumeInGb": 40, "containerDiskInGb": 40, "minVcpuCount": 2, "minMemoryInGb": 15}
        limits = (disk_gb, disk_gb, vcpus, memory_gb)
        sizes = {name: max(min(wanted[name], most), 1) for name, most in zip(wanted, limits, strict=True)}
        smaller = [f"{name} {wanted[name]} -> {size}" for name, size in sizes.items() if size < wanted[name]]
        if smaller:
            say(f"this machine is smaller than the example's: {', '.join(smaller)}")
        return sizes

    def _runtime(self) -> dict[str, Any] | None:
        """What the pod runs on, once it does. Raises DemoError when podd gave up on it, or it has gone."""
        wish = f'pod(input: {{podId: "{self._id}"}}) {{ id desiredStatus lastStatusChange {RUNTIME} }}'
        pod = self._place.api.graphql(f"query Pod {{ {wish} }}")["pod"]
        if pod is None or pod["desiredStatus"] != "RUNNING":
            raise DemoError(f"The pod does not run: {pod['lastStatusChange'] if pod else 'it is gone'}")
        runtime: dict[str, Any] | None = pod["runtime"]
        return runtime

    def _read_starts(self, count: int) -> list[str]:
        """The times at which the pod has started, as it wrote them down itself."""

        def read() -> list[str] | None:
            lines = self._starts_on_host()
            return lines if len(lines) == count else None

        on_host = wait_for("the pod to write to its volume", read, 15)
        inside = self._place.run_inside(self._id, f"cat {self._workspace()}/starts").splitlines()
        if inside != on_host:
            raise DemoError("The volume inside the container is not the pod's volume on this machine.")
        return inside

    def _show_starts(self, say: Say) -> None:
        say("in the container: /workspace/starts, to which each start of the pod adds a random word:")
        for line in self._starts:
            say(f"    {line}")

    def _starts_on_host(self) -> list[str]:
        file = self._place.volume(self._id) / "starts"
        return file.read_text().splitlines() if file.exists() else []


def _brief(document: str) -> str:
    """A further command of the same form."""
    return f"$ curl ... --data '{json.dumps({'query': document})}'"
