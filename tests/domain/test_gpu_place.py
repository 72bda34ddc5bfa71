"""Who gets which GPU: the table of cases, and what must hold for any machine and any set of claims."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podd.domain.gpu import Claim, Gpu, GpuRequest, GpuState, NoGpu, Place, Placement, Preempt, place

A, B = "NVIDIA RTX A6000", "NVIDIA GeForce RTX 4090"


def machine(types: str) -> list[Gpu]:
    """'aab' -> two A6000 and one 4090 named g0, g1, g2; a capital letter is an unhealthy one."""
    return [
        Gpu(
            uuid=f"g{index}",
            index=index,
            type_id={"a": A, "b": B}[letter.lower()],
            memory=1,
            state=GpuState.UNHEALTHY if letter.isupper() else GpuState.HEALTHY,
        )
        for index, letter in enumerate(types)
    ]


def spot(gpu: int, pod: str, bid: int, since: int = 0) -> Claim:
    return Claim(gpu_uuid=f"g{gpu}", workload_id=pod, bid=bid, since=since)


def fixed(gpu: int, pod: str = "fixed") -> Claim:
    return Claim(gpu_uuid=f"g{gpu}", workload_id=pod)


def want(
    count: int = 1, types: tuple[str, ...] = (A,), bid: int | None = None, preempt: bool = True
) -> GpuRequest:
    return GpuRequest(type_ids=types, count=count, bid=bid, may_preempt=preempt)


CASES: dict[str, tuple[str, list[Claim], GpuRequest, Placement]] = {
    "a free GPU is given": ("a", [], want(), Place(A, ("g0",))),
    "the lowest indexes go first": ("aaa", [], want(2), Place(A, ("g0", "g1"))),
    "held GPUs are passed over": ("aaa", [fixed(0)], want(2), Place(A, ("g1", "g2"))),
    "no GPU of the type: total 0": ("b", [], want(), NoGpu(free=0, total=0)),
    "a machine without GPUs": ("", [], want(), NoGpu(free=0, total=0)),
    "too few in all": ("a", [], want(2), NoGpu(free=1, total=1)),
    "on-demand pods stay": ("a", [fixed(0)], want(), NoGpu(free=0, total=1)),
    "unhealthy GPUs are not given": ("Aa", [], want(), Place(A, ("g1",))),
    "unhealthy GPUs do not count": ("AA", [], want(), NoGpu(free=0, total=0)),
    "a spot pod on an unhealthy GPU does not help": ("A", [spot(0, "s", 1)], want(), NoGpu(free=0, total=0)),
    "all GPUs are of one type": ("ab", [], want(2, types=(A, B)), NoGpu(free=2, total=2)),
    "the first wanted type that fits": ("abb", [], want(2, types=(A, B)), Place(B, ("g1", "g2"))),
    "order of types is the caller's": ("ab", [], want(types=(B, A)), Place(B, ("g1",))),
    "a free GPU of a later type beats displacing": (
        "ab",
        [spot(0, "s", 1)],
        want(types=(A, B)),
        Place(B, ("g1",)),
    ),
    "on-demand displaces spot": ("a", [spot(0, "s", 9)], want(), Preempt(A, ("g0",), ("s",))),
    "a higher bid displaces": ("a", [spot(0, "s", 5)], want(bid=6), Preempt(A, ("g0",), ("s",))),
    "an equal bid does not": ("a", [spot(0, "s", 5)], want(bid=5), NoGpu(free=0, total=1)),
    "a lower bid does not": ("a", [spot(0, "s", 5)], want(bid=4), NoGpu(free=0, total=1)),
    "workers displace nobody": ("a", [spot(0, "s", 1)], want(preempt=False), NoGpu(free=0, total=1)),
    "the lowest bid goes first": (
        "aa",
        [spot(0, "high", 5), spot(1, "low", 3)],
        want(),
        Preempt(A, ("g1",), ("low",)),
    ),
    "of equal bids the youngest goes": (
        "aa",
        [spot(0, "old", 3, since=1), spot(1, "young", 3, since=2)],
        want(),
        Preempt(A, ("g1",), ("young",)),
    ),
    "one big pod rather than two small ones": (
        "aaaa",
        [spot(0, "x", 1), spot(1, "y", 1), spot(2, "big", 9), spot(3, "big", 9)],
        want(2),
        Preempt(A, ("g2", "g3"), ("big",)),
    ),
    "free GPUs are used before displaced ones": (
        "aaa",
        [spot(0, "x", 1), spot(2, "y", 2)],
        want(2),
        Preempt(A, ("g1", "g0"), ("x",)),
    ),
    "a victim may lose more GPUs than are needed": (
        "aa",
        [spot(0, "big", 1), spot(1, "big", 1)],
        want(),
        Preempt(A, ("g0",), ("big",)),
    ),
    "pods on other types are left alone": (
        "ab",
        [spot(0, "a", 9), spot(1, "b", 1)],
        want(),
        Preempt(A, ("g0",), ("a",)),
    ),
    "nobody is displaced when it is not enough": (
        "aa",
        [spot(0, "s", 1), fixed(1)],
        want(2),
        NoGpu(free=0, total=2),
    ),
}


@pytest.mark.parametrize(("types", "claims", "request_", "expected"), CASES.values(), ids=CASES.keys())
def test_place(types: str, claims: list[Claim], request_: GpuRequest, expected: Placement) -> None:
    assert place(request_, machine(types), claims) == expected


# What must always hold


@st.composite
def situations(draw: st.DrawFn) -> tuple[GpuRequest, list[Gpu], list[Claim]]:
    gpus = machine("".join(draw(st.lists(st.sampled_from("aabbA"), max_size=8))))
    pods = {
        f"pod{n}": (draw(st.none() | st.integers(1, 5)), draw(st.integers(0, 3)))
        for n in range(draw(st.integers(1, 5)))
    }
    holders = draw(
        st.lists(st.none() | st.sampled_from(sorted(pods)), min_size=len(gpus), max_size=len(gpus))
    )
    claims = [
        Claim(gpu_uuid=gpu.uuid, workload_id=pod, bid=pods[pod][0], since=pods[pod][1])
        for gpu, pod in zip(gpus, holders, strict=True)
        if pod is not None
    ]
    request = GpuRequest(
        type_ids=draw(st.sampled_from([(A,), (B,), (A, B), (B, A)])),
        count=draw(st.integers(1, 5)),
        bid=draw(st.none() | st.integers(1, 6)),
        may_preempt=draw(st.booleans()),
    )
    return request, gpus, draw(st.permutations(claims))


def displaceable(request: GpuRequest, claim: Claim) -> bool:
    return claim.bid is not None and (request.bid is None or claim.bid < request.bid)


@given(situations())
def test_a_placement_is_exactly_the_wanted_number_of_healthy_gpus_of_one_wanted_type(
    situation: tuple[GpuRequest, list[Gpu], list[Claim]],
) -> None:
    request, gpus, claims = situation
    result = place(request, gpus, claims)
    if isinstance(result, NoGpu):
        return
    chosen = [gpu for gpu in gpus if gpu.uuid in result.gpu_uuids]
    assert len(chosen) == len(result.gpu_uuids) == request.count
    assert {gpu.type_id for gpu in chosen} == {result.type_id}
    assert result.type_id in request.type_ids
    assert all(gpu.state is GpuState.HEALTHY for gpu in chosen)


@given(situations())
def test_no_gpu_is_ever_given_to_two(situation: tuple[GpuRequest, list[Gpu], list[Claim]]) -> None:
    request, gpus, claims = situation
    result = place(request, gpus, claims)
    if isinstance(result, NoGpu):
        return
    victims = result.victims if isinstance(result, Preempt) else ()
    staying = {claim.gpu_uuid for claim in claims if claim.workload_id not in victims}
    assert not staying & set(result.gpu_uuids)


@given(situations())
def test_somebody_is_displaced_only_when_no_wanted_type_has_enough_free(
    situation: tuple[GpuRequest, list[Gpu], list[Claim]],
) -> None:
    request, gpus, claims = situation
    held = {claim.gpu_uuid for claim in claims}
    free = Counter(g.type_id for g in gpus if g.uuid not in held and g.state is GpuState.HEALTHY)
    enough = [type_id for type_id in request.type_ids if free[type_id] >= request.count]
    result = place(request, gpus, claims)
    assert isinstance(result, Place) == bool(enough)
    if isinstance(result, Place):
        assert result.type_id == enough[0]


@given(situations())
def test_victims_are_spot_pods_with_a_strictly_lower_bid_and_each_one_helps(
    situation: tuple[GpuRequest, list[Gpu], list[Claim]],
) -> None:
    request, gpus, claims = situation
    result = place(request, gpus, claims)
    if not isinstance(result, Preempt):
        return
    assert request.may_preempt
    of_type = {g.uuid for g in gpus if g.type_id == result.type_id and g.state is GpuState.HEALTHY}
    for victim in result.victims:
        theirs = [claim for claim in claims if claim.workload_id == victim]
        assert all(displaceable(request, claim) for claim in theirs)
        assert {claim.gpu_uuid for claim in theirs} & of_type


@given(situations())
def test_as_few_pods_as_possible_are_displaced(situation: tuple[GpuRequest, list[Gpu], list[Claim]]) -> None:
    request, gpus, claims = situation
    result = place(request, gpus, claims)
    if not isinstance(result, Preempt):
        return
    of_type = {g.uuid for g in gpus if g.type_id == result.type_id and g.state is GpuState.HEALTHY}
    free = len(of_type - {claim.gpu_uuid for claim in claims})
    gains = Counter(c.workload_id for c in claims if c.gpu_uuid in of_type and displaceable(request, c))
    largest = [gain for _, gain in gains.most_common(len(result.victims) - 1)]
    assert len(set(result.victims)) == len(result.victims) >= 1
    assert free + sum(largest) < request.count  # one pod fewer is never enough


@given(situations())
def test_a_refusal_means_that_not_even_displacing_everybody_allowed_would_do(
    situation: tuple[GpuRequest, list[Gpu], list[Claim]],
) -> None:
    request, gpus, claims = situation
    result = place(request, gpus, claims)
    if not isinstance(result, NoGpu):
        return
    held = {claim.gpu_uuid: claim for claim in claims}
    usable = [gpu for gpu in gpus if gpu.state is GpuState.HEALTHY and gpu.type_id in request.type_ids]
    for type_id in request.type_ids:
        reachable = [
            gpu
            for gpu in usable
            if gpu.type_id == type_id
            and (gpu.uuid not in held or (request.may_preempt and displaceable(request, held[gpu.uuid])))
        ]
        assert len(reachable) < request.count
    assert result.total == len(usable)
    assert result.free == sum(gpu.uuid not in held for gpu in usable)


@given(situations())
def test_the_order_in_which_claims_are_read_changes_nothing(
    situation: tuple[GpuRequest, list[Gpu], list[Claim]],
) -> None:
    request, gpus, claims = situation
    assert place(request, gpus, claims) == place(request, gpus, list(reversed(claims)))
