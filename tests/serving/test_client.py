"""The caller's end against servers that misbehave in every way, and against ours."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from models.tasks import AudioFormat, Language, Word
from serving.client import EngineClient
from serving.http import Wire
from serving.wav import wav_file
from serving.wire import (
    BadMediaError,
    EngineBusyError,
    EngineUnavailableError,
    RefusedError,
    UnsupportedError,
)

Reply = bytes | Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(folder: Path, reply: Reply) -> AsyncIterator[str]:
    """Whatever it is asked, it sends these bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            else:
                await reply(reader, writer)

    running = await asyncio.start_unix_server(answer, folder / "s")
    async with running:
        yield f"unix:{folder / 's'}"


def http(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def error(status: int, message: str = "no", param: str | None = None, code: str = "x", *headers: str) -> bytes:
    body = {"error": {"message": message, "type": "t", "param": param, "code": code}}
    return http(status, json.dumps(body).encode(), *headers)


async def identified(address: str) -> object:
    client = EngineClient(address, "m")
    try:
        return await client.identify("hello")
    finally:
        await client.aclose()


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\x00\xff\x00\xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        http(200, b""),
        http(200, b"\xff\xfe"),
        http(200, b"<html>"),
        http(200, b"{}"),
        http(200, b"[{}]"),
        http(200, b'[{"language":"en","confidence":101}]'),
        http(200, b'[{"language":"en","confidence":NaN}]'),
        http(200, b'[{"language":7,"confidence":1}]'),
        http(200, b"[" * 100_000),
        http(200, b" " * (9 << 20)),
        http(200, b"\x1f\x8b" + bytes(50), "Content-Encoding: gzip"),
        http(302, b"", "Location: http://127.0.0.1:1/"),
        http(204, b""),
        error(500),
        error(503),
        error(401),
        error(404),
    ],
)
async def test_any_garbage_is_an_engine_that_is_unavailable(tmp_path: Path, reply: bytes):
    async with server(tmp_path, reply) as address:
        with pytest.raises(EngineUnavailableError):
            await identified(address)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_engine_says_when_to_come_back(tmp_path: Path, status: int):
    async with server(tmp_path, error(status, "full", None, "x", "Retry-After: 7")) as address:
        with pytest.raises(EngineBusyError) as busy:
            await identified(address)
    assert busy.value.retry_after_s == 7


@pytest.mark.parametrize("wait", ["soon", "-1", "9" * 5000, "٣", "1e999"])
async def test_an_absurd_wait_does_no_harm(tmp_path: Path, wait: str):
    reply = http(503, b"", "Retry-After: ").replace(b"Retry-After: ", b"Retry-After: " + wait.encode())
    async with server(tmp_path, reply) as address:
        with pytest.raises(EngineUnavailableError) as caught:
            await identified(address)
    assert getattr(caught.value, "retry_after_s", 0) <= 3600


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(400, "no", "text"), RefusedError),
        (error(422, "no", "text"), RefusedError),
        (error(400, "no", "text", "BAD_MEDIA"), BadMediaError),
        (error(413, "no", "text"), BadMediaError),
        (error(415, "no", "text"), UnsupportedError),
    ],
)
async def test_a_refusal_carries_the_server_s_words(tmp_path: Path, reply: bytes, kind: type[RefusedError]):
    async with server(tmp_path, reply) as address:
        with pytest.raises(RefusedError, match=r"^no$") as refused:
            await identified(address)
    assert (type(refused.value), refused.value.field) == (kind, "text")


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b'{"error":7}', b'{"detail":[]}'])
async def test_a_refusal_in_another_shape_is_still_one(tmp_path: Path, body: bytes):
    async with server(tmp_path, http(400, body)) as address:
        with pytest.raises(RefusedError, match="refused"):
            await identified(address)


async def test_libretranslate_s_refusal_is_understood(tmp_path: Path):
    async with server(tmp_path, http(400, b'{"error":"xx is not\\nsupported"}')) as address:
        with pytest.raises(RefusedError, match=r"^xx is not supported$"):
            await identified(address)


async def test_nobody_there_is_unavailable(tmp_path: Path):
    for address in (f"unix:{tmp_path}/none", f"unix:{tmp_path}/{'long' * 100}", "http://127.0.0.1:1"):
        with pytest.raises(EngineUnavailableError):
            await identified(address)
        client = EngineClient(address, "m")
        assert not await client.healthy()
        await client.aclose()


async def test_a_server_that_never_answers_is_given_up(tmp_path: Path):
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the caller leaves

    async with server(tmp_path, never) as address:
        wire = Wire(address)
        with pytest.raises(EngineUnavailableError, match=r"within 0\.05 s"):
            await wire.request("GET", "/health", timeout_s=0.05)
        assert await wire.status("/health", 0.05) is None
        with pytest.raises(EngineUnavailableError):
            async with wire.stream("GET", "/health", timeout_s=0.05):
                pytest.fail("there was no answer")
        await wire.aclose()


async def test_leaving_a_stream_closes_the_connection(tmp_path: Path):
    closed = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"1\r\nx\r\n")
                await writer.drain()
                await asyncio.sleep(0)
        finally:
            closed.set()

    async with server(tmp_path, endless) as address:
        wire = Wire(address)
        async with wire.stream("GET", "/", timeout_s=5) as response:
            assert await response.content.read(1) == b"x"
        async with asyncio.timeout(5):
            await closed.wait()
        await wire.aclose()


@pytest.mark.parametrize("address", ["", "engine", "unix:relative", "ftp://host", "/tmp/s"])
def test_an_address_must_be_a_socket_or_a_url(address: str):
    with pytest.raises(ValueError, match="address"):
        EngineClient(address, "m")


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/prefix", "/prefix/v1"])
async def test_a_base_url_may_have_a_prefix_and_a_v1(path: str):
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(http(200, b'{"voices":["a"]}'))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as running:
        port = running.sockets[0].getsockname()[1]
        client = EngineClient(f"http://127.0.0.1:{port}{path}", "m", "secret")
        assert await client.voices() == ("a",)
        await client.aclose()
    prefix = "/prefix" if "prefix" in path else ""
    assert asked[0].startswith(f"GET {prefix}/v1/audio/voices HTTP/1.1\r\n")
    assert "Authorization: Bearer secret" in asked[0]


async def test_others_sound_is_measured_here_and_must_be_sound(tmp_path: Path):
    wav = wav_file(b"\1\0" * 8000, 16_000)
    for body, format in ((wav, AudioFormat.WAV), (wav, AudioFormat.MP3), (wav[:60], AudioFormat.WAV)):
        async with server(tmp_path, http(200, body)) as address:
            client = EngineClient(address, "m")
            if body == wav and format is AudioFormat.WAV:
                assert (await client.speak("a", "nova", None, 1.0, format)).duration_s == pytest.approx(0.5)
            else:
                with pytest.raises(EngineUnavailableError):
                    await client.speak("a", "nova", None, 1.0, format)
            await client.aclose()


async def test_others_are_asked_for_detections_as_localai_is():
    asked: list[dict] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        asked.append(json.loads(await reader.readexactly(length)))
        found = {"x": 1.4, "y": 2.0, "width": 3.0, "height": 4.2, "confidence": 0.5, "class_name": "cat"}
        writer.write(http(200, json.dumps({"detections": [found]}).encode()))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as running:
        client = EngineClient(f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}", "m")
        (cat,) = await client.detect(b"abc", 0.25)
        await client.aclose()
    assert asked == [{"model": "m", "image": "YWJj", "threshold": 0.25}]
    assert (cat.name, cat.confidence, cat.box, cat.text) == ("cat", 0.5, (1, 2, 4, 6), None)


async def test_values_survive_the_wire(tiny: EngineClient):
    assert await tiny.healthy()
    heard = await tiny.transcribe(wav_file(b"\1\0" * 16_000, 16_000), "es")
    assert (heard.text, heard.language, heard.duration_s, heard.confidence) == ("1.00 s of sound", "es", 1.0, 0.5)
    assert heard.words == (Word("sound", 0.0, 1.0),)
    text = "¿Qué tal? \u202e \U0001f600 \x00"
    said = await tiny.translate(text, "auto", "shout")
    assert (said.text, said.from_language, said.to_language, said.confidence) == (text.upper(), "en", "shout", 0.75)
    assert await tiny.languages() == [Language("en", "English", ("shout",))]


async def test_large_files_travel(tiny: EngineClient):
    heard = await tiny.transcribe(wav_file(bytes(range(256)) * (20 << 12), 16_000), None)
    assert heard.duration_s == pytest.approx(655.36)
    assert heard.language is None


async def test_the_engine_s_errors_come_through(tiny: EngineClient):
    with pytest.raises(UnsupportedError, match=r"There is only shout\.") as refused:
        await tiny.translate("a", "en", "xx")
    assert refused.value.field == "to_language"
    with pytest.raises(BadMediaError):
        await tiny.transcribe(b"fLaC", None)
    with pytest.raises(UnsupportedError):
        await tiny.transcribe(b"#EXTM3U", None)
    with pytest.raises(EngineUnavailableError, match="500"):
        await tiny.translate("fail secret", "en", "shout")
    with pytest.raises(EngineBusyError, match="memory"):
        await tiny.translate("away", "en", "shout")
    with pytest.raises(EngineUnavailableError, match="404"):
        await tiny.read(b"x", [])
