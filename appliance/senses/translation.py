"""Translation. Without an engine the original text comes back, marked, as spec 11.3 asks; nothing is made up."""

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.engines import asking
from appliance.errors import InvalidRequestError, ModelNotInstalledError, UnavailableError
from appliance.settings import Limits
from models.tasks import Language, LanguageGuess, Translation
from serving.chain import Chain
from serving.client import EngineClient

INSTALL = "Install one: yu models list --task translate"
UNKNOWN_LANGUAGE = "und"  # ISO 639-3's own word for it


@dataclass(frozen=True, slots=True)
class Translated:
    """`problem` is why the text is still the original one, where it is."""

    translation: Translation
    model: str | None
    degraded: bool
    problem: UnavailableError | None = None


class Translator:
    def __init__(self, translators: Chain[EngineClient], identifiers: Chain[EngineClient], limits: Limits) -> None:
        self._translators = translators
        self._identifiers = identifiers
        self._limits = limits

    async def translate(self, text: str, *, from_language: str | None, to_language: str) -> Translated:
        self._check(text)
        source = from_language or await self._language_of(text)
        try:
            async with asking("translation", INSTALL, "text"):
                answer = await self._translators.call(lambda engine: engine.translate(text, source, to_language))
        except (ModelNotInstalledError, UnavailableError) as problem:
            return Translated(Translation(text, source, to_language, 0.0), None, True, problem)
        return Translated(answer.value, answer.model, answer.degraded)

    async def languages(self) -> Sequence[Language]:
        """What is installed, and nothing else: empty where no translator is."""
        try:
            async with asking("translation", INSTALL, "text"):
                return (await self._translators.call(lambda engine: engine.languages())).value
        except ModelNotInstalledError:
            return ()

    async def detect(self, text: str) -> Sequence[LanguageGuess]:
        """Best first; empty when the text has no words."""
        self._check(text)
        async with asking("naming a language", "Run yu doctor.", "text"):
            return (await self._identifiers.call(lambda engine: engine.identify(text))).value

    async def _language_of(self, text: str) -> str:
        try:
            guesses = await self.detect(text)
        except UnavailableError:
            return UNKNOWN_LANGUAGE
        return guesses[0].language if guesses else UNKNOWN_LANGUAGE

    def _check(self, text: str) -> None:
        if not text.strip():
            raise InvalidRequestError("text", "must not be empty")
        if len(text) > self._limits.translate_chars:
            raise InvalidRequestError("text", f"must have at most {self._limits.translate_chars} characters")
