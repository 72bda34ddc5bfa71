"""Clusters."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from podd.wire.rest_v2.containers import Mounts, WithMounts
from podd.wire.rest_v2.words import Body, Name, Pagination, Positive, View, whole


class ClusterCompute(Body):
    gpu_type_id: Name
    gpu_count_per_pod: Positive
    pod_count: Annotated[int, BeforeValidator(whole), Field(ge=2, le=250)]


class CreateClusterRequest(WithMounts):
    name: Name
    type: Literal["APPLICATION", "TRAINING", "SLURM", "RAY"]
    compute: ClusterCompute
    data_center_ids: list[str] | None = None
    mounts: Mounts | None = None
    start_jupyter: bool | None = None
    start_ssh: bool | None = None
    template_id: str | None = None


class UpdateClusterRequest(Body):
    name: Name | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "UpdateClusterRequest":
        if not self.model_fields_set:
            raise ValueError("minProperties: got 0, want 1")
        return self


class Cluster(View):
    id: str
    name: str


class ListClustersResponse(View):
    clusters: list[Cluster]
    pagination: Pagination
