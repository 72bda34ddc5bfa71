"""The one application that serves every surface."""

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from podd import __version__
from podd.api import (
    access,
    audit,
    batches,
    credit,
    health,
    jobs,
    keys,
    later,
    metrics,
    notices,
    openai,
    operator,
    ports,
    quotas,
    sign_in,
    sign_in_page,
    streaming,
    teams,
    terminal,
    worker,
)
from podd.api.context import Api, number_request
from podd.api.errors import on_exception, on_http_exception, on_podd_error, on_too_deep
from podd.api.graphql.endpoint import graphql_endpoint
from podd.api.rates import rate_limits
from podd.api.rest_v1 import routes as rest_v1
from podd.api.rest_v2 import routes as rest_v2
from podd.domain.errors import PoddError

MAX_BODY = 1024 * 1024


def create(api: Api) -> Litestar:
    job_api = Router(
        "/v2",
        route_handlers=[
            *jobs.HANDLERS,
            *batches.HANDLERS,
            streaming.stream,
            openai.pass_through,
            *worker.HANDLERS,
        ],
        tags=["jobs"],
        middleware=[rate_limits],
        request_max_body_size=None,  # these have limits of their own, in RunPod's words
    )
    return Litestar(
        route_handlers=[
            graphql_endpoint,
            rest_v1.router(),
            rest_v2.router(),
            job_api,
            *later.HANDLERS,
            *operator.HANDLERS,
            *credit.HANDLERS,
            *keys.HANDLERS,
            *teams.HANDLERS,
            *notices.HANDLERS,
            *quotas.HANDLERS,
            *terminal.HANDLERS,
            *ports.HANDLERS,
            *sign_in.HANDLERS,
            *sign_in_page.HANDLERS,
            *audit.HANDLERS,
            *health.HANDLERS,
            *metrics.HANDLERS,
        ],
        state=State({"api": api}),
        guards=[access.guard],
        before_send=[number_request],
        exception_handlers={
            PoddError: on_podd_error,
            HTTPException: on_http_exception,
            RecursionError: on_too_deep,
            Exception: on_exception,
        },
        openapi_config=OpenAPIConfig(
            title="podd",
            version=__version__,
            path="/docs",
            use_handler_docstrings=True,
            # Viewers come from the internet; podd's users may have none.
            render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"])],
        ),
        # A body is read before anybody knows whose it is.
        request_max_body_size=MAX_BODY,
        logging_config=None,
    )
