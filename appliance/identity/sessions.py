"""Sessions: one row each, asked on every request and every frame, so that ending one is felt at once."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from appliance.errors import UnauthorizedError
from appliance.identity.accounts import Account, Role
from appliance.identity.tokens import AccessTokens, hash_of, new_refresh_token
from appliance.store.clock import now_text
from appliance.store.database import Connection, Database
from appliance.store.identifiers import new_id

_LIVE = "sessions.ended_at IS NULL AND sessions.expires_at > ? AND users.is_active"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `session_id` is `None` for the console, which lives as long as its token."""

    user_id: str
    email: str
    role: Role
    epoch: int
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    access_token: str
    refresh_token: str
    expires_in: int


class Sessions:
    def __init__(self, database: Database, access: AccessTokens, lifetime_s: int) -> None:
        self._database = database
        self._access = access
        self._lifetime_s = lifetime_s
        self._followers: dict[str, set[asyncio.Event]] = defaultdict(set)

    async def begin(self, account: Account, device: str | None) -> Tokens:
        session_id, refresh = new_id("ses"), new_refresh_token()
        now, expires_at = now_text(), time.time() + self._lifetime_s

        def job(db: Connection) -> None:
            columns = "id, user_id, device, created_at, last_used_at, expires_at"
            row = [session_id, account.id, device, now, now, expires_at]
            db.execute(f"INSERT INTO sessions ({columns}) VALUES (?, ?, ?, ?, ?, ?)", row)  # noqa: S608
            _keep_refresh_token(db, refresh, session_id)

        await self._database.write(job)
        return self._tokens(account.id, session_id, account.epoch, refresh)

    async def refresh(self, refresh_token: str) -> Tokens:
        """A token works once. One that comes a second time was stolen or replayed: its whole session ends.

        Raises `UnauthorizedError`.
        """
        successor = new_refresh_token()
        outcome = await self._database.write(lambda db: _rotate(db, refresh_token, successor))
        if isinstance(outcome, _Reused):
            self._tell(outcome.session_id)
        if not isinstance(outcome, _Live):
            raise UnauthorizedError("The refresh token is not valid. Log in again.")
        return self._tokens(outcome.user_id, outcome.session_id, outcome.epoch, successor)

    async def end(self, session_id: str) -> None:
        await self._database.write(lambda db: _end(db, session_id))
        self._tell(session_id)

    async def principal(self, access_token: str) -> Principal:
        """Raises `UnauthorizedError` unless token, session and account are all good now."""
        claims = self._access.read(access_token)
        live = await self._database.read(lambda db: _live_session(db, claims.sid))
        if live is None or live.user_id != claims.sub or live.epoch != claims.epoch:
            raise UnauthorizedError
        return Principal(live.user_id, live.email, live.role, live.epoch, live.session_id)

    async def check(self, principal: Principal) -> None:
        """For a connection that outlives its access token: raises `UnauthorizedError` once the session is over."""
        if principal.session_id is None:
            return
        live = await self._database.read(lambda db: _live_session(db, principal.session_id or ""))
        if live is None or live.epoch != principal.epoch or live.role != principal.role:
            raise UnauthorizedError

    @contextlib.contextmanager
    def following(self, principal: Principal) -> Iterator[asyncio.Event]:
        """An event that is set when the session ends: what an open stream waits on beside its own work."""
        ended = asyncio.Event()
        if principal.session_id is None:
            yield ended
            return
        self._followers[principal.session_id].add(ended)
        try:
            yield ended
        finally:
            self._followers[principal.session_id].discard(ended)
            if not self._followers[principal.session_id]:
                del self._followers[principal.session_id]

    def _tell(self, session_id: str) -> None:
        for ended in self._followers.get(session_id, ()):
            ended.set()

    def _tokens(self, user_id: str, session_id: str, epoch: int, refresh: str) -> Tokens:
        return Tokens(self._access.make(user_id, session_id, epoch), refresh, self._access.lifetime_s)


@dataclass(frozen=True, slots=True)
class _Live:
    session_id: str
    user_id: str
    email: str
    role: Role
    epoch: int


@dataclass(frozen=True, slots=True)
class _Reused:
    session_id: str


def _rotate(db: Connection, token: str, successor: str) -> _Live | _Reused | None:
    # values, not exceptions: an exception would roll back the very row that ends a stolen family
    found = next(
        iter(db.query("SELECT session_id, used_at FROM refresh_tokens WHERE hash = ?", [hash_of(token)])), None
    )
    if found is None:
        return None
    if found["used_at"] is not None:
        _end(db, found["session_id"])
        return _Reused(found["session_id"])
    session = _live_session(db, found["session_id"])
    if session is None:
        return None
    now = now_text()
    db.execute("UPDATE refresh_tokens SET used_at = ? WHERE hash = ? AND used_at IS NULL", [now, hash_of(token)])
    db.execute("UPDATE sessions SET last_used_at = ? WHERE id = ?", [now, found["session_id"]])
    _keep_refresh_token(db, successor, found["session_id"])
    return session


def _keep_refresh_token(db: Connection, token: str, session_id: str) -> None:
    row = [hash_of(token), session_id, now_text()]
    db.execute("INSERT INTO refresh_tokens (hash, session_id, issued_at) VALUES (?, ?, ?)", row)


def _live_session(db: Connection, session_id: str) -> _Live | None:
    query = (
        "SELECT sessions.id AS session_id, users.id AS user_id, users.email, users.role, users.epoch FROM sessions"  # noqa: S608
        f" JOIN users ON users.id = sessions.user_id WHERE sessions.id = ? AND {_LIVE}"
    )
    row = next(iter(db.query(query, [session_id, time.time()])), None)
    return _Live(**row) if row else None


def _end(db: Connection, session_id: str) -> None:
    db.execute("UPDATE sessions SET ended_at = ? WHERE id = ? AND ended_at IS NULL", [now_text(), session_id])
