"""A typed answer as a response."""

from pydantic import BaseModel
from starlette.responses import Response


def answer(body: BaseModel, status: int = 200) -> Response:
    return Response(body.model_dump_json(), status, media_type="application/json; charset=utf-8")
