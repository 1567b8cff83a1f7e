"""Real processes for the tests: the API as `yu up` starts it, and the stub of a language model."""

import contextlib
import itertools
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

CHECKOUT = Path(__file__).parents[1]
PASSWORD = "correct horse battery"

_numbers = itertools.count()


def wait_until(condition, seconds: float = 10.0, what: str = "the condition"):
    """The first true value of `condition()`; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come true within {seconds} s")


class StubModel:
    def __init__(self, socket: Path, interval_ms: float = 0.0, *options: str) -> None:
        self.address = f"unix:{socket}"
        command = [sys.executable, str(CHECKOUT / "tests/stub_llm.py"), "--socket", str(socket)]
        self.process = subprocess.Popen([*command, "--interval-ms", str(interval_ms), *options], stdout=subprocess.PIPE)
        assert self.process.stdout and select.select([self.process.stdout], [], [], 10)[0], "the stub did not start"
        self.process.stdout.readline()
        self._client = httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://stub")

    def stats(self) -> dict[str, int]:
        return self._client.get("/stats").json()

    def refuse(self, status: int) -> None:
        """Every chat request gets this status until `refuse(0)`."""
        self._client.get(f"/refuse/{status}")

    def close(self) -> None:
        self._client.close()
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stdout
        self.process.stdout.close()


class RunningBox:
    """`python -m api` on its own data folder and a free port."""

    def __init__(self, data: Path, settings: Mapping[str, object] | None = None) -> None:
        self.data = data
        self._settings = {f"YU_{name.upper()}": _text(value) for name, value in (settings or {}).items()}
        self._log = (data.parent / f"{data.name}.log").open("ab")
        self.start()

    def start(self) -> None:
        url = self.data / "run" / "url"
        url.unlink(missing_ok=True)
        plain = {name: value for name, value in os.environ.items() if not name.startswith("YU_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "api", "--data", str(self.data), "--port", "0"],
            env={**plain, **self._settings},
            cwd=CHECKOUT,
            stderr=self._log,
        )
        wait_until(lambda: self.process.poll() is not None or url.exists(), 20, "the API's start")
        assert self.process.poll() is None, self.log()
        self.url = url.read_text()
        self.console_token = (self.data / "run" / "console.token").read_text()

    def log(self) -> str:
        return Path(self._log.name).read_text()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def new_user(self, role: str = "user") -> "User":
        email = f"user{next(_numbers)}@example.org"
        with self.client(self.console_token) as console:
            body = {"email": email, "password": PASSWORD, "role": role}
            created = console.post("/api/v1/users", json=body)
        assert created.status_code == 201, created.text
        with self.client() as client:
            tokens = client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD}).json()
        return User(created.json()["id"], email, tokens, self.client(tokens["access_token"]))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()
        self._log.close()


class User:
    def __init__(self, user_id: str, email: str, tokens: dict[str, str], http: httpx.Client) -> None:
        self.id = user_id
        self.email = email
        self.tokens = tokens
        self.http = http

    @property
    def token(self) -> str:
        return self.tokens["access_token"]

    def say(self, text: str, **more: object) -> httpx.Response:
        headers = {"Idempotency-Key": str(key)} if (key := more.pop("key", None)) else {}
        return self.http.post("/api/v1/chat/message", json={"message": text, **more}, headers=headers)

    @contextlib.contextmanager
    def stream(self, text: str, headers: Mapping[str, str] | None = None, **more: object) -> Iterator["Events"]:
        body = {"message": text, **more}
        with self.http.stream("POST", "/api/v1/chat/stream", json=body, headers=headers or {}) as response:
            yield Events(response)

    def history(self, **query: object) -> list[dict]:
        return self.http.get("/api/v1/chat/history", params=query).json()["messages"]


class Events:
    """Server-sent events as (kind, data, id)."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def __iter__(self) -> Iterator[tuple[str, object, str]]:
        event: dict[str, str] = {}
        for line in self._lines:
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                event[name] = value
            elif event:
                body = json.loads(event["data"])
                assert body["type"] == event["event"]
                yield event["event"], body["data"], event["id"]
                event = {}

    def text(self) -> str:
        return "".join(data for kind, data, _ in self if kind == "token")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
