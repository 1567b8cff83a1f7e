"""Is the box alive, is it ready, and which engines answer."""

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.answers import answer
from api.principal import Who, admit, box_of


class Alive(BaseModel):
    status: str


class EngineHealth(BaseModel):
    status: str


class Ready(BaseModel):
    """The box is ready without its engines: each task falls back as far as it can. Strangers do not see them."""

    status: str
    engines: dict[str, EngineHealth] | None = None


async def live(request: Request) -> Response:
    return answer(Alive(status="ok"))


async def ready(request: Request) -> Response:
    box = box_of(request)
    await box.accounts.has_admin()  # the store answers
    if "authorization" not in request.headers:
        return answer(Ready(status="ready"))
    await admit(request, Who.USER)
    healthy = await box.engines.health()
    engines = {name: EngineHealth(status="ok" if is_well else "unavailable") for name, is_well in healthy.items()}
    return answer(Ready(status="ready", engines=engines))
