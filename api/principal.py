"""Who asks. One function for every kind of credential and every way in, so that none forgets a check."""

from enum import Enum

from starlette.requests import HTTPConnection

from appliance.errors import ForbiddenError, UnauthorizedError
from appliance.identity.console import PREFIX as CONSOLE
from appliance.identity.sessions import Principal
from appliance.runtime import Box

SUBPROTOCOL = "yu.v1"
_BEARER_PROTOCOL = "bearer."  # browsers cannot set a header on a WebSocket; they can name protocols


class Who(Enum):
    """Who may call a URL."""

    ANYBODY = "anybody"
    USER = "user"
    ADMIN = "admin"


def box_of(connection: HTTPConnection) -> Box:
    box = connection.scope["state"]["box"]
    assert isinstance(box, Box)
    return box


def principal_of(connection: HTTPConnection) -> Principal:
    """The one whom `admit` found."""
    principal = connection.scope["state"]["principal"]
    assert isinstance(principal, Principal)
    return principal


async def admit(connection: HTTPConnection, who: Who) -> None:
    """Raises `UnauthorizedError` or `ForbiddenError`; else `principal_of` knows who it is."""
    if who is Who.ANYBODY:
        return
    principal = await _principal(box_of(connection), _token(connection))
    if who is Who.ADMIN and principal.role != "admin":
        raise ForbiddenError
    connection.scope["state"]["principal"] = principal


async def _principal(box: Box, token: str) -> Principal:
    if not token.startswith(CONSOLE):
        return await box.sessions.principal(token)
    if not box.console.accepts(token):
        raise UnauthorizedError
    account = await box.accounts.console()
    return Principal(account.id, account.email, account.role, account.epoch)


def _token(connection: HTTPConnection) -> str:
    given = connection.headers.getlist("authorization")
    if len(given) > 1:
        raise UnauthorizedError
    scheme, _, token = given[0].partition(" ") if given else ("", "", "")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    for protocol in connection.scope.get("subprotocols", ()):
        if protocol.startswith(_BEARER_PROTOCOL):
            return str(protocol.removeprefix(_BEARER_PROTOCOL))
    raise UnauthorizedError
