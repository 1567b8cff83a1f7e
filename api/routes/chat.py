"""Chat: one message and its answer, whole, as server-sent events, or over a WebSocket."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Literal

from pydantic import BaseModel, Field, RootModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from api.answers import answer
from api.bodies import Body, read_json, read_query
from api.errors import error_detail, request_id_of
from api.principal import box_of, principal_of
from api.sockets import Socket
from api.streaming import EventStream
from appliance.assistant.messages import Question, Status
from appliance.assistant.personalities import Personality
from appliance.assistant.turns import Done, Piece, Turn
from appliance.errors import InvalidRequestError
from serving.leaving import while_connected

KEY_CHARS = 255


class ChatRequest(Body):
    """`on_disconnect`: whether an answer that nobody reads any more is stopped, or finished and kept."""

    message: str
    conversation_id: Annotated[str | None, Field(max_length=64)] = None
    personality: Personality | None = None
    stream: bool = False
    on_disconnect: Literal["stop", "finish"] = "stop"


class ChatAnswer(BaseModel):
    message_id: str
    response: str
    conversation_id: str
    timestamp: str
    tokens_used: int | None
    model: str | None
    degraded: bool
    status: Status


class Completion(BaseModel):
    message_id: str
    conversation_id: str
    full_response: str
    tokens_used: int | None
    model: str | None
    degraded: bool
    status: Status


class OffsetQuery(Body):
    offset: Annotated[int, Field(ge=0)] = 0


async def message(request: Request) -> Response | EventStream:
    turn, body = await _asked(request)
    if body.stream:
        return _streamed(request, turn, 0)
    done = await while_connected(request, turn.ended())
    if done.error is not None:
        raise done.error
    return answer(_answer(turn, done))


async def stream(request: Request) -> EventStream:
    """A repeated request with its Idempotency-Key and Last-Event-ID goes on where the connection broke."""
    turn, _ = await _asked(request)
    return _streamed(request, turn, _last_event(request, turn.exchange.answer_id))


async def resume(request: Request) -> EventStream:
    offset = read_query(request, OffsetQuery).offset
    message_id = request.path_params["message_id"]
    turn = await box_of(request).chat.resume(principal_of(request).user_id, message_id)
    return _streamed(request, turn, _last_event(request, message_id) or offset)


async def stop(request: Request) -> Response:
    await box_of(request).chat.stop(principal_of(request).user_id, request.path_params["message_id"])
    return Response(status_code=204)


async def _asked(request: Request) -> tuple[Turn, ChatRequest]:
    box = box_of(request)
    body = await read_json(request, ChatRequest, box.settings.limits.json_bytes)
    question = Question(
        owner=principal_of(request).user_id,
        text=body.message,
        conversation_id=body.conversation_id,
        personality=body.personality,
        key=_key(request),
    )
    return await box.chat.ask(question, finish_unread=body.on_disconnect == "finish"), body


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= KEY_CHARS and key.isprintable()):
        raise InvalidRequestError("Idempotency-Key", f"must be 1 to {KEY_CHARS} printable characters")
    return key


def _answer(turn: Turn, done: Done) -> ChatAnswer:
    return ChatAnswer(
        message_id=turn.exchange.answer_id,
        response=done.text,
        conversation_id=turn.exchange.conversation_id,
        timestamp=turn.exchange.created_at,
        tokens_used=done.ending.tokens_used,
        model=done.ending.model,
        degraded=done.ending.degraded,
        status=done.ending.status,
    )


# --- server-sent events -----------------------------------------------------------------------------------------------


def _streamed(request: Request, turn: Turn, start: int) -> EventStream:
    box = box_of(request)
    session = box.sessions.following(principal_of(request))
    return EventStream(_events(request, turn, start), box.settings.chat.slow_reader_s, session)


async def _events(request: Request, turn: Turn, start: int) -> AsyncGenerator[bytes, None]:
    """Each token carries `message:offset` as its id: what a client sends back as Last-Event-ID."""
    message_id = turn.exchange.answer_id
    begun = {"message_id": message_id, "conversation_id": turn.exchange.conversation_id}
    with turn.reader():
        yield _event("start", begun, f"{message_id}:{start}")
        async with aclosing(turn.follow(start)) as items:
            async for item in items:
                kind, data, offset = _told(turn, item, request_id_of(request))
                yield _event(kind, data, f"{message_id}:{offset}")


def _told(turn: Turn, item: Piece | Done, request_id: str) -> tuple[str, object, int]:
    """What an item is called on the wire, what it carries, and where the answer stands after it."""
    if isinstance(item, Piece):
        return "token", item.text, item.end
    if item.error is not None:
        return "error", error_detail(item.error, request_id), len(item.text)
    return "complete", _completion(turn, item).model_dump(), len(item.text)


def _completion(turn: Turn, done: Done) -> Completion:
    return Completion(
        message_id=turn.exchange.answer_id,
        conversation_id=turn.exchange.conversation_id,
        full_response=done.text,
        tokens_used=done.ending.tokens_used,
        model=done.ending.model,
        degraded=done.ending.degraded,
        status=done.ending.status,
    )


def _event(kind: str, data: object, event_id: str) -> bytes:
    return f"event: {kind}\nid: {event_id}\ndata: {json.dumps({'type': kind, 'data': data})}\n\n".encode()


def _last_event(request: Request, message_id: str) -> int:
    """The offset in Last-Event-ID, if it is of this message; else the beginning."""
    name, _, offset = request.headers.get("last-event-id", "").partition(":")
    return int(offset) if name == message_id and offset.isdigit() and len(offset) < 10 else 0


# --- WebSocket --------------------------------------------------------------------------------------------------------


class MessageFrameData(Body):
    message: str
    conversation_id: Annotated[str | None, Field(max_length=64)] = None
    personality: Personality | None = None
    idempotency_key: Annotated[str | None, Field(min_length=1, max_length=KEY_CHARS)] = None


class MessageFrame(Body):
    type: Literal["message"]
    data: MessageFrameData


class StopFrameData(Body):
    message_id: str


class StopFrame(Body):
    type: Literal["stop"]
    data: StopFrameData


class ResumeFrameData(Body):
    message_id: str
    offset: Annotated[int, Field(ge=0)] = 0


class ResumeFrame(Body):
    type: Literal["resume"]
    data: ResumeFrameData


class ChatFrame(RootModel[MessageFrame | StopFrame | ResumeFrame]):
    """What a client sends over the socket."""

    root: Annotated[MessageFrame | StopFrame | ResumeFrame, Field(discriminator="type")]


async def socket(websocket: WebSocket) -> None:
    await Socket(websocket, ChatFrame, _frame_answers).run()


async def _frame_answers(connection: Socket[ChatFrame], frame: ChatFrame) -> AsyncGenerator[dict[str, object], None]:
    """The frames that answer one frame."""
    box, owner, asked = box_of(connection.websocket), principal_of(connection.websocket).user_id, frame.root
    if isinstance(asked, StopFrame):
        await box.chat.stop(owner, asked.data.message_id)
        return
    if isinstance(asked, ResumeFrame):
        turn, start = await box.chat.resume(owner, asked.data.message_id), asked.data.offset
    else:
        given = asked.data
        question = Question(owner, given.message, given.conversation_id, given.personality, given.idempotency_key)
        turn, start = await box.chat.ask(question), 0
    begun = {"message_id": turn.exchange.answer_id, "conversation_id": turn.exchange.conversation_id}
    with turn.reader():
        yield {"type": "start", "data": begun}
        async with aclosing(turn.follow(start)) as items:
            async for item in items:
                kind, data, offset = _told(turn, item, connection.request_id)
                yield {"type": kind, "data": data, "message_id": turn.exchange.answer_id, "offset": offset}
