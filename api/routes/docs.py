"""The description of the API, and a page that shows it, served from the box: nothing is fetched from elsewhere."""

import asyncio
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

VIEWER = Path(__file__).parents[2] / "web" / "docs"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".png": "image/png", ".html": "text/html"}


async def openapi(request: Request) -> Response:
    return Response(request.scope["state"]["openapi"], media_type="application/json; charset=utf-8")


async def page(request: Request) -> Response:
    return await _file("index.html")


async def asset(request: Request) -> Response:
    return await _file(request.path_params["name"])


async def _file(name: str) -> Response:
    if name not in {file.name for file in VIEWER.iterdir()}:
        raise HTTPException(404)
    content = await asyncio.to_thread((VIEWER / name).read_bytes)  # whole: a Range would bring its own errors
    media_type = MEDIA_TYPES.get(Path(name).suffix, "text/plain")
    # swagger-ui sets styles from its script; scripts come from the box alone
    csp = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
    return Response(content, media_type=media_type, headers={"Content-Security-Policy": csp})
