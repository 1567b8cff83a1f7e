"""A turn: one answer being written by one task, and read by whoever is there.

The writer never waits for a reader; a reader that comes late, or again, starts at any character. When the last reader
has left, the turn is stopped, unless one comes back within the window or it was asked to finish without them.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from appliance.assistant.messages import Ending, Exchange
from appliance.errors import NotFoundError, YuError


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

    async def follow(self, start: int = 0) -> AsyncGenerator[Piece | Done, None]:
        """From the given character on; ends after `Done`."""
        self._arrive()
        try:
            position = min(start, len(self.text))
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
        finally:
            self._leave()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _arrive(self) -> None:
        self._readers += 1
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _leave(self) -> None:
        self._readers -= 1
        if self._readers == 0 and self.done is None and self._window_s is not None:
            self._leaving = asyncio.get_running_loop().call_later(self._window_s, self.stop)


class Turns:
    """The answers being written now, by the id of their message."""

    def __init__(self) -> None:
        self._live: dict[str, Turn] = {}

    def __len__(self) -> int:
        return len(self._live)

    def add(self, turn: Turn) -> None:
        self._live[turn.exchange.answer_id] = turn

    def remove(self, turn: Turn) -> None:
        self._live.pop(turn.exchange.answer_id, None)

    def find(self, owner: str, answer_id: str) -> Turn | None:
        turn = self._live.get(answer_id)
        return turn if turn is not None and turn.owner == owner else None

    def get(self, owner: str, answer_id: str) -> Turn:
        turn = self.find(owner, answer_id)
        if turn is None:
            raise NotFoundError
        return turn

    def of(self, owner: str, conversation_id: str | None) -> list[Turn]:
        return [
            turn
            for turn in self._live.values()
            if turn.owner == owner and conversation_id in (None, turn.exchange.conversation_id)
        ]

    def all(self) -> list[Turn]:
        return list(self._live.values())
