"""Bodies are counted while they come and checked against closed types: an unknown field is an error that names it."""

from collections import Counter
from collections.abc import AsyncGenerator
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from appliance.errors import BadRequestError, InvalidRequestError, TooLargeError, UnsupportedMediaError, YuError

M = TypeVar("M", bound="Body")

FIELD_BYTES = 64 << 10
FILENAME_CHARS = 1024
NAMED_FIELDS = 100
NAMED_CHARS = 100  # of a field's name, where an error names it


class Body(BaseModel):
    """What a client may send: exactly these fields, of exactly these types, and no number that is none."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


async def read_json(request: Request, kind: type[M], limit: int) -> M:
    """Raises `UnsupportedMediaError`, `TooLargeError`, `BadRequestError` or `InvalidRequestError` naming the field."""
    raw = await _read(request, limit)
    if not raw.strip():
        raise InvalidRequestError("body", "required", "The request needs a JSON body.")
    if _media_type(request) != "application/json":
        raise UnsupportedMediaError("Send the body as Content-Type: application/json.")
    return checked(kind, raw)


def checked(kind: type[M], raw: bytes | str) -> M:
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        raise named(error) from None


def read_query(request: Request, kind: type[M]) -> M:
    """Numbers in a query are text: they are read as such; nothing else is bent to fit."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    if twice := next((name for name, times in given.items() if times > 1), None):
        raise InvalidRequestError(twice[:NAMED_CHARS], "given twice")
    try:
        return kind.model_validate_strings(dict(request.query_params))
    except ValidationError as error:
        raise named(error) from None


async def read_upload(request: Request, file_field: str, kind: type[M], limit: int) -> tuple[bytes, M]:
    """One file and the text fields of `kind`, each at most once. Kept in memory: nothing of it lies on a disk.

    Raises as `read_json` does.
    """
    if _media_type(request) != "multipart/form-data":
        raise UnsupportedMediaError(f"Send a form (multipart/form-data) with the file in the field {file_field}.")
    parts = await _parts(request, limit, kind)
    file = parts.pop(file_field, None)
    if not isinstance(file, UploadFile):
        raise InvalidRequestError(file_field, "required" if file is None else "must be a file")
    if misplaced := next((name for name, part in parts.items() if isinstance(part, UploadFile)), None):
        raise InvalidRequestError(misplaced[:NAMED_CHARS], "must be text, not a file")
    try:
        fields = kind.model_validate_strings(parts)
    except ValidationError as error:
        raise named(error) from None
    return await file.read(), fields


async def _parts(request: Request, limit: int, kind: type[Body]) -> dict[str, UploadFile | str]:
    fields = len(kind.model_fields) + 2
    parser = _InMemory(
        request.headers, _counted(request, limit), max_files=2, max_fields=fields, max_part_size=FIELD_BYTES
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BadRequestError(f"The form cannot be read: {error.message}") from error
    except (UnicodeDecodeError, LookupError, ValueError, KeyError) as error:
        raise BadRequestError("The form cannot be read: a part of it is not valid.") from error
    parts: dict[str, UploadFile | str] = {}
    for name, part in form.multi_items():
        if name in parts:
            raise InvalidRequestError(name[:NAMED_CHARS], "given twice")
        if isinstance(part, UploadFile) and len(part.filename or "") > FILENAME_CHARS:
            raise InvalidRequestError(name[:NAMED_CHARS], "its file name is too long")
        parts[name] = part
    return parts


class _InMemory(MultiPartParser):
    spool_max_size = 1 << 30  # never reached: the body's own limit is lower

    def on_part_begin(self) -> None:
        super().on_part_begin()
        self._charset = "utf-8"  # whatever the form says: some of Python's codecs are slow, some make lone surrogates

    def on_part_end(self) -> None:
        part = self._current_part
        if part.file is None and not _is_utf8(part.data):
            raise InvalidRequestError(part.field_name[:NAMED_CHARS], "neither a file nor a text in UTF-8")
        super().on_part_end()


def _is_utf8(data: bytearray) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


async def _read(request: Request, limit: int) -> bytes:
    return b"".join([chunk async for chunk in _counted(request, limit)])


async def _counted(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """Refuses by the declared length before the first byte is read, and by the true one while they come."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared[:20]) > limit:
        raise TooLargeError(f"The body may have {limit} bytes.", limit=limit)
    seen = 0
    try:
        async for chunk in request.stream():
            seen += len(chunk)
            if seen > limit:
                raise TooLargeError(f"The body may have {limit} bytes.", limit=limit)
            yield chunk
    except ClientDisconnect as error:
        raise BadRequestError("The body was not sent to its end.") from error


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def named(error: ValidationError) -> YuError:
    """The first thing that is wrong, with the field it is wrong in."""
    if (count := error.error_count()) > NAMED_FIELDS:
        return InvalidRequestError("body", f"{count} fields are wrong")  # to list them takes longer than to find them
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    kind = problem["type"]
    if kind == "json_invalid":
        return BadRequestError("The body is not valid JSON.")
    field = ".".join(str(part) for part in problem["loc"])[:NAMED_CHARS] or "body"
    if kind == "missing":
        return InvalidRequestError(field, "required", f"The request is missing required field: {field}")
    if kind == "extra_forbidden":
        return InvalidRequestError(field, "unknown field", f"The request has a field that is not known here: {field}")
    return InvalidRequestError(field, problem["msg"][:1].lower() + problem["msg"][1:])
