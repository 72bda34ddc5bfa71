"""The one application that serves every surface."""

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, ScalarRenderPlugin

from podd import __version__
from podd.api import health, jobs, later, operator, worker
from podd.api.context import Api
from podd.api.errors import on_exception, on_http_exception, on_podd_error
from podd.api.graphql.endpoint import graphql_endpoint
from podd.domain.errors import PoddError


def create(api: Api) -> Litestar:
    job_api = Router("/v2", route_handlers=[*jobs.HANDLERS, *worker.HANDLERS], tags=["jobs"])
    return Litestar(
        route_handlers=[
            graphql_endpoint,
            job_api,
            *later.HANDLERS,
            *operator.HANDLERS,
            *health.HANDLERS,
        ],
        state=State({"api": api}),
        exception_handlers={
            PoddError: on_podd_error,
            HTTPException: on_http_exception,
            Exception: on_exception,
        },
        openapi_config=OpenAPIConfig(
            title="podd",
            version=__version__,
            path="/docs",
            render_plugins=[ScalarRenderPlugin(), JsonRenderPlugin()],
        ),
        # Each route has a limit of its own, in RunPod's words.
        request_max_body_size=None,
        logging_config=None,
    )
