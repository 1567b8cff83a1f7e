"""The two tokens of a session: a signed access token for minutes, an opaque refresh token for days."""

import base64
import binascii
import hashlib
import secrets
import time
from dataclasses import dataclass

import jwt

from appliance.errors import UnauthorizedError

_ALGORITHM = "HS256"
_CLAIMS = {"sub": str, "sid": str, "epoch": int, "iat": int, "exp": int}


@dataclass(frozen=True, slots=True)
class Claims:
    sub: str
    sid: str
    epoch: int
    iat: int
    exp: int


class AccessTokens:
    def __init__(self, key: bytes, lifetime_s: int) -> None:
        self._key = key
        self._key_id = hashlib.sha256(b"kid" + key).hexdigest()[:16]
        self.lifetime_s = lifetime_s

    def make(self, user_id: str, session_id: str, epoch: int) -> str:
        now = int(time.time())
        claims = {"sub": user_id, "sid": session_id, "epoch": epoch, "iat": now, "exp": now + self.lifetime_s}
        return jwt.encode(claims, self._key, _ALGORITHM, headers={"kid": self._key_id})

    def read(self, token: str) -> Claims:
        """Raises `UnauthorizedError` for anything but a token that this box made, as it made it, in its time."""
        if _canonical_header(token) != {"alg": _ALGORITHM, "typ": "JWT", "kid": self._key_id}:
            raise UnauthorizedError
        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM], options={"require": list(_CLAIMS)})
        except (jwt.InvalidTokenError, OverflowError) as error:
            raise UnauthorizedError from error
        if claims.keys() != _CLAIMS.keys() or any(type(claims[name]) is not kind for name, kind in _CLAIMS.items()):
            raise UnauthorizedError
        if claims["exp"] - claims["iat"] > self.lifetime_s:
            raise UnauthorizedError
        return Claims(**claims)


def _canonical_header(token: str) -> object:
    """The header, once each part is known to be base64 in its one canonical form: no two texts are the same token."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > 2048:
        raise UnauthorizedError
    try:
        decoded = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts]
        if any(
            base64.urlsafe_b64encode(raw).rstrip(b"=") != part.encode()
            for raw, part in zip(decoded, parts, strict=True)
        ):
            raise UnauthorizedError
        return jwt.get_unverified_header(token)
    except (binascii.Error, ValueError, jwt.InvalidTokenError) as error:
        raise UnauthorizedError from error


def new_refresh_token() -> str:
    return f"yur_{secrets.token_urlsafe(32)}"


def hash_of(refresh_token: str) -> bytes:
    # 256 random bits need no slow hash
    return hashlib.sha256(refresh_token.encode("utf-8", "replace")).digest()
