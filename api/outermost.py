"""What stands around everything: request ids, security headers, the Host check, one log line a request.

Pure ASGI, so that streams and cancellation pass through untouched.
"""

import ipaddress
import logging
import re
import secrets
import time
from collections.abc import Iterable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import plain_error

logger = logging.getLogger("api.access")

NOT_ITS_NAME = "This box is not called that. Its owner can add the name to `hosts` in yu.toml."

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"x-xss-protection", b"1; mode=block"),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::\d{1,5})?")


class Outermost:
    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0
        request_id = f"req_{secrets.token_hex(12)}"
        scope["state"]["request_id"] = request_id

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
                status = message.get("status", 101)
                message = {**message, "headers": [*with_ours(message.get("headers", ()), request_id), *closing(status)]}
            elif message["type"] == "websocket.close" and not status:  # no route took it
                nowhere = plain_error(404, "There is no such path here.", request_id)
                await nowhere(scope, receive, send_with_headers)
                return
            await send(message)

        def closing(status: int) -> list[tuple[bytes, bytes]]:
            """A client that was not told to continue keeps its body: what it sends next must not be taken for it."""
            waits = any(name == b"expect" for name, _ in scope["headers"])
            return [(b"connection", b"close")] if waits and status >= 400 else []

        app = self._app if self._known(scope) else plain_error(400, NOT_ITS_NAME, request_id)
        try:
            await app(scope, receive, send_with_headers)
        finally:
            _log(scope, status, request_id, time.perf_counter() - begun)

    def _known(self, scope: Scope) -> bool:
        """One Host header, well formed, naming this box: no page elsewhere can make a browser call it another name."""
        given = [value for name, value in scope["headers"] if name == b"host"]
        match = _HOST.fullmatch(given[0].decode("latin-1")) if len(given) == 1 else None
        if match is None:
            return False
        name = match["name"].lower().strip("[]")
        return name in self._hosts or _is_loopback(name)


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def with_ours(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    theirs = list(headers)
    names = {name.lower() for name, _ in theirs}
    ours = [pair for pair in _HEADERS if pair[0] not in names]
    return [*theirs, *ours, (b"x-request-id", request_id.encode())]


def _log(scope: Scope, status: int, request_id: str, seconds: float) -> None:
    principal: Any = scope["state"].get("principal")
    fields = {
        "method": scope.get("method", "WEBSOCKET"),
        "path": scope["path"][:200],
        "status": status,
        "ms": round(seconds * 1000, 1),
        "request_id": request_id,
        "user_id": principal.user_id if principal else None,
    }
    logger.info("request", extra=fields)
