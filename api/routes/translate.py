"""Translation: texts, the languages there are, and the language a text is in."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from api.answers import answer
from api.bodies import Body, read_json
from api.principal import box_of

LanguageCode = Annotated[str, Field(pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$", max_length=35)]


class TranslationRequest(Body):
    """`from_language` is found out when it is left out."""

    text: str
    from_language: LanguageCode | None = None
    to_language: LanguageCode
    context: Annotated[str | None, Field(max_length=200)] = None


class TranslationError(BaseModel):
    code: Literal["MODEL_NOT_INSTALLED", "SERVICE_UNAVAILABLE"]
    message: str


class TranslationAnswer(BaseModel):
    """With `error` set, `translation` is the original text and `confidence` is 0."""

    translation: str
    from_language: str
    to_language: str
    confidence: float | None
    alternatives: list[str]
    model: str | None
    degraded: bool
    error: TranslationError | None = None


class LanguageItem(BaseModel):
    code: str
    name: str
    targets: list[str]


class Languages(BaseModel):
    languages: list[LanguageItem]


class DetectionRequest(Body):
    text: str


class Guess(BaseModel):
    language: str
    confidence: float


class Guesses(BaseModel):
    """Best first; `language` is the best one, null when the text has no words."""

    language: str | None
    confidence: float | None
    candidates: list[Guess]


async def text(request: Request) -> Response:
    box = box_of(request)
    body = await read_json(request, TranslationRequest, box.settings.limits.json_bytes)
    done = await box.translator.translate(body.text, from_language=body.from_language, to_language=body.to_language)
    problem = TranslationError.model_validate(done.problem, from_attributes=True) if done.problem else None
    return answer(
        TranslationAnswer(
            translation=done.translation.text,
            from_language=done.translation.from_language,
            to_language=done.translation.to_language,
            confidence=done.translation.confidence,
            alternatives=list(done.translation.alternatives),
            model=done.model,
            degraded=done.degraded,
            error=problem,
        )
    )


async def languages(request: Request) -> Response:
    known = await box_of(request).translator.languages()
    return answer(Languages(languages=[LanguageItem.model_validate(item, from_attributes=True) for item in known]))


async def detect(request: Request) -> Response:
    box = box_of(request)
    body = await read_json(request, DetectionRequest, box.settings.limits.json_bytes)
    guesses = [
        Guess(language=guess.language, confidence=guess.confidence) for guess in await box.translator.detect(body.text)
    ]
    best = guesses[0] if guesses else None
    if best is None:
        return answer(Guesses(language=None, confidence=None, candidates=[]))
    return answer(Guesses(language=best.language, confidence=best.confidence, candidates=guesses))
