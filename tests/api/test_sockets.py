import json
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.attacks import HOST, Connection, rss_mb
from tests.running import RunningBox, StubModel, User, wait_until

STREAM = "/api/v1/chat/stream"
TEXT, CLOSE, PING, PONG, CONT = 1, 8, 9, 10, 0


@pytest.fixture(scope="module")
def user(box: RunningBox) -> Iterator[User]:
    user = box.new_user()
    yield user
    user.http.close()


@pytest.fixture
def other(box: RunningBox) -> Iterator[User]:
    user = box.new_user()
    yield user
    user.http.close()


def opened(box: RunningBox, user: User) -> ClientConnection:
    headers = {"Authorization": f"Bearer {user.token}"}
    return connect(f"ws://127.0.0.1:{box.port}{STREAM}", additional_headers=headers)


def raw_socket(box: RunningBox, user: User, *, buffer_bytes: int | None = None, extensions: str = "") -> Connection:
    connection = Connection(box.port, buffer_bytes=buffer_bytes)
    more = f"Authorization: Bearer {user.token}\r\n"
    more += f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else ""
    connection.send(
        f"GET {STREAM} HTTP/1.1\r\n".encode() + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" + more.encode() + b"\r\n"
    )
    answer = connection.answer()
    assert answer.status_code == 101 and "sec-websocket-extensions" not in answer.headers
    return connection


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, bits: int = 0, masked: bool = True) -> bytes:
    """Masked with zeros, which changes nothing of it."""
    length = len(payload)
    short = length if length < 126 else 126 if length < 65536 else 127
    more = b"" if short < 126 else struct.pack(">H" if short == 126 else ">Q", length)
    head = bytes([fin << 7 | bits | opcode, masked << 7 | short])
    return head + more + (b"\0\0\0\0" if masked else b"") + payload


def message(text: str, **more: object) -> str:
    return json.dumps({"type": "message", "data": {"message": text, **more}})


def close_code(connection: Connection) -> int | None:
    """What the box closes the socket with; None when the connection just ends."""
    data = b""
    try:
        while True:
            data += connection.socket.recv(1 << 16)
            at = 0
            while at + 2 <= len(data):
                size, start = data[at + 1], at + 2
                if size == 126:
                    size, start = struct.unpack(">H", data[start : start + 2])[0], start + 2
                if data[at] & 15 == CLOSE:
                    return struct.unpack(">H", data[start : start + 2])[0]
                at = start + size
            if not data:
                return None
    except ConnectionError:
        return None


def next_frame(socket: ClientConnection) -> dict:
    return json.loads(socket.recv(timeout=10))


def until(socket: ClientConnection, last: str) -> dict:
    while (told := next_frame(socket))["type"] != last:
        pass
    return told


# --- frames -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [b"\0", b"\xff\xfe", b"{}", "", "{", "\0", '{"type":[]}', '{"type":{}}', '{"type":null}', '{"type":"MESSAGE"}',
     '{"type":"message","data":[]}', '{"type":"message","data":{"message":""}}', '{"type":"stop","data":{}}',
     '{"type":"message","data":{"message":"\\ud800"}}', '{"type":"resume","data":{"message_id":1}}',
     '{"type":"message","data":{"message":"x","conversation_id":"x\' OR 1=1 --"}}',
     '{"type":"message","data":{"message":"x","personality":"root"}}',
     '{"type":"message","data":{"message":"x","idempotency_key":""}}',
     '{"type":"message","data":{"message":"x","owner":"usr_0"}}',
     '{"type":"message","data":{"message":"x"},"role":"a"}',
     '{"type":"resume","data":{"message_id":"msg_0","offset":-1}}',
     '{"type":"resume","data":{"message_id":"msg_0","offset":' + "9" * 5000 + "}}",
     '{"type":"resume","data":{"message_id":"msg_0","offset":1e400}}', "[" * 100_000, '{"a":' * 40_000,
     message("x" * 32_001), '{"' + "k" * 100_000 + '":1}', "{" + ",".join(f'"{n}":1' for n in range(20_000)) + "}"],
    ids=lambda sent: repr(sent[:60]),
)  # fmt: skip
def test_a_bad_frame_is_answered_with_an_error_and_the_socket_lives_on(
    box: RunningBox, user: User, sent: str | bytes
) -> None:
    with opened(box, user) as socket:
        socket.send(sent)
        told = next_frame(socket)
        assert told["type"] == "error" and told["data"]["code"] in ("BAD_REQUEST", "INVALID_REQUEST", "NOT_FOUND")
        assert told["data"]["request_id"].startswith("req_") and len(json.dumps(told)) < 2000
        socket.send(message("say 1 words"))
        until(socket, "complete")


@pytest.mark.parametrize(
    ("data", "code"),
    [(frame(3), 1002), (frame(11), 1002), (frame(TEXT, b"x", bits=0x40), 1002), (frame(CONT, b"x"), 1002),
     (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002), (frame(PING, b"x" * 126), 1002),
     (frame(PING, fin=False), 1002), (frame(TEXT, b"x", masked=False), 1002), (frame(TEXT, b"\xff\xfe"), 1007),
     (frame(TEXT, b"\xed\xa0\x80"), 1007), (frame(CLOSE, b"\0"), 1002), (frame(CLOSE, struct.pack(">H", 999)), 1002),
     (frame(TEXT, b"x" * 300_000), 1009), (bytes([0x81, 0xFF]) + struct.pack(">Q", 64 << 20) + b"\0\0\0\0", 1009),
     (bytes([0x81, 0xFF]) + struct.pack(">Q", 1 << 62) + b"\0\0\0\0", 1009),
     (frame(TEXT, b"x" * 200_000, fin=False) + frame(CONT, b"x" * 200_000, fin=False), 1009)],
    ids=["opcode 3", "opcode 11", "a reserved bit", "no beginning", "two beginnings", "a long ping", "half a ping",
         "no mask", "no UTF-8", "a surrogate", "half a code", "code 999", "300 kB", "64 MB", "2^62", "400 kB in two"],
)  # fmt: skip
def test_what_breaks_the_protocol_closes_the_socket(box: RunningBox, user: User, data: bytes, code: int) -> None:
    with raw_socket(box, user) as connection:
        connection.send(data)
        assert close_code(connection) == code


def test_a_message_that_is_compressed_is_not_unpacked(box: RunningBox, user: User) -> None:
    before = rss_mb(box)
    with raw_socket(box, user, extensions="permessage-deflate; client_max_window_bits") as connection:
        connection.send(frame(TEXT, b"\xec\xc1\x01\x01" + b"\0" * 200_000, bits=0x40))
        assert close_code(connection) == 1002
    assert rss_mb(box) - before < 10


@pytest.mark.parametrize(
    ("flood", "code"),
    [(frame(CONT, b"", fin=False), 1009), (frame(CONT, b"x", fin=False), 1009), (frame(PING), 1008),
     (frame(PING, b"x" * 125), 1008), (frame(PONG, b"abcd"), 1008)],
    ids=["empty fragments", "small fragments", "pings", "long pings", "pongs"],
)  # fmt: skip
def test_a_flood_ends_its_own_connection_and_nobody_elses(box: RunningBox, user: User, flood: bytes, code: int) -> None:
    before, slowest = rss_mb(box), 0.0
    with raw_socket(box, user) as connection, box.client() as client:
        if flood[0] & 15 == CONT:
            connection.send(frame(TEXT, b"x", fin=False))
        code_seen = None
        try:
            for _ in range(40):
                connection.send(flood * 25_000)
                begun = time.perf_counter()
                client.get("/health/live")
                slowest = max(slowest, time.perf_counter() - begun)
        except ConnectionError:
            code_seen = close_code(connection)
    assert code_seen in (code, None)  # the close frame may be lost in what was not read
    assert slowest < 0.5 and rss_mb(box) - before < 10


def test_a_socket_that_pings_now_and_then_stays(box: RunningBox, user: User) -> None:
    with opened(box, user) as socket:
        for _ in range(20):
            assert socket.ping().wait(5)
        socket.send(message("say 1 words"))
        until(socket, "complete")


def test_a_message_may_come_in_pieces(box: RunningBox, user: User) -> None:
    with opened(box, user) as socket:
        whole = message("in pieces")
        socket.send(iter([whole[:5], whole[5:20], whole[20:]]))
        until(socket, "complete")
    assert user.history()[1]["content"] == "in pieces"


def test_a_socket_that_vanishes_leaves_nothing_behind(box: RunningBox, user: User) -> None:
    def open_files() -> int:
        return sum(1 for _ in Path(f"/proc/{box.process.pid}/fd").iterdir())

    before = open_files()
    for _ in range(30):
        with raw_socket(box, user) as connection:
            connection.send(frame(TEXT, message("say 50 words").encode()))
    wait_until(lambda: open_files() <= before + 2, 10, "the end of the connections")


# --- others' things ---------------------------------------------------------------------------------------------------


def test_anothers_ids_in_frames_are_answered_like_absent_ones(box: RunningBox, user: User, other: User) -> None:
    theirs = other.say("secret").json()
    conversation, answer = theirs["conversation_id"], theirs["message_id"]
    absent_conversation, absent_answer = f"conv_{'0' * 32}", f"msg_{'0' * 32}"
    frames = (
        lambda kept: message("x", conversation_id=conversation if kept else absent_conversation),
        lambda kept: json.dumps({"type": "stop", "data": {"message_id": answer if kept else absent_answer}}),
        lambda kept: json.dumps({"type": "resume", "data": {"message_id": answer if kept else absent_answer}}),
    )
    with opened(box, user) as socket:
        for made in frames:
            told = []
            for kept in (True, False):
                socket.send(made(kept))
                error = next_frame(socket)
                assert error["type"] == "error" and error["data"]["code"] == "NOT_FOUND"
                told.append({**error["data"], "timestamp": None})
            assert told[0] == told[1]
    assert len(other.history()) == 2


# --- who does not read ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick_stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubModel]:
    stub = StubModel(tmp_path_factory.mktemp("quick") / "llm.sock", interval_ms=4)
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def impatient_box(tmp_path_factory: pytest.TempPathFactory, quick_stub: StubModel) -> Iterator[RunningBox]:
    settings = {
        "chains": {"chat": [{"url": quick_stub.address, "model": "stub"}]},
        "chat": {"slow_reader_s": 0.5, "resume_window_s": 0.2},
        "limits": {"answer_tokens": 100_000},
    }
    box = RunningBox(tmp_path_factory.mktemp("impatient") / "data", settings)
    yield box
    box.close()


def test_a_reader_who_stops_reading_stops_the_model(impatient_box: RunningBox, quick_stub: StubModel) -> None:
    users = [impatient_box.new_user() for _ in range(2)]
    memory, text = rss_mb(impatient_box), "say 100000 words"
    body = json.dumps({"message": text}).encode()
    head = f"POST {STREAM} HTTP/1.1\r\nAuthorization: Bearer {users[0].token}\r\nContent-Length: {len(body)}\r\n"
    begun = time.monotonic()
    with (
        Connection(impatient_box.port, buffer_bytes=2048) as events,
        raw_socket(impatient_box, users[1], buffer_bytes=2048) as socket,
    ):
        # what lies between box and client is filled by other answers first: some 45 kB in the kernel, 64 kB in the box
        events.send((b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n") * 70)
        events.send(head.encode() + b"Content-Type: application/json\r\n" + HOST + b"\r\n" + body)
        socket.send(frame(TEXT, message("x" * 31_000).encode()) + frame(TEXT, message(text).encode()))
        wait_until(lambda: quick_stub.stats()["disconnected"] == 2, 12, "the model's release")
    assert time.monotonic() - begun <= 12 and rss_mb(impatient_box) - memory < 20
    for user in users:
        kept = wait_until(lambda user=user: next((m for m in user.history() if m["status"] == "stopped"), None))
        assert kept["content"].startswith("the quick brown")
        user.http.close()


def test_a_sender_who_does_not_read_the_errors_is_closed(impatient_box: RunningBox) -> None:
    user, memory = impatient_box.new_user(), rss_mb(impatient_box)
    with raw_socket(impatient_box, user, buffer_bytes=2048) as connection:
        connection.socket.settimeout(0.5)
        with pytest.raises((ConnectionError, TimeoutError)):
            for _ in range(10_000):
                connection.send(frame(TEXT, b"{}") * 100)
        over = f'"method": "WEBSOCKET", "path": "{STREAM}", "status": 101'
        wait_until(lambda: any(over in line and user.id in line for line in impatient_box.log().splitlines()), 5)
    assert rss_mb(impatient_box) - memory < 10
    user.http.close()


def test_an_answer_whose_begin_cannot_be_sent_stops_too(impatient_box: RunningBox, quick_stub: StubModel) -> None:
    user, before = impatient_box.new_user(), quick_stub.stats()
    body = json.dumps({"message": "say 100000 words"}).encode()
    head = f"POST {STREAM} HTTP/1.1\r\nAuthorization: Bearer {user.token}\r\nContent-Length: {len(body)}\r\n"
    with ExitStack() as connections:
        for others in range(120, 180, 5):  # their unread answers fill what the kernel and the box hold, more and more
            connection = connections.enter_context(Connection(impatient_box.port, buffer_bytes=2048))
            connection.send((b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n") * others)
            connection.send(head.encode() + b"Content-Type: application/json\r\n" + HOST + b"\r\n" + body)
        wait_until(lambda: quick_stub.stats()["requests"] > before["requests"] + 2, 5, "the answers' start")
        wait_until(lambda: quick_stub.stats()["active"] == 0, 5, "the model's release")
    after = quick_stub.stats()
    assert after["disconnected"] - before["disconnected"] == after["requests"] - before["requests"]
    user.http.close()
