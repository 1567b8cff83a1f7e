"""`python -m serving CARD (--socket PATH | --host H --port P)`: one engine server."""

import argparse
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from models.catalog import UnknownModelError, card
from serving.app import create_app
from serving.logs import log_as_json

CONNECTIONS = 64
KEEP_ALIVE_S = 30  # callers give an idle connection up long before, so they never meet its closing
GRACE_S = 5

logger = logging.getLogger("serving")


def main() -> int:
    arguments = _parser().parse_args()
    os.umask(0o077)  # the socket is its own user's from its first moment
    log_as_json(arguments.card)
    try:
        app = create_app(card(arguments.card))
    except UnknownModelError as error:
        logger.critical("%s", error)
        return 2
    with _listener(arguments) as listener:
        try:
            uvicorn.Server(_config(app)).run([listener])
        except SystemExit:  # uvicorn's way to say that the engine did not load: let the log's last line say why
            logger.critical("%s", getattr(app.state, "problem", "The engine did not load."))
            return 3
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__)
    parser.add_argument("card", help="a model of the catalogue")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--socket", type=Path)
    where.add_argument("--port", type=int)
    parser.add_argument("--host", default="127.0.0.1")
    return parser


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        proxy_headers=False,
    )


@contextmanager
def _listener(arguments: argparse.Namespace) -> Iterator[socket.socket]:
    """Bound, but refusing connections until the engine is loaded."""
    if arguments.socket is None:
        yield _bound(socket.AF_INET, (arguments.host, arguments.port))
        return
    path: Path = arguments.socket
    path.unlink(missing_ok=True)
    try:
        yield _bound(socket.AF_UNIX, str(path))
    finally:
        path.unlink(missing_ok=True)


def _bound(family: socket.AddressFamily, address: str | tuple[str, int]) -> socket.socket:
    listener = socket.socket(family)
    if family == socket.AF_INET:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    if isinstance(address, str):
        Path(address).chmod(0o600)
    return listener


if __name__ == "__main__":
    sys.exit(main())
