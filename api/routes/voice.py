"""Speech: text to sound, sound to text."""

from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.answers import answer
from api.bodies import Body, read_json, read_upload
from api.principal import box_of, principal_of
from models.tasks import AudioFormat

LanguageCode = Annotated[str, Field(pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$", max_length=35)]


class SynthesisRequest(Body):
    text: str
    voice: Annotated[str, Field(min_length=1, max_length=64)] = "alloy"
    language: LanguageCode | None = None
    speed: float = 1.0
    format: Literal["mp3", "opus", "aac", "flac", "wav"] = "mp3"


class Synthesis(BaseModel):
    """`audio_url` is a path on this box that works for an hour without a token."""

    audio_url: str
    duration: float
    format: AudioFormat
    model: str
    degraded: bool


class TranscriptionForm(Body):
    language: LanguageCode | None = None
    format: Literal["text", "json"] = "json"


class Transcription(BaseModel):
    transcription: str
    language: str | None
    confidence: float | None
    duration: float
    model: str
    degraded: bool


async def synthesize(request: Request) -> Response:
    box = box_of(request)
    body = await read_json(request, SynthesisRequest, box.settings.limits.json_bytes)
    spoken = await box.voice.synthesize(
        principal_of(request).user_id,
        body.text,
        voice=body.voice,
        language=body.language,
        speed=body.speed,
        format=AudioFormat(body.format),
    )
    return answer(
        Synthesis(
            audio_url=f"/api/v1/files/{spoken.file_id}?{urlencode(spoken.link)}",
            duration=round(spoken.duration_s, 3),
            format=spoken.format,
            model=spoken.model,
            degraded=spoken.degraded,
        )
    )


async def transcribe(request: Request) -> Response:
    box = box_of(request)
    audio, form = await read_upload(request, "audio", TranscriptionForm, box.settings.limits.upload_bytes)
    heard = await box.voice.transcribe(audio, language=form.language)
    if form.format == "text":
        return PlainTextResponse(heard.value.text)
    return answer(
        Transcription(
            transcription=heard.value.text,
            language=heard.value.language,
            confidence=heard.value.confidence,
            duration=heard.value.duration_s,
            model=heard.model,
            degraded=heard.degraded,
        )
    )
