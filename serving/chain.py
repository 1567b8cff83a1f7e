"""The first healthy engine of a list answers (spec 11.2).

A link that failed five times within a minute is left alone for half a minute, then tried by one request. A failure is
tried again on the same link after 1, 2 and 4 seconds (± 20 %) only while the retry budget lasts, a tenth of the
requests, so that a sick engine never meets more than 1.1 times the load; and never once a first piece has left.
Own code because no kept library has breaker, budget and streams that fail over only before their first piece.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar

from serving.wire import EngineBusyError, EngineDownError, EngineUnavailableError

FAILURES, WITHIN_S, REST_S = 5, 60.0, 30.0
WAITS_S, JITTER = (1.0, 2.0, 4.0), 0.2
SLOW_FAILURE_S = 5.0  # one that took this long is not worth a second wait: the next link is asked
BUDGET_SHARE, BUDGET_RESERVE = 0.1, 1.0

E = TypeVar("E")
T = TypeVar("T")
Clock = Callable[[], float]


class Breaker:
    """Closed while the engine answers, open while it is left alone, half-open while one request tries it."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._opened_at: float | None = None
        self._trying = False

    @property
    def state(self) -> str:
        if self._opened_at is None:
            return "closed"
        return "half-open" if self._clock() - self._opened_at >= REST_S else "open"

    def admits(self) -> bool:
        """Asked once per request: in the half-open state the first one is the trial."""
        if self.state == "half-open" and not self._trying:
            self._trying = True
            return True
        return self._opened_at is None

    def succeeded(self) -> None:
        self._failures.clear()
        self._opened_at, self._trying = None, False

    def failed(self) -> None:
        now = self._clock()
        self._failures.append(now)
        full = len(self._failures) == FAILURES and now - self._failures[0] <= WITHIN_S
        if self._trying or full:
            self._opened_at = now
        self._trying = False

    def left(self) -> None:
        """The caller went away: nothing was learned."""
        self._trying = False


class RetryBudget:
    def __init__(self) -> None:
        self._left = BUDGET_RESERVE

    def earn(self) -> None:
        self._left = min(self._left + BUDGET_SHARE, 10.0)

    def spend(self) -> bool:
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


@dataclass
class Link(Generic[E]):
    """`name` is the model that answers, as the user sees it."""

    name: str
    engine: E
    breaker: Breaker
    budget: RetryBudget


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    value: T
    model: str
    degraded: bool


class NobodyAnsweredError(EngineUnavailableError):
    """Every engine of the chain failed, or there is none."""

    def __init__(self, links: int, retry_after_s: float) -> None:
        super().__init__("No engine for this is available." if links else "No engine for this is installed.")
        self.tried = links > 0
        self.retry_after_s = retry_after_s


class Chain(Generic[E]):
    def __init__(
        self, engines: Sequence[tuple[str, E]], *, clock: Clock = time.monotonic, waits_s: Sequence[float] = WAITS_S
    ) -> None:
        self.links = [Link(name, engine, Breaker(clock), RetryBudget()) for name, engine in engines]
        self._waits_s = waits_s

    async def call(self, do: Callable[[E], Awaitable[T]]) -> Answered[T]:
        """Raises `NobodyAnsweredError`; a `RefusedError` is the input's fault and is passed on at once."""

        async def one(engine: E) -> AsyncGenerator[T, None]:
            yield await do(engine)

        async with aclosing(self.stream(one)) as answers:
            async for answer in answers:
                return answer
        raise EngineUnavailableError("The engine answered nothing.")

    async def stream(self, do: Callable[[E], AsyncGenerator[T, None]]) -> AsyncGenerator[Answered[T], None]:
        """The pieces of the first link that gives one; a failure after that is the caller's to see."""
        busy_s = 0.0
        for position, link in enumerate(self.links):
            if not link.breaker.admits():
                continue
            pieces = self._pieces(link, do)
            try:
                first = await anext(pieces, None)
            except EngineUnavailableError as error:
                busy_s = max(busy_s, error.retry_after_s if isinstance(error, EngineBusyError) else 0.0)
                continue
            async with aclosing(pieces):
                if first is not None:
                    yield Answered(first, link.name, position > 0)
                async for piece in pieces:
                    yield Answered(piece, link.name, position > 0)
            return
        raise NobodyAnsweredError(len(self.links), busy_s or REST_S)

    async def _pieces(self, link: Link[E], do: Callable[[E], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """One link's pieces, tried again while that is allowed; the breaker learns how it went."""
        link.budget.earn()
        waits = iter(self._waits_s)
        while True:
            begun, started = time.monotonic(), False
            try:
                async with aclosing(do(link.engine)) as pieces:
                    async for piece in pieces:
                        started = True
                        link.breaker.succeeded()
                        yield piece
                return
            except EngineUnavailableError as error:
                link.breaker.failed()
                wait_s = next(waits, None)
                slow = time.monotonic() - begun > SLOW_FAILURE_S
                if started or slow or isinstance(error, EngineDownError) or wait_s is None or not link.budget.spend():
                    raise
            finally:
                link.breaker.left()
            await asyncio.sleep(wait_s * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - jitter, no secret
