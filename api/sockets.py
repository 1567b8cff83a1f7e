"""One WebSocket: frames in, a bounded line of those that wait, answers out one frame's after another's.

It is closed 4401 when its session ends, 1008 when it does not read, 1009 by the server when a frame is too large.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from pydantic import RootModel, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.bodies import named
from api.errors import error_detail
from api.principal import SUBPROTOCOL, box_of, principal_of
from api.streaming import first_of
from appliance.errors import ForbiddenError, TooManyError, UnauthorizedError, YuError

F = TypeVar("F", bound=RootModel[Any])

WAITING = 8
SESSION_OVER = 4401
POLICY = 1008

AnswerTo = Callable[["Socket[F]", F], AsyncGenerator[dict[str, object], None]]


class Socket(Generic[F]):
    """Frames of type `stop` overtake: they are answered at once, beside the one that is being answered."""

    def __init__(self, websocket: WebSocket, kind: type[F], answer: AnswerTo[F]) -> None:
        self.websocket = websocket
        self.request_id = str(websocket.scope["state"]["request_id"])
        self._kind = kind
        self._answer = answer
        self._line: asyncio.Queue[F] = asyncio.Queue(WAITING)
        self._slow_s = box_of(websocket).settings.chat.slow_reader_s

    async def run(self) -> None:
        check_origin(self.websocket)
        offered = self.websocket.scope.get("subprotocols", ())
        await self.websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        box = box_of(self.websocket)
        try:
            with box.sessions.following(principal_of(self.websocket)) as ended:
                await first_of(self._read(), self._write(), ended.wait())
                if ended.is_set():
                    raise UnauthorizedError
        except UnauthorizedError:
            await self._close(SESSION_OVER, "the session is over")
        except TimeoutError:
            await self._close(POLICY, "nothing was read for too long")
        except WebSocketDisconnect:
            pass

    async def _read(self) -> None:
        sessions, principal = box_of(self.websocket).sessions, principal_of(self.websocket)
        while True:
            text = await self._received()
            try:
                await sessions.check(principal)
                await self._take(self._parsed(text))
            except UnauthorizedError:
                raise
            except YuError as error:
                await self.send({"type": "error", "data": error_detail(error, self.request_id)})

    async def _received(self) -> str | bytes:
        """Raises `WebSocketDisconnect`."""
        message = await self.websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        text: str | bytes = message.get("text") or message.get("bytes") or b""
        return text

    async def _take(self, frame: F) -> None:
        if getattr(frame.root, "type", None) == "stop":
            await self._answer_one(frame)
            return
        try:
            self._line.put_nowait(frame)
        except asyncio.QueueFull:
            raise TooManyError(f"At most {WAITING} messages may wait on one connection.") from None

    async def _write(self) -> None:
        while True:
            frame = await self._line.get()
            try:
                await self._answer_one(frame)
            except UnauthorizedError:
                raise
            except YuError as error:
                await self.send({"type": "error", "data": error_detail(error, self.request_id)})

    async def _answer_one(self, frame: F) -> None:
        async with aclosing(self._answer(self, frame)) as answers:
            async for answer in answers:
                await self.send(answer)

    async def send(self, frame: dict[str, object]) -> None:
        """Raises `TimeoutError` when the client has not read for long."""
        async with asyncio.timeout(self._slow_s):
            await self.websocket.send_text(json.dumps(frame))

    def _parsed(self, text: str | bytes) -> F:
        try:
            return self._kind.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise named(error) from None

    async def _close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self.websocket.close(code, reason)
        except (TimeoutError, RuntimeError):
            return  # it was closed from the other side, or is not read at all: the server drops it


def check_origin(websocket: WebSocket) -> None:
    """A browser says which page opened the socket: only the box's own may. Programs say nothing.

    Raises `ForbiddenError`, before the upgrade.
    """
    origins = websocket.headers.getlist("origin")
    if not origins:
        return
    scheme, _, netloc = origins[0].partition("://")
    if len(origins) > 1 or scheme not in ("http", "https") or netloc != websocket.headers.get("host"):
        raise ForbiddenError("This page may not open a connection to the box.")
