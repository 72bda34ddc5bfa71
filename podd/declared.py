"""GPUs that are only declared, and the one probe the daemon asks: all its probes joined."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from uuid import UUID, uuid5

from podd.config import SimulatedGpus
from podd.domain.catalogue import Catalogue
from podd.domain.gpu import Gpu, GpuFault
from podd.ports import GpuProbe, GpuUse

UNLISTED_MEMORY_GB = 24
_NAMESPACE = UUID("6f3a1f0e-8f0c-5a51-9d0a-6d1f3b7c2e94")


class DeclaredProbe(GpuProbe):
    """A GpuProbe of simulated GPUs (`gpus.simulated` of the settings).

    The n-th GPU of a type has the same UUID on every machine and after every restart, whatever else is
    declared. Memory is the catalogue's, 24 GiB for types it does not list. `cuda` is the version the
    driver they lack would have.
    """

    def __init__(self, declared: Sequence[SimulatedGpus], catalogue: Catalogue, cuda: str = "12.8") -> None:
        self._gpus: list[Gpu] = []
        for entry in declared:
            listed = catalogue.lookup(entry.type)
            memory = (listed.memory_gb if listed else UNLISTED_MEMORY_GB) * 1024
            type_id = listed.id if listed else entry.type
            for _ in range(entry.count):
                nth = sum(gpu.type_id == type_id for gpu in self._gpus)
                self._gpus.append(
                    Gpu(
                        uuid=f"GPU-{uuid5(_NAMESPACE, f'{type_id}/{nth}')}",
                        index=len(self._gpus),
                        type_id=type_id,
                        memory=memory,
                        simulated=True,
                    )
                )
        self._cuda = cuda if self._gpus else None

    def gpus(self) -> list[Gpu]:
        return list(self._gpus)

    def trouble(self) -> str | None:
        return None

    def faults(self) -> Iterator[GpuFault]:
        return iter(())

    def close(self) -> None:
        pass

    def utilisation(self) -> dict[str, GpuUse]:
        return {gpu.uuid: GpuUse(gpu_percent=0, memory_percent=0) for gpu in self._gpus}

    def cuda_version(self) -> str | None:
        return self._cuda


class JoinedProbe(GpuProbe):
    """Several probes as one. Their GPUs follow each other in the order of the probes (the real ones go
    first) and are numbered anew; the CUDA version is the first one known."""

    def __init__(self, *probes: GpuProbe) -> None:
        self._probes = probes

    def gpus(self) -> list[Gpu]:
        found = [gpu for probe in self._probes for gpu in probe.gpus()]
        return [replace(gpu, index=index) for index, gpu in enumerate(found)]

    def trouble(self) -> str | None:
        return "; ".join(said for probe in self._probes if (said := probe.trouble())) or None

    def faults(self) -> Iterator[GpuFault]:
        """One probe after the other: all but the first with a driver end at once."""
        return chain.from_iterable(probe.faults() for probe in self._probes)

    def close(self) -> None:
        for probe in self._probes:
            probe.close()

    def utilisation(self) -> dict[str, GpuUse]:
        return {uuid: use for probe in self._probes for uuid, use in probe.utilisation().items()}

    def cuda_version(self) -> str | None:
        return next((v for probe in self._probes if (v := probe.cuda_version()) is not None), None)
