"""An engine server: one card, its engine, and the endpoints of its tasks."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from models.card import Card
from serving.endpoints import ENDPOINTS, Served, routes
from serving.engine import Engine
from serving.refusals import http_error
from serving.running import Runner
from serving.wire import EngineUnavailableError


def create_app(card: Card) -> Starlette:
    """Answers once its engine is loaded: whoever can connect can also be served.

    `app.state.problem` says why it did not load, when the engine knows.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, Served]]:
        try:
            engine = await asyncio.to_thread(_load, card)
        except EngineUnavailableError as error:
            app.state.problem = str(error)
            raise
        runner = Runner()
        yield {"served": Served(card, engine, runner)}
        await runner.aclose()
        if not runner.working:  # a thread that hangs in the engine would be hit by its end
            engine.close()

    return Starlette(routes=routes(card), lifespan=lifespan, exception_handlers={HTTPException: http_error})


def _load(card: Card) -> Engine:
    engine: Engine = import_module(f"serving.engines.{card.engine}").engine(card)
    for task in card.tasks:
        protocol = ENDPOINTS[task][0]
        if not isinstance(engine, protocol):
            raise TypeError(f"{card.name} is said to {task}, but {type(engine).__name__} is not {protocol.__name__}.")
    return engine
