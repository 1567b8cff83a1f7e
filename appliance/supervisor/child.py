"""One child process, kept running: its log, its health, its restarts, its end."""

import asyncio
import ctypes
import json
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from appliance.supervisor.programs import Program
from serving.http import Wire
from serving.wire import EngineError

LOG_BYTES = 10 << 20
LAST_WORDS_BYTES = 4096
PROBE_TIMEOUT_S = 5.0
PROBE_EVERY_S = 0.2
NOT_STARTED = 127  # as a shell says it
PR_SET_PDEATHSIG = 1

# Looked up before any fork: a child between fork and exec should do as little as it can.
_LIBC = ctypes.CDLL(None)


class State(StrEnum):
    STARTING = "starting"
    READY = "ready"
    DIED = "died"
    DOWN = "down"  # it died too often: nobody starts it again


@dataclass(frozen=True)
class News:
    """`after_s`: how long it took to be ready; or, of one that died, how long until it is started again."""

    program: Program
    state: State
    after_s: float = 0.0
    exit_code: int | None = None
    log: Path | None = None
    last_words: str = ""


Tell = Callable[[News], None]


@dataclass(frozen=True)
class Patience:
    """How often a child that dies is started again, and how long one that shall end may take."""

    first_s: float = 1.0
    longest_s: float = 60.0
    restarts: int = 5
    within_s: float = 600.0
    grace_s: float = 10.0


class Child:
    """One program, kept running until its keeper is cancelled or it died too often."""

    def __init__(self, program: Program, logs: Path, tell: Tell, patience: Patience) -> None:
        self.name = program.name
        self._program = program
        self._log = logs / f"{program.name}.log"
        self._tell = tell
        self._patience = patience
        self._deaths: deque[float] = deque()
        self._process: asyncio.subprocess.Process | None = None

    async def keep(self) -> None:
        while True:
            code = await self._live()
            wait_s = self._wait_s()
            state = State.DOWN if wait_s is None else State.DIED
            self._tell(News(self._program, state, wait_s or 0.0, code, self._log, last_words(self._log)))
            if wait_s is None:
                return
            await asyncio.sleep(wait_s)

    def kill(self) -> None:
        if self._process is not None:
            _signal_group(self._process.pid, signal.SIGKILL)

    async def _live(self) -> int:
        """From start to end, however it ends. Whatever it started goes with it."""
        self._tell(News(self._program, State.STARTING))
        self._program.place.unlink(missing_ok=True)  # what a killed one left: vLLM does not bind over it
        try:
            self._process = process = await self._start()
        except OSError as error:
            self._log.write_text(f"{error}\n", "utf-8")
            return NOT_STARTED
        watch = asyncio.create_task(self._announce_ready())
        try:
            return await process.wait()
        finally:
            watch.cancel()
            await self._end(process)
            self._process = None
            self._program.place.unlink(missing_ok=True)  # nobody is there any more

    async def _start(self) -> asyncio.subprocess.Process:
        parent = os.getpid()
        with _opened(self._log) as log:
            return await asyncio.create_subprocess_exec(
                *self._program.argv,
                cwd=self._program.folder,
                env={**os.environ, **self._program.env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # so that the terminal's Ctrl-C reaches us alone
                preexec_fn=lambda: _die_with(parent),
            )

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self._patience.grace_s)
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()

    async def _announce_ready(self) -> None:
        started = time.monotonic()
        while not await is_healthy(self._program):  # noqa: ASYNC110 - it is another process: nobody can tell us
            await asyncio.sleep(PROBE_EVERY_S)
        self._tell(News(self._program, State.READY, time.monotonic() - started))

    def _wait_s(self) -> float | None:
        """1, 2, 4 … s; None when it died too often."""
        now = time.monotonic()
        self._deaths.append(now)
        while now - self._deaths[0] > self._patience.within_s:
            self._deaths.popleft()
        restarts = len(self._deaths) - 1
        if restarts >= self._patience.restarts:
            return None
        return min(self._patience.longest_s, self._patience.first_s * float(2**restarts))


async def is_healthy(program: Program) -> bool:
    address = program.address()
    if address is None:
        return False
    if address.startswith(
        "https:"
    ):  # with the owner's certificate, which we cannot check; it listens once it says where
        return True
    wire = Wire(address)
    try:
        await wire.request("GET", program.health, timeout_s=PROBE_TIMEOUT_S)
    except EngineError:
        return False
    finally:
        await wire.aclose()
    return True


def last_words(log: Path) -> str:
    """The last line that a child wrote; of one in JSON, as ours are, what it says."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_WORDS_BYTES))
        lines = file.read().decode("utf-8", "replace").split("\n")
    line = next((line.strip() for line in reversed(lines) if line.strip()), "")
    try:
        return str(json.loads(line)["message"])
    except (ValueError, TypeError, KeyError):
        return line


@contextmanager
def _opened(log: Path) -> Iterator[BinaryIO]:
    """To append to; a large one is first put aside, over the one put aside before."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with open(log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        yield file


def _die_with(parent: int) -> None:
    """Between fork and exec: the kernel ends this process when its parent is gone, however it went."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def _signal_group(leader: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, number)
