import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import CHECKOUT, RunningBox, User, wait_until

ENGINES_PYTHON = Path(os.environ.get("YU_ENGINES_PYTHON", CHECKOUT / ".venv-engines/bin/python"))
CARDS = ("espeak", "langid", "opencv", "tesseract")


@pytest.fixture(scope="session")
def whole_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBox]:
    """The profile `base` with its engines, each a process of its own."""
    box = RunningBox(tmp_path_factory.mktemp("whole") / "data", {"profile": "base"})
    assert ENGINES_PYTHON.exists(), f"{ENGINES_PYTHON} is missing: make it with scripts/setup engines"
    log = (box.data / "engines.log").open("wb")
    engines = [
        subprocess.Popen(
            [ENGINES_PYTHON, "-m", "serving", card, "--socket", box.data / "run" / f"{card}.sock"],
            cwd=CHECKOUT,
            stderr=log,
        )
        for card in CARDS
    ]
    with box.client(box.console_token) as console:

        def all_answer() -> bool:
            states = console.get("/health/ready").json()["engines"]
            return {state["status"] for state in states.values()} == {"ok"}

        wait_until(all_answer, 30, "the engines' start")
    yield box
    for engine in engines:
        engine.send_signal(signal.SIGTERM)
        engine.wait(10)
    log.close()
    box.close()


@pytest.fixture
def person(whole_box: RunningBox) -> Iterator[User]:
    user = whole_box.new_user()
    yield user
    user.http.close()
