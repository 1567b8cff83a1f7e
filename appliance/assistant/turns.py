"""A turn: one answer being written by one task, and read by whoever is there.

The writer never waits for a reader; a reader that comes late, or again, starts at any character. When the last reader
has left, the turn is stopped, unless one comes back within the window or it was asked to finish without them.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from appliance.assistant.messages import Ending, Exchange
from appliance.errors import YuError

FIRST_READER_S = 5.0


@dataclass(frozen=True, slots=True)
class Piece:
    """Some more of an answer; `end` is how many characters of it there are now."""

    text: str
    end: int


@dataclass(frozen=True, slots=True)
class Done:
    """The answer is over and kept. `error` tells why there is not more of it, if it failed."""

    text: str
    ending: Ending
    error: YuError | None = None


class Turn:
    def __init__(self, owner: str, exchange: Exchange, window_s: float | None) -> None:
        """`window_s` is how long it goes on unread; `None`: to its end."""
        self.owner = owner
        self.exchange = exchange
        self.text = ""
        self.done: Done | None = None
        self._window_s = window_s
        self._readers = 0
        self._news = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._leaving: asyncio.TimerHandle | None = None

    def written_by(self, writer: "asyncio.Task[None] | None") -> None:
        self._writer = writer
        if self._readers == 0 and writer is not None:
            self._stop_unread_after(FIRST_READER_S)  # its first reader may be gone before it has come

    def append(self, text: str) -> None:
        self.text += text
        self._tell()

    def finish(self, done: Done) -> None:
        self.text = done.text
        self.done = done
        self._tell()

    def stop(self) -> None:
        """The engine is let go at once; what there is of the answer is kept."""
        if self._writer is not None:
            self._writer.cancel()

    @contextmanager
    def reader(self) -> Iterator[None]:
        """Somebody is there: the turn goes on for as long as one is."""
        self._readers += 1
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        try:
            yield
        finally:
            self._readers -= 1
            if self._readers == 0 and self.done is None:
                self._stop_unread_after(self._window_s)

    async def follow(self, start: int = 0) -> AsyncGenerator[Piece | Done, None]:
        """From the given character on; ends after `Done`."""
        position = min(start, len(self.text))
        with self.reader():
            while True:
                news, done = self._news, self.done
                if position < len(self.text):
                    text, position = self.text[position:], len(self.text)
                    yield Piece(text, position)
                elif done is not None:
                    yield done
                    return
                else:
                    await news.wait()

    async def ended(self) -> Done:
        with self.reader():
            while self.done is None:
                await self._news.wait()
            return self.done

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _stop_unread_after(self, seconds: float | None) -> None:
        if self._window_s is not None and seconds is not None:
            self._leaving = asyncio.get_running_loop().call_later(seconds, self.stop)


class Turns:
    """The answers being written now, by the id of their message."""

    def __init__(self) -> None:
        self._live: dict[str, Turn] = {}

    def add(self, turn: Turn) -> None:
        self._live[turn.exchange.answer_id] = turn

    def remove(self, turn: Turn) -> None:
        if self._live.get(turn.exchange.answer_id) is turn:  # the same answer may be written again already
            del self._live[turn.exchange.answer_id]

    def find(self, owner: str, answer_id: str) -> Turn | None:
        turn = self._live.get(answer_id)
        return turn if turn is not None and turn.owner == owner else None

    def of(self, owner: str, conversation_id: str | None) -> list[Turn]:
        return [
            turn
            for turn in self._live.values()
            if turn.owner == owner and conversation_id in (None, turn.exchange.conversation_id)
        ]

    def all(self) -> list[Turn]:
        return list(self._live.values())
