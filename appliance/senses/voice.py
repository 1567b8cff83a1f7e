"""Speaking and listening, one shot at a time."""

from dataclasses import dataclass

from appliance.engines import asking
from appliance.errors import InvalidRequestError, UnsupportedMediaError
from appliance.identity.links import Links
from appliance.settings import Limits
from appliance.store.files import Files, Folder
from models.media import audio_kind
from models.tasks import AudioFormat, Transcript
from serving.chain import Answered, Chain
from serving.client import EngineClient

SLOWEST, FASTEST = 0.25, 4.0

INSTALL_LISTENING = "Type instead, or install one: yu models list --task transcribe"
INSTALL_SPEAKING = "Install espeak-ng: yu doctor"


@dataclass(frozen=True, slots=True)
class Spoken:
    """`link` is the query that makes the file's URL work without a token."""

    file_id: str
    link: dict[str, str]
    duration_s: float
    format: AudioFormat
    model: str
    degraded: bool


class Voice:
    def __init__(
        self, speakers: Chain[EngineClient], listeners: Chain[EngineClient], files: Files, links: Links, limits: Limits
    ) -> None:
        self._speakers = speakers
        self._listeners = listeners
        self._files = files
        self._links = links
        self._limits = limits

    async def synthesize(
        self, owner: str, text: str, *, voice: str, language: str | None, speed: float, format: AudioFormat
    ) -> Spoken:
        if not text.strip():
            raise InvalidRequestError("text", "must not be empty")
        if len(text) > self._limits.speech_chars:
            raise InvalidRequestError("text", f"must have at most {self._limits.speech_chars} characters")
        if not SLOWEST <= speed <= FASTEST:
            raise InvalidRequestError("speed", f"must be between {SLOWEST} and {FASTEST}")
        async with asking("speaking", INSTALL_SPEAKING, "text"):
            answer = await self._speakers.call(lambda engine: engine.speak(text, voice, language, speed, format))
        speech = answer.value
        file_id = await self._files.keep(owner, Folder.SYNTHESIZED_AUDIO, format.media_type, speech.audio)
        link = self._links.make(owner, file_id)
        return Spoken(file_id, link, speech.duration_s, speech.format, answer.model, answer.degraded)

    async def transcribe(self, audio: bytes, *, language: str | None) -> Answered[Transcript]:
        if not audio:
            raise InvalidRequestError("audio", "the file is empty")
        if audio_kind(audio) is None:
            raise UnsupportedMediaError("Send wav, mp3, m4a, ogg, opus, flac, aac or webm.", field="audio")
        async with asking("listening", INSTALL_LISTENING, "audio"):
            return await self._listeners.call(lambda engine: engine.transcribe(audio, language))
