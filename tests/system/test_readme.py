"""The README's lines are run as they are printed, on a box of the test's own."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.running import CHECKOUT, wait_until

pytestmark = pytest.mark.system

PORT = "8080"


@dataclass
class Home:
    """A newcomer's home, with the box running in it."""

    folder: Path
    port: int

    def run(self, lines: str) -> str:
        """In a folder of its own, so that what the lines write stays there; the checkout's files seem to lie in it."""
        text = lines.replace(PORT, str(self.port))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("YU_", "XDG_"))}
        return {**plain, "HOME": str(self.folder)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        home = Home(tmp_path_factory.mktemp("home"), free.getsockname()[1])
    for name in (".venv", "tests"):
        (home.folder / name).symlink_to(CHECKOUT / name)
    log = home.folder / "up.log"
    with log.open("wb") as output:
        up = subprocess.Popen(
            [CHECKOUT / ".venv/bin/yu", "up", "--port", str(home.port)],
            env=home.environment,
            stdout=output,
            stderr=output,
        )
    wait_until(lambda: "Try" in log.read_text() or up.poll() is not None, 60, "the box's start")
    assert up.poll() is None, log.read_text()
    yield home
    up.send_signal(signal.SIGTERM)
    assert up.wait(30) == 0


def blocks(heading: str) -> list[str]:
    """The bash blocks under a heading."""
    section = (CHECKOUT / "README.md").read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", section, re.S)


def test_the_first_conversation(home: Home) -> None:
    ask_say_see = blocks("A first conversation")[0]
    said = home.run(ask_say_see)
    assert "12 * 12 = 144." in said and "ACME Corporation" in said
    assert (home.folder / "hello.wav").read_bytes()[:4] == b"RIFF"


def test_the_same_with_curl(home: Home) -> None:
    claim, chat, speak, read = blocks("The same with curl")
    answers = home.run(f"{claim}\necho =====\n{chat}\necho =====\n{speak}\n{read}").split("=====\n")
    assert json.loads(answers[0])["user"]["role"] == "admin"
    assert "event: complete" in answers[1] and "What time is it?" in answers[1]
    assert (home.folder / "hello.mp3").stat().st_size > 2000
    assert "Exit 24B" in json.loads(answers[2])["text"]


def test_the_welcome_says_what_to_do_next(home: Home) -> None:
    welcome = (home.folder / "up.log").read_text()
    assert f"http://127.0.0.1:{home.port}" in welcome and "laim" in welcome
    for command in re.findall(r"^\s+(\S*yu (?:ask|say|see) .*)$", welcome, re.M):
        home.run(command.replace(" page.png", " tests/samples/page.png") if "tests/" not in command else command)
