"""The chains of this box: which engines stand behind each task, as its settings say."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from appliance.errors import InvalidRequestError, ModelNotInstalledError, UnavailableError, UnsupportedMediaError
from appliance.settings import Remote, Settings
from models.catalog import cards
from models.tasks import Task
from serving.chain import Chain, NobodyAnsweredError
from serving.client import EngineClient
from serving.llm import LLM, USUAL_TEMPERATURE
from serving.wire import EngineUnavailableError, RefusedError, UnsupportedError


class Engines:
    """One client an engine, shared by the tasks it serves; all closed together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clients: dict[str, EngineClient] = {}
        self._models = [(name, _model(name, address, key)) for name, address, key in self._links(Task.CHAT)]
        self.chat = Chain(self._models)
        self.speak = self._chain(Task.SPEAK)
        self.transcribe = self._chain(Task.TRANSCRIBE)
        self.translate = self._chain(Task.TRANSLATE)
        self.identify = self._chain(Task.IDENTIFY)
        self.detect = self._chain(Task.DETECT)
        self.read = self._chain(Task.READ)

    async def aclose(self) -> None:
        for _, engine in self._all():
            await engine.aclose()

    async def health(self) -> dict[str, bool]:
        """Who answers now, by name."""
        engines = self._all()
        healthy = await asyncio.gather(*(engine.healthy() for _, engine in engines))
        return dict(zip((name for name, _ in engines), healthy, strict=True))

    def _all(self) -> list[tuple[str, LLM | EngineClient]]:
        return [*self._models, *self._clients.items()]

    def _chain(self, task: Task) -> Chain[EngineClient]:
        return Chain([(name, self._client(name, address, key)) for name, address, key in self._links(task)])

    def _client(self, name: str, address: str, api_key: str | None) -> EngineClient:
        if name not in self._clients:
            self._clients[name] = EngineClient(address, name, api_key)
        return self._clients[name]

    def _links(self, task: Task) -> Iterator[tuple[str, str, str | None]]:
        """(model, address, key): a card is served on its socket, a remote at its URL."""
        for link in self._settings.chain(task):
            if isinstance(link, Remote):
                yield link.model, link.url, link.api_key
            else:
                yield link, f"unix:{self._settings.socket(link)}", None


def _model(name: str, address: str, api_key: str | None) -> LLM:
    card = cards().get(name)
    temperature = card.options.get("temperature", USUAL_TEMPERATURE) if card else USUAL_TEMPERATURE
    return LLM(address, name, api_key, float(str(temperature)))


@asynccontextmanager
async def asking(what: str, repair: str, field: str) -> AsyncIterator[None]:
    """Turns what the engines say into what the user is told: whose fault it is, and what to do.

    Raises `InvalidRequestError`, `UnsupportedMediaError` and `TooLargeError` for the input, `ModelNotInstalledError`
    where no engine is installed and `UnavailableError` where none answers.
    """
    try:
        yield
    except UnsupportedError as error:
        if error.field in (None, field):
            raise UnsupportedMediaError(str(error), field=field) from error
        raise InvalidRequestError(error.field, str(error), str(error)) from error
    except RefusedError as error:
        blamed = error.field or field
        raise InvalidRequestError(blamed, str(error), str(error)) from error
    except NobodyAnsweredError as error:
        if not error.tried:
            raise ModelNotInstalledError(f"No model for {what} is installed. {repair}") from error
        unavailable = UnavailableError(f"No engine for {what} answers now. Try again in a moment.")
        unavailable.retry_after_s = max(1, round(error.retry_after_s))
        raise unavailable from error
    except EngineUnavailableError as error:
        raise UnavailableError(f"The engine for {what} broke off. Try again.") from error
