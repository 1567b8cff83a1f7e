"""Every answer that is not 2xx has one body: the specification's, and OpenAI's keys beside, for clients of either."""

import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from appliance.errors import UnavailableError, YuError

logger = logging.getLogger(__name__)

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "PAYLOAD_TOO_LARGE",
    414: "URI_TOO_LONG",
    415: "UNSUPPORTED_MEDIA_TYPE",
    431: "HEADERS_TOO_LARGE",
}


class ErrorDetail(BaseModel):
    code: str
    message: str
    details: dict[str, Any]
    type: str
    param: str | None
    request_id: str
    timestamp: str


class ErrorBody(BaseModel):
    error: ErrorDetail


def error_detail(error: YuError, request_id: str) -> dict[str, Any]:
    return _detail(error.status, error.code, error.message, error.details, request_id)


def error_response(error: YuError, request_id: str) -> Response:
    headers = {}
    if isinstance(error, UnavailableError):
        headers["Retry-After"] = str(error.retry_after_s)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": error_detail(error, request_id)}, error.status, headers)


def plain_error(status: int, message: str, request_id: str, headers: dict[str, str] | None = None) -> Response:
    """For what the framework refuses before anything of ours was reached."""
    code = CODES.get(status, HTTPStatus(status).name)
    return JSONResponse({"error": _detail(status, code, message, {}, request_id)}, status, headers)


async def on_yu_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, YuError)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.warning(
            error.code, extra={"reason": str(error.__cause__ or error), "request_id": request_id_of(request)}
        )
    return error_response(error, request_id_of(request))


async def on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = {404: "There is no such path here.", 405: "This path does not take this method."}
    headers = dict(error.headers) if error.headers else None
    return plain_error(error.status_code, message.get(error.status_code, error.detail), request_id_of(request), headers)


async def on_disconnect(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody is there to read it; the log line is for us


async def on_anything_else(request: Request, error: Exception) -> Response:
    # starlette raises it again behind this answer, so that it is logged once, with its trace, by the server
    message = "Something went wrong inside the box. Its log has the details under this request id."
    return plain_error(500, message, request_id_of(request))


def request_id_of(request: Request) -> str:
    return str(request.scope["state"]["request_id"])


def _detail(status: int, code: str, message: str, details: dict[str, Any], request_id: str) -> dict[str, Any]:
    return {
        "code": code,
        "message": message,
        "details": details,
        "type": TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error"),
        "param": details.get("field"),
        "request_id": request_id,
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
