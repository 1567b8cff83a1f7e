"""Pictures: what is in one, what is written on it, a question about it. Boxes are pixels of the upright picture."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from api.answers import answer
from api.bodies import Body, read_upload
from api.principal import box_of
from models.tasks import Box, Detection, Line


class AnalysisForm(Body):
    task: Literal["general", "objects", "text", "scene"] = "general"
    detail: Literal["low", "high"] = "high"


class DetectionForm(Body):
    threshold: float = 0.3


class ReadingForm(Body):
    """`languages`: codes with commas between, such as `en,es`; all that are installed when it is left out."""

    languages: Annotated[str, Field(max_length=200, pattern=r"^[a-zA-Z-]{2,10}(,[a-zA-Z-]{2,10})*$")] | None = None


class QuestionForm(Body):
    question: Annotated[str, Field(max_length=2000)]


class ObjectItem(BaseModel):
    """`text` is what a code says."""

    name: str
    confidence: float | None
    bbox: Box
    text: str | None


class LineItem(BaseModel):
    text: str
    confidence: float
    bbox: Box


class Analysis(BaseModel):
    """`scene` is null while no model that names scenes is installed; `missing` says what could not be looked for."""

    analysis: str
    objects: list[ObjectItem]
    text: list[str]
    scene: str | None
    models: list[str]
    degraded: bool
    missing: list[str]


class Objects(BaseModel):
    objects: list[ObjectItem]
    model: str
    degraded: bool


class Reading(BaseModel):
    text: str
    lines: list[LineItem]
    model: str
    degraded: bool


class VisualAnswer(BaseModel):
    answer: str
    confidence: float | None
    objects: list[ObjectItem]
    text: list[str]
    model: str
    degraded: bool


async def analyze(request: Request) -> Response:
    box = box_of(request)
    image, form = await read_upload(request, "image", AnalysisForm, box.settings.limits.upload_bytes)
    seen = await box.vision.analyze(image, form.task)
    return answer(
        Analysis(
            analysis=seen.analysis,
            objects=_objects(seen.objects),
            text=[line.text for line in seen.lines],
            scene=None,
            models=list(seen.models),
            degraded=bool(seen.missing),
            missing=list(seen.missing),
        )
    )


async def detect(request: Request) -> Response:
    box = box_of(request)
    image, form = await read_upload(request, "image", DetectionForm, box.settings.limits.upload_bytes)
    found = await box.vision.detect(image, threshold=form.threshold)
    return answer(Objects(objects=_objects(found.value), model=found.model, degraded=found.degraded))


async def ocr(request: Request) -> Response:
    box = box_of(request)
    image, form = await read_upload(request, "image", ReadingForm, box.settings.limits.upload_bytes)
    languages = form.languages.split(",") if form.languages else []
    read = await box.vision.read(image, languages=languages)
    text = "\n".join(line.text for line in read.value)
    return answer(Reading(text=text, lines=_lines(read.value), model=read.model, degraded=read.degraded))


async def vqa(request: Request) -> Response:
    box = box_of(request)
    image, form = await read_upload(request, "image", QuestionForm, box.settings.limits.upload_bytes)
    seen = await box.vision.answer(image, form.question)
    return answer(
        VisualAnswer(
            answer=seen.analysis,
            confidence=None,
            objects=_objects(seen.objects),
            text=[line.text for line in seen.lines],
            model=", ".join(seen.models),
            degraded=True,
        )
    )


def _objects(found: Sequence[Detection]) -> list[ObjectItem]:
    return [ObjectItem(name=item.name, confidence=item.confidence, bbox=item.box, text=item.text) for item in found]


def _lines(read: Sequence[Line]) -> list[LineItem]:
    return [LineItem(text=line.text, confidence=line.confidence, bbox=line.box) for line in read]
