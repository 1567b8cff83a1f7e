"""The caller's end of the wire: one method a task. Whatever the other end does, errors are `serving.wire`'s."""

import asyncio
from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Annotated, TypeVar

from aiohttp import FormData
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from models.media import audio_kind, image_kind
from models.tasks import (
    AudioFormat,
    Detection,
    Language,
    LanguageGuess,
    Line,
    Speech,
    Transcript,
    Translation,
    Word,
)
from serving.audio import duration_s
from serving.http import Answer, Wire
from serving.wire import (
    DETECTION,
    DURATION_HEADER,
    HEALTH,
    IDENTIFY,
    LANGUAGES,
    MODELS,
    OCR,
    SPEECH,
    TRANSCRIPTIONS,
    TRANSLATE,
    VOICES,
    BadMediaError,
    EngineUnavailableError,
)

# A little longer than an engine server's own patience, so that its answer says what happened.
TIMEOUT_S = 130.0
LISTENING_TIMEOUT_S = 600.0
JSON_BYTES = 8 << 20

KINDS = {AudioFormat.OPUS: "ogg"}  # where the file's kind is not named like the format

T = TypeVar("T")
Confidence = Annotated[float, Field(ge=0, le=1)]
Pixels = Annotated[float, Field(ge=-100_000, le=100_000)]
Seconds = Annotated[float, Field(ge=0, le=1_000_000)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class _Voices(_Answer):
    voices: tuple[str, ...]


class _Word(_Answer):
    word: str
    start: Seconds
    end: Seconds


class _Transcription(_Answer):
    text: str
    language: str | None = None
    duration: Seconds = 0.0
    confidence: Confidence | None = None
    words: tuple[_Word, ...] | None = None


class _Detected(_Answer):
    language: str


class _Translated(_Answer):
    translatedText: str
    detectedLanguage: _Detected | None = None
    alternatives: tuple[str, ...] = ()
    confidence: Confidence | None = None


class _Guess(_Answer):
    language: str
    confidence: Annotated[float, Field(ge=0, le=100)]


class _Found(_Answer):
    x: Pixels
    y: Pixels
    width: Pixels
    height: Pixels
    class_name: str
    confidence: Confidence | None = None
    text: str | None = None


class _Detections(_Answer):
    detections: tuple[_Found, ...]


class _Line(_Answer):
    text: str
    confidence: Confidence
    box: tuple[int, int, int, int]


class _Lines(_Answer):
    lines: tuple[_Line, ...]


VOICES_TOLD = TypeAdapter(_Voices)
TRANSCRIPTION = TypeAdapter(_Transcription)
TRANSLATED = TypeAdapter(_Translated)
LANGUAGES_TOLD = TypeAdapter(list[Language])
GUESSES = TypeAdapter(list[_Guess])
DETECTIONS = TypeAdapter(_Detections)
LINES = TypeAdapter(_Lines)
SECONDS = TypeAdapter(Seconds)


class EngineClient:
    """One engine: a server of ours, or anybody's that speaks the same shapes. `address` is `Wire`'s."""

    def __init__(self, address: str, model: str, api_key: str | None = None) -> None:
        self._ours = address.startswith("unix:")
        self._wire = Wire(address, api_key)
        self._model = model

    async def aclose(self) -> None:
        await self._wire.aclose()

    async def healthy(self, timeout_s: float = 1.0) -> bool:
        """A server without `/health` counts when it can list its models."""
        status = await self._wire.status(HEALTH, timeout_s)
        if status == 404:
            status = await self._wire.status(MODELS, timeout_s)
        return status == 200

    async def speak(self, text: str, voice: str, language: str | None, speed: float, format: AudioFormat) -> Speech:
        body = {
            "model": self._model,
            "input": text,
            "voice": voice,
            "speed": speed,
            "response_format": format.value,
            **({"language": language} if language else {}),
        }
        answer = await self._wire.request("POST", SPEECH, json=body, timeout_s=TIMEOUT_S)
        if audio_kind(answer.body) != KINDS.get(format, format.value):
            raise EngineUnavailableError("The engine's answer is no sound of the format asked for.")
        return Speech(answer.body, format, await _duration_s(answer))

    async def voices(self) -> Sequence[str]:
        return _read(VOICES_TOLD, await self._wire.request("GET", VOICES, timeout_s=TIMEOUT_S, limit=JSON_BYTES)).voices

    async def transcribe(self, audio: bytes, language: str | None) -> Transcript:
        form = self._form("file", audio)
        form.add_field("response_format", "verbose_json")
        form.add_field("timestamp_granularities[]", "word")
        if language:
            form.add_field("language", language)
        answer = await self._wire.request(
            "POST", TRANSCRIPTIONS, data=form, timeout_s=LISTENING_TIMEOUT_S, limit=JSON_BYTES
        )
        told = _read(TRANSCRIPTION, answer)
        words = tuple(Word(each.word, each.start, each.end) for each in told.words or ())
        return Transcript(told.text, told.language, told.duration, told.confidence, words)

    async def translate(self, text: str, from_language: str, to_language: str) -> Translation:
        body = {"q": text, "source": from_language, "target": to_language, "format": "text"}
        told = _read(TRANSLATED, await self._post(TRANSLATE, body))
        source = told.detectedLanguage.language if told.detectedLanguage else from_language
        return Translation(told.translatedText, source, to_language, told.confidence, told.alternatives)

    async def languages(self) -> Sequence[Language]:
        answer = await self._wire.request("GET", LANGUAGES, timeout_s=TIMEOUT_S, limit=JSON_BYTES)
        return _read(LANGUAGES_TOLD, answer)

    async def identify(self, text: str) -> Sequence[LanguageGuess]:
        guesses = _read(GUESSES, await self._post(IDENTIFY, {"q": text}))
        return [LanguageGuess(guess.language, round(guess.confidence / 100, 4)) for guess in guesses]

    async def detect(self, image: bytes, threshold: float) -> Sequence[Detection]:
        """As a file to our own servers, which is several times cheaper; as LocalAI's JSON to others'."""
        if self._ours:
            form = self._form("image", image)
            form.add_field("threshold", str(threshold))
            answer = await self._wire.request("POST", DETECTION, data=form, timeout_s=TIMEOUT_S, limit=JSON_BYTES)
        else:
            encoded = (await asyncio.to_thread(b64encode, image)).decode()
            answer = await self._post(DETECTION, {"model": self._model, "image": encoded, "threshold": threshold})
        return [_detection(found) for found in _read(DETECTIONS, answer).detections]

    async def read(self, image: bytes, languages: Sequence[str]) -> Sequence[Line]:
        form = self._form("image", image)
        for language in languages:
            form.add_field("languages", language)
        answer = await self._wire.request("POST", OCR, data=form, timeout_s=TIMEOUT_S, limit=JSON_BYTES)
        return [Line(line.text, line.confidence, line.box) for line in _read(LINES, answer).lines]

    def _form(self, field: str, file: bytes) -> FormData:
        form = FormData({"model": self._model})
        name = f"{field}.{audio_kind(file) or image_kind(file) or 'bin'}"  # OpenAI tells the format by the name's end
        form.add_field(field, BytesIO(file), filename=name, content_type="application/octet-stream")
        return form

    async def _post(self, path: str, body: Mapping[str, object]) -> Answer:
        return await self._wire.request("POST", path, json=body, timeout_s=TIMEOUT_S, limit=JSON_BYTES)


def _read(shape: TypeAdapter[T], answer: Answer) -> T:
    try:
        return shape.validate_json(answer.body)
    except ValidationError as error:
        raise EngineUnavailableError("The engine's answer is not in the shape agreed on.") from error


async def _duration_s(answer: Answer) -> float:
    """As our servers measured it; other servers' sound is measured here."""
    told = answer.headers.get(DURATION_HEADER, "")
    try:
        return SECONDS.validate_python(told) if told else await duration_s(answer.body)
    except (ValidationError, BadMediaError) as error:
        raise EngineUnavailableError("The engine's answer is not sound.") from error


def _detection(found: _Found) -> Detection:
    edges = (found.x, found.y, found.x + found.width, found.y + found.height)
    left, top, right, bottom = (round(edge) for edge in edges)
    return Detection(found.class_name, found.confidence, (left, top, right, bottom), found.text)
