"""/metrics for Prometheus: what was counted in memory, and one look at the books."""

import hmac
from ipaddress import ip_address
from pathlib import Path

from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import Metric

from podd import __version__
from podd.api.context import AnyRequest, Api, api_of, known_caller_of, presented_keys
from podd.api.shown import dollars
from podd.domain.account import require
from podd.instruments import gauge
from podd.store import gathered
from podd.store.gathered import Gathered


@get("/metrics")
async def metrics(request: AnyRequest) -> Response[bytes]:
    """Everything podd counts, in Prometheus' text format."""
    api = api_of(request)
    if not _let_in(request, api):
        require(await known_caller_of(request), "machine.read")
    found = await api.podd.store.read(gathered.take)
    page = api.podd.instruments.page([*_machine(api), *_of_gpus(api, found), *_of_books(api, found)])
    return Response(page, headers={"content-type": CONTENT_TYPE_LATEST})


def _let_in(request: AnyRequest, api: Api) -> bool:
    """By the settings: with the token, or from a network that needs none."""
    wanted = api.podd.settings.metrics
    token = wanted.token.get_secret_value() or _kept_in(wanted.token_file)
    shown = presented_keys(request.scope["headers"])
    if token and any(hmac.compare_digest(token.encode(), key.encode()) for key in shown):
        return True
    if not wanted.allow or request.client is None:
        return False
    try:
        address = ip_address(request.client.host)
    except ValueError:  # the local socket has none
        return False
    return any(address in network for network in wanted.allow)


def _kept_in(file: str) -> str:
    """Read each time, so that a new token counts at once. What cannot be read lets nobody in."""
    if not file:
        return ""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _machine(api: Api) -> list[Metric]:
    about = gauge("podd_info", "The version that runs.", ["version", "engine"])
    about.add_metric([__version__, api.engine_name], 1)
    answers = gauge("podd_engine_up", "Whether the container engine answers.")
    answers.add_metric([], float(api.engine_answers()))
    silent = gauge("podd_part_silent_seconds", "How long a part of the daemon was not heard of.", ["part"])
    for part, silence in api.vitals.silent(api.podd.clock.monotonic()).items():
        silent.add_metric([part], silence / 1000)
    return [about, answers, silent]


def _of_gpus(api: Api, found: Gathered) -> list[Metric]:
    state = gauge("podd_gpu_healthy", "Whether a GPU works.", ["gpu", "type", "duty", "holder"])
    busy = gauge("podd_gpu_utilisation_percent", "How busy a GPU is.", ["gpu"])
    memory = gauge("podd_gpu_memory_percent", "How much of a GPU's memory is used.", ["gpu"])
    heat = gauge("podd_gpu_temperature_celsius", "How hot a GPU is.", ["gpu"])
    power = gauge("podd_gpu_power_watts", "What a GPU draws.", ["gpu"])
    for uuid, type_id, healthy, duty, holder in found.gpus:
        state.add_metric([uuid, type_id, duty, holder], float(healthy))
        use = api.telemetry.gpus.get(uuid)
        if use is None:
            continue
        seen = (
            (busy, use.gpu_percent),
            (memory, use.memory_percent),
            (heat, use.celsius),
            (power, use.watts),
        )
        for family, value in seen:
            if value is not None:
                family.add_metric([uuid], value)
    return [state, busy, memory, heat, power]


def _of_books(api: Api, found: Gathered) -> list[Metric]:
    pods = gauge(
        "podd_pods", "Pods by what they should be and what their container is.", ["desired", "phase"]
    )
    for (desired, phase), number in found.pods.items():
        pods.add_metric([desired, phase], number)
    families = [pods]
    for name, text, counts in (
        ("podd_workers", "Workers by endpoint and state.", found.workers),
        ("podd_jobs_now", "Jobs that wait or run, by endpoint.", found.jobs),
    ):
        family = gauge(name, text, ["endpoint", "state"])
        for labels, number in _bounded(api, counts).items():
            family.add_metric(labels, number)
        families.append(family)
    for name, text, value in (
        ("podd_credit_dollars", "All balances above zero together.", dollars(found.balances)),
        ("podd_debt_dollars", "All balances below zero together.", dollars(found.debts)),
        ("podd_spend_dollars_per_hour", "What all that runs costs.", dollars(found.hourly)),
        ("podd_webhooks_waiting", "Webhooks that are not delivered yet.", found.webhooks),
        ("podd_letters_waiting", "Notices that are not sent yet.", found.letters),
    ):
        one = gauge(name, text)
        one.add_metric([], value)
        families.append(one)
    return list(families)


def _bounded(api: Api, counts: gathered.Counted) -> dict[tuple[str, ...], int]:
    sums: dict[tuple[str, ...], int] = {}
    for (endpoint, state), number in counts.items():
        key = (api.podd.instruments.names.label(endpoint), state)
        sums[key] = sums.get(key, 0) + number
    return sums


HANDLERS = [metrics]
