"""The real engine server around the engine in `tiny_engines/tiny.py`: `tiny_server.py --socket PATH`."""

import sys
from pathlib import Path

import uvicorn

import serving.engines
from models.card import Card, Source
from models.tasks import Task
from serving.app import create_app
from serving.logs import log_as_json

CARD = Card(
    name="tiny",
    tasks=(Task.TRANSCRIBE, Task.TRANSLATE),
    engine="tiny",
    licence="Apache-2.0",
    commercial_use=True,
    description="For the tests of what stands around an engine.",
    source=Source(kind="bundled"),
)

if __name__ == "__main__":
    serving.engines.__path__.append(str(Path(__file__).parent / "tiny_engines"))
    log_as_json("tiny")
    uvicorn.run(create_app(CARD), uds=sys.argv[-1], log_config=None, lifespan="on")
