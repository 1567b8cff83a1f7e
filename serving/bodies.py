"""What callers send, read within limits: JSON checked against its model, and forms that never touch the disk."""

import base64
import binascii
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from serving.wire import BadMediaError, RefusedError, UnsupportedError

BODY_BYTES = 30 << 20
JSON_BYTES = 1 << 20
IMAGE_JSON_BYTES = BODY_BYTES * 4 // 3 + (64 << 10)  # the same picture in base64

B = TypeVar("B", bound="Body")


class Body(BaseModel):
    """OpenAI's clients send fields that an engine does not know, so those pass."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class TooLargeError(BadMediaError):
    """The request is larger than an engine takes."""

    status = 413


class _InMemory(MultiPartParser):
    spool_max_size = BODY_BYTES  # what users send is not to lie about in a temporary folder


async def read_json(request: Request, model: type[B], limit: int = JSON_BYTES) -> B:
    chunks = [chunk async for chunk in _limited(request, limit)]
    try:
        return model.model_validate_json(b"".join(chunks))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise RefusedError(f"{field or 'The body'}: {problem['msg']}", field or None) from None


@asynccontextmanager
async def read_form(request: Request) -> AsyncIterator[FormData]:
    if not is_multipart(request):
        raise UnsupportedError("Send multipart/form-data.")
    try:
        form = await _InMemory(request.headers, _limited(request, BODY_BYTES), max_files=1, max_fields=20).parse()
    except (MultiPartException, KeyError) as error:
        raise RefusedError("The form cannot be read.") from error
    try:
        yield form
    finally:
        await form.close()


def is_multipart(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("multipart/form-data")


async def file_of(form: FormData, field: str) -> bytes:
    sent = form.get(field)
    if not isinstance(sent, UploadFile):
        raise RefusedError(f"There is no file {field!r} in the form.", field)
    return await sent.read()


def text_of(form: FormData, field: str) -> str | None:
    """None where it is missing or empty."""
    sent = form.get(field)
    if isinstance(sent, UploadFile):
        raise RefusedError(f"{field} is a text, not a file.", field)
    return sent or None


def from_base64(text: str, field: str) -> bytes:
    """A `data:` URI is taken too; any other URL is no base64, so nothing is ever fetched."""
    try:
        return base64.b64decode(text.partition(";base64,")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusedError(f"{field} is not base64.", field) from error


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length[:20]) > limit:
        raise TooLargeError(f"The request is larger than {limit >> 20} MiB.")
    read = 0
    async for chunk in request.stream():
        read += len(chunk)
        if read > limit:
            raise TooLargeError(f"The request is larger than {limit >> 20} MiB.")
        yield chunk
