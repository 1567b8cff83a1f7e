"""The caller's end of a language model: `/v1/chat/completions` as vLLM, Ollama, llama-server and others speak it.

Messages hold text only. No image address ever travels: an engine would fetch it.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientError, ClientResponse
from pydantic_core import from_json

from serving.http import Wire
from serving.wire import CHAT, MODELS, EngineError, EngineUnavailableError

Message = Mapping[str, object]  # OpenAI's: role, content, tool_calls, tool_call_id

LINE_BYTES = 1 << 20
DRAIN_S = 0.2
USUAL_TEMPERATURE = 0.7  # what a chat model is asked with when neither its card nor the settings say


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is the JSON text that the model wrote: not yet known to be valid."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Finish:
    reason: str
    prompt_tokens: int | None
    completion_tokens: int | None

    @property
    def tokens(self) -> int:
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0)


Delta = Text | ToolCall | Finish


class LLM:
    """One server and the model it is asked for. `salt` keeps one user's prefix cache from another's clock (vLLM)."""

    def __init__(
        self, address: str, model: str, api_key: str | None = None, temperature: float = USUAL_TEMPERATURE
    ) -> None:
        self.model = model
        self.temperature = temperature
        self._wire = Wire(address, api_key)
        self._salted = address.startswith("unix:")  # our own vLLM: others may refuse a field that they do not know
        self._context: int | None = None
        self._asked = False

    async def aclose(self) -> None:
        await self._wire.aclose()

    async def healthy(self, timeout_s: float = 1.0) -> bool:
        try:
            await self._wire.request("GET", MODELS, timeout_s=timeout_s)
        except EngineError:
            return False
        return True

    async def context_length(self) -> int | None:
        """How many tokens fit, prompt and answer together; `None` when the server does not say (only vLLM does)."""
        if not self._asked:  # it does not change while the server runs
            try:
                self._context = await self._read_context_length()
            except EngineError:
                return None  # not every server lists its models; the question itself tells whether this one answers
            self._asked = True
        return self._context

    async def _read_context_length(self) -> int | None:
        answer = await self._wire.request("GET", MODELS, timeout_s=5.0)
        try:
            models = from_json(answer.body)["data"]
            length = next((model.get("max_model_len") for model in models if model.get("id") == self.model), None)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EngineUnavailableError("The engine's list of models makes no sense.") from error
        return length if isinstance(length, int) else None

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float | None = None,
        tools: Sequence[Mapping[str, object]] = (),
        salt: str | None = None,
        timeout_s: float = 60.0,
    ) -> AsyncGenerator[Delta, None]:
        """Texts as they come, then the tool calls, then one `Finish`. Closing the iterator stops the model."""
        body: dict[str, object] = {
            "model": self.model,
            "messages": list(messages),
            "max_tokens": max_tokens,
            "temperature": self.temperature if temperature is None else temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if tools:
            body["tools"] = list(tools)
        if salt is not None and self._salted:
            body["cache_salt"] = salt
        answer = _Answer()
        opened = self._wire.stream("POST", CHAT, json=body, timeout_s=timeout_s)
        async with opened as response, aclosing(_data_lines(response)) as lines:
            async for line in lines:
                if text := answer.take(line):
                    yield Text(text)
        for delta in answer.ending():
            yield delta


async def _data_lines(response: ClientResponse) -> AsyncGenerator[bytes, None]:
    """What follows `data:`, up to `[DONE]`. A stream that ends without it was cut."""
    async with aclosing(_lines(response)) as lines:
        async for line in lines:
            data = line[5:].strip() if line.startswith(b"data:") else b""
            if data == b"[DONE]":
                await _drain(response)
                return
            if data:
                yield data
    raise EngineUnavailableError("The engine's answer was cut off.")


async def _lines(response: ClientResponse) -> AsyncGenerator[bytes, None]:
    rest = b""
    try:
        async for chunk in response.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line
            if len(rest) > LINE_BYTES:
                raise EngineUnavailableError("The engine sent a line without an end.")
    except TimeoutError as error:
        raise EngineUnavailableError("The engine fell silent.") from error


async def _drain(response: ClientResponse) -> None:
    """Reads what ends the body, so that the connection can be used again; a server that dawdles loses it."""
    with suppress(TimeoutError, ClientError):
        async with asyncio.timeout(DRAIN_S):
            await response.content.readany()


@dataclass
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass
class _Answer:
    """What the chunks of one answer add up to."""

    calls: dict[int, _Call] = field(default_factory=dict)
    reason: str = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    def take(self, line: bytes) -> str | None:
        """The text in one chunk; whatever else is in it is kept. Raises `EngineUnavailableError` for garbage."""
        try:
            return self._take(from_json(line))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise EngineUnavailableError("The engine sent what is no chat chunk.") from error

    def _take(self, chunk: Any) -> str | None:
        if "error" in chunk:
            raise EngineUnavailableError("The engine failed while answering.")
        if usage := chunk.get("usage"):
            self.prompt_tokens, self.completion_tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if not chunk["choices"]:
            return None
        choice = chunk["choices"][0]
        self.reason = choice.get("finish_reason") or self.reason
        delta = choice["delta"]
        for part in delta.get("tool_calls") or ():
            self._take_call(part)
        text = delta.get("content")
        if text is not None and not isinstance(text, str):
            raise TypeError
        return text

    def _take_call(self, part: Any) -> None:
        call = self.calls.setdefault(part.get("index", len(self.calls)), _Call())
        call.id = part.get("id") or call.id
        call.name += part["function"].get("name") or ""
        call.arguments += part["function"].get("arguments") or ""

    def ending(self) -> list[Delta]:
        calls: list[Delta] = [ToolCall(call.id, call.name, call.arguments) for call in self.calls.values()]
        return [*calls, Finish(self.reason, self.prompt_tokens, self.completion_tokens)]
