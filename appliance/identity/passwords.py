"""Argon2id, two at a time: a hundred logins must not take the box's memory or its cores."""

import asyncio
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from appliance.errors import InvalidRequestError

SHORTEST, LONGEST = 10, 256

# OWASP's second choice for Argon2id: 19 MiB, two passes; about 25 ms a try on one core
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

# what an unknown account is checked against, so that it takes as long as a known one
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$PRFxaZ2HXl9NXo4UIUKXzg$BXXYB/KxJXRcU1vSt0SDYvZwDwoB5/DYKlB3pbeYHPU"


class Passwords:
    def __init__(self, at_once: int = 2) -> None:
        self._turn = asyncio.Semaphore(at_once)

    async def hash(self, password: str) -> str:
        """Raises `InvalidRequestError` for a password that is too short or too long."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise InvalidRequestError("password", f"must have {SHORTEST} to {LONGEST} characters")
        async with self._turn:
            return await asyncio.to_thread(_HASHER.hash, _normal(password))

    async def matches(self, stored: str | None, password: str) -> bool:
        """As slow for `None` (no such account) as for an account that is there."""
        async with self._turn:
            return await asyncio.to_thread(_verify, stored or _NOBODY, _normal(password[: LONGEST + 1]))


def _verify(stored: str, password: bytes) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def _normal(password: str) -> bytes:
    # the same letters typed on another keyboard may arrive composed otherwise; lone surrogates must not raise
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
