import asyncio
import threading

import pytest

from serving.running import Runner
from serving.wire import BadMediaError, EngineBusyError, EngineUnavailableError


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_calls_run_one_at_a_time_and_in_order():
    runner, seen, inside = Runner(), [], []

    def call(number: int) -> int:
        inside.append(number)
        assert len(inside) == 1
        seen.append(number)
        inside.remove(number)
        return number * 2

    assert await asyncio.gather(*(runner.run(call, number) for number in range(10))) == [n * 2 for n in range(10)]
    assert seen == list(range(10))
    await runner.aclose()


async def test_the_loop_stays_free_while_a_call_runs():
    runner, go = Runner(), threading.Event()
    call = asyncio.create_task(runner.run(go.wait, 5))
    await until(lambda: runner.working)
    go.set()  # by the loop: were it blocked, this line would not be reached before the wait is over
    assert await call
    await runner.aclose()


async def test_a_full_queue_says_when_to_come_back():
    runner, go = Runner(waiting=2), threading.Event()
    calls = [asyncio.create_task(runner.run(go.wait, 5)) for _ in range(3)]
    await until(lambda: runner.working)
    with pytest.raises(EngineBusyError) as busy:
        await runner.run(go.wait, 5)
    assert busy.value.retry_after_s >= 1
    go.set()
    assert await asyncio.gather(*calls) == [True] * 3
    await runner.aclose()


async def test_a_caller_who_leaves_before_his_turn_is_never_run():
    runner, go, seen = Runner(), threading.Event(), []
    first = asyncio.create_task(runner.run(go.wait, 5))
    second = asyncio.create_task(runner.run(seen.append, "second"))
    third = asyncio.create_task(runner.run(seen.append, "third"))
    await until(lambda: runner.working)
    second.cancel()
    go.set()
    await asyncio.gather(first, third)
    assert seen == ["third"]
    with pytest.raises(asyncio.CancelledError):
        await second
    await runner.aclose()


async def test_a_caller_who_leaves_during_his_call_leaves_the_engine_to_its_end():
    runner, go, seen = Runner(), threading.Event(), []
    first = asyncio.create_task(runner.run(lambda: (go.wait(5), seen.append("first"))))
    await until(lambda: runner.working)
    first.cancel()
    second = asyncio.create_task(runner.run(seen.append, "second"))
    await asyncio.sleep(0)
    assert seen == []
    go.set()
    await second
    assert seen == ["first", "second"]
    await runner.aclose()


async def test_a_call_that_takes_too_long_is_given_up_and_known_to_be_stuck():
    runner, go = Runner(timeout_s=0.05), threading.Event()
    with pytest.raises(EngineUnavailableError, match="timed out"):
        await runner.run(go.wait, 5)
    await until(lambda: runner.stuck)
    with pytest.raises(EngineUnavailableError, match="timed out"):
        await runner.run(go.wait, 5)
    go.set()
    await until(lambda: not runner.working)
    assert not runner.stuck
    assert await runner.run(go.wait, 5)
    await runner.aclose()


async def test_an_engine_s_refusal_reaches_the_caller_and_the_next_call_runs():
    runner = Runner()

    def refuse() -> None:
        raise BadMediaError("broken")

    with pytest.raises(BadMediaError, match="broken"):
        await runner.run(refuse)
    assert await runner.run(lambda: 1) == 1
    await runner.aclose()
