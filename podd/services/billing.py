"""Charges: meters follow what pods, workers and network volumes are, and what they show goes to the ledger.

A change of any of them is followed at the end of the verb that makes it (`keep_up`), so that no verb has to
think of it. The tick reads all meters, and sets right those that do not fit what they measure: after a change
of prices, of the mode, or of podd itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from podd.domain import billing as rules
from podd.domain import ledger as books
from podd.domain import meter as meters_
from podd.domain.billing import StoragePrices
from podd.domain.ledger import Posting
from podd.domain.meter import Charge, Moment, Rate
from podd.domain.pod import Pod
from podd.domain.volume import NetworkVolume
from podd.domain.workload import Desired, Kind, Phase, Workload
from podd.services.platform import Platform
from podd.store import endpoints, gpus, ledger, meters, volumes, workloads
from podd.store.db import Reader, Tx
from podd.store.meters import Open, Resource

AT_ONCE = 200
"""Meters read in one transaction: other verbs get their turn in between."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a resource costs now, and since when at most: a container began to run, or ended, before podd
    heard of it."""

    resource: Resource
    rates: tuple[Rate, ...]
    began: Moment
    ended: Moment


def keep_up(tx: Tx, podd: Platform) -> None:
    """Charge what this verb changed for what it is now."""
    for table, key in sorted(tx.changed):
        match table:
            case "workloads" | "pods":
                _follow_workload(tx, podd, key)
            case "endpoints":
                _follow_crew(tx, podd, key)
            case "network_volumes":
                volume = volumes.get(tx, key)
                _follow(tx, key, _of_volume(podd, volume) if volume else None, podd.moment())


async def tick(podd: Platform) -> None:
    """Read all meters, a few hundred in a transaction."""
    wrong = await podd.store.read(misfits, podd)
    if wrong:
        await podd.store.write(set_right, podd, wrong)
    open_ids = await podd.store.read(meters.ids)
    for first in range(0, len(open_ids), AT_ONCE):
        await podd.store.write(read, podd.moment(), open_ids[first : first + AT_ONCE])


def read(tx: Tx, now: Moment, meter_ids: Sequence[int]) -> None:
    """Charge what these meters show."""
    for open_ in meters.some(tx, meter_ids):
        _read(tx, open_, now)


def misfits(db: Reader, podd: Platform) -> list[str]:
    """Resources whose meters do not fit what they are."""
    charged = meters.resources(db)
    wrong = [
        standing.resource.id
        for standing in _everything(db, podd)
        if charged.pop(standing.resource.id, frozenset()) != frozenset(standing.rates)
    ]
    return wrong + list(charged)


def set_right(tx: Tx, podd: Platform, resource_ids: Sequence[str]) -> None:
    """Let the meters of these resources fit from now on."""
    now = podd.moment()
    standings = {standing.resource.id: replace(standing, began=now) for standing in _everything(tx, podd)}
    for resource_id in resource_ids:
        _follow(tx, resource_id, standings.get(resource_id), now)


def pod_rates(podd: Platform, pod: Pod, *, as_if_running: bool = False) -> list[Rate]:
    """What a pod costs as it is, or once its container runs."""
    workload = pod.workload
    if podd.settings.billing.mode == "off" or workload.desired is Desired.TERMINATED:
        return []
    return rules.pod_rates(
        storage_prices(podd),
        hourly=pod.price,
        gpus=pod.gpu_count,
        disk=workload.needs.disk,
        volume=workload.needs.volume,
        wanted=workload.desired is Desired.RUNNING,
        runs=as_if_running or _runs(workload),
    )


def volume_rates(podd: Platform, volume: NetworkVolume) -> list[Rate]:
    """What a network volume costs."""
    if podd.settings.billing.mode == "off":
        return []
    return rules.volume_rates(storage_prices(podd), volume.size)


def hourly(db: Reader, account_id: str, *, besides: frozenset[str] = frozenset()) -> int:
    """Nano-dollars per hour that the account is charged now, for all but the resources `besides`."""
    return sum(
        rules.hourly(open_.meter.rate)
        for open_ in meters.of_account(db, account_id)
        if open_.resource.id not in besides
    )


def hourly_by_item(db: Reader, account_id: str) -> dict[str, int]:
    """Nano-dollars per hour that the account is charged now, by what is charged."""
    spent: dict[str, int] = {}
    for open_ in meters.of_account(db, account_id):
        rate = open_.meter.rate
        spent[rate.item] = spent.get(rate.item, 0) + rules.hourly(rate)
    return spent


def storage_prices(podd: Platform) -> StoragePrices:
    prices = podd.settings.prices
    return StoragePrices(
        container_disk=prices.container_disk_gb_month,
        volume=prices.volume_gb_month,
        stopped_volume=prices.stopped_volume_gb_month,
        network_volume=prices.network_volume_gb_month,
        large_network_volume=prices.large_network_volume_gb_month,
        large_from=prices.large_network_volume_gb,
        month=prices.month_days * rules.DAY_MS,
    )


# Private


def _follow_workload(tx: Tx, podd: Platform, workload_id: str) -> None:
    workload = workloads.get(tx, workload_id)
    if workload is None:
        _follow(tx, workload_id, None, podd.moment())
    elif workload.kind is Kind.POD:
        pod = workloads.pod(tx, workload_id)
        _follow(tx, workload_id, _of_pod(podd, pod) if pod else None, podd.moment())
    else:
        worker = workloads.worker(tx, workload_id)
        if worker is None or workload.desired is Desired.TERMINATED:
            _began, ended = _span(podd, workload)
            _follow(tx, workload_id, None, ended)
        if worker is not None:
            _follow_crew(tx, podd, worker.endpoint_id)


def _follow_crew(tx: Tx, podd: Platform, endpoint_id: str) -> None:
    """All of them: one worker more or less can make another one an active worker."""
    for standing in _crew(tx, podd, endpoint_id):
        _follow(tx, standing.resource.id, standing, podd.moment())


def _follow(tx: Tx, resource_id: str, standing: Standing | None, now: Moment) -> None:
    """Close the meters that do not fit, open those that are missing. A rate that takes the place of another
    one does so now; an item that is new began, and one that is over ended, when the container did."""
    wanted = {rate.item: rate for rate in standing.rates} if standing else {}
    since: dict[str, Moment] = {}
    for open_ in meters.of_resource(tx, resource_id):
        rate = open_.meter.rate
        if standing and wanted.get(rate.item) == rate and open_.resource == standing.resource:
            del wanted[rate.item]
        elif rate.item in wanted:
            since[rate.item] = _close(tx, open_, now)
        else:
            _close(tx, open_, standing.ended if standing else now)
    for rate in wanted.values():
        assert standing is not None
        meters.open_(tx, standing.resource, rate, since.get(rate.item, standing.began))


def _close(tx: Tx, open_: Open, at: Moment) -> Moment:
    read_at = _read(tx, open_, at)
    meters.close(tx, open_.meter.id)
    return read_at


def _read(tx: Tx, open_: Open, now: Moment) -> Moment:
    meter, charges = meters_.read(open_.meter, now)
    for charge in charges:
        ledger.post(tx, _posting(open_, charge))
    if meter != open_.meter:
        meters.change(tx, meter)
    return meter.read_at


def _posting(open_: Open, charge: Charge) -> Posting:
    resource, item = open_.resource, open_.meter.rate.item
    return Posting(
        key=f"meter:{open_.meter.id}:{charge.used}",
        at=charge.wall,
        source=books.credit(resource.account_id),
        target=books.revenue(item),
        amount=charge.amount,
        account_id=resource.account_id,
        resource=resource.id,
        group=resource.group,
        item=item,
        gpu_type_id=resource.gpu_type_id,
        size=open_.meter.rate.size,
        lasted=charge.lasted,
    )


def _everything(db: Reader, podd: Platform) -> Iterator[Standing]:
    for pod in workloads.every_pod(db):
        yield _of_pod(podd, pod)
    for endpoint_id in endpoints.with_workers(db):
        yield from _crew(db, podd, endpoint_id)
    for volume in volumes.every(db):
        yield _of_volume(podd, volume)


def _of_pod(podd: Platform, pod: Pod) -> Standing:
    resource = Resource(
        id=pod.id,
        account_id=pod.workload.account_id,
        gpu_type_id=pod.gpu_type_id if pod.gpu_count else pod.cpu_flavor_id,
    )
    return Standing(resource, tuple(pod_rates(podd, pod)), *_span(podd, pod.workload))


def _of_volume(podd: Platform, volume: NetworkVolume) -> Standing:
    resource, now = Resource(id=volume.id, account_id=volume.account_id), podd.moment()
    return Standing(resource, tuple(volume_rates(podd, volume)), now, now)


def _crew(db: Reader, podd: Platform, endpoint_id: str) -> Iterator[Standing]:
    """An endpoint's workers. The oldest of those that run, as many as its minimum, are the active ones."""
    endpoint = endpoints.get(db, endpoint_id)
    crew = workloads.workers_of(db, endpoint_id)
    running = [worker.id for worker in crew if _runs(worker.workload)]
    active = running[: endpoint.workers_min if endpoint else 0]
    types = {gpu.uuid: gpu.type_id for gpu in gpus.all_present(db)}
    for worker in crew:
        workload = worker.workload
        type_id = next((types[uuid] for uuid in workload.gpu_uuids if uuid in types), worker.cpu_flavor_id)
        resource = Resource(
            id=worker.id, account_id=workload.account_id, group=endpoint_id, gpu_type_id=type_id
        )
        each = _per_second(db, podd, type_id, active=worker.id in active)
        rates = _worker_rates(podd, workload, each)
        yield Standing(resource, tuple(rates), *_span(podd, workload, worker.thawed_at))


def _per_second(db: Reader, podd: Platform, type_id: str, *, active: bool) -> int | None:
    """The price of a GPU of this type, or of a vCPU of this flavour; None when nobody knows it. vCPUs have
    no discount for active workers."""
    flavour = podd.catalogue.flavour(type_id)
    if flavour is not None:
        return flavour.serverless_second
    gpu_type = podd.gpu_types(db).get(type_id)
    if gpu_type is None:
        return None
    return gpu_type.active_second if active else gpu_type.serverless_second


def _worker_rates(podd: Platform, workload: Workload, each: int | None) -> list[Rate]:
    """`each` is the price of one of its GPUs, or vCPUs if it has none, for a second."""
    if podd.settings.billing.mode == "off" or each is None:
        return []
    gpus = len(workload.gpus)
    per_second = each * (gpus or workload.needs.cpus)
    return rules.worker_rates(per_second=per_second, gpus=gpus, runs=_runs(workload))


def _runs(workload: Workload) -> bool:
    """A frozen container stands still, and costs nothing."""
    return (
        workload.phase is Phase.RUNNING and workload.desired is Desired.RUNNING and workload.frozen_at is None
    )


def _span(podd: Platform, workload: Workload, thawed_at: int | None = None) -> tuple[Moment, Moment]:
    """Since when the container runs, and when it ended, if it ended by itself; else now."""
    now = podd.moment()
    since = max(workload.started_at or 0, thawed_at or 0)
    began = now.at(since) if _runs(workload) and since else now
    exited_at = workload.exited_at or 0
    by_itself = not _runs(workload) and exited_at >= (workload.last_started_at or 1)
    return began, now.at(exited_at) if by_itself else now
