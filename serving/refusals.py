"""Errors as answers, in OpenAI's shape. This is the engine server's outermost edge: nothing passes it."""

import logging
import traceback
from collections.abc import Callable, Coroutine
from functools import wraps
from http import HTTPStatus
from math import ceil

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from serving.wire import BadMediaError, EngineBusyError, EngineUnavailableError, RefusedError

Handler = Callable[[Request], Coroutine[None, None, Response]]

CLIENT_LEFT = 499  # nginx's: nobody reads it
LATER_S = 5

logger = logging.getLogger(__name__)


def answering(handler: Handler) -> Handler:
    @wraps(handler)
    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except ClientDisconnect:
            return Response(status_code=CLIENT_LEFT)
        except RefusedError as error:
            code = "BAD_MEDIA" if isinstance(error, BadMediaError) else error.code
            return _body(error.status, str(error), "invalid_request_error", code, error.field)
        except EngineBusyError as error:
            return _later(error, "busy", error.retry_after_s)
        except EngineUnavailableError as error:
            logger.warning("%s", error)
            return _later(error, "unavailable", LATER_S)
        except Exception as error:
            _log(error)
            return _body(500, "The engine failed.", "server_error", "failed")

    return answered


async def http_error(request: Request, error: Exception) -> Response:
    """For paths and methods that do not exist here."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    response = _body(status, HTTPStatus(status).phrase, "invalid_request_error", "no_such_endpoint")
    response.headers.update(headers)
    return response


def _later(error: EngineUnavailableError, code: str, wait_s: float) -> Response:
    response = _body(503, str(error), "server_error", code)
    response.headers["Retry-After"] = str(ceil(wait_s))
    return response


def _body(status: int, message: str, kind: str, code: str, param: str | None = None) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": kind, "param": param, "code": code}}, status)


def _log(error: Exception) -> None:
    """Where it happened and what kind it is: its message may hold what a user wrote."""
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("the engine failed", extra={"kind": type(error).__name__, "where": where[-5:]})
