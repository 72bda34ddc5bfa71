"""Templates."""

from typing import Any, Literal

from pydantic import model_validator

from podd.wire.rest_v2.containers import ContainerConfig, ContainerWish, TemplateCategory, TemplateMounts
from podd.wire.rest_v2.words import CudaVersion, Name, Pagination, Query, View


def _template_as_documented(data: Any) -> Any:
    """The Terraform provider still uses three names of v1."""
    if not isinstance(data, dict):
        return data
    data = dict(data)
    for theirs, ours in (
        ("containerRegistryAuthId", "registry"),
        ("dockerEntrypoint", "entrypoint"),
        ("dockerStartCmd", "cmd"),
    ):
        if theirs in data:
            data.setdefault(ours, data.pop(theirs))
    return data


class UpdateTemplateRequest(ContainerWish):
    name: Name | None = None
    mounts: TemplateMounts | None = None
    serverless: bool | None = None
    public: bool | None = None
    category: TemplateCategory | None = None
    start_ssh: bool | None = None
    start_jupyter: bool | None = None
    allowed_cuda_versions: list[CudaVersion] | None = None
    readme: str | None = None

    _as_documented = model_validator(mode="before")(_template_as_documented)


class CreateTemplateRequest(UpdateTemplateRequest):
    name: Name
    image: str


class PublicTemplatesQuery(Query):
    source: Literal["official", "verified", "community"] = "official"


class Template(ContainerConfig):
    id: str
    name: str
    mounts: TemplateMounts
    serverless: bool
    public: bool
    category: TemplateCategory
    start_ssh: bool
    start_jupyter: bool
    allowed_cuda_versions: list[str]


class ListTemplatesResponse(View):
    templates: list[Template]
    pagination: Pagination
