import asyncio
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlite_utils import Database as Connection

from appliance.errors import StorageError
from appliance.store.database import Database, IntegrityError

KEY = bytes(range(32))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "yu.db", KEY)
    await database.write(lambda db: db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE)"))
    yield database
    await database.aclose()


def add(text: str) -> object:
    return lambda db: db.execute("INSERT INTO notes (text) VALUES (?)", [text])


def texts(db: Connection) -> list[str]:
    return [row["text"] for row in db.query("SELECT text FROM notes ORDER BY id")]


async def test_what_was_written_is_read_by_the_next_reader(database: Database) -> None:
    await database.write(add("one"))
    assert await database.read(texts) == ["one"]


async def test_a_job_that_fails_takes_nothing_of_its_group_with_it(database: Database) -> None:
    def fail_after_writing(db: Connection) -> None:
        add("lost")(db)
        raise ValueError("no")

    jobs = [database.write(add("a")), database.write(fail_after_writing), database.write(add("b"))]
    first, second, third = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(second, ValueError)
    assert not isinstance(first, Exception) and not isinstance(third, Exception)
    assert await database.read(texts) == ["a", "b"]


async def test_a_broken_rule_of_the_schema_reaches_the_one_who_broke_it(database: Database) -> None:
    await database.write(add("once"))
    with pytest.raises(IntegrityError):
        await database.write(add("once"))
    await database.write(add("the writer goes on"))


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StorageError):
        await database.read(add("no"))
    assert await database.read(texts) == []


async def test_writes_in_flight_are_finished_by_closing(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "yu.db", KEY)
    await database.write(lambda db: db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)"))
    pending = [asyncio.create_task(database.write(add(str(number)))) for number in range(50)]
    await asyncio.sleep(0)
    await database.aclose()
    await asyncio.gather(*pending)
    again = await Database.open(tmp_path / "yu.db", KEY)
    assert len(await again.read(texts)) == 50
    await again.aclose()


async def test_an_orderly_end_leaves_one_file(tmp_path: Path, database: Database) -> None:
    await database.write(add("one"))
    await database.read(texts)
    await database.aclose()
    assert [file.name for file in tmp_path.glob("yu.db*")] == ["yu.db"]


async def test_a_second_process_is_refused(tmp_path: Path, database: Database) -> None:
    code = (
        "import asyncio, pathlib, sys; from appliance.store.database import Database\n"
        "asyncio.run(Database.open(pathlib.Path(sys.argv[1]), bytes(range(32))))"
    )
    process = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code, str(tmp_path / "yu.db")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode != 0
    assert "Another process uses this store" in process.stderr


async def test_the_file_tells_nothing_without_the_key(tmp_path: Path, database: Database) -> None:
    secret = secrets.token_hex(16)
    await database.write(add(secret))
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("yu.db*"))
    assert secret.encode() not in stored
    assert b"SQLite format 3" not in stored


async def test_the_wrong_key_is_a_clear_refusal(tmp_path: Path, database: Database) -> None:
    await database.aclose()
    with pytest.raises(StorageError, match="cannot be opened"):
        await Database.open(tmp_path / "yu.db", bytes(32))


async def test_a_store_that_another_program_holds_says_so_and_loses_nothing(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.write(lambda db: db.execute("PRAGMA busy_timeout = 50"))
    holder = database._connect(f"file:{tmp_path / 'yu.db'}", ())
    holder.conn.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError):
        await database.write(add("refused"))
    holder.conn.execute("ROLLBACK")
    holder.close()
    await database.write(add("kept"))
    assert await database.read(texts) == ["kept"]
