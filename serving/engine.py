"""What an engine offers: one Protocol a task. An engine class fulfils those its card names.

Every method is plain blocking code, called off the event loop one call at a time (see `running.py`). Loading happens in
the constructor; `close` gives everything back. What an engine cannot run without it asks for there, and raises
`EngineUnavailableError` with the command that installs it. Bad input raises `BadMediaError`/`UnsupportedError` of
`serving.wire`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from models.tasks import Detection, Language, LanguageGuess, Line, Transcript, Translation

if TYPE_CHECKING:  # an engine without pictures should not pay for numpy
    from serving.images import Image


class Engine(Protocol):
    def close(self) -> None: ...


@runtime_checkable
class Speaks(Protocol):
    def voices(self) -> Sequence[str]:
        """Names that `speak` takes; language codes are names too."""

    def speak(self, text: str, voice: str, language: str | None, speed: float) -> bytes:
        """A WAV file."""


@runtime_checkable
class Transcribes(Protocol):
    def transcribe(self, pcm: bytes, language: str | None) -> Transcript:
        """`pcm` is 16 kHz mono signed 16-bit little-endian."""


@runtime_checkable
class Translates(Protocol):
    def languages(self) -> Sequence[Language]: ...

    def translate(self, text: str, from_language: str, to_language: str) -> Translation: ...


@runtime_checkable
class Identifies(Protocol):
    def identify(self, text: str) -> Sequence[LanguageGuess]:
        """Best first; empty when the text has no words."""


@runtime_checkable
class Detects(Protocol):
    def detect(self, image: "Image", threshold: float) -> Sequence[Detection]: ...


@runtime_checkable
class Reads(Protocol):
    def read(self, image: "Image", languages: Sequence[str]) -> Sequence[Line]:
        """`languages` are ISO 639-1 codes; none means all that are installed."""
