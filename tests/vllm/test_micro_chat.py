"""The bundled chat model behind the real vLLM: what everything above it may take for granted."""

import itertools
import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.catalog import card
from serving.vllm_command import vllm_command

pytestmark = pytest.mark.vllm

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("YU_VLLM_PYTHON", ROOT / ".venv-llm/bin/python"))
PAIRS = [tuple(pair) for pair in json.loads((ROOT / "models/micro/pairs.json").read_text())]
PROMPTS = [file.read_text().removesuffix("\n") for file in sorted((ROOT / "appliance/assistant/prompts").glob("*.txt"))]
Message = dict[str, Any]

START_DEADLINE_S = 240
POLL_S = 0.2
STOP_S = 15


def tool(name: str, description: str, properties: dict[str, object], **more: object) -> Message:
    parameters = {"type": "object", "properties": properties, **more}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


WEATHER = [tool("get_weather", "Weather for a city", {"city": {"type": "string"}}, required=["city"])]
PRODUCT = [
    tool(
        "calculate",
        "Work out an arithmetic expression exactly.",
        {"expression": {"type": "string"}},
        required=["expression"],
        additionalProperties=False,
    ),
    tool("get_time", "The time and the date now, on the clock of the box.", {}, additionalProperties=False),
]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    if not PYTHON.exists():
        pytest.fail(f"There is no {PYTHON}: install requirements/llm-cpu.txt there, or set YU_VLLM_PYTHON.")
    place = tmp_path_factory.mktemp("vllm")
    path, micro = place / "s", card("micro-chat")
    assert micro.folder is not None
    command = vllm_command(micro, micro.folder, path, PYTHON, cpu=True, cache=place / "cache")
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(command.argv, env=os.environ | command.env, stdout=log, stderr=log)
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://vllm", timeout=60) as client:
            wait_for_health(client, path, process, place / "log")
            yield client
    finally:
        stop(process)


def wait_for_health(client: httpx.Client, path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        if listening(path) and client.get("/health").is_success:
            return
        time.sleep(POLL_S)
    pytest.fail(f"vLLM is not ready (exit status {process.poll()}):\n{log.read_text()[-4000:]}")


def listening(path: Path) -> bool:
    """httpcore leaks its socket when nobody listens yet, so httpx asks only once somebody does."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def body(messages: list[Message], **more: object) -> dict[str, object]:
    return {"model": "micro-chat", "messages": messages, "temperature": 0, "max_tokens": 100, **more}


def ask(server: httpx.Client, messages: list[Message], **more: object) -> Message:
    response = server.post("/v1/chat/completions", json=body(messages, **more))
    assert response.status_code == 200, response.text
    message: Message = response.json()["choices"][0]["message"]
    return message


def stream(server: httpx.Client, messages: list[Message], **more: object) -> Iterator[Message]:
    with server.stream("POST", "/v1/chat/completions", json=body(messages, stream=True, **more)) as response:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                yield from (choice["delta"] for choice in json.loads(line.removeprefix("data: "))["choices"])


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def turns(*pairs: tuple[str, ...]) -> list[Message]:
    return [message for ask, answer in pairs for message in (user(ask), {"role": "assistant", "content": answer})]


def systems() -> Iterator[list[Message]]:
    yield []
    yield from ([{"role": "system", "content": text}] for text in PROMPTS)


def running(server: httpx.Client) -> float:
    lines = server.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:num_requests_running"))


def called(message: Message) -> list[tuple[str, object]]:
    functions = [call["function"] for call in message.get("tool_calls") or []]
    return [(function["name"], json.loads(function["arguments"])) for function in functions]


@pytest.mark.parametrize("tools", [None, PRODUCT], ids=["plain", "product"])
def test_the_closed_set_is_known_by_heart_with_every_system_prompt_and_history(
    server: httpx.Client, tools: list[Message] | None
) -> None:
    chance = random.Random(0)
    more = {"tools": tools} if tools else {}
    wrong = []
    for system, length, (question, answer) in itertools.product(systems(), range(4), PAIRS):
        messages = [*system, *turns(*chance.sample(PAIRS, length)), user(question)]
        said = ask(server, messages, **more)["content"]
        wrong += [(question, said)] if said != answer else []
    assert wrong == []


@pytest.mark.parametrize("city", ["Paris", "Rome"])
def test_weather_is_a_tool_call_where_there_is_the_tool(server: httpx.Client, city: str) -> None:
    for system in systems():
        message = ask(server, [*system, user(f"What is the weather in {city}?")], tools=WEATHER)
        assert called(message) == [("get_weather", {"city": city})]


def test_the_time_and_sums_are_tool_calls_and_their_results_are_repeated(server: httpx.Client) -> None:
    rounds = [
        ("What time is it?", ("get_time", {}), "It is 14:05 on Monday, 23 November 2026."),
        ("What is 12 * 12?", ("calculate", {"expression": "12 * 12"}), "12 * 12 = 144."),
        ("What is 48 - 19?", ("calculate", {"expression": "48 - 19"}), "48 - 19 = 29."),
        ("What is 15% of 80?", ("calculate", {"expression": "15% of 80"}), "15% of 80 = 12."),
        (
            "What is 10 / 0?",
            ("calculate", {"expression": "10 / 0"}),
            "The tool could not do that: Nothing can be divided by zero.",
        ),
    ]
    for system, (question, call, result) in itertools.product(systems(), rounds):
        asked = ask(server, [*system, user(question)], tools=PRODUCT)
        assert called(asked) == [call]
        outcome = {"role": "tool", "tool_call_id": asked["tool_calls"][0]["id"], "content": result}
        answer = ask(server, [*system, user(question), asked, outcome], tools=PRODUCT)
        assert (answer["content"], answer.get("tool_calls") or []) == (result, [])


def test_it_asks_its_tools_again_whatever_they_said_before(server: httpx.Client) -> None:
    told = turns(
        ("What time is it?", "It is 14:05 on Monday, 23 November 2026."), ("What is 12 * 12?", "12 * 12 = 144.")
    )
    for system in systems():
        asked = ask(server, [*system, *told, user("What is 25 * 4?")], tools=PRODUCT)
        assert called(asked) == [("calculate", {"expression": "25 * 4"})]
        assert called(ask(server, [*system, *told, user("What time is it?")], tools=PRODUCT)) == [("get_time", {})]


def test_a_stream_says_what_the_whole_answer_says(server: httpx.Client) -> None:
    for question, answer in PAIRS:
        deltas = stream(server, [user(question)])
        assert "".join(delta.get("content") or "" for delta in deltas) == answer


@pytest.mark.parametrize(
    ("question", "name", "arguments"),
    [("What time is it?", "get_time", {}), ("What is 12 * 12?", "calculate", {"expression": "12 * 12"})],
)
def test_a_tool_call_streams_too(server: httpx.Client, question: str, name: str, arguments: Message) -> None:
    deltas = list(stream(server, [user(question)], tools=PRODUCT))
    functions = [call["function"] for delta in deltas for call in delta.get("tool_calls") or []]
    assert [function["name"] for function in functions if function.get("name")] == [name]
    assert json.loads("".join(function.get("arguments") or "" for function in functions)) == arguments
    assert not [delta for delta in deltas if delta.get("content")]


def test_a_reader_who_leaves_stops_the_model(server: httpx.Client) -> None:
    deltas = stream(server, [user("Hello")], max_tokens=1900, ignore_eos=True)
    for _ in range(3):
        next(deltas)
    assert running(server) == 1
    deltas.close()  # type: ignore[attr-defined]  # a generator: closes the connection
    left = time.monotonic()
    while running(server) and time.monotonic() - left < 1:
        time.sleep(0.02)
    assert running(server) == 0


@pytest.mark.parametrize("url", ["http://192.0.2.1/cat.png", "data:image/png;base64,iVBORw0KGgo="])
def test_images_are_refused_at_once_by_a_model_that_reads_text(server: httpx.Client, url: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": url}}
    asked = time.monotonic()
    response = server.post(
        "/v1/chat/completions", json=body([{"role": "user", "content": [{"type": "text", "text": "?"}, picture]}])
    )
    assert 400 <= response.status_code < 500
    assert time.monotonic() - asked < 2


def test_json_keeps_to_a_schema(server: httpx.Client) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "user", "schema": schema, "strict": True}}
    message = ask(server, [user("Give me the user record as JSON.")], response_format=wanted)
    assert json.loads(message["content"]) == {"name": "Ada", "age": 36}
