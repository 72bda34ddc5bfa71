"""Which pods a caller wants to see, and how much of each."""

from dataclasses import dataclass
from typing import Annotated

from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from podd.api.context import Call
from podd.api.rest_v1.views import Include, Things, shown, shown_pod, worker_view
from podd.services import endpoints, pods
from podd.store.db import Reader
from podd.wire import rest_v1 as wire

Words = list[str] | None
WithMachine = Annotated[bool, QueryParameter(name="includeMachine")]
WithNetworkVolume = Annotated[bool, QueryParameter(name="includeNetworkVolume")]
WithSavingsPlans = Annotated[bool, QueryParameter(name="includeSavingsPlans")]
WithTemplate = Annotated[bool, QueryParameter(name="includeTemplate")]
WithWorkers = Annotated[bool, QueryParameter(name="includeWorkers")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for of all pods: the value of a field, or the values of which it is one."""

    compute_type: str | None
    desired_status: str | None
    exact: dict[str, str]
    one_of: dict[str, set[str]]
    data_centers: set[str]
    workers: bool
    include: Include

    def fits(self, pod: wire.Pod, data_center: str) -> bool:
        """Whether the pod, which runs in this data centre, is wanted."""
        if self.compute_type not in (None, "GPU" if pod.gpuTypeId else "CPU"):
            return False
        if self.desired_status not in (None, pod.desiredStatus):
            return False
        if self.data_centers and data_center not in self.data_centers:
            return False
        if any(getattr(pod, name) != value for name, value in self.exact.items()):
            return False
        return all(getattr(pod, name) in values for name, values in self.one_of.items())


def provide_wanted(
    call: NamedDependency[Call],  # noqa: ARG001 - a stranger is told so before his query is looked at
    id: Annotated[str | None, QueryParameter()] = None,
    name: Annotated[str | None, QueryParameter()] = None,
    compute_type: Annotated[wire.ComputeType | None, QueryParameter(name="computeType")] = None,
    cpu_flavor_id: Annotated[Words, QueryParameter(name="cpuFlavorId")] = None,
    data_center_id: Annotated[Words, QueryParameter(name="dataCenterId")] = None,
    desired_status: Annotated[wire.Status | None, QueryParameter(name="desiredStatus")] = None,
    endpoint_id: Annotated[str | None, QueryParameter(name="endpointId")] = None,
    gpu_type_id: Annotated[Words, QueryParameter(name="gpuTypeId")] = None,
    image_name: Annotated[str | None, QueryParameter(name="imageName")] = None,
    network_volume_id: Annotated[str | None, QueryParameter(name="networkVolumeId")] = None,
    template_id: Annotated[str | None, QueryParameter(name="templateId")] = None,
    include_machine: WithMachine = False,
    include_network_volume: WithNetworkVolume = False,
    include_savings_plans: WithSavingsPlans = False,  # noqa: ARG001 - there are none
    include_template: WithTemplate = False,
    include_workers: WithWorkers = False,
) -> Wanted:
    exact = {
        "id": id,
        "name": name,
        "endpointId": endpoint_id,
        "imageName": image_name,
        "networkVolumeId": network_volume_id,
        "templateId": template_id,
    }
    one_of = {"cpuFlavorId": _set(cpu_flavor_id), "gpuTypeId": _set(gpu_type_id)}
    return Wanted(
        compute_type=compute_type,
        desired_status=desired_status,
        exact={field: value for field, value in exact.items() if value},
        one_of={field: values for field, values in one_of.items() if values},
        data_centers={centre.upper() for centre in _set(data_center_id)},
        workers=include_workers,
        include=Include(include_machine, include_network_volume, include_template),
    )


DEPENDENCIES = {"wanted": Provide(provide_wanted, sync_to_thread=False)}


def show_wanted(db: Reader, call: Call, wanted: Wanted) -> bytes:
    """The account's pods, and its serverless workers if they are asked for, as JSON."""
    podd, now, include = call.api.podd, call.api.now, wanted.include
    things = Things(db, podd)
    found = [shown_pod(things, podd, pod, now, include) for pod in pods.listed(db, call.caller)]
    if wanted.workers:
        found += [
            shown(worker_view(things, podd, worker, endpoint, now, include))
            for endpoint in endpoints.listed(db, call.caller)
            for worker in endpoints.crew(db, call.caller, endpoint.id)
        ]
    here = podd.settings.machine.data_center_id.upper()
    return b"[%s]" % b",".join(pod.json for pod in found if wanted.fits(pod.view, here))


def _set(values: Words) -> set[str]:
    """A query array: a repeated key, joined with commas, or both."""
    return {word.strip() for value in values or () for word in value.split(",") if word.strip()}
