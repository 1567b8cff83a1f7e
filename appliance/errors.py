"""What can go wrong, as a tree. The docstring is the message the user reads unless the raiser has a better one.

YuError
├── BadRequestError             400 BAD_REQUEST
├── InvalidRequestError         400 INVALID_REQUEST (names the field)
├── UnauthorizedError           401
├── ForbiddenError              403
├── NotFoundError               404 (also for what belongs to somebody else)
├── ConflictError               409
│   └── KeyReusedError          409 IDEMPOTENCY_KEY_REUSED
├── TooLargeError               413
├── UnsupportedMediaError       415
├── TooManyError                429
├── UnavailableError            503 with Retry-After
│   ├── ModelNotInstalledError  503 MODEL_NOT_INSTALLED
│   └── StorageError            503 STORAGE_UNAVAILABLE
└── BadSettingsError            before there is anybody to answer
"""

from inspect import cleandoc
from pathlib import Path


class YuError(Exception):
    """Something went wrong."""

    status = 500
    code = "INTERNAL_SERVER_ERROR"

    def __init__(self, message: str | None = None, **details: object) -> None:
        self.message = message or cleandoc(type(self).__doc__ or "")
        self.details = details
        super().__init__(self.message)


class BadRequestError(YuError):
    """The request cannot be read."""

    status = 400
    code = "BAD_REQUEST"


class InvalidRequestError(YuError):
    """A field of the request is missing or wrong."""

    status = 400
    code = "INVALID_REQUEST"

    def __init__(self, field: str, reason: str, message: str | None = None) -> None:
        super().__init__(message or f"The field {field} is wrong: {reason}.", field=field, reason=reason)


class UnauthorizedError(YuError):
    """Log in first: the access token is missing, wrong or no longer valid."""

    status = 401
    code = "UNAUTHORIZED"


class ForbiddenError(YuError):
    """Your account may not do this."""

    status = 403
    code = "FORBIDDEN"


class NotFoundError(YuError):
    """There is no such thing here."""

    status = 404
    code = "NOT_FOUND"


class ConflictError(YuError):
    """This is already so, or is being done."""

    status = 409
    code = "CONFLICT"


class KeyReusedError(ConflictError):
    """This Idempotency-Key was used for another request. Use a new key for each new message."""

    code = "IDEMPOTENCY_KEY_REUSED"


class TooLargeError(YuError):
    """The request is larger than this box takes."""

    status = 413
    code = "PAYLOAD_TOO_LARGE"


class UnsupportedMediaError(YuError):
    """The box does not take this kind of content here."""

    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"


class TooManyError(YuError):
    """Too many at once. Try again in a moment."""

    status = 429
    code = "TOO_MANY_REQUESTS"


class UnavailableError(YuError):
    """This part of the box is not available now. Try again in a moment."""

    status = 503
    code = "SERVICE_UNAVAILABLE"
    retry_after_s = 5


class ModelNotInstalledError(UnavailableError):
    """No model for this is installed."""

    code = "MODEL_NOT_INSTALLED"
    retry_after_s = 3600


class StorageError(UnavailableError):
    """The box cannot write to its store: its disk may be full or gone. Nothing was lost; nothing was kept."""

    code = "STORAGE_UNAVAILABLE"


class BadSettingsError(YuError):
    """The settings are not valid."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"The settings ({file} and YU_… variables) are not valid:\n{problem}")
