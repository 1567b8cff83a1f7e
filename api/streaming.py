"""Server-sent events, which end when their client leaves.

uvicorn speaks ASGI 2.3: a client that left is a message on `receive`, so somebody must listen while another writes.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AbstractContextManager, aclosing, suppress
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from serving.leaving import end, gone

KEEPALIVE_S = 15.0

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """An ASGI response. The events are bytes as they go out; closing the generator is what a leaving client causes.

    `session` gives an event that is set when the client's session ends: the stream ends with it.
    """

    def __init__(
        self, events: AsyncGenerator[bytes, None], slow_s: float, session: AbstractContextManager[asyncio.Event]
    ) -> None:
        self._events = events
        self._slow_s = slow_s
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events):
            with self._session as ended:
                await first_of(self._write(send), gone(receive), _beat(send), ended.wait())

    async def _write(self, send: Send) -> None:
        with suppress(TimeoutError):  # dropping the connection frees its buffer; a turn stops with its last reader
            first = await anext(self._events)  # its source is open before the client can keep us waiting
            await self._send(send, {"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await self._send(send, {"type": "http.response.body", "body": first, "more_body": True})
            async for event in self._events:
                await self._send(send, {"type": "http.response.body", "body": event, "more_body": True})
            await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, message: Message) -> None:
        async with asyncio.timeout(self._slow_s):
            await send(message)


async def first_of(*works: Coroutine[Any, Any, object]) -> None:
    """Runs them side by side until one is over; the others are cancelled. An error of the first one is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(*tasks)


async def _beat(send: Send) -> None:
    """Comments, so that proxies and phones keep the connection."""
    while True:
        await asyncio.sleep(KEEPALIVE_S)
        await send({"type": "http.response.body", "body": b": still here\n\n", "more_body": True})
