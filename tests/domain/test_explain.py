"""The sentences that explain a pod."""

from podd.domain.explain import GpuCensus, census, gpu_sentence
from podd.domain.gpu import Claim, Gpu, GpuState
from podd.domain.workload import Kind

A6000 = "NVIDIA RTX A6000"


def test_gpus_are_counted_by_who_holds_them() -> None:
    gpus = [Gpu(f"g{n}", n, A6000, 49152) for n in range(5)]
    gpus += [Gpu("g5", 5, A6000, 49152, state=GpuState.UNHEALTHY), Gpu("other", 6, "NVIDIA L4", 24576)]
    claims = [Claim("g0", "pod"), Claim("g1", "bidder", bid=1), Claim("g2", "worker"), Claim("other", "pod")]
    kinds = {"pod": Kind.POD, "bidder": Kind.POD, "worker": Kind.WORKER}

    found = census(A6000, gpus, claims, kinds)

    assert found == GpuCensus(total=6, free=2, unhealthy=1, on_demand=1, spot=1, workers=1)


def test_a_shortage_says_what_is_free_and_who_holds_the_rest_in_counts() -> None:
    found = GpuCensus(total=4, free=1, on_demand=2, workers=1)

    assert gpu_sentence(A6000, 2, found) == (
        "It wants 2 x NVIDIA RTX A6000; 1 of 4 are free "
        "(2 held by on-demand pods, 1 held by serverless workers)."
    )


def test_a_type_the_machine_does_not_have_is_said_plainly() -> None:
    assert gpu_sentence("NVIDIA L4", 1, GpuCensus()) == "It wants 1 x NVIDIA L4; this machine has none."
