"""A caller who leaves takes the work done for him along. For every HTTP edge: the API's and the engine servers'."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

T = TypeVar("T")


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """The work's value. Raises `ClientDisconnect` once the client has left; the work is cancelled then.

    The request's body must have been read, or there is none: what comes at last is the leaving.
    """
    task = asyncio.ensure_future(work)
    left = asyncio.ensure_future(gone(request.receive))
    try:
        await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        await end(task, left)


async def end(*tasks: "asyncio.Future[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
