"""uvicorn's two protocols with what they leave open: bounds on size, time and pace, and our error body."""

import asyncio
import logging
import secrets
import socket
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.server import ServerProtocol

from api.errors import plain_error
from api.outermost import with_ours

URL_BYTES = 8 << 10
HEAD_BYTES = 32 << 10
HEADERS = 100
HEAD_S = 20.0
MESSAGE_S = 300.0  # an upload of the largest size at 85 kB/s
UNREAD_S = 30.0

SLICE_BYTES = 4 << 10
CONTROLS, CONTROLS_S = 100, 10.0  # pings and pongs; a phone sends one in some seconds
FRAGMENTS = 1000

logger = logging.getLogger("api.access")


class _RefusedError(Exception):
    """The request is over a bound."""


class BoundedHttp(HttpToolsProtocol):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.ws_protocol_class = BoundedSocket
        self._useless_bytes = 0  # since something of a request was last complete
        self._status = 400
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _drop_when_unread(transport)
        self._close_in(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._close_in(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._useless_bytes += len(data)
        super().data_received(data)
        if self._useless_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._status = 431
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._useless_bytes = 0
        if self._deadline is None:  # a later request on the same connection
            self._close_in(HEAD_S)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > URL_BYTES:
            self._refuse(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > HEADERS or len(name) + len(value) > HEAD_BYTES:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        self._useless_bytes = 0
        self._close_in(MESSAGE_S)
        if self.parser.get_http_version() not in ("1.0", "1.1"):
            self._refuse(400)
        if sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            self._refuse(431)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._useless_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._useless_bytes = 0
        self._close_in(None)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """In the shape of every other error; the connection is closed, so nothing behind it is taken for a request."""
        self._close_in(None)
        if self._is_answering():
            self.shutdown()  # when that answer is complete
        else:
            _refuse(self.transport, self._status)
            self.transport.close()

    def _is_answering(self) -> bool:
        """Whether an earlier request is being answered: this refusal must not be taken for its answer."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and (cycle.response_started or not cycle.more_body)

    def _refuse(self, status: int) -> None:
        self._status = status
        raise _RefusedError

    def _close_in(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.close)


class BoundedSocket(WebSocketsSansIOProtocol):
    """A flood is cut into slices, so that others get their turn, and ends the connection (1008, 1009)."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._controls = 0
        self._counted_from = 0.0

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), SLICE_BYTES):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + SLICE_BYTES])
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self._refuse(400)

    def handle_connect(self, event: Request) -> None:
        tried = ServerProtocol().accept(event)
        if tried.status_code == 101:
            super().handle_connect(event)
        else:
            allow = {"Allow": "GET"} if tried.status_code == 405 else None
            self._refuse(tried.status_code, allow)

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True  # uvicorn would log each refused socket as an error of ours

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(event)
        if len(self.frames) > FRAGMENTS:
            self._fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")

    def send_receive_event_to_app(self) -> None:
        try:
            if self.curr_msg_data_type == "text":
                b"".join(self.frames).decode()
        except UnicodeDecodeError:  # uvicorn would log it as an error of ours, with its trace
            self.frames = []
            self._fail(CloseCode.INVALID_DATA, "a text that is not UTF-8")
            return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        super().handle_ping()
        self._count()

    def handle_pong(self, event: Frame) -> None:
        super().handle_pong(event)
        self._count()

    def _count(self) -> None:
        now = self.loop.time()
        if now - self._counted_from > CONTROLS_S:
            self._counted_from, self._controls = now, 0
        self._controls += 1
        if self._controls > CONTROLS:
            self._fail(CloseCode.POLICY_VIOLATION, "too many pings")

    def _fail(self, code: CloseCode, reason: str) -> None:
        if not self.transport.is_closing():
            self.conn.fail(code, reason)
            self.handle_parser_exception()

    def _refuse(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        _refuse(self.transport, status, headers)
        self.transport.close()


_TEXTS = {
    405: "A WebSocket is opened with GET.",
    414: "The request's path and query are too long.",
    431: "The request's headers are too large.",
}


def _refuse(transport: asyncio.Transport, status: int, headers: dict[str, str] | None = None) -> None:
    request_id = f"req_{secrets.token_hex(12)}"
    answer = plain_error(status, _TEXTS.get(status, "This is not valid HTTP."), request_id, headers)
    lines = [f"HTTP/1.1 {status} Refused", "connection: close", *_lines(with_ours(answer.raw_headers, request_id))]
    transport.write("\r\n".join([*lines, "", ""]).encode() + bytes(answer.body))
    logger.info("refused", extra={"status": status, "request_id": request_id})


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[str]:
    return (f"{name.decode()}: {value.decode()}" for name, value in headers)


def _drop_when_unread(transport: asyncio.Transport) -> None:
    """The kernel drops a peer that reads nothing: closing alone would wait for it to take what is buffered."""
    raw: socket.socket = transport.get_extra_info("socket")
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_S * 1000))
