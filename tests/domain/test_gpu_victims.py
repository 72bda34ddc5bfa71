"""Who yields on a machine full of spot pods: the best choice, found in good time."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from podd.domain.gpu import Claim, Gpu, GpuRequest, Preempt, place

TYPE = "NVIDIA RTX A6000"

Pods = list[tuple[int, int, int]]  # bid, since, GPUs


def full_machine(pods: Pods) -> tuple[list[Gpu], list[Claim]]:
    claims: list[Claim] = []
    for pod, (bid, since, count) in enumerate(pods):
        first = len(claims)
        claims += [Claim(f"g{n}", f"pod{pod}", bid, since) for n in range(first, first + count)]
    return [Gpu(claim.gpu_uuid, n, TYPE, 1) for n, claim in enumerate(claims)], claims


def best_by_trying_all(pods: Pods, count: int) -> tuple[str, ...] | None:
    """The rule itself: as few as can be; of such groups the one whose best bidder bids lowest, and so on."""
    ranked = sorted(range(len(pods)), key=lambda pod: (pods[pod][0], -pods[pod][1]))
    for size in range(1, len(ranked) + 1):
        groups = [g for g in combinations(ranked, size) if sum(pods[pod][2] for pod in g) >= count]
        if groups:
            best = min(groups, key=lambda group: sorted((ranked.index(pod) for pod in group), reverse=True))
            return tuple(f"pod{pod}" for pod in best)
    return None


pods = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(1, 3)), min_size=1, max_size=7)


@given(pods, st.integers(1, 10))
def test_the_victims_are_those_the_rule_names(pods: Pods, count: int) -> None:
    gpus, claims = full_machine(pods)
    found = place(GpuRequest((TYPE,), count), gpus, claims)
    assert (found.victims if isinstance(found, Preempt) else None) == best_by_trying_all(pods, count)


def test_sixty_four_spot_pods_are_no_riddle() -> None:
    """Trying all groups of thirty-two would outlast the machine."""
    gpus, claims = full_machine([(bid, 0, 1) for bid in range(1, 65)])
    found = place(GpuRequest((TYPE,), 32), gpus, claims)
    assert isinstance(found, Preempt)
    assert found.victims == tuple(f"pod{n}" for n in range(32))
