from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.assistant.conversations import Conversations
from appliance.assistant.messages import Ending, Messages, Question, title_of
from appliance.store.cursors import Cursors
from appliance.store.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "yu.db", bytes(32))
    row = ["ada", "ada@example.org", "!", "now", "now"]
    sql = "INSERT INTO users (id, email, password_hash, created_at, updated_at) VALUES (?, ?, ?, ?, ?)"
    await database.write(lambda db: db.execute(sql, row))
    yield database
    await database.aclose()


async def test_what_is_deleted_leaves_no_word_behind(database: Database) -> None:
    messages, conversations = Messages(database), Conversations(database, Cursors(bytes(32)))
    exchange, _ = await messages.ask(Question("ada", "the pangolin sleeps", key="k"), "friend")
    await messages.finish(exchange.answer_id, "so it does", Ending("complete", "m", 3, False))
    assert await conversations.delete("ada", exchange.conversation_id) == 2

    def remains(db: object) -> dict[str, int]:
        count = "SELECT count(*) AS n FROM "
        tables = ("messages", "idempotency_keys", "message_words WHERE message_words MATCH 'pangolin OR does'")
        return {table: next(iter(db.query(count + table)))["n"] for table in tables}  # type: ignore[attr-defined]

    assert set((await database.read(remains)).values()) == {0}


async def test_the_index_of_words_stays_true_while_an_answer_grows(database: Database) -> None:
    messages, conversations = Messages(database), Conversations(database, Cursors(bytes(32)))
    exchange, _ = await messages.ask(Question("ada", "tell me"), "friend")
    await messages.keep_partial(exchange.answer_id, "once upon")
    await messages.finish(exchange.answer_id, "once upon a lighthouse", Ending("complete", "m", 3, False))
    for query, found in (("lighthouse", 1), ("once upon", 1), ("twice", 0)):
        page = await conversations.list("ada", query=query, limit=5, cursor=None)
        assert len(page.items) == found
    await database.write(lambda db: db.execute("INSERT INTO message_words (message_words) VALUES ('integrity-check')"))


async def test_an_answer_that_failed_is_not_shown_to_a_model_again(database: Database) -> None:
    messages = Messages(database)
    first, _ = await messages.ask(Question("ada", "one"), "friend")
    await messages.finish(first.answer_id, "half", Ending("failed", None, None, False))
    second, _ = await messages.ask(Question("ada", "two", first.conversation_id), "friend")
    assert await messages.before(first.conversation_id, second.question_seq, 20) == [("user", "one")]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("  two\n lines ", "two lines"),
        ("x" * 100, "x" * 60 + "…"),
        ("word " * 30, "word word word word word word word word word word word word…"),
        ("   ", "New conversation"),
    ],
)
def test_a_title_is_the_first_words(text: str, title: str) -> None:
    assert title_of(text) == title
