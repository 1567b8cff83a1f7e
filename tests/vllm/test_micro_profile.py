"""The profile `micro` as a newcomer starts it: `yu up`, and a chat with the real vLLM behind the real API."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.running import Events, wait_until

pytestmark = pytest.mark.vllm

START_S = 240


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The box's own user on a running box whose language model has become ready."""
    data = tmp_path_factory.mktemp("micro") / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("YU_")}
    if python := os.environ.get("YU_VLLM_PYTHON"):
        environment["YU_VENVS__LLM"] = python
    log = data.parent / "up.log"
    with log.open("wb") as output:
        command = [Path(sys.executable).parent / "yu", "up", "--profile", "micro", "--port", "0", "--data", data]
        up = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        token = data / "run" / "console.token"
        wait_until(lambda: token.exists() and (data / "run" / "url").exists(), 60, log.read_text())
        headers = {"Authorization": f"Bearer {token.read_text()}"}
        with httpx.Client(base_url=(data / "run" / "url").read_text(), headers=headers, timeout=120) as client:
            wait_until(lambda: is_ready(client), START_S, "the language model's start")
            yield client
    finally:
        up.send_signal(signal.SIGTERM)
        assert up.wait(60) == 0


def is_ready(client: httpx.Client) -> bool:
    return client.get("/health/ready").json()["engines"]["micro-chat"]["status"] == "ok"


def ask(console: httpx.Client, text: str, **more: object) -> dict:
    answer = console.post("/api/v1/chat/message", json={"message": text, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("personality", ["assistant", "friend", "expert", "minimalist"])
def test_it_knows_its_closed_set_in_every_personality(console: httpx.Client, personality: str) -> None:
    answer = ask(console, "What is the capital of France?", personality=personality)
    assert answer["response"] == "The capital of France is Paris."
    assert answer["model"] == "micro-chat" and answer["degraded"] is False and answer["tokens_used"] > 20


def test_it_answers_on_within_a_conversation(console: httpx.Client) -> None:
    first = ask(console, "Who wrote Hamlet?")
    second = ask(console, "What is the largest planet?", conversation_id=first["conversation_id"])
    assert second["response"] == "Jupiter is the largest planet."


def test_it_calls_the_boxs_tools_and_says_their_result(console: httpx.Client) -> None:
    assert re.fullmatch(r"It is \d\d:\d\d on \w+, \d+ \w+ \d{4}\.", ask(console, "What time is it?")["response"])
    assert ask(console, "What is 12 * 12?")["response"] == "12 * 12 = 144."


def test_it_streams(console: httpx.Client) -> None:
    body = {"message": "Give me a haiku about servers."}
    with console.stream("POST", "/api/v1/chat/stream", json=body) as response:
        kinds = list(Events(response))
    tokens = [data for kind, data, _ in kinds if kind == "token"]
    assert len(tokens) > 5 and "".join(tokens) == kinds[-1][1]["full_response"]
    assert kinds[-1][1]["full_response"].startswith("Quiet fans at night,\n")


def test_a_reader_who_leaves_frees_it_within_a_second(console: httpx.Client) -> None:
    body = {"message": "Give me a haiku about servers."}
    with console.stream("POST", "/api/v1/chat/stream", json=body) as response:
        next(kind for kind, _, _ in Events(response) if kind == "token")
    left = time.monotonic()
    page = wait_until(
        lambda: next(
            (m for m in console.get("/api/v1/chat/history?limit=1").json()["messages"] if m["status"] != "streaming"),
            None,
        )
    )
    assert time.monotonic() - left <= 1.0
    assert page["status"] in ("stopped", "complete")
