"""Conversations: history, list, search, titles, deletion."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from api.answers import answer
from api.bodies import Body, read_json, read_query
from api.principal import box_of, principal_of
from appliance.assistant.conversations import LONGEST_PAGE, LONGEST_TITLE
from appliance.assistant.messages import Status
from appliance.assistant.personalities import Personality

Limit = Annotated[int, Field(ge=1, le=LONGEST_PAGE)]


class ConversationItem(BaseModel):
    id: str
    title: str
    personality: str
    created_at: str
    updated_at: str
    message_count: int


class MessageItem(BaseModel):
    id: str
    conversation_id: str
    role: Literal["user", "assistant", "system"]
    content: str
    status: Status
    tokens_used: int | None
    model: str | None
    created_at: str
    metadata: dict[str, Any]


class History(BaseModel):
    messages: list[MessageItem]
    next_cursor: str | None


class ConversationList(BaseModel):
    conversations: list[ConversationItem]
    next_cursor: str | None


class Deleted(BaseModel):
    deleted: int


class HistoryQuery(Body):
    conversation_id: Annotated[str | None, Field(max_length=64)] = None
    limit: Limit = 50
    cursor: Annotated[str | None, Field(max_length=100)] = None


class ConversationQuery(Body):
    query: Annotated[str | None, Field(max_length=200)] = None
    limit: Limit = 50
    cursor: Annotated[str | None, Field(max_length=100)] = None


class DeleteQuery(Body):
    conversation_id: Annotated[str | None, Field(max_length=64)] = None


class ConversationChange(Body):
    title: Annotated[str | None, Field(max_length=LONGEST_TITLE)] = None
    personality: Personality | None = None


async def history(request: Request) -> Response:
    asked = read_query(request, HistoryQuery)
    page = await box_of(request).conversations.history(
        principal_of(request).user_id, conversation_id=asked.conversation_id, limit=asked.limit, cursor=asked.cursor
    )
    messages = [MessageItem.model_validate(item, from_attributes=True) for item in page.items]
    return answer(History(messages=messages, next_cursor=page.next_cursor))


async def delete_history(request: Request) -> Response:
    return await _delete(request, read_query(request, DeleteQuery).conversation_id)


async def list_conversations(request: Request) -> Response:
    asked = read_query(request, ConversationQuery)
    page = await box_of(request).conversations.list(
        principal_of(request).user_id, query=asked.query, limit=asked.limit, cursor=asked.cursor
    )
    items = [ConversationItem.model_validate(item, from_attributes=True) for item in page.items]
    return answer(ConversationList(conversations=items, next_cursor=page.next_cursor))


async def get_conversation(request: Request) -> Response:
    found = await box_of(request).conversations.get(
        principal_of(request).user_id, request.path_params["conversation_id"]
    )
    return answer(ConversationItem.model_validate(found, from_attributes=True))


async def change_conversation(request: Request) -> Response:
    box = box_of(request)
    body = await read_json(request, ConversationChange, box.settings.limits.json_bytes)
    changed = await box.conversations.change(
        principal_of(request).user_id,
        request.path_params["conversation_id"],
        title=body.title,
        personality=body.personality,
    )
    return answer(ConversationItem.model_validate(changed, from_attributes=True))


async def delete_conversation(request: Request) -> Response:
    return await _delete(request, request.path_params["conversation_id"])


async def _delete(request: Request, conversation_id: str | None) -> Response:
    box, owner = box_of(request), principal_of(request).user_id
    box.chat.forget(owner, conversation_id)
    return answer(Deleted(deleted=await box.conversations.delete(owner, conversation_id)))
