"""The tasks of the box: what each asks for and what it answers.

Only values travel: every class here is a frozen dataclass that survives JSON. Boxes are `(left, top, right, bottom)`
in pixels of the upright image; times are seconds; confidences are 0 to 1, `None` where the engine has no such figure.
"""

from dataclasses import dataclass
from enum import StrEnum


class Task(StrEnum):
    CHAT = "chat"
    TRANSCRIBE = "transcribe"
    SPEAK = "speak"
    TRANSLATE = "translate"
    IDENTIFY = "identify"  # which language a text is in
    DETECT = "detect"
    READ = "read"


class AudioFormat(StrEnum):
    MP3 = "mp3"
    OPUS = "opus"
    AAC = "aac"
    FLAC = "flac"
    WAV = "wav"

    @property
    def media_type(self) -> str:
        return AUDIO_MEDIA_TYPES[self]


AUDIO_MEDIA_TYPES = {
    AudioFormat.MP3: "audio/mpeg",
    AudioFormat.OPUS: "audio/ogg",
    AudioFormat.AAC: "audio/aac",
    AudioFormat.FLAC: "audio/flac",
    AudioFormat.WAV: "audio/wav",
}

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Speech:
    """Encoded sound. `duration_s` is measured on the samples, not guessed from the text."""

    audio: bytes
    format: AudioFormat
    duration_s: float


@dataclass(frozen=True, slots=True)
class Word:
    word: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Transcript:
    text: str
    language: str | None
    duration_s: float
    confidence: float | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Translation:
    text: str
    from_language: str
    to_language: str
    confidence: float | None = None
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Language:
    """One language a translator knows and the codes it can translate it into."""

    code: str
    name: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    language: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Detection:
    """`text` is what a code says, for detectors that read codes."""

    name: str
    confidence: float | None
    box: Box
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text as it stands in the picture, in reading order."""

    text: str
    confidence: float
    box: Box
