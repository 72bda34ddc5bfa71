"""Network volumes."""

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from podd.wire.rest_v2.words import Body, Name, Pagination, View, VolumeType, whole

VolumeSize = Annotated[int, BeforeValidator(whole), Field(ge=10, le=4096)]


class CreateNetworkVolumeRequest(Body):
    name: Name
    size: VolumeSize
    data_center: Name
    type: VolumeType | None = None


class UpdateNetworkVolumeRequest(Body):
    name: Name | None = None
    size: VolumeSize | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "UpdateNetworkVolumeRequest":
        if not self.model_fields_set:
            raise ValueError("minProperties: got 0, want 1")
        return self


class NetworkVolume(View):
    id: str
    name: str
    size: int
    data_center: str
    type: VolumeType


class ListNetworkVolumesResponse(View):
    network_volumes: list[NetworkVolume]
    pagination: Pagination
