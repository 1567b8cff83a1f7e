"""The HTTP endpoints of an engine server, by task, in the shapes that the ecosystem speaks (`wire.py` says whose)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, TypeVar, TypeVarTuple

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from models.card import Card
from models.tasks import AudioFormat, Detection, LanguageGuess, Line, Task, Translation
from serving.audio import decode, encode
from serving.bodies import IMAGE_JSON_BYTES, Body, file_of, from_base64, is_multipart, read_form, read_json, text_of
from serving.engine import Detects, Identifies, Reads, Speaks, Transcribes, Translates
from serving.leaving import while_connected
from serving.refusals import Handler, answering
from serving.running import Runner
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
    RefusedError,
)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

FFMPEGS = 2  # at a time
TEXTS = 100  # in one request to translate
AUTO = "auto"

Text = Annotated[str, Field(max_length=50_000)]
Code = Annotated[str, Field(min_length=2, max_length=35)]


@dataclass(frozen=True)
class Served:
    """One engine behind its endpoints."""

    card: Card
    engine: Any  # fulfils the Protocols of its card's tasks: checked when it is loaded
    runner: Runner
    ffmpegs: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(FFMPEGS))


class SpeechBody(Body):
    input: Annotated[str, Field(min_length=1, max_length=20_000)]
    voice: str
    response_format: AudioFormat = AudioFormat.MP3
    speed: Annotated[float, Field(ge=0.25, le=4.0)] = 1.0
    language: Code | None = None


class TranslateBody(Body):
    q: Text | Annotated[list[Text], Field(min_length=1, max_length=TEXTS)]
    source: Code
    target: Code


class IdentifyBody(Body):
    q: Text


class DetectionBody(Body):
    image: str
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.0


async def health(request: Request) -> Response:
    served = _served(request)
    state = {"status": "ok", "model": served.card.name, "engine": served.card.engine}
    if served.runner.stuck:
        return JSONResponse(state | {"status": "stuck"}, 503)
    return JSONResponse(state)


async def list_models(request: Request) -> Response:
    card = _served(request).card
    return JSONResponse({"object": "list", "data": [{"id": card.name, "object": "model", "owned_by": card.engine}]})


async def speech(request: Request) -> Response:
    body = await read_json(request, SpeechBody)
    served = _served(request)
    engine: Speaks = served.engine
    wav = await _called(request, engine.speak, body.input, body.voice, body.language, body.speed)
    spoken = await while_connected(request, _with_ffmpeg(served, encode, wav, body.response_format))
    headers = {DURATION_HEADER: f"{spoken.duration_s:.3f}"}
    return Response(spoken.audio, media_type=spoken.format.media_type, headers=headers)


async def voices(request: Request) -> Response:
    engine: Speaks = _served(request).engine
    return JSONResponse({"voices": list(await _called(request, engine.voices))})


async def transcriptions(request: Request) -> Response:
    """Always OpenAI's `verbose_json`, which holds the plain one."""
    async with read_form(request) as form:
        sent, language = await file_of(form, "file"), text_of(form, "language")
    served = _served(request)
    engine: Transcribes = served.engine
    samples = await while_connected(request, _with_ffmpeg(served, decode, sent))
    transcript = asdict(await _called(request, engine.transcribe, samples, language))
    return JSONResponse({"task": "transcribe", "duration": transcript.pop("duration_s"), **transcript})


async def translate(request: Request) -> Response:
    body = await read_json(request, TranslateBody)
    engine: Translates = _served(request).engine
    texts = [body.q] if isinstance(body.q, str) else body.q
    made = [await _called(request, engine.translate, text, body.source, body.target) for text in texts]
    return JSONResponse(_translated(made, one=isinstance(body.q, str), auto=body.source == AUTO))


async def languages(request: Request) -> Response:
    engine: Translates = _served(request).engine
    return JSONResponse([asdict(language) for language in await _called(request, engine.languages)])


async def identify(request: Request) -> Response:
    body = await read_json(request, IdentifyBody)
    engine: Identifies = _served(request).engine
    return JSONResponse([_guess(guess) for guess in await _called(request, engine.identify, body.q)])


async def detection(request: Request) -> Response:
    image, threshold = await _image_and_threshold(request)
    engine: Detects = _served(request).engine

    def seen() -> Sequence[Detection]:
        return engine.detect(_decoded(image), threshold)

    return JSONResponse({"detections": [_detection(found) for found in await _called(request, seen)]})


async def ocr(request: Request) -> Response:
    async with read_form(request) as form:
        image = await file_of(form, "image")
        chosen = [code for code in form.getlist("languages") if isinstance(code, str) and code]
    engine: Reads = _served(request).engine

    def seen() -> Sequence[Line]:
        return engine.read(_decoded(image), chosen)

    return JSONResponse({"lines": [asdict(line) for line in await _called(request, seen)]})


# What each task puts on the wire, and the Protocol that its engine must fulfil.
ENDPOINTS: dict[Task, tuple[type, tuple[tuple[str, str, Handler], ...]]] = {
    Task.SPEAK: (Speaks, (("POST", SPEECH, speech), ("GET", VOICES, voices))),
    Task.TRANSCRIBE: (Transcribes, (("POST", TRANSCRIPTIONS, transcriptions),)),
    Task.TRANSLATE: (Translates, (("POST", TRANSLATE, translate), ("GET", LANGUAGES, languages))),
    Task.IDENTIFY: (Identifies, (("POST", IDENTIFY, identify),)),
    Task.DETECT: (Detects, (("POST", DETECTION, detection),)),
    Task.READ: (Reads, (("POST", OCR, ocr),)),
}


def routes(card: Card) -> list[Route]:
    of_tasks = [endpoint for task in card.tasks for endpoint in ENDPOINTS[task][1]]
    both = [("GET", HEALTH, health), ("GET", MODELS, list_models), *of_tasks]
    return [Route(path, answering(handler), methods=[method]) for method, path, handler in both]


def _served(request: Request) -> Served:
    served: Served = request.state.served
    return served


async def _called(request: Request, fn: Callable[[*Ts], T], *args: *Ts) -> T:
    return await while_connected(request, _served(request).runner.run(fn, *args))


async def _with_ffmpeg(served: Served, fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    async with served.ffmpegs:
        return await fn(*args)


def _decoded(image: bytes) -> Any:
    from serving.images import decode  # here, as an engine without pictures should not pay for numpy and Pillow

    return decode(image)


async def _image_and_threshold(request: Request) -> tuple[bytes, float]:
    if not is_multipart(request):
        body = await read_json(request, DetectionBody, IMAGE_JSON_BYTES)
        return from_base64(body.image, "image"), body.threshold
    async with read_form(request) as form:
        image, threshold = await file_of(form, "image"), text_of(form, "threshold")
    try:
        number = float(threshold or 0)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise RefusedError("The threshold is 0 to 1.", "threshold")
    return image, number


def _translated(made: Sequence[Translation], *, one: bool, auto: bool) -> dict[str, object]:
    """LibreTranslate's answer: lists for a list; our `confidence` beside it."""
    columns: dict[str, list[object]] = {
        "translatedText": [each.text for each in made],
        "alternatives": [list(each.alternatives) for each in made],
        "confidence": [each.confidence for each in made],
    }
    if auto:
        columns["detectedLanguage"] = [{"language": each.from_language} for each in made]
    return {name: column[0] if one else column for name, column in columns.items()}


def _guess(guess: LanguageGuess) -> dict[str, object]:
    return {"language": guess.language, "confidence": round(guess.confidence * 100, 2)}


def _detection(found: Detection) -> dict[str, object]:
    left, top, right, bottom = found.box
    box = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    return {**box, "confidence": found.confidence, "class_name": found.name, "text": found.text}
