"""Seeing: what is in a picture, what is written on it, and what can be said of it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from appliance.engines import asking
from appliance.errors import InvalidRequestError, UnavailableError, UnsupportedMediaError
from models.media import image_kind
from models.tasks import Detection, Line
from serving.chain import Answered, Chain
from serving.client import EngineClient

Look = Literal["general", "objects", "text", "scene"]

THRESHOLD = 0.3
NOTHING = "I find no faces, people or codes and no text in this picture."
NO_VISION_MODEL = "No model that understands pictures is installed, so I can only say what I find."


@dataclass(frozen=True, slots=True)
class Seen:
    """`degraded`: a part that was asked for could not be looked for; `missing` names it."""

    analysis: str
    objects: Sequence[Detection]
    lines: Sequence[Line]
    models: Sequence[str]
    missing: Sequence[str] = ()


class Vision:
    def __init__(self, detectors: Chain[EngineClient], readers: Chain[EngineClient]) -> None:
        self._detectors = detectors
        self._readers = readers

    async def analyze(self, image: bytes, look: Look) -> Seen:
        """What can be found is found side by side. A part without an engine is left out and named, unless it is all."""
        _check(image)
        wanted = [self._find_objects(image)] if look != "text" else []
        if look != "objects":
            wanted.append(self._find_text(image))
        parts = await asyncio.gather(*wanted)
        problems = [part for part in parts if isinstance(part, UnavailableError)]
        if len(problems) == len(parts):
            raise problems[0]
        seen = _together([part for part in parts if isinstance(part, Seen)])
        return replace(seen, missing=[problem.message for problem in problems])

    async def detect(self, image: bytes, *, threshold: float = THRESHOLD) -> Answered[Sequence[Detection]]:
        _check(image)
        if not 0 <= threshold <= 1:
            raise InvalidRequestError("threshold", "must be between 0 and 1")
        async with asking("finding objects", "Run yu doctor.", "image"):
            return await self._detectors.call(lambda engine: engine.detect(image, threshold))

    async def read(self, image: bytes, *, languages: Sequence[str] = ()) -> Answered[Sequence[Line]]:
        _check(image)
        async with asking("reading text", "Run yu doctor.", "image"):
            return await self._readers.call(lambda engine: engine.read(image, languages))

    async def answer(self, image: bytes, question: str) -> Seen:
        """Says plainly that no model looks at the picture as a whole, then what is found in it."""
        if not question.strip():
            raise InvalidRequestError("question", "must not be empty")
        seen = await self.analyze(image, "general")
        return replace(seen, analysis=f"{NO_VISION_MODEL} {seen.analysis}")

    async def _find_objects(self, image: bytes) -> Seen | UnavailableError:
        try:
            found = await self.detect(image)
        except UnavailableError as problem:
            return problem
        return Seen("", found.value, (), (found.model,))

    async def _find_text(self, image: bytes) -> Seen | UnavailableError:
        try:
            found = await self.read(image)
        except UnavailableError as problem:
            return problem
        return Seen("", (), found.value, (found.model,))


def _check(image: bytes) -> None:
    if not image:
        raise InvalidRequestError("image", "the file is empty")
    if image_kind(image) is None:
        raise UnsupportedMediaError("Send a JPEG, PNG or WebP picture.", field="image")


def _together(parts: Sequence[Seen]) -> Seen:
    objects = [found for part in parts for found in part.objects]
    lines = [line for part in parts for line in part.lines]
    models = [model for part in parts for model in part.models]
    return Seen(_in_words(objects, lines), objects, lines, models)


def _in_words(objects: Sequence[Detection], lines: Sequence[Line]) -> str:
    sentences = []
    if objects:
        counts = Counter(found.name for found in objects)
        sentences.append(f"I find {_listed([_counted(name, count) for name, count in counts.items()])}.")
    sentences += [f"The {found.name} says: {found.text}" for found in objects if found.text]
    if lines:
        sentences.append("It reads: " + " / ".join(line.text for line in lines))
    return " ".join(sentences) or NOTHING


def _counted(name: str, count: int) -> str:
    if count == 1:
        return f"a {name}"
    return f"{count} people" if name == "person" else f"{count} {name}s"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
