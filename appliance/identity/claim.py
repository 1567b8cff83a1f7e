"""The claim code: printed on the console while the box has no admin; whoever reads it becomes the first one.

It lies in the data folder, readable by the box's user only: whoever can read it could read the master key as well.
"""

import hmac
import secrets
from pathlib import Path

from appliance.store.durable import write_durably

_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"  # none that look alike; 16 of them are 78 bits
_GROUPS, _GROUP = 4, 4


class ClaimCode:
    def __init__(self, file: Path) -> None:
        self._file = file

    def offer(self) -> None:
        """The same code again after a restart, so that one noted down still works."""
        if not self._file.exists():
            groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
            write_durably(self._file, "-".join(groups).encode())

    def accepts(self, code: str) -> bool:
        if not self._file.exists():
            return False
        return hmac.compare_digest(_plain(self._file.read_text()), _plain(code))

    def withdraw(self) -> None:
        self._file.unlink(missing_ok=True)


def _plain(code: str) -> bytes:
    return code.replace("-", "").replace(" ", "").upper().encode("utf-8", "replace")
