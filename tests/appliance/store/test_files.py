from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.errors import NotFoundError, StorageError
from appliance.store.database import Database
from appliance.store.files import Files, Folder


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[Files]:
    database = await Database.open(tmp_path / "yu.db", bytes(32))
    for user in ("ada", "bob"):
        row = [user, f"{user}@example.org", "!", "now", "now"]
        sql = "INSERT INTO users (id, email, password_hash, created_at, updated_at) VALUES (?, ?, ?, ?, ?)"
        await database.write(lambda db, row=row, sql=sql: db.execute(sql, row))
    yield Files(tmp_path / "files", bytes(32), database)
    await database.aclose()


async def test_a_file_comes_back_as_it_was(files: Files) -> None:
    file_id = await files.keep("ada", Folder.SYNTHESIZED_AUDIO, "audio/wav", b"sound" * 1000)
    file = await files.fetch("ada", file_id)
    assert (file.content, file.media_type) == (b"sound" * 1000, "audio/wav")


async def test_another_users_file_does_not_exist(files: Files) -> None:
    file_id = await files.keep("ada", Folder.DOCUMENTS, "text/plain", b"mine")
    with pytest.raises(NotFoundError):
        await files.fetch("bob", file_id)


async def test_the_disk_holds_nothing_readable_in_the_specifications_folders(files: Files, tmp_path: Path) -> None:
    file_id = await files.keep("ada", Folder.SYNTHESIZED_AUDIO, "text/plain", b"very secret words")
    stored = tmp_path / "files" / "audio" / "synthesized" / "ada" / file_id
    assert b"secret" not in stored.read_bytes()
    assert stored.stat().st_mode & 0o077 == 0


async def test_a_damaged_file_is_never_served_as_right(files: Files, tmp_path: Path) -> None:
    file_id = await files.keep("ada", Folder.DOCUMENTS, "text/plain", b"words")
    stored = tmp_path / "files" / "documents" / "ada" / file_id
    stored.write_bytes(stored.read_bytes()[:-1] + b"\0")
    with pytest.raises(StorageError):
        await files.fetch("ada", file_id)
