import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import CHECKOUT, PASSWORD

YU = Path(sys.executable).with_name("yu")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def yu() -> Run:
    """The command as people call it: a process, its two streams and its exit code."""

    def run(*arguments: str | Path, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        command = [YU, *map(str, arguments)]
        environment = clean_environment() | variables
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=environment, cwd=CHECKOUT, timeout=60
        )

    return run


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Up"]:
    """A box with everything that needs no weights, started as people start it."""
    with Up(tmp_path_factory.mktemp("up") / "data") as box:
        box.read_until("Ctrl-C stops the box")
        yield box


@pytest.fixture
def password() -> str:
    return PASSWORD + "\n"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "Up"]]:
    """Starts boxes of the test's own."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **variables: stack.enter_context(Up(tmp_path / "data", *arguments, **variables))


class Up:
    """`yu up` on a free port, and what it has printed so far."""

    def __init__(self, data: Path, *arguments: str, **variables: str) -> None:
        self.data = data
        self.printed = ""
        self.process = subprocess.Popen(
            [YU, "up", "--data", str(data), "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment() | variables,
            cwd=CHECKOUT,
        )

    def __enter__(self) -> "Up":
        return self

    def __exit__(self, *problem: object) -> None:
        if self.process.poll() is None:
            self.stop()
        assert self.process.stdout
        self.process.stdout.close()

    def read_until(self, text: str, seconds: float = 40.0) -> str:
        """What was printed up to the line with this text, which may be there already."""
        assert self.process.stdout
        deadline = time.monotonic() + seconds
        while text not in self.printed:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.process.stdout], [], [], left)[0], f"{text!r} in {self.printed}"
            part = os.read(self.process.stdout.fileno(), 65536).decode()
            assert part, f"it ended before {text!r}: {self.printed}"
            self.printed += part
        return self.printed

    def pid_of(self, module: str) -> int:
        """Of the child that runs this module."""
        for child in children_of(self.process.pid):
            with contextlib.suppress(OSError):
                if module.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    return child
        raise AssertionError(f"no child runs {module}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def clean_environment() -> dict[str, str]:
    """This one, without the settings of a box that the developer may have."""
    plain = {name: value for name, value in os.environ.items() if not re.match("YU_|_YU_|FORCE_COLOR|NO_COLOR", name)}
    return plain | {"COLUMNS": "100"}
