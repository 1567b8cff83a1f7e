"""The tables (spec 6.1), one function a step, in order. A step that has shipped is never edited: add another."""

from sqlite_utils import Database, Migrations

migrations = Migrations("yu")


def _run(database: Database, statements: str) -> None:
    # one by one: executescript() would commit the migration's transaction half-way
    for statement in statements.split(";\n\n"):
        if statement.strip():
            database.conn.execute(statement)


@migrations()
def accounts(database: Database) -> None:
    _run(
        database,
        """
        CREATE TABLE users (
            id TEXT PRIMARY KEY,
            email TEXT NOT NULL UNIQUE,
            username TEXT UNIQUE COLLATE NOCASE,
            password_hash TEXT NOT NULL,
            role TEXT NOT NULL DEFAULT 'user' CHECK (role IN ('admin', 'user', 'service')),
            is_active INTEGER NOT NULL DEFAULT 1,
            subscription_tier TEXT NOT NULL DEFAULT 'free',
            epoch INTEGER NOT NULL DEFAULT 0,
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL,
            last_login TEXT
        ) STRICT;

        CREATE TABLE user_preferences (
            user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
            personality TEXT NOT NULL DEFAULT 'friend',
            presence_level TEXT NOT NULL DEFAULT 'full',
            language TEXT NOT NULL DEFAULT 'en',
            voice_settings TEXT,
            notification_settings TEXT,
            privacy_settings TEXT,
            updated_at TEXT NOT NULL
        ) STRICT;

        CREATE TABLE sessions (
            id TEXT PRIMARY KEY,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            device TEXT,
            created_at TEXT NOT NULL,
            last_used_at TEXT NOT NULL,
            expires_at REAL NOT NULL,
            ended_at TEXT
        ) STRICT;

        CREATE INDEX sessions_of_user ON sessions (user_id);

        CREATE TABLE refresh_tokens (
            hash BLOB PRIMARY KEY,
            session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
            issued_at TEXT NOT NULL,
            used_at TEXT
        ) STRICT;

        CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);
        """,
    )


@migrations()
def conversations(database: Database) -> None:
    _run(
        database,
        """
        CREATE TABLE conversations (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            title TEXT NOT NULL,
            personality TEXT NOT NULL DEFAULT 'friend',
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL,
            message_count INTEGER NOT NULL DEFAULT 0,
            last_message INTEGER NOT NULL DEFAULT 0
        ) STRICT;

        CREATE INDEX conversations_of_user ON conversations (user_id, last_message DESC);

        CREATE TABLE messages (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
            role TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'system')),
            content TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('complete', 'streaming', 'stopped', 'interrupted', 'failed')),
            tokens_used INTEGER,
            model TEXT,
            created_at TEXT NOT NULL,
            metadata TEXT NOT NULL DEFAULT '{}'
        ) STRICT;

        CREATE INDEX messages_of_conversation ON messages (conversation_id, seq);

        CREATE INDEX messages_unfinished ON messages (status) WHERE status = 'streaming';

        CREATE VIRTUAL TABLE message_words USING fts5 (
            content, content = 'messages', content_rowid = 'seq', tokenize = 'unicode61 remove_diacritics 2'
        );

        INSERT INTO message_words (message_words, rank) VALUES ('secure-delete', 1);

        CREATE TRIGGER message_added AFTER INSERT ON messages BEGIN
            INSERT INTO message_words (rowid, content) VALUES (new.seq, new.content);
        END;

        CREATE TRIGGER message_removed AFTER DELETE ON messages BEGIN
            INSERT INTO message_words (message_words, rowid, content) VALUES ('delete', old.seq, old.content);
        END;

        CREATE TRIGGER message_changed AFTER UPDATE OF content ON messages BEGIN
            INSERT INTO message_words (message_words, rowid, content) VALUES ('delete', old.seq, old.content);
            INSERT INTO message_words (rowid, content) VALUES (new.seq, new.content);
        END;
        """,
    )


@migrations()
def idempotency_keys(database: Database) -> None:
    _run(
        database,
        """
        CREATE TABLE idempotency_keys (
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            key TEXT NOT NULL,
            fingerprint BLOB NOT NULL,
            answer_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
            created_at TEXT NOT NULL,
            PRIMARY KEY (user_id, key)
        ) STRICT;

        CREATE INDEX idempotency_keys_of_answer ON idempotency_keys (answer_id);
        """,
    )


@migrations()
def files(database: Database) -> None:
    _run(
        database,
        """
        CREATE TABLE files (
            id TEXT PRIMARY KEY,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            folder TEXT NOT NULL,
            media_type TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            created_at TEXT NOT NULL
        ) STRICT;

        CREATE INDEX files_of_user ON files (user_id);
        """,
    )
