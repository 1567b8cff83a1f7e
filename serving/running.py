"""An engine's blocking calls, off the event loop: one worker thread, one bounded queue before it."""

import asyncio
from asyncio import Future
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from typing import TypeVar, TypeVarTuple

from serving.wire import EngineBusyError, EngineUnavailableError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

CLOSE_S = 5.0


class Runner:
    """`timeout_s` counts from the call's arrival, so a caller knows how long he waits at most."""

    def __init__(self, waiting: int = 16, timeout_s: float = 120.0) -> None:
        self._limit = waiting
        self._timeout_s = timeout_s
        self._waiting = 0
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._began: float | None = None
        self._last_s = 1.0

    async def run(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        """A caller who leaves before his turn is dropped from the queue."""
        if self._waiting >= self._limit:
            wait_s = min(60.0, max(1.0, self._last_s * self._waiting))
            raise EngineBusyError("The engine has too much to do.", retry_after_s=wait_s)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._queued()
                return await asyncio.shield(self._started(fn, *args))
        except TimeoutError as error:
            raise EngineUnavailableError(f"The engine timed out after {self._timeout_s:g} s.") from error

    @property
    def working(self) -> bool:
        return self._began is not None

    @property
    def stuck(self) -> bool:
        """A call has been running for longer than anybody waits for it: no thread can be stopped from outside."""
        return self._began is not None and monotonic() - self._began > self._timeout_s

    async def aclose(self) -> None:
        """Waits for the call under way, but not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._turn.acquire()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _queued(self) -> None:
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1

    def _started(self, fn: Callable[[*Ts], T], *args: *Ts) -> Future[T]:
        """The turn ends with the thread's work, not with the caller's patience."""
        self._began = monotonic()
        call = asyncio.get_running_loop().run_in_executor(self._thread, fn, *args)
        call.add_done_callback(self._ended)
        return call

    def _ended(self, call: Future[T]) -> None:
        if self._began is not None:
            self._last_s = monotonic() - self._began
        self._began = None
        self._turn.release()
        if not call.cancelled():
            call.exception()  # looked at, for callers who left: else asyncio reports it as forgotten
