import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from serving.client import EngineClient
from tests.running import CHECKOUT, wait_until

ENGINES_PYTHON = Path(os.environ.get("YU_ENGINES_PYTHON", CHECKOUT / ".venv-engines/bin/python"))
SAMPLES = CHECKOUT / "tests" / "samples"


class Server:
    """One engine server as a process of its own."""

    def __init__(self, folder: Path, name: str, argv: list[str]) -> None:
        self.socket = folder / f"{name}.sock"
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([*argv, "--socket", str(self.socket)], cwd=CHECKOUT, stderr=log)
        self.http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.socket)), base_url="http://engine", timeout=30
        )
        wait_until(lambda: self.process.poll() is not None or self._answers(), 30, f"{name}'s start")
        assert self.process.poll() is None, self.log()

    @property
    def address(self) -> str:
        return f"unix:{self.socket}"

    def log(self) -> str:
        return self._log.read_text()

    def close(self) -> None:
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def _answers(self) -> bool:
        """It listens only once its engine is loaded."""
        with socket.socket(socket.AF_UNIX) as caller:
            return caller.connect_ex(str(self.socket)) == 0


class Servers:
    """The engines of the catalogue, each started when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, Server] = {}

    def __call__(self, card: str) -> Server:
        if card not in self._running:
            assert ENGINES_PYTHON.exists(), f"{ENGINES_PYTHON} is missing: make it with scripts/setup engines"
            self._running[card] = Server(self._folder, card, [str(ENGINES_PYTHON), "-m", "serving", card])
        return self._running[card]

    def close(self) -> None:
        for server in self._running.values():
            server.close()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    servers = Servers(tmp_path_factory.mktemp("engines"))
    yield servers
    servers.close()


@pytest.fixture(scope="session")
def tiny_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server around a tiny engine: `tests/serving/tiny_server.py`."""
    script = CHECKOUT / "tests" / "serving" / "tiny_server.py"
    server = Server(tmp_path_factory.mktemp("tiny"), "tiny", [sys.executable, str(script)])
    yield server
    server.close()


@pytest.fixture
async def tiny(tiny_server: Server) -> AsyncIterator[EngineClient]:
    client = EngineClient(tiny_server.address, "tiny")
    yield client
    await client.aclose()


@pytest.fixture
async def espeak(servers: Servers) -> AsyncIterator[EngineClient]:
    client = EngineClient(servers("espeak").address, "espeak")
    yield client
    await client.aclose()


@pytest.fixture
async def langid(servers: Servers) -> AsyncIterator[EngineClient]:
    client = EngineClient(servers("langid").address, "langid")
    yield client
    await client.aclose()


@pytest.fixture
async def opencv(servers: Servers) -> AsyncIterator[EngineClient]:
    client = EngineClient(servers("opencv").address, "opencv")
    yield client
    await client.aclose()


@pytest.fixture
async def tesseract(servers: Servers) -> AsyncIterator[EngineClient]:
    client = EngineClient(servers("tesseract").address, "tesseract")
    yield client
    await client.aclose()


@pytest.fixture
def samples() -> Path:
    return SAMPLES
