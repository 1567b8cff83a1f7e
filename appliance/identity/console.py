"""The console's token: a new one each start, in a file that only the box's own user can read.

Whoever can read it can read the master key beside it, so it lets nobody in who was not.
"""

import hmac
import secrets
from pathlib import Path

from appliance.store.durable import write_durably

PREFIX = "yuc_"


class Console:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._token = PREFIX + secrets.token_urlsafe(32)

    def open(self) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self._file, self._token.encode())

    def accepts(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode())
