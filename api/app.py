"""Puts the parts together: the box in the lifespan, the URLs in the router, one shape for every error."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from itertools import groupby
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from api import errors
from api.openapi import openapi
from api.outermost import Outermost
from api.principal import admit
from api.urls import SOCKET, URLS, Url
from appliance.errors import YuError
from appliance.runtime import open_runtime
from appliance.settings import Settings


def create_app(settings: Settings) -> ASGIApp:
    description = json.dumps(openapi(URLS, version("yu"))).encode()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with open_runtime(settings) as box:
            box.console.open()
            yield {"box": box, "openapi": description}

    app = Starlette(
        routes=_routes(),
        lifespan=lifespan,
        exception_handlers={
            YuError: errors.on_yu_error,
            HTTPException: errors.on_http_exception,
            ClientDisconnect: errors.on_disconnect,
            Exception: errors.on_anything_else,
        },
    )
    app.router.redirect_slashes = False
    return Outermost(app, [settings.host, *settings.hosts])


def _routes() -> list[BaseRoute]:
    """One route a path, so that a method it does not take is told which it does."""
    sockets = [WebSocketRoute(url.path, _Guarded(url)) for url in URLS if url.method == SOCKET]
    plain = sorted((url for url in URLS if url.method != SOCKET), key=lambda url: url.path)
    grouped = ((path, list(group)) for path, group in groupby(plain, key=lambda url: url.path))
    return [*sockets, *(Route(path, _Methods(urls), methods=[url.method for url in urls]) for path, urls in grouped)]


class _Methods:
    """Asks who is there before anything of the request is read, then hands it to its method's endpoint."""

    def __init__(self, urls: list[Url]) -> None:
        self._urls = {url.method: url for url in urls}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        url = self._urls["GET" if scope["method"] == "HEAD" else scope["method"]]
        request = Request(scope, receive, send)
        await admit(request, url.who)
        response: ASGIApp = await url.endpoint(request)
        await response(scope, receive, send)


class _Guarded:
    """A WebSocket's door: refusals are answered before the upgrade, in the shape of every other error."""

    def __init__(self, url: Url) -> None:
        self._url = url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        try:
            await admit(websocket, self._url.who)
            await self._url.endpoint(websocket)
        except YuError as error:
            refusal: Response = errors.error_response(error, scope["state"]["request_id"])
            await websocket.send_denial_response(refusal)
