"""What the tests of bad input share: bytes sent as they are, and what every refusal must look like."""

import json
import re
import select
import socket
import time
from pathlib import Path

import httpx

from api.urls import SOCKET, Url
from tests.running import RunningBox

HOST = b"Host: 127.0.0.1\r\n"
SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-xss-protection": "1; mode=block",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
ERROR = {"code", "message", "details", "type", "param", "request_id", "timestamp"}
INSIDES = ("Traceback", "/home", "/tmp", ".py", "sqlite", "pydantic", "uvicorn", "starlette", "unix:", "0x7")


class Connection:
    """A TCP connection to a box, without a client library's good manners."""

    def __init__(self, port: int, *, buffer_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        if buffer_bytes is not None:  # small segments keep the sender's own buffer small as well
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", port))
        self._unread = b""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, *, to_head: bool = False) -> httpx.Response:
        """The next response. Raises `ConnectionError` when the box closes instead."""
        head = self._until(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [tuple(line.split(": ", 1)) for line in lines if line]
        found = httpx.Headers(headers)
        status = int(first.split()[1])
        length = 0 if to_head or status in (100, 101, 204) else int(found.get("content-length", 0))
        while len(self._unread) < length:
            self._receive()
        body, self._unread = self._unread[:length], self._unread[length:]
        return httpx.Response(status, headers=headers, content=body)

    def is_closed(self, within_s: float = 5.0) -> bool:
        """Whether the box ends the connection, and says nothing more before it does."""
        deadline = time.monotonic() + within_s
        while (left := deadline - time.monotonic()) > 0 and not self._unread:
            if not select.select([self.socket], [], [], left)[0]:
                return False
            try:
                self._receive()
            except ConnectionError:
                return True
        return False

    def _until(self, end: bytes) -> bytes:
        while end not in self._unread:
            self._receive()
        found, _, self._unread = self._unread.partition(end)
        return found

    def _receive(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the box closed the connection")
        self._unread += data


def raw(box: RunningBox, data: bytes, *, then_closed: bool = False) -> httpx.Response:
    """The answer to these bytes; `then_closed` expects that the box ends the connection with it."""
    with Connection(box.port) as connection:
        connection.send(data)
        answer = connection.answer()
        assert not then_closed or connection.is_closed()
        return answer


def check_refusal(response: httpx.Response, status: int, field: str | None = None) -> dict:
    """The error, once it is known to have the shape, the headers and the silence that every error has."""
    assert response.status_code == status, (response.status_code, response.text[:300])
    assert response.headers["content-type"].replace(" ", "").lower() in (
        "application/json",
        "application/json;charset=utf-8",
    )
    for name, value in SECURITY.items():
        assert response.headers.get(name) == value, name
    error = json.loads(response.content)["error"]
    assert error.keys() == ERROR
    assert error["request_id"].startswith("req_") and error["request_id"] == response.headers["x-request-id"]
    assert error["code"] and error["message"] and len(response.content) < 2000
    assert not [word for word in INSIDES if word in response.text]
    if field is not None:
        assert error["details"]["field"] == field and error["param"] == field
    return error


def without_ids(response: httpx.Response) -> tuple[int, dict]:
    """Status and error, but for what differs between any two answers."""
    error = response.json()["error"]
    return response.status_code, {name: error[name] for name in error if name not in ("request_id", "timestamp")}


def server_ms(box: RunningBox, response: httpx.Response) -> float:
    """How long the box itself says it worked on this request."""
    wanted = response.headers["x-request-id"]
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for line in reversed(box.log().splitlines()):
            if wanted in line:
                return float(json.loads(line)["ms"])
        time.sleep(0.01)
    raise AssertionError(f"{wanted} is not in the log")


def rss_mb(box: RunningBox) -> float:
    status = Path(f"/proc/{box.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def name_of(url: Url) -> str:
    return f"{url.method} {url.path}"


def path_of(url: Url) -> str:
    return re.sub(r"{\w+}", "x_0", url.path)


def call(client: httpx.Client, url: Url, **headers: str) -> httpx.Response:
    """A socket's refusal comes before its upgrade, so that a plain client can read it."""
    more = {
        name: value.encode("latin-1")
        for name, value in {**headers, **(HANDSHAKE if url.method == SOCKET else {})}.items()
    }
    return client.request("GET" if url.method == SOCKET else url.method, path_of(url), headers=more)
