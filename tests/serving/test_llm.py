import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from serving.llm import LLM, Finish, Text, ToolCall
from serving.wire import EngineDownError, EngineUnavailableError, RefusedError
from tests.running import StubModel


@pytest.fixture
async def model(stub: StubModel) -> AsyncIterator[LLM]:
    model = LLM(stub.address, "stub")
    yield model
    await model.aclose()


async def ask(model: LLM, text: str, **more: object) -> list[object]:
    messages = [{"role": "user", "content": text}]
    return [delta async for delta in model.stream(messages, max_tokens=100, temperature=0, **more)]


async def test_texts_come_one_by_one_and_the_finish_counts_tokens(model: LLM) -> None:
    *texts, finish = await ask(model, "say 3 words")
    assert texts == [Text("the "), Text("quick "), Text("brown ")]
    assert finish == Finish("stop", 10, 3)


async def test_a_tool_call_comes_whole(model: LLM) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {}}}
    call, finish = await ask(model, 'call look {"at": "sky"}', tools=[tool])
    assert call == ToolCall("call_1", "look", '{"at": "sky"}')
    assert isinstance(finish, Finish) and finish.reason == "tool_calls"


@pytest.mark.parametrize("order", ["cut after 2 words", "garbage", "fail 500", "fail 404"])
async def test_whatever_goes_wrong_there_is_one_kind_of_error_here(model: LLM, order: str) -> None:
    with pytest.raises(EngineUnavailableError):
        await ask(model, order)


async def test_a_refused_request_is_told_apart(model: LLM) -> None:
    with pytest.raises(RefusedError):
        await ask(model, "fail 400")


async def test_a_model_that_falls_silent_is_given_up(model: LLM) -> None:
    begun = time.monotonic()
    with pytest.raises(EngineUnavailableError):
        await ask(model, "wait 30", timeout_s=0.2)
    assert time.monotonic() - begun < 5


async def test_closing_the_stream_lets_the_model_go_at_once(slow_stub: StubModel) -> None:
    model = LLM(slow_stub.address, "stub")
    before = slow_stub.stats()["disconnected"]
    messages = [{"role": "user", "content": "say 500 words"}]
    async with aclosing(model.stream(messages, max_tokens=500, temperature=0)) as deltas:
        async for _ in deltas:
            break
    async with asyncio.timeout(1):
        while slow_stub.stats()["disconnected"] == before:
            await asyncio.sleep(0.01)
    await model.aclose()


async def test_the_context_length_is_the_servers_word(model: LLM) -> None:
    assert await model.context_length() == 8192
    assert await model.healthy()


async def test_a_server_that_lists_no_models_answers_all_the_same(tmp_path: Path) -> None:
    stub = StubModel(tmp_path / "llm.sock", 0.0, "--no-list")
    model = LLM(stub.address, "stub")
    assert await model.context_length() is None
    assert (await ask(model, "say 1 words"))[0] == Text("the ")
    await model.aclose()
    stub.close()


async def test_nobody_there_is_said_at_once(tmp_path: object) -> None:
    model = LLM(f"unix:{tmp_path}/nothing.sock", "stub")
    with pytest.raises(EngineDownError):
        await ask(model, "hello")
    assert not await model.healthy()
    await model.aclose()
