from structlog.testing import capture_logs

from podd.ports import EngineAway
from podd.services.fence import Fence
from tests.fakes import FakeEngine


async def test_what_is_in_the_way_of_the_fence_is_said_once_and_so_is_its_end() -> None:
    engine = FakeEngine()
    fence = Fence(engine, 8484)
    engine.unguarded = "you must be root"
    with capture_logs() as said:
        await fence.tick(0)
        await fence.tick(1)
        engine.fail_next("guard_host", EngineAway("It is away."))
        await fence.tick(2)
        engine.unguarded = ""
        await fence.tick(3)
        await fence.tick(4)
    assert [line["log_level"] for line in said] == ["warning", "info"]
    assert said[0]["reason"] == "you must be root"
    assert ("guard_host", "8484") in engine.calls
