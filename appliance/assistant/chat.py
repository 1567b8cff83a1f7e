"""Chat: a question is kept, then answered, then the answer is kept; only then it is said to be complete.

asked → shown to a model → texts → kept now and then → kept whole → told to the readers
"""

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from appliance.assistant.answers import Answers, Prompt
from appliance.assistant.messages import Ending, Exchange, Messages, Question
from appliance.assistant.personalities import DEFAULT, personalities
from appliance.assistant.turns import Done, Turn, Turns
from appliance.errors import InvalidRequestError, StorageError, UnavailableError, YuError
from appliance.settings import Chat as ChatSettings
from appliance.settings import Limits
from serving.llm import Finish, Text
from serving.wire import EngineError

KEPT_EVERY_S = 1.0

logger = logging.getLogger(__name__)


class Chat:
    def __init__(
        self, messages: Messages, answers: Answers, salt_key: bytes, settings: ChatSettings, limits: Limits
    ) -> None:
        self._messages = messages
        self._answers = answers
        self._salt_key = salt_key
        self._settings = settings
        self._limits = limits
        self._turns = Turns()
        self._writers: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question, *, finish_unread: bool = False) -> Turn:
        """The turn that answers, already begun; the question is durable. A known key gives its turn again.

        Raises `InvalidRequestError`, `NotFoundError`, `KeyReusedError`, `StorageError`.
        """
        self._check(question)
        exchange, to_write = await self._messages.ask(question, DEFAULT)
        if not to_write:
            return self._turns.find(question.owner, exchange.answer_id) or _over(question.owner, exchange)
        turn = Turn(question.owner, exchange, None if finish_unread else self._settings.resume_window_s)
        self._turns.add(turn)
        writer = asyncio.create_task(self._write(turn), name=exchange.answer_id)
        turn.written_by(writer)
        self._writers.add(writer)
        writer.add_done_callback(self._writers.discard)
        return turn

    async def resume(self, owner: str, answer_id: str) -> Turn:
        """The live turn, or the kept answer in the shape of one. Raises `NotFoundError`."""
        return self._turns.find(owner, answer_id) or _over(owner, await self._messages.exchange(owner, answer_id))

    async def stop(self, owner: str, answer_id: str) -> None:
        """Raises `NotFoundError`; an answer that is over already stays as it is."""
        turn = await self.resume(owner, answer_id)
        turn.stop()

    def forget(self, owner: str, conversation_id: str | None) -> None:
        """Ends the answers that are being written in what is about to be deleted."""
        for turn in self._turns.of(owner, conversation_id):
            turn.stop()

    async def recover(self) -> None:
        if count := await self._messages.mark_interrupted():
            logger.warning("answers of the last run marked as interrupted", extra={"count": count})

    async def aclose(self) -> None:
        """Answers under way are stopped and what there is of them is kept."""
        for turn in self._turns.all():
            turn.stop()
        if self._writers:
            await asyncio.wait(self._writers)

    def _check(self, question: Question) -> None:
        if not question.text.strip():
            raise InvalidRequestError("message", "must not be empty")
        if len(question.text) > self._limits.message_chars:
            raise InvalidRequestError("message", f"must have at most {self._limits.message_chars} characters")
        if question.personality is not None and question.personality not in personalities():
            raise InvalidRequestError("personality", f"must be one of {', '.join(personalities())}")

    # --- the writer of one turn -------------------------------------------------------------------------------------

    async def _write(self, turn: Turn) -> None:
        """Ends in `turn.finish`, whatever happens: somebody waits for it."""
        ending = Ending("complete", None, None, False)
        error: YuError | None = None
        try:
            async with aclosing(self._kept(turn, self._texts(turn))) as endings:
                async for so_far in endings:
                    ending = so_far
        except asyncio.CancelledError:
            ending = replace(ending, status="stopped")
        except EngineError as failure:
            ending = replace(ending, status="interrupted" if turn.text else "failed")
            error = UnavailableError("The language model broke off. Send the message again with the same key.")
            logger.warning("an answer broke off", extra={"reason": str(failure), "message_id": turn.exchange.answer_id})
        except StorageError as failure:
            ending, error = replace(ending, status="interrupted"), failure
        await self._finish(turn, ending, error)

    async def _finish(self, turn: Turn, ending: Ending, error: YuError | None) -> None:
        turn.written_by(None)  # from here on nothing may stop it: what is kept and what is told must be the same
        try:
            await self._messages.finish(turn.exchange.answer_id, turn.text, ending)
        except StorageError as failure:
            error = failure
        finally:
            self._turns.remove(turn)
            turn.finish(Done(turn.text, ending, error))

    async def _texts(self, turn: Turn) -> AsyncGenerator[tuple[str, Ending], None]:
        """Each text with what would be the ending if it were the last."""
        prompt = await self._prompt(turn)
        async with aclosing(self._answers.stream(prompt)) as pieces:
            async for piece in pieces:
                tokens = piece.value.tokens or None if isinstance(piece.value, Finish) else None
                text = piece.value.text if isinstance(piece.value, Text) else ""
                yield text, Ending("complete", piece.model, tokens, piece.degraded)

    async def _kept(self, turn: Turn, texts: AsyncGenerator[tuple[str, Ending], None]) -> AsyncGenerator[Ending, None]:
        """Gives each text to the readers, and the growing answer to the store once a second."""
        kept_at = time.monotonic()
        async with aclosing(texts):
            async for text, ending in texts:
                if text:
                    turn.append(text)
                if time.monotonic() - kept_at > KEPT_EVERY_S:
                    kept_at = time.monotonic()
                    await self._messages.keep_partial(turn.exchange.answer_id, turn.text)
                yield ending

    async def _prompt(self, turn: Turn) -> Prompt:
        exchange = turn.exchange
        earlier = await self._messages.before(
            exchange.conversation_id, exchange.question_seq, self._settings.window_messages - 1
        )
        salt = hmac.digest(self._salt_key, turn.owner.encode(), hashlib.sha256).hex()
        return Prompt(personalities()[exchange.personality], earlier, exchange.question, salt)


def _over(owner: str, exchange: Exchange) -> Turn:
    turn = Turn(owner, exchange, None)
    ending = Ending(exchange.status, exchange.model, exchange.tokens_used, exchange.degraded)
    turn.finish(Done(exchange.answer, ending))
    return turn
