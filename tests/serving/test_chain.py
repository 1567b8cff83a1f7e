from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from serving.chain import BUDGET_SHARE, FAILURES, REST_S, WITHIN_S, Breaker, Chain, NobodyAnsweredError
from serving.wire import BadMediaError, EngineBusyError, EngineDownError, EngineUnavailableError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Engine:
    """Fails the first `failures` times, then answers; streams its pieces and may break after some."""

    def __init__(self, failures: int = 0, error: Exception | None = None, breaks_after: int | None = None) -> None:
        self.failures = failures
        self.error = error or EngineUnavailableError("sick")
        self.breaks_after = breaks_after
        self.asked = 0
        self.closed = 0

    async def answer(self) -> str:
        self.asked += 1
        if self.asked <= self.failures:
            raise self.error
        return "answer"

    async def pieces(self) -> AsyncGenerator[int, None]:
        await self.answer()
        try:
            for number in range(10):
                if number == self.breaks_after:
                    raise self.error
                yield number
        finally:
            self.closed += 1


def chain(*engines: Engine, clock: Clock | None = None, waits_s: tuple[float, ...] = ()) -> Chain[Engine]:
    named = [(f"engine{number}", engine) for number, engine in enumerate(engines)]
    return Chain(named, clock=clock or Clock(), waits_s=waits_s)


async def test_the_first_engine_answers() -> None:
    answered = await chain(Engine(), Engine()).call(Engine.answer)
    assert (answered.value, answered.model, answered.degraded) == ("answer", "engine0", False)


async def test_the_next_one_answers_for_one_that_fails_and_that_is_said() -> None:
    answered = await chain(Engine(failures=99), Engine()).call(Engine.answer)
    assert (answered.model, answered.degraded) == ("engine1", True)


async def test_bad_input_is_nobodys_failure() -> None:
    first, second = Engine(failures=1, error=BadMediaError("broken")), Engine()
    with pytest.raises(BadMediaError):
        await chain(first, second).call(Engine.answer)
    assert second.asked == 0


async def test_an_empty_chain_says_that_nothing_is_installed() -> None:
    with pytest.raises(NobodyAnsweredError) as nobody:
        await chain().call(Engine.answer)
    assert not nobody.value.tried


async def test_a_full_queue_tells_when_to_come_back() -> None:
    with pytest.raises(NobodyAnsweredError) as nobody:
        await chain(Engine(failures=9, error=EngineBusyError("full", 7))).call(Engine.answer)
    assert nobody.value.tried and nobody.value.retry_after_s == 7


async def test_five_failures_open_the_breaker_and_one_request_tries_after_the_rest() -> None:
    clock, engine = Clock(), Engine(failures=FAILURES)
    links = chain(engine, clock=clock)
    for _ in range(FAILURES + 3):
        with pytest.raises(NobodyAnsweredError):
            await links.call(Engine.answer)
    assert engine.asked == FAILURES
    clock.now += REST_S
    assert (await links.call(Engine.answer)).value == "answer"
    assert links.links[0].breaker.state == "closed"


async def test_a_failed_trial_means_another_rest() -> None:
    clock, engine = Clock(), Engine(failures=99)
    links = chain(engine, clock=clock)
    for _ in range(FAILURES):
        with pytest.raises(NobodyAnsweredError):
            await links.call(Engine.answer)
    clock.now += REST_S
    for _ in range(4):
        with pytest.raises(NobodyAnsweredError):
            await links.call(Engine.answer)
    assert engine.asked == FAILURES + 1


def test_failures_far_apart_open_nothing() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(20):
        breaker.failed()
        clock.now += WITHIN_S / (FAILURES - 1) + 1
    assert breaker.admits()


async def test_a_hiccup_is_tried_again_on_the_same_engine() -> None:
    first, second = Engine(failures=1), Engine()
    answered = await chain(first, second, waits_s=(0.001,)).call(Engine.answer)
    assert answered.model == "engine0" and first.asked == 2


async def test_an_engine_that_is_not_there_is_not_asked_twice() -> None:
    first = Engine(failures=9, error=EngineDownError("nobody listens"))
    await chain(first, Engine(), waits_s=(0.001,) * 3).call(Engine.answer)
    assert first.asked == 1


async def test_a_sick_engine_never_meets_more_than_a_tenth_above_its_load() -> None:
    clock, sick = Clock(), Engine(failures=10**9)
    links = chain(sick, Engine(), clock=clock, waits_s=(0.0, 0.0, 0.0))
    for _ in range(200):
        await links.call(Engine.answer)
        clock.now += WITHIN_S  # so far apart that the breaker stays closed
    assert sick.asked <= 200 * (1 + BUDGET_SHARE) + 1


async def test_a_stream_fails_over_only_before_its_first_piece() -> None:
    first, second = Engine(breaks_after=0), Engine()
    pieces = [piece async for piece in chain(first, second).stream(Engine.pieces)]
    assert [piece.value for piece in pieces] == list(range(10)) and pieces[0].model == "engine1"

    broken = chain(Engine(breaks_after=3), second)
    seen = []
    with pytest.raises(EngineUnavailableError):
        async for piece in broken.stream(Engine.pieces):
            seen.append(piece.value)
    assert seen == [0, 1, 2]


async def test_a_reader_who_leaves_closes_the_engines_stream() -> None:
    engine = Engine()
    async with aclosing(chain(engine).stream(Engine.pieces)) as pieces:
        async for _ in pieces:
            break
    assert engine.closed == 1
