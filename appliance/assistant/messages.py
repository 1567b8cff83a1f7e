"""The two rows of a turn: the question, kept before anything is asked of a model, and the answer as it grows."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

from appliance.errors import KeyReusedError, NotFoundError
from appliance.store.clock import now_text
from appliance.store.database import Connection, Database
from appliance.store.identifiers import new_id

Status = Literal["complete", "streaming", "stopped", "interrupted", "failed"]

TITLE_CHARS = 60


@dataclass(frozen=True, slots=True)
class Question:
    """What a user sends. `key` is the Idempotency-Key: the same one twice is one message."""

    owner: str
    text: str
    conversation_id: str | None = None
    personality: str | None = None
    key: str | None = None

    @property
    def fingerprint(self) -> bytes:
        parts = json.dumps([self.text, self.conversation_id, self.personality])
        return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer as stored. `answer` is empty while nothing of it has been kept."""

    conversation_id: str
    personality: str
    question: str
    question_seq: int
    answer_id: str
    answer: str
    status: Status
    created_at: str
    model: str | None = None
    tokens_used: int | None = None
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    status: Status
    model: str | None
    tokens_used: int | None
    degraded: bool


class Messages:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, question: Question, default_personality: str) -> tuple[Exchange, bool]:
        """Keeps the question durably. The flag says whether its answer is to be written: by one caller, and once.

        A known key gives back its exchange; an answer that broke off is opened again, for the caller who is told so.

        Raises `NotFoundError` for another's conversation, `KeyReusedError` for the key of another message.
        """
        return await self._database.write(lambda db: _ask(db, question, default_personality))

    async def exchange(self, owner: str, answer_id: str) -> Exchange:
        found = await self._database.read(lambda db: _exchange(db, owner, answer_id))
        if found is None:
            raise NotFoundError
        return found

    async def before(self, conversation_id: str, seq: int, limit: int) -> list[tuple[str, str]]:
        """(role, content) of the last messages before this one, oldest first, without answers that failed."""
        return await self._database.read(lambda db: _before(db, conversation_id, seq, limit))

    async def keep_partial(self, answer_id: str, content: str) -> None:
        sql = "UPDATE messages SET content = ? WHERE id = ? AND status = 'streaming'"
        await self._database.write(lambda db: db.execute(sql, [content, answer_id]))

    async def finish(self, answer_id: str, content: str, ending: Ending) -> None:
        await self._database.write(lambda db: _finish(db, answer_id, content, ending))

    async def mark_interrupted(self) -> int:
        """At start: answers that the last run of the box left half-written."""
        sql = "UPDATE messages SET status = 'interrupted' WHERE status = 'streaming'"
        return await self._database.write(lambda db: int(db.execute(sql).rowcount))


def title_of(text: str) -> str:
    line = " ".join(text.split())
    if len(line) <= TITLE_CHARS:
        return line or "New conversation"
    cut = line[:TITLE_CHARS].rsplit(" ", 1)[0]
    return f"{cut}…"


def _ask(db: Connection, question: Question, default_personality: str) -> tuple[Exchange, bool]:
    if question.key is not None and (known := _known(db, question)):
        return known, _reopened(db, known)
    now = now_text()
    conversation_id, personality = _conversation_for(db, question, default_personality, now)
    asked = _insert(db, "msg", conversation_id, "user", question.text, "complete", now)
    answer = _insert(db, "msg", conversation_id, "assistant", "", "streaming", now)
    db.execute(
        "UPDATE conversations SET updated_at = ?, message_count = message_count + 2, last_message = ? WHERE id = ?",
        [now, answer[0], conversation_id],
    )
    if question.key is not None:
        row = [question.owner, question.key, question.fingerprint, answer[1], now]
        db.execute("INSERT INTO idempotency_keys VALUES (?, ?, ?, ?, ?)", row)
    return Exchange(conversation_id, personality, question.text, asked[0], answer[1], "", "streaming", now), True


def _known(db: Connection, question: Question) -> Exchange | None:
    sql = "SELECT fingerprint, answer_id FROM idempotency_keys WHERE user_id = ? AND key = ?"
    row = next(iter(db.query(sql, [question.owner, question.key])), None)
    if row is None:
        return None
    if row["fingerprint"] != question.fingerprint:
        raise KeyReusedError
    return _exchange(db, question.owner, row["answer_id"])


def _reopened(db: Connection, known: Exchange) -> bool:
    sql = "UPDATE messages SET content = '', status = 'streaming' WHERE id = ? AND status IN ('failed', 'interrupted')"
    return db.execute(sql, [known.answer_id]).rowcount == 1


def _conversation_for(db: Connection, question: Question, default: str, now: str) -> tuple[str, str]:
    if question.conversation_id is None:
        new = [new_id("conv"), question.owner, title_of(question.text), question.personality or default, now, now]
        columns = "id, user_id, title, personality, created_at, updated_at"
        db.execute(f"INSERT INTO conversations ({columns}) VALUES (?, ?, ?, ?, ?, ?)", new)  # noqa: S608
        return str(new[0]), str(new[3])
    sql = "SELECT personality FROM conversations WHERE id = ? AND user_id = ?"
    row = next(iter(db.query(sql, [question.conversation_id, question.owner])), None)
    if row is None:
        raise NotFoundError
    return question.conversation_id, question.personality or row["personality"]


def _insert(
    db: Connection, kind: str, conversation: str, role: str, text: str, status: str, now: str
) -> tuple[int, str]:
    message_id = new_id(kind)
    columns = "id, conversation_id, role, content, status, created_at"
    row = [message_id, conversation, role, text, status, now]
    cursor = db.execute(f"INSERT INTO messages ({columns}) VALUES (?, ?, ?, ?, ?, ?)", row)  # noqa: S608
    return int(cursor.lastrowid or 0), message_id


def _exchange(db: Connection, owner: str, answer_id: str) -> Exchange | None:
    sql = (
        "SELECT answer.conversation_id, personality, answer.id AS answer_id, answer.content AS answer, answer.status,"
        " answer.model, answer.tokens_used, answer.metadata, answer.created_at, asked.seq AS question_seq,"
        " asked.content AS question"
        " FROM messages AS answer JOIN conversations ON conversations.id = answer.conversation_id"
        " JOIN messages AS asked ON asked.seq = (SELECT max(seq) FROM messages WHERE conversation_id = conversations.id"
        " AND role = 'user' AND seq < answer.seq)"
        " WHERE answer.id = ? AND user_id = ? AND answer.role = 'assistant'"
    )
    row: dict[str, Any] | None = next(iter(db.query(sql, [answer_id, owner])), None)
    if row is None:
        return None
    degraded = bool(json.loads(row.pop("metadata")).get("degraded", False))
    return Exchange(**row, degraded=degraded)


def _before(db: Connection, conversation_id: str, seq: int, limit: int) -> list[tuple[str, str]]:
    sql = (
        "SELECT role, content FROM messages WHERE conversation_id = ? AND seq < ? AND content != ''"
        " AND status NOT IN ('failed', 'streaming') ORDER BY seq DESC LIMIT ?"
    )
    rows = list(db.query(sql, [conversation_id, seq, limit]))
    return [(row["role"], row["content"]) for row in reversed(rows)]


def _finish(db: Connection, answer_id: str, content: str, ending: Ending) -> None:
    db.execute(
        "UPDATE messages SET content = ?, status = ?, model = ?, tokens_used = ?, metadata = ? WHERE id = ?",
        [
            content,
            ending.status,
            ending.model,
            ending.tokens_used,
            json.dumps({"degraded": ending.degraded}),
            answer_id,
        ],
    )
