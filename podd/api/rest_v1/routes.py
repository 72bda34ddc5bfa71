"""All of REST v1 under one router: same caller, same errors, same way of writing."""

from litestar import Router

from podd.api.rest_v1 import billing, docs, endpoints, pods, registries, templates, volumes
from podd.api.rest_v1.call import DEPENDENCIES, EXCEPTION_HANDLERS, TYPE_ENCODERS


def router() -> Router:
    return Router(
        "/v1",
        route_handlers=[
            *docs.HANDLERS,
            *pods.HANDLERS,
            *endpoints.HANDLERS,
            *templates.HANDLERS,
            *volumes.HANDLERS,
            *registries.HANDLERS,
            *billing.HANDLERS,
        ],
        dependencies=DEPENDENCIES,
        exception_handlers=EXCEPTION_HANDLERS,
        type_encoders=TYPE_ENCODERS,
        tags=["REST v1"],
    )
