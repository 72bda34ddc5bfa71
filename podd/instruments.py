"""What podd counts of itself, for Prometheus: held in memory, added up as things happen.

Names of endpoints are labels of a few families; `EndpointNames` keeps their number bounded. What is read from
the books at the moment of asking (`Shown`) is no counter and is put beside these by `services/measurements`.
"""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
REQUEST = (0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120)
JOB = (0.01, 0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600)
COLD = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)
BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)

OTHER = "other"
"""The label of all endpoints beyond the first `endpoints`."""


class EndpointNames:
    """Ids of endpoints as labels: the first so many by themselves, all others as one. A label once given
    stays given, so that no counter goes back."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def label(self, endpoint_id: str) -> str:
        if endpoint_id not in self._known and len(self._known) < self._most:
            self._known.add(endpoint_id)
        return endpoint_id if endpoint_id in self._known else OTHER


class Instruments:
    """One set for one daemon. Every method may be called from any thread, and is quick."""

    def __init__(self, endpoints: int = 200) -> None:
        self.names = EndpointNames(endpoints)
        self._registry = CollectorRegistry()
        self._requests = self._histogram(
            "podd_http_request_seconds",
            "Requests until they were answered in full.",
            REQUEST,
            "surface",
            "code",
        )
        self._batch = self._histogram("podd_writer_batch_changes", "Changes stored by one commit.", BATCH)
        self._commit = self._histogram("podd_writer_commit_seconds", "Time of one commit.", QUICK)
        self._lost = self._counter("podd_writer_failures", "Commits that failed: nothing of them was stored.")
        self._ticks = self._histogram("podd_loop_seconds", "Turns of podd's loops.", QUICK, "loop")
        self._failed = self._counter("podd_loop_failures", "Turns of podd's loops that failed.", "loop")
        self._calls = self._histogram(
            "podd_engine_call_seconds", "Calls to the container engine.", REQUEST, "outcome"
        )
        self._jobs = self._counter("podd_jobs", "Jobs that ended.", "endpoint", "status")
        self._waited = self._histogram(
            "podd_job_wait_seconds", "Time jobs were in the queue before a worker took them.", JOB, "endpoint"
        )
        self._ran = self._histogram("podd_job_run_seconds", "Time workers took for jobs.", JOB, "endpoint")
        self._cold = self._histogram(
            "podd_worker_cold_start_seconds",
            "Time from the start of workers to their first job.",
            COLD,
            "endpoint",
        )
        self._webhooks = self._counter("podd_webhooks_sent", "Webhooks posted.", "outcome")
        self._letters = self._counter("podd_letters", "Notices sent by mail and channels.", "outcome")

    # What happens

    def note_request(self, surface: str, status: int, seconds: float) -> None:
        self._requests.labels(surface, f"{status // 100}xx").observe(seconds)

    def note_commit(self, changes: int, seconds: float, stored: bool) -> None:
        self._batch.observe(changes)
        self._commit.observe(seconds)
        if not stored:
            self._lost.inc()

    def note_tick(self, loop: str, milliseconds: int, failed: bool) -> None:
        self._ticks.labels(loop).observe(milliseconds / 1000)
        if failed:
            self._failed.labels(loop).inc()

    def note_call(self, outcome: str, seconds: float) -> None:
        """A call to the engine: answered, refused, or not answered at all (`ok`, `refused`, `away`)."""
        self._calls.labels(outcome).observe(seconds)

    def note_change(self, what: str, facts: Mapping[str, object]) -> None:
        """A change of state that was stored, as the log has it."""
        match what:
            case "job ended":
                endpoint = self.names.label(str(facts["endpoint"]))
                self._jobs.labels(endpoint, str(facts["status"])).inc()
                _observe(self._waited.labels(endpoint), facts.get("waited_ms"))
                _observe(self._ran.labels(endpoint), facts.get("ran_ms"))
            case "worker ready":
                endpoint = self.names.label(str(facts["endpoint"]))
                _observe(self._cold.labels(endpoint), facts.get("cold_start_ms"))
            case "webhook delivered" | "webhook refused":
                self._webhooks.labels(what.split()[1]).inc()
            case "letter sent" | "letter not sent":
                self._letters.labels("sent" if what == "letter sent" else "failed").inc()

    # What is told

    def page(self, shown: Iterable[Metric]) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry) + generate_latest(_of(shown))

    # Private

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
        return Histogram(name, text, labels, registry=self._registry, buckets=tuple(buckets))


def gauge(name: str, text: str, labels: Iterable[str] = ()) -> GaugeMetricFamily:
    """A family of present values, to be filled by `add_metric`."""
    return GaugeMetricFamily(name, text, labels=list(labels))


class _Once(Collector):
    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


def _of(shown: Iterable[Metric]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(list(shown)))
    return registry


def _observe(histogram: Histogram, milliseconds: object) -> None:
    if isinstance(milliseconds, int):
        histogram.observe(max(milliseconds, 0) / 1000)
