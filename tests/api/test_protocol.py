import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

import api.protocol
from api.protocol import BoundedHttp
from tests.attacks import HOST, Connection, check_refusal, raw, rss_mb
from tests.running import RunningBox, User, wait_until

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n"
LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
)
SOCKET = b"GET /api/v1/chat/stream HTTP/1.1\r\n" + HOST


@pytest.fixture(scope="module")
def token(box: RunningBox) -> bytes:
    user = box.new_user()
    user.http.close()
    return f"Authorization: Bearer {user.token}\r\n".encode()


def get(path: bytes, headers: bytes = HOST) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\n" + headers + b"\r\n"


# --- Host -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [b"", b"localhost/../admin?", b"a b", b"a" * 300, b"evil.example", b"localhost.evil.example", b"127.0.0.1@evil",
     b"127.0.0.1, evil", b"127.0.0.1:port", b"127.0.0.1:999999", b"0.0.0.0", b"127.1", b"2130706433", b"[::]",
     b"\xffbox", b"[127.0.0.1"],
)  # fmt: skip
def test_a_host_that_is_not_this_box_is_refused_and_changes_no_ones_rights(
    box: RunningBox, token: bytes, host: bytes
) -> None:
    for path in (b"/health/live", b"/api/v1/auth/me"):
        check_refusal(raw(box, get(path, b"Host: " + host + b"\r\n" + token)), 400)


@pytest.mark.parametrize("headers", [b"", HOST + HOST, HOST + b"Host: evil.example\r\n"])
def test_no_host_and_two_hosts_are_refused(box: RunningBox, headers: bytes) -> None:
    check_refusal(raw(box, get(b"/health/live", headers)), 400)


@pytest.mark.parametrize("host", [b"localhost", b"LOCALHOST:1", b"127.0.0.1", b"[::1]:8080"])
def test_a_loopback_name_is_this_box(box: RunningBox, host: bytes) -> None:
    assert raw(box, get(b"/health/live", b"Host: " + host + b"\r\n")).status_code == 200


# --- methods and targets ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [b"TRACE", b"CONNECT", b"PROPFIND", b"PUT", b"PATCH", b"OPTIONS", b"PURGE"])
def test_a_method_that_a_path_does_not_take_is_told_which_it_does(box: RunningBox, method: bytes) -> None:
    answer = raw(box, method + b" /api/v1/auth/login HTTP/1.1\r\n" + HOST + b"\r\n")
    check_refusal(answer, 405)
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "line",
    [b"__CLASS__ /health/live HTTP/1.1", b"post /api/v1/auth/login HTTP/1.1", b"GET /health/live HTTP/9.9",
     b"GET /health/live", b"GET health/live HTTP/1.1", b"GET /\xff\xfe HTTP/1.1", b"CONNECT 127.0.0.1:22 HTTP/1.1",
     b"PRI * HTTP/2.0", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 64],
)  # fmt: skip
def test_what_is_no_http_is_refused_and_the_connection_closed(box: RunningBox, line: bytes) -> None:
    check_refusal(raw(box, line + b"\r\n" + HOST + b"\r\n", then_closed=True), 400)


@pytest.mark.parametrize(
    "path", [b"/%00%ff%0d%0aSet-Cookie:%20a=b", b"/docs/../api/v1/users", b"/docs/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
             b"/api/v1/users/", b"//api/v1/users", b"/api/v1/../v1/users", b"/docs/..%5c..%5cyu.db", b"*"],
)  # fmt: skip
def test_a_strange_path_is_no_path(box: RunningBox, path: bytes) -> None:
    answer = raw(box, get(path))
    check_refusal(answer, 404)
    assert "set-cookie" not in answer.headers


def test_a_get_with_a_body_is_answered_and_its_body_is_no_request(box: RunningBox) -> None:
    hidden = b"GET /nowhere HTTP/1.1\r\n\r\n"
    with Connection(box.port) as connection:
        length = b"Content-Length: %d\r\n" % len(hidden)
        connection.send(get(b"/health/live", HOST + length) + hidden + NEXT)
        assert [connection.answer().status_code for _ in range(2)] == [200, 200]
        assert not connection.is_closed(0.1)


# --- one request, one answer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rest",
    [b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
     b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
     b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
     b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     CHUNKED + b"2\n{}\n0\n\n", CHUNKED + b"2\r\n{}0\r\n\r\n",
     CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n", CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
     CHUNKED + b"ffffffffffffffffff\r\n{}",
     b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"Content-Length: 2, 2\r\n\r\n{}",
     b"Content-Length: -2\r\n\r\n{}", b"Content-Length: +2\r\n\r\n{}", b"Content-Length: 0x2\r\n\r\n{}",
     b"Content-Length: 99999999999999999999999\r\n\r\n{}", b"X: a\r\n folded\r\nContent-Length: 2\r\n\r\n{}",
     b"X: a\nContent-Length: 2\r\n\r\n{}", b"X: a\rb\r\nContent-Length: 2\r\n\r\n{}",
     b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}", b"X y: a\r\nContent-Length: 2\r\n\r\n{}"],
)  # fmt: skip
def test_a_body_of_unclear_length_is_refused_and_nothing_behind_it_is_answered(box: RunningBox, rest: bytes) -> None:
    with Connection(box.port) as connection:
        connection.send(LOGIN + rest + NEXT)
        check_refusal(connection.answer(), 400)
        assert connection.is_closed()


@pytest.mark.parametrize("length", [1, 7])
def test_a_length_that_is_not_the_bodys_ends_the_connection_after_one_answer(box: RunningBox, length: int) -> None:
    with Connection(box.port) as connection:
        connection.send(LOGIN + b"Content-Length: %d\r\n\r\n{}" % length + NEXT)
        check_refusal(connection.answer(), 400)
        assert connection.is_closed()


def test_garbage_behind_a_request_does_not_take_its_answer_away(box: RunningBox, user: User) -> None:
    body = json.dumps({"message": "kept and answered"}).encode()
    head = f"Authorization: Bearer {user.token}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with Connection(box.port) as connection:
        connection.send(LOGIN.replace(b"auth/login", b"chat/message") + head + body + b"\0garbage\r\n\r\n")
        answer = connection.answer()
        assert answer.status_code == 200 and answer.json()["response"] == user.history()[0]["content"]
        assert connection.is_closed()


def test_pipelined_requests_are_answered_in_their_order(box: RunningBox) -> None:
    with Connection(box.port) as connection:
        connection.send((NEXT + get(b"/nowhere")) * 20)
        assert [connection.answer().status_code for _ in range(40)] == [200, 404] * 20


def test_a_client_that_waits_to_be_told_to_continue_is_told(box: RunningBox) -> None:
    with Connection(box.port) as connection:
        connection.send(LOGIN + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.answer().status_code == 100
        connection.send(b"{}")
        check_refusal(connection.answer(), 400, "email")


@pytest.mark.parametrize(("path", "status"), [(b"auth/login", 413), (b"vision/ocr", 401)])
def test_a_body_that_will_be_refused_is_not_asked_for_and_what_follows_is_not_taken_for_it(
    box: RunningBox, path: bytes, status: int
) -> None:
    with Connection(box.port) as connection:
        wish = b"Expect: 100-continue\r\nContent-Length: 500000000\r\n\r\n"
        connection.send(LOGIN.replace(b"auth/login", path) + wish)
        answer = connection.answer()
        check_refusal(answer, status)
        assert answer.headers["connection"] == "close" and connection.is_closed()


# --- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"X: " + b"a" * 65536 + b"\r\n", 431), (b"".join(b"X-%d: a\r\n" % n for n in range(200)), 431),
     (b"Cookie: " + b"a" * (1 << 20) + b"\r\n", 431),
     (b"".join(b"X-%d: %b\r\n" % (n, b"a" * 500) for n in range(90)), 431),
     (b"a" * (1 << 20) + b": b\r\n", 431)],
    ids=["a line of 64 KB", "200 headers", "a cookie of 1 MB", "90 of 500 bytes", "a name of 1 MB"],
)  # fmt: skip
def test_headers_over_their_bound_are_refused(box: RunningBox, data: bytes, status: int) -> None:
    check_refusal(raw(box, get(b"/health/live", HOST + data), then_closed=True), status)


@pytest.mark.parametrize("length", [9000, 60_000, 1 << 20])
def test_a_url_over_its_bound_is_refused(box: RunningBox, length: int) -> None:
    check_refusal(raw(box, get(b"/api/v1/chat/history?" + b"a" * length), then_closed=True), 414)


@pytest.mark.parametrize(
    "endless", [b"0\r\nX: ", b"2;x=", b"2\r\n{}\r\n0\r\nX: a\r\nY: "], ids=["a trailer", "an extension", "two trailers"]
)
def test_what_never_ends_behind_a_head_is_not_kept(box: RunningBox, endless: bytes) -> None:
    before = rss_mb(box)
    with Connection(box.port) as connection:
        connection.send(LOGIN + CHUNKED + endless)
        with pytest.raises(ConnectionError):
            for _ in range(400):
                connection.send(b"a" * (1 << 17))
            while True:
                connection.answer()
    assert rss_mb(box) - before < 5


# --- the handshake of a socket ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [(SOCKET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 400),
     (SOCKET + UPGRADE.replace(b"13", b"12") + b"\r\n", 400),
     (SOCKET + UPGRADE.replace(b"bXBsZSBub25jZQ==", b"") + b"\r\n", 400),
     (SOCKET + UPGRADE + b"Sec-WebSocket-Protocol: a b,,;\r\n\r\n", 400),
     (SOCKET + UPGRADE + b"X: " + b"a" * 9000 + b"\r\n\r\n", 400),
     (SOCKET.replace(b"GET", b"POST") + UPGRADE + b"\r\n", 405),
     (SOCKET.replace(b"GET", b"POST") + UPGRADE + b"Content-Length: 5\r\n\r\nhello", 400),
     (SOCKET + UPGRADE + b"\r\n", 401),
     (SOCKET + UPGRADE + b"Authorization: Bearer garbage\r\n\r\n", 401),
     (SOCKET.replace(HOST, b"Host: evil.example\r\n") + UPGRADE + b"\r\n", 400),
     (SOCKET.replace(b"/api/v1/chat/stream", b"/health/live") + UPGRADE + b"\r\n", 404),
     (SOCKET.replace(b"/api/v1/chat/stream", b"/nowhere") + UPGRADE + b"\r\n", 404)],
    ids=["no key", "version 12", "a short key", "a broken protocol", "a long header", "POST", "a body", "no token",
         "a wrong token", "a foreign host", "a path of no socket", "no path"],
)  # fmt: skip
def test_a_wrong_handshake_is_refused_like_everything_else(box: RunningBox, data: bytes, status: int) -> None:
    check_refusal(raw(box, data, then_closed=True), status)


@pytest.mark.parametrize(
    "origin", [b"http://[::1", b"https://evil.example", b"null", b"", b"http://", b"file://", b"http://127.0.0.1.evil",
               b"javascript://127.0.0.1", b"\xff"],
)  # fmt: skip
def test_an_origin_that_is_not_the_boxs_own_is_refused(box: RunningBox, token: bytes, origin: bytes) -> None:
    answer = raw(box, SOCKET + UPGRADE + token + b"Origin: " + origin + b"\r\n\r\n")
    check_refusal(answer, 403)


def test_a_refused_socket_is_no_error_of_the_box(fresh_box: RunningBox) -> None:
    for data in (SOCKET + UPGRADE + b"\r\n", SOCKET + UPGRADE.replace(b"13", b"12") + b"\r\n"):
        raw(fresh_box, data)
    assert '"level": "ERROR"' not in fresh_box.log()


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def hasty_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[uvicorn.Server, int]]:
    """A server of the same protocol, with less patience."""
    monkeypatch.setattr(api.protocol, "HEAD_S", 0.3)
    monkeypatch.setattr(api.protocol, "MESSAGE_S", 0.6)
    monkeypatch.setattr(api.protocol, "UNREAD_S", 0.5)
    config = uvicorn.Config(_echo, port=0, http=BoundedHttp, ws="websockets-sansio", log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    wait_until(lambda: server.started, what="the server's start")
    yield server, listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def hasty(hasty_server: tuple[uvicorn.Server, int]) -> int:
    return hasty_server[1]


async def _echo(scope, receive, send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            if message["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": message["text"]})
        return
    while (await receive()).get("more_body"):
        pass
    body = b"x" * 8_000_000 if scope["path"] == "/large" else b""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize(
    ("data", "limit_s"),
    [(b"", 0.3), (b"GET / HTTP/1.1\r\n" + HOST, 0.3), (NEXT + b"GET / HTTP/1.1\r\n", 0.3),
     (LOGIN + b"Content-Length: 9\r\n\r\n", 0.6), (LOGIN + b"Transfer-Encoding: chunked\r\n\r\n", 0.6)],
    ids=["nothing", "half a head", "half a second head", "no body", "no chunk"],
)  # fmt: skip
def test_a_request_that_does_not_come_to_its_end_is_not_waited_for(hasty: int, data: bytes, limit_s: float) -> None:
    with Connection(hasty) as connection:
        connection.send(data)
        if data.startswith(NEXT):
            assert connection.answer().status_code == 200
        begun = time.monotonic()
        assert connection.is_closed(5)
        assert time.monotonic() - begun < limit_s + 1


def test_a_request_that_drips_is_not_waited_for_either(hasty: int) -> None:
    for drop, head in ((b"X: y\r\n", get(b"/")[:-2]), (b"1\r\na\r\n", LOGIN + CHUNKED)):
        with Connection(hasty) as connection:
            connection.send(head)
            begun = time.monotonic()
            while not connection.is_closed(0.05):
                connection.send(drop)
                assert time.monotonic() - begun < 3


def test_a_socket_is_not_bound_to_the_time_of_a_request(hasty: int) -> None:
    with Connection(hasty) as connection:
        connection.send(SOCKET + UPGRADE + b"\r\n")
        assert connection.answer().status_code == 101
        assert not connection.is_closed(1.0)


def test_a_client_that_reads_nothing_of_its_answer_is_dropped(hasty_server: tuple[uvicorn.Server, int]) -> None:
    server, port = hasty_server
    with Connection(port, buffer_bytes=2048) as connection:
        connection.send(get(b"/large"))
        wait_until(lambda: len(server.server_state.connections) == 1, what="the connection")
        wait_until(lambda: not server.server_state.connections, 8, "its end")
