"""What containers are made from: fields that pods, templates and endpoints share."""

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from podd.wire.rest_v2.words import MOST, Body, CudaVersion, Name, Positive, View, whole


def _as_text(value: object) -> object:
    """The arguments may come as an object `{"entrypoint": [], "cmd": []}` instead of as its text."""
    return json.dumps(value) if isinstance(value, dict) else value


Args = Annotated[
    str,
    BeforeValidator(_as_text),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]}),
]
TemplateCategory = Literal["CPU", "NVIDIA", "AMD"]


class PersistentMount(Body):
    size: Annotated[int, BeforeValidator(whole), Field(ge=10, le=MOST)]
    path: str


class NetworkMount(Body):
    volume_id: str
    path: str


class Mounts(Body):
    persistent: PersistentMount | None = Field(None, exclude_if=lambda it: it is None)
    network: Annotated[list[NetworkMount], Field(max_length=1)] | None = Field(
        None, exclude_if=lambda it: it is None
    )


class TemplateMounts(Body):
    persistent: PersistentMount | None = Field(None, exclude_if=lambda it: it is None)


class ContainerWish(Body):
    """Fields of every body that describes a container. `args` holds both parts of the command, `cmd` and
    `entrypoint` name them one by one."""

    image: str | None = None
    args: Args | None = None
    cmd: list[str] | None = None
    entrypoint: list[str] | None = None
    disk: Positive | None = None
    ports: list[str] | None = None
    env: dict[str, str] | None = None
    registry: str | None = None


class CreateGpuConfig(Body):
    id: str
    count: Positive = 1
    allowed_cuda_versions: list[CudaVersion] | None = None
    min_cuda_version: CudaVersion | None = None
    min_ram_per_gpu: Positive | None = None
    min_vcpu_count_per_gpu: Positive | None = None


class CreateCpuConfig(Body):
    id: Name
    vcpu_count: Annotated[int, BeforeValidator(whole), Field(ge=2, le=MOST)]


def _mounts_of_list(mounts: list[Any]) -> dict[str, Any]:
    """The Terraform provider lists mounts: `[{volumeInGb | networkVolumeId, volumeMountPath}]`."""
    found: dict[str, Any] = {}
    for mount in mounts:
        if not isinstance(mount, dict):
            raise ValueError("got array, want object")
        path = mount.get("volumeMountPath") or "/workspace"
        if mount.get("networkVolumeId"):
            found.setdefault("network", []).append({"volumeId": mount["networkVolumeId"], "path": path})
        elif mount.get("volumeInGb"):
            found["persistent"] = {"size": mount["volumeInGb"], "path": path}
    return found


class WithMounts(ContainerWish):
    @model_validator(mode="before")
    @classmethod
    def _as_documented(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("mounts"), list):
            return {**data, "mounts": _mounts_of_list(data["mounts"])}
        return data


class ContainerConfig(View):
    image: str
    args: str
    cmd: list[str]
    entrypoint: list[str]
    disk: int
    ports: list[str]
    env: dict[str, str]
    registry: str | None


class GpuConfig(View):
    id: str
    count: int
    vcpu_count: int
    memory: int


class CpuConfig(View):
    id: str
    vcpu_count: int
    memory: int
