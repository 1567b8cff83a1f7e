"""The box's one secret, and the keys made from it: database, files, tokens, links."""

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from appliance.errors import StorageError
from appliance.store.durable import make_folder, write_durably

CREDENTIAL = "yu-master-key"  # the name systemd's LoadCredential gives it
LENGTH = 32


class Keys:
    def __init__(self, master: bytes) -> None:
        if len(master) != LENGTH:
            raise StorageError(f"The master key must be {LENGTH} bytes; this one has {len(master)}.")
        self._master = master

    def derive(self, purpose: str) -> bytes:
        """32 bytes that tell nothing about the master key or the key of another purpose."""
        return HKDF(algorithm=SHA256(), length=LENGTH, salt=None, info=b"yu/" + purpose.encode()).derive(self._master)


def load_keys(data: Path) -> Keys:
    """From systemd's credential where there is one, else from `keys/master.key`, made at the first start.

    Raises `StorageError` when a store is there whose key is gone: a new key could never open it.
    """
    credential = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent")) / CREDENTIAL
    file = credential if credential.exists() else data / "keys" / "master.key"
    if file.exists():
        return Keys(file.read_bytes())
    if (data / "yu.db").exists():
        raise StorageError(
            f"The key of this store is gone: {file}. Put it back from your backup; without it nobody can read the data."
        )
    make_folder(file.parent)
    write_durably(file, secrets.token_bytes(LENGTH))
    return Keys(file.read_bytes())
