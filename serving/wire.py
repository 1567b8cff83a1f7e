"""What both ends of the wire agree on: paths, and what a refusal means.

EngineError                   something an engine, or the way to it, did not do
├── EngineUnavailableError    not running, unreachable, timed out or failed: another engine may answer
│   ├── EngineDownError       nobody listens there: asking again at once is useless
│   └── EngineBusyError       its queue is full: it says when to come back
└── RefusedError              the input itself is wrong: no engine will answer
    ├── BadMediaError         broken, empty or too large to decode
    └── UnsupportedError      a format, a language or a voice this engine does not have
"""

SPEECH = "/v1/audio/speech"  # OpenAI
TRANSCRIPTIONS = "/v1/audio/transcriptions"  # OpenAI
CHAT = "/v1/chat/completions"  # OpenAI
MODELS = "/v1/models"  # OpenAI
TRANSLATE = "/translate"  # LibreTranslate
LANGUAGES = "/languages"  # LibreTranslate
IDENTIFY = "/detect"  # LibreTranslate
DETECTION = "/v1/detection"  # LocalAI
OCR = "/v1/ocr"  # ours: no peer has one
VOICES = "/v1/audio/voices"  # as speaches and others
HEALTH = "/health"

DURATION_HEADER = "x-audio-duration-s"


class EngineError(Exception):
    """The engine did not answer."""


class EngineUnavailableError(EngineError):
    """The engine is not running or cannot be reached."""


class EngineDownError(EngineUnavailableError):
    """Nobody listens at the engine's address."""


class EngineBusyError(EngineUnavailableError):
    """The engine's queue is full."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RefusedError(EngineError):
    """The engine refuses this input. `field` names the part of the request, where one part is to blame."""

    status = 400
    code = "INVALID_REQUEST"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class BadMediaError(RefusedError):
    """The file is broken, empty or too large to decode."""


class UnsupportedError(RefusedError):
    """The engine does not know this format, language or voice."""

    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"
