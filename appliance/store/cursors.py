"""Where a listing stopped: a position bound to its owner and its list, so that no other can be asked with it."""

import base64
import binascii
import hashlib
import hmac
import struct

from appliance.errors import InvalidRequestError

_TAG = 12


class Cursors:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, position: int, *bound_to: str) -> str:
        packed = struct.pack(">q", position)
        return base64.urlsafe_b64encode(packed + self._tag(packed, bound_to)).decode()

    def read(self, cursor: str, *bound_to: str) -> int:
        """Raises `InvalidRequestError` unless this very box made it for this very list."""
        try:
            raw = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        packed, tag = raw[:8], raw[8:]
        if len(packed) != 8 or not hmac.compare_digest(tag, self._tag(packed, bound_to)):
            raise InvalidRequestError("cursor", "not a cursor of this list; leave it out to start at the beginning")
        return int(struct.unpack(">q", packed)[0])

    def _tag(self, packed: bytes, bound_to: tuple[str, ...]) -> bytes:
        return hmac.digest(self._key, packed + "\0".join(bound_to).encode(), hashlib.sha256)[:_TAG]
