"""uvicorn's HTTP protocol with what it leaves open: a bound on the head, a time for it, and our error body."""

import asyncio
import secrets
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.errors import plain_error

HEAD_BYTES = 32 << 10
HEADERS = 100
HEAD_S = 20.0


class _TooLargeError(Exception):
    """The head is over its bound."""


class BoundedHttp(HttpToolsProtocol):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = 0
        self._status = 400
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline = self.loop.call_later(HEAD_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._deadline is not None and self._head_bytes > HEAD_BYTES:  # the head has not ended yet
            self._status = 431
            self.send_400_response("")

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > HEADERS or len(name) + len(value) > HEAD_BYTES:
            self._status = 431
            raise _TooLargeError

    def on_headers_complete(self) -> None:
        self._head_is_there()
        if sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            self._status = 431
            raise _TooLargeError
        super().on_headers_complete()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        if self._deadline is None:  # a later request on the same connection
            self._deadline = self.loop.call_later(HEAD_S, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """In the shape of every other error; the connection is closed, so nothing behind it is taken for a request."""
        self._head_is_there()
        text = "The request's headers are too large." if self._status == 431 else "This is not valid HTTP."
        answer = plain_error(self._status, text, f"req_{secrets.token_hex(12)}")
        head = [f"HTTP/1.1 {self._status} Refused", "connection: close", "x-content-type-options: nosniff"]
        head += [f"{name.decode()}: {value.decode()}" for name, value in answer.raw_headers]
        self.transport.write("\r\n".join([*head, "", ""]).encode() + bytes(answer.body))
        self.transport.close()

    def _head_is_there(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._head_bytes = 0
