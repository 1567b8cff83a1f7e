"""Files of users: random names, encrypted, owner checked, in the folders of spec 6.4.

Bytes first, then the row: a row always has its file. A crash between the two leaves a sealed file that nothing names.
"""

import asyncio
import secrets
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.errors import NotFoundError, StorageError
from appliance.store.clock import now_text
from appliance.store.database import Connection, Database
from appliance.store.durable import make_folder, write_durably
from appliance.store.identifiers import new_id

NONCE = 12


class Folder(StrEnum):
    RECORDED_AUDIO = "audio/recordings"
    SYNTHESIZED_AUDIO = "audio/synthesized"
    UPLOADED_IMAGES = "images/uploads"
    PROCESSED_IMAGES = "images/processed"
    DOCUMENTS = "documents"


@dataclass(frozen=True)
class StoredFile:
    id: str
    media_type: str
    content: bytes


class Files:
    def __init__(self, root: Path, key: bytes, database: Database) -> None:
        self._root = root
        self._cipher = AESGCM(key)
        self._database = database

    async def keep(self, owner: str, folder: Folder, media_type: str, content: bytes) -> str:
        """Durable when it returns. The answer is the file's id."""
        file_id = new_id("file")
        path = self._path(owner, folder, file_id)
        await asyncio.to_thread(self._write, path, owner, content)
        row = (file_id, owner, folder.value, media_type, len(content), now_text())
        await self._database.write(
            lambda db: db.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)", row),
        )
        return file_id

    async def fetch(self, owner: str, file_id: str) -> StoredFile:
        """Raises `NotFoundError` for what is absent and for what is another's, alike."""
        row = await self._database.read(lambda db: _find(db, owner, file_id))
        if row is None:
            raise NotFoundError
        path = self._path(owner, Folder(row["folder"]), file_id)
        content = await asyncio.to_thread(self._read, path, owner)
        return StoredFile(file_id, row["media_type"], content)

    def _path(self, owner: str, folder: Folder, file_id: str) -> Path:
        return self._root / folder.value / owner / file_id

    def _write(self, path: Path, owner: str, content: bytes) -> None:
        nonce = secrets.token_bytes(NONCE)
        try:
            make_folder(path.parent)
            write_durably(path, nonce + self._cipher.encrypt(nonce, content, _bound_to(path, owner)))
        except OSError as error:
            raise StorageError from error

    def _read(self, path: Path, owner: str) -> bytes:
        try:
            sealed = path.read_bytes()
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], _bound_to(path, owner))
        except (OSError, InvalidTag, ValueError) as error:
            raise StorageError("A stored file is missing or damaged; restore it from a backup.") from error


def _find(db: Connection, owner: str, file_id: str) -> dict[str, str] | None:
    query = "SELECT folder, media_type FROM files WHERE id = ? AND user_id = ?"
    return next(iter(db.query(query, [file_id, owner])), None)


def _bound_to(path: Path, owner: str) -> bytes:
    """A file moved to another owner or name no longer opens."""
    return f"{owner}/{path.name}".encode()
