"""Accounts: who there is, and how one comes to be."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from appliance.errors import ConflictError, ForbiddenError, InvalidRequestError, NotFoundError, UnauthorizedError
from appliance.identity.claim import ClaimCode
from appliance.identity.passwords import Passwords
from appliance.store.clock import now_text
from appliance.store.database import Connection, Database, IntegrityError
from appliance.store.identifiers import new_id

Role = Literal["admin", "user", "service"]

CONSOLE_EMAIL = "console@localhost"
NO_PASSWORD = "!"  # noqa: S105 - no hash looks like this, so nobody logs in with a password

_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")
_USERNAME = re.compile(r"[\w.-]{3,32}")
_FIELDS = "id, email, username, role, subscription_tier, epoch, created_at, last_login"


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    email: str
    username: str | None
    role: Role
    subscription_tier: str
    epoch: int
    created_at: str
    last_login: str | None


class Accounts:
    def __init__(self, database: Database, passwords: Passwords, claim: ClaimCode, registration: str) -> None:
        self._database = database
        self._passwords = passwords
        self._claim = claim
        self._registration = registration

    async def add(self, email: str, password: str, *, role: Role = "user", username: str | None = None) -> Account:
        """Raises `InvalidRequestError` for a bad field, `ConflictError` when the address or the name is taken."""
        row = await self._new_row(email, password, role, username)
        account = await self._database.write(lambda db: _insert(db, row))
        if role == "admin":
            self._claim.withdraw()
        return account

    async def register(
        self, email: str, password: str, *, username: str | None = None, claim_code: str | None = None
    ) -> Account:
        """The first admin by the claim code; others only where registration is open.

        Raises `ForbiddenError` when it is not, or when the code is wrong or was used.
        """
        if claim_code is None:
            if self._registration != "open":
                raise ForbiddenError("Registration is closed on this box. Ask its admin for an account.")
            return await self.add(email, password, username=username)
        if not self._claim.accepts(claim_code):
            raise ForbiddenError("The claim code is wrong or was used. `yu up` prints the one that is valid.")
        row = await self._new_row(email, password, "admin", username)
        account = await self._database.write(lambda db: _insert_first_admin(db, row))
        self._claim.withdraw()
        return account

    async def log_in(self, email: str, password: str) -> Account:
        """Raises `UnauthorizedError`, the same for an unknown account, a wrong password and a disabled account."""
        address = _normal_email(email)
        row = await self._database.read(lambda db: _row_for_login(db, address))
        if not await self._passwords.matches(row["password_hash"] if row else None, password) or row is None:
            raise UnauthorizedError("The e-mail address or the password is wrong.")
        return await self._database.write(lambda db: _note_login(db, row["id"]))

    async def get(self, user_id: str) -> Account:
        account = await self._database.read(lambda db: _find(db, user_id))
        if account is None:
            raise NotFoundError
        return account

    async def has_admin(self) -> bool:
        return await self._database.read(_has_admin)

    async def console(self) -> Account:
        """The account of whoever may read the data folder: the `yu` command on the box itself. It has no password."""
        row = (new_id("usr"), CONSOLE_EMAIL, None, NO_PASSWORD, "admin", now_text())
        return await self._database.write(lambda db: _insert_once(db, row))

    async def _new_row(self, email: str, password: str, role: Role, username: str | None) -> tuple[object, ...]:
        address = _normal_email(email)
        if not _EMAIL.fullmatch(address) or address == CONSOLE_EMAIL:
            raise InvalidRequestError("email", "not an e-mail address")
        if username is not None and not _USERNAME.fullmatch(username):
            raise InvalidRequestError("username", "3 to 32 letters, digits, dots, dashes or underscores")
        return new_id("usr"), address, username, await self._passwords.hash(password), role, now_text()


def _normal_email(email: str) -> str:
    return unicodedata.normalize("NFKC", email).strip().casefold()


def _insert(db: Connection, row: tuple[object, ...]) -> Account:
    columns = "id, email, username, password_hash, role, created_at, updated_at"
    try:
        db.execute(f"INSERT INTO users ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", [*row, row[-1]])  # noqa: S608
        db.execute("INSERT INTO user_preferences (user_id, updated_at) VALUES (?, ?)", [row[0], row[-1]])
    except IntegrityError:
        raise ConflictError("There is an account with this e-mail address or name already.") from None
    account = _find(db, str(row[0]))
    assert account is not None
    return account


def _insert_first_admin(db: Connection, row: tuple[object, ...]) -> Account:
    # the one writer makes check and insert one step: a race cannot make two first admins
    if _has_admin(db):
        raise ForbiddenError("This box has an admin already. Ask them for an account.")
    return _insert(db, row)


def _insert_once(db: Connection, row: tuple[object, ...]) -> Account:
    known = next(iter(db.query("SELECT id FROM users WHERE email = ?", [row[1]])), None)
    if known is None:
        return _insert(db, row)
    account = _find(db, known["id"])
    assert account is not None
    return account


def _find(db: Connection, user_id: str) -> Account | None:
    row = next(iter(db.query(f"SELECT {_FIELDS} FROM users WHERE id = ? AND is_active", [user_id])), None)  # noqa: S608
    return Account(**row) if row else None


def _row_for_login(db: Connection, address: str) -> dict[str, str] | None:
    query = "SELECT id, password_hash FROM users WHERE email = ? AND is_active AND password_hash != ?"
    return next(iter(db.query(query, [address, NO_PASSWORD])), None)


def _note_login(db: Connection, user_id: str) -> Account:
    db.execute("UPDATE users SET last_login = ? WHERE id = ?", [now_text(), user_id])
    account = _find(db, user_id)
    if account is None:
        raise UnauthorizedError
    return account


def _has_admin(db: Connection) -> bool:
    query = "SELECT 1 FROM users WHERE role = 'admin' AND is_active AND password_hash != ?"
    return any(True for _ in db.query(query, [NO_PASSWORD]))
