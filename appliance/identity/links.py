"""Links that need no token: signed, for one file of one owner, for some minutes."""

import hashlib
import hmac
import time

from appliance.errors import NotFoundError

LIFETIME_S = 3600


class Links:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, owner: str, file_id: str) -> dict[str, str]:
        """The query of the link."""
        expires = str(int(time.time()) + LIFETIME_S)
        return {"owner": owner, "expires": expires, "signature": self._sign(owner, file_id, expires)}

    def check(self, owner: str, file_id: str, expires: str, signature: str) -> None:
        """Raises `NotFoundError`: a link that is wrong or over leads nowhere."""
        right = self._sign(owner, file_id, expires)
        if not hmac.compare_digest(right.encode(), signature.encode("utf-8", "replace")) or int(expires) < time.time():
            raise NotFoundError("There is nothing at this link, or it has expired.")

    def _sign(self, owner: str, file_id: str, expires: str) -> str:
        text = f"{owner}\0{file_id}\0{expires}"
        return hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
