import asyncio
from contextlib import aclosing

import pytest

from appliance.assistant.messages import Ending, Exchange
from appliance.assistant.turns import Done, Piece, Turn, Turns

EXCHANGE = Exchange("conv_1", "friend", "hello", 1, "msg_1", "", "streaming", "now")
DONE = Done("one two", Ending("complete", "m", 2, False))


async def read(turn: Turn, start: int = 0) -> list[Piece | Done]:
    async with aclosing(turn.follow(start)) as items:
        return [item async for item in items]


async def test_every_reader_gets_the_whole_from_where_it_starts() -> None:
    turn = Turn("ada", EXCHANGE, None)
    early = asyncio.create_task(read(turn))
    await asyncio.sleep(0)
    turn.append("one ")
    await asyncio.sleep(0)
    turn.append("two")
    late = asyncio.create_task(read(turn, 4))
    await asyncio.sleep(0)
    turn.finish(DONE)
    assert await early == [Piece("one ", 4), Piece("two", 7), DONE]
    assert await late == [Piece("two", 7), DONE]
    assert await read(turn) == [Piece("one two", 7), DONE]


async def test_a_start_beyond_the_end_waits_for_what_comes() -> None:
    turn = Turn("ada", EXCHANGE, None)
    turn.finish(DONE)
    assert await read(turn, 99) == [DONE]


async def loop_turns() -> None:
    """Long enough for whatever was due at once."""
    for _ in range(5):
        await asyncio.sleep(0)


async def writer(turn: Turn) -> "asyncio.Task[None]":
    async def write() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(write())
    turn.written_by(task)
    await asyncio.sleep(0)
    return task


async def test_the_writer_is_stopped_when_the_last_reader_has_left() -> None:
    turn = Turn("ada", EXCHANGE, window_s=0.0)
    task = await writer(turn)
    with turn.reader():
        with turn.reader():
            pass
        await loop_turns()
        assert not task.cancelling()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 1)


async def test_a_reader_who_comes_back_in_time_keeps_it_going() -> None:
    turn = Turn("ada", EXCHANGE, window_s=0.0)
    task = await writer(turn)
    with turn.reader():
        pass
    with turn.reader():
        await loop_turns()
        assert not task.cancelling()
    turn.stop()


async def test_a_turn_without_a_window_needs_no_reader() -> None:
    turn = Turn("ada", EXCHANGE, window_s=None)
    task = await writer(turn)
    with turn.reader():
        pass
    await loop_turns()
    assert not task.cancelling()
    turn.stop()


def test_a_live_turn_is_its_owners_alone() -> None:
    turns, turn = Turns(), Turn("ada", EXCHANGE, None)
    turns.add(turn)
    assert turns.find("ada", "msg_1") is turn and turns.find("bob", "msg_1") is None
    assert turns.of("ada", "conv_1") == [turn] and turns.of("ada", "conv_2") == [] and turns.of("bob", None) == []
    turns.remove(turn)
    assert turns.all() == []
