"""Conversations as their owner sees them. The owner is in every WHERE."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from appliance.errors import InvalidRequestError, NotFoundError
from appliance.store.clock import now_text
from appliance.store.cursors import Cursors
from appliance.store.database import Connection, Database

T = TypeVar("T")

LONGEST_TITLE = 120
LONGEST_PAGE = 200

_CONVERSATION = "id, title, personality, created_at, updated_at, message_count"
_MESSAGE = "messages.id, conversation_id, role, content, status, tokens_used, model, messages.created_at, metadata"


@dataclass(frozen=True, slots=True)
class Conversation:
    id: str
    title: str
    personality: str
    created_at: str
    updated_at: str
    message_count: int


@dataclass(frozen=True, slots=True)
class Message:
    id: str
    conversation_id: str
    role: str
    content: str
    status: str
    tokens_used: int | None
    model: str | None
    created_at: str
    metadata: dict[str, object]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: Sequence[T]
    next_cursor: str | None


class Conversations:
    def __init__(self, database: Database, cursors: Cursors) -> None:
        self._database = database
        self._cursors = cursors

    async def list(self, owner: str, *, query: str | None, limit: int, cursor: str | None) -> Page[Conversation]:
        """Most recently used first. `query` looks for words in titles and messages."""
        before = self._cursors.read(cursor, owner, "conversations", query or "") if cursor else None
        rows = await self._database.read(lambda db: _list(db, owner, query, before, limit + 1))
        mark = (
            self._cursors.make(rows[limit - 1]["last_message"], owner, "conversations", query or "")
            if rows[limit:]
            else None
        )
        return Page([_conversation(row) for row in rows[:limit]], mark)

    async def get(self, owner: str, conversation_id: str) -> Conversation:
        row = await self._database.read(lambda db: _get(db, owner, conversation_id))
        if row is None:
            raise NotFoundError
        return _conversation(row)

    async def change(
        self, owner: str, conversation_id: str, *, title: str | None, personality: str | None
    ) -> Conversation:
        if title is not None and not title.strip():
            raise InvalidRequestError("title", "must not be empty")
        found = await self._database.write(lambda db: _change(db, owner, conversation_id, title, personality))
        if not found:
            raise NotFoundError
        return await self.get(owner, conversation_id)

    async def history(
        self, owner: str, *, conversation_id: str | None, limit: int, cursor: str | None
    ) -> Page[Message]:
        """Newest first, of one conversation or of all. Raises `NotFoundError` for a conversation of another."""
        if conversation_id is not None:
            await self.get(owner, conversation_id)
        scope = (owner, "history", conversation_id or "")
        before = self._cursors.read(cursor, *scope) if cursor else None
        rows = await self._database.read(lambda db: _history(db, owner, conversation_id, before, limit + 1))
        mark = self._cursors.make(rows[limit - 1]["seq"], *scope) if rows[limit:] else None
        return Page([_message(row) for row in rows[:limit]], mark)

    async def delete(self, owner: str, conversation_id: str | None) -> int:
        """One conversation, or all of the owner's; answers how many messages went. Raises `NotFoundError`."""
        if conversation_id is not None:
            await self.get(owner, conversation_id)
        return await self._database.write(lambda db: _delete(db, owner, conversation_id))


def _conversation(row: dict[str, Any]) -> Conversation:
    return Conversation(**{name: row[name] for name in _CONVERSATION.split(", ")})


def _message(row: dict[str, Any]) -> Message:
    return Message(**{**{name: row[name] for name in Message.__slots__}, "metadata": json.loads(row["metadata"])})


def _list(db: Connection, owner: str, query: str | None, before: int | None, limit: int) -> list[dict[str, Any]]:
    words = _fts_query(query)
    matching = (
        "AND (title LIKE :like ESCAPE '\\' OR id IN (SELECT conversation_id FROM messages WHERE seq IN"
        " (SELECT rowid FROM message_words WHERE message_words MATCH :words)))"
        if words
        else ""
    )
    sql = (
        f"SELECT {_CONVERSATION}, last_message FROM conversations WHERE user_id = :owner"  # noqa: S608
        f" AND (:before IS NULL OR last_message < :before) {matching} ORDER BY last_message DESC LIMIT :limit"
    )
    given = {"owner": owner, "before": before, "limit": limit, "words": words, "like": _like(query)}
    return list(db.query(sql, given))


def _fts_query(query: str | None) -> str | None:
    """Each word quoted, so that nothing the user types is an operator; the last one may be unfinished."""
    words = re.findall(r"\w+", query or "")
    return " ".join(f'"{word}"' for word in words) + "*" if words else None


def _like(query: str | None) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", query or "")
    return f"%{escaped}%"


def _get(db: Connection, owner: str, conversation_id: str) -> dict[str, Any] | None:
    sql = f"SELECT {_CONVERSATION} FROM conversations WHERE id = ? AND user_id = ?"  # noqa: S608
    return next(iter(db.query(sql, [conversation_id, owner])), None)


def _change(db: Connection, owner: str, conversation_id: str, title: str | None, personality: str | None) -> bool:
    cursor = db.execute(
        "UPDATE conversations SET title = coalesce(?, title), personality = coalesce(?, personality), updated_at = ?"
        " WHERE id = ? AND user_id = ?",
        [title and title.strip()[:LONGEST_TITLE], personality, now_text(), conversation_id, owner],
    )
    return cursor.rowcount == 1


def _history(
    db: Connection, owner: str, conversation_id: str | None, before: int | None, limit: int
) -> list[dict[str, Any]]:
    sql = (
        f"SELECT messages.seq, {_MESSAGE} FROM messages JOIN conversations ON conversations.id = conversation_id"  # noqa: S608
        " WHERE user_id = :owner AND (:conversation IS NULL OR conversation_id = :conversation)"
        " AND (:before IS NULL OR messages.seq < :before) ORDER BY messages.seq DESC LIMIT :limit"
    )
    given = {"owner": owner, "conversation": conversation_id, "before": before, "limit": limit}
    return list(db.query(sql, given))


def _delete(db: Connection, owner: str, conversation_id: str | None) -> int:
    which = "user_id = :owner AND (:conversation IS NULL OR id = :conversation)"
    given = {"owner": owner, "conversation": conversation_id}
    counted = f"SELECT coalesce(sum(message_count), 0) AS messages FROM conversations WHERE {which}"  # noqa: S608
    gone = next(iter(db.query(counted, given)))["messages"]
    db.execute(f"DELETE FROM conversations WHERE {which}", given)  # noqa: S608
    return int(gone)
