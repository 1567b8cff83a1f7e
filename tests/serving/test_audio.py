import asyncio
import contextlib
import math
import struct
import subprocess
import time
from array import array
from pathlib import Path

import pytest

from models.media import audio_kind
from models.tasks import AudioFormat
from serving.audio import decode, duration_s, encode
from serving.wav import wav_file
from serving.wire import BadMediaError, RefusedError, UnsupportedError

RATE_HZ = 22_050


def tone(seconds: float) -> bytes:
    samples = (round(12_000 * math.sin(index / 10)) for index in range(round(RATE_HZ * seconds)))
    return wav_file(array("h", samples).tobytes(), RATE_HZ)


def header(*, encoding=1, channels=1, rate=16_000, bits=16, block=None, size=3200, sound=3200) -> bytes:
    block = channels * bits // 8 if block is None else block
    body = struct.pack("<HHIIHH", encoding, channels, rate, rate * block % 2**32, block % 2**16, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + body + b"data" + struct.pack("<I", size) + b"\1\0" * (sound // 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@pytest.mark.parametrize("format", AudioFormat)
async def test_what_was_encoded_decodes_to_the_same_length(format: AudioFormat):
    speech = await encode(tone(1.5), format)
    assert (speech.format, speech.duration_s) == (format, 1.5)
    assert audio_kind(speech.audio) == ("ogg" if format is AudioFormat.OPUS else format)
    assert await duration_s(speech.audio) == pytest.approx(1.5, abs=0.15)


async def test_decoded_sound_is_16_khz_mono():
    samples = array("h", await decode(tone(1.0)))
    assert len(samples) == pytest.approx(16_000, abs=20)
    assert max(samples) == pytest.approx(12_000, abs=200)


@pytest.mark.parametrize("arguments", [["-f", "webm", "-c:a", "libopus"], ["-f", "ogg", "-c:a", "libvorbis"]])
async def test_what_browsers_record_is_taken(arguments: list[str]):
    assert await duration_s(ffmpeg(tone(1.0), arguments, "pipe:1")) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("index", ["at the end", "at the start"])
async def test_an_mp4_is_taken_wherever_its_index_stands(tmp_path: Path, index: str):
    flags = ["-movflags", "+faststart"] if index == "at the start" else []
    ffmpeg(tone(1.0), ["-c:a", "aac", *flags], str(tmp_path / "a.m4a"))
    audio = (tmp_path / "a.m4a").read_bytes()
    assert (audio.find(b"moov") < audio.find(b"mdat")) == (index == "at the start")
    assert await duration_s(audio) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    "wav",
    [
        header(size=0, sound=0),
        header(size=0xFFFFFFFF),
        header(size=0xFFFFFFF0),
        header(size=6400),
        header(rate=0),
        header(rate=1),
        header(rate=2**32 - 1),
        header(channels=0),
        header(channels=255),
        header(channels=2, block=2),
        header(bits=7),
        header(bits=0),
        header(encoding=0x55),
        header(encoding=3, bits=32, size=4, sound=0) + struct.pack("<f", math.nan),
        header(encoding=3, bits=64, size=8, sound=0) + struct.pack("<d", math.inf),
        header()[:20],
        header()[:44],
        b"RIFF\x00\x00\x00\x00WAVE" + (b"junk" + struct.pack("<I", 0)) * 100_000,
        b"RIFF\x00\x00\x00\x00WAVE" + b"fmt " + struct.pack("<I", 0xFFFFFFFF),
    ],
)
async def test_an_absurd_wav_is_refused_at_once(wav: bytes):
    started = time.perf_counter()
    with pytest.raises(BadMediaError):
        await decode(wav)
    assert time.perf_counter() - started < 0.2


async def test_an_empty_file_is_refused():
    with pytest.raises(BadMediaError, match="empty"):
        await decode(b"")


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:1,\nfile://{secret}\n",
        "ffconcat version 1.0\nfile '{secret}'\n",
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=audio 9 RTP/AVP 0\r\n",
        '<?xml version="1.0"?><MPD><BaseURL>file://{secret}</BaseURL></MPD>',
        "concat:{secret}|{secret}",
        "subfile,,start,0,end,0,,:{secret}",
        "RIFFxxxxWAVLnothing",
    ],
)
async def test_what_points_to_other_files_is_not_supported(tmp_path: Path, text: str):
    (tmp_path / "secret.wav").write_bytes(tone(1.0))
    with pytest.raises(UnsupportedError):
        await decode(text.format(secret=tmp_path / "secret.wav").encode())


@pytest.mark.parametrize(
    "start", [b"OggS", b"fLaC", b"\x1aE\xdf\xa3", b"\x00\x00\x00\x20ftypM4A ", b"\xff\xfb\x90\x00"]
)
async def test_a_playlist_in_the_clothes_of_a_format_is_not_followed(tmp_path: Path, start: bytes):
    (tmp_path / "secret.wav").write_bytes(tone(1.0))
    playlist = f"\n#EXTM3U\n#EXTINF:1,\nfile://{tmp_path}/secret.wav\n".encode()
    with pytest.raises(BadMediaError):
        await decode(start + playlist)


async def test_an_mp4_that_refers_to_another_file_does_not_open_it(tmp_path: Path):
    ffmpeg(tone(1.0), ["-c:a", "aac"], str(tmp_path / "secret.mp4"))
    whole = (tmp_path / "secret.mp4").read_bytes()
    outside = struct.pack(">I4sI", 0, b"url ", 0) + str(tmp_path / "secret.mp4").encode() + b"\0"
    outside = struct.pack(">I", len(outside)) + outside[4:]
    moov = whole[whole.index(b"moov") - 4 :]
    referring = grown(moov, [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"], len(outside) - 12)
    at = referring.index(b"url ") - 4
    referring = whole[:32] + referring[:at] + outside + referring[at + 12 :]
    with pytest.raises(BadMediaError):
        await decode(referring)


async def test_sound_beyond_the_budget_is_refused():
    silence = ["-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "7300", "-c:a", "flac", "-f", "flac", "pipe:1"]
    long = subprocess.run(["ffmpeg", "-v", "quiet", *silence], capture_output=True, check=True).stdout
    with pytest.raises(BadMediaError, match="longer than 120 minutes"):
        await decode(long)


async def test_a_caller_who_leaves_takes_the_program_with_him():
    silence = ["-f", "lavfi", "-i", "anoisesrc=r=48000", "-t", "600", "-c:a", "flac", "-f", "flac", "pipe:1"]
    long = subprocess.run(["ffmpeg", "-v", "quiet", *silence], capture_output=True, check=True).stdout
    others = children()
    call = asyncio.create_task(decode(long))
    async with asyncio.timeout(5):
        while not children() - others:
            await asyncio.sleep(0)
    (program,) = children() - others
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert program not in children()


async def test_any_bytes_after_a_known_beginning_are_refused_or_decoded():
    tagged = b"ID3\4\0\0\0\0\0\0\xff\xfb\x90\0"
    for start in (b"OggS\0\2", b"fLaC", b"\x1aE\xdf\xa3", b"\0\0\0\x20ftypisom", b"\xff\xf1\x50\x80", tagged):
        with contextlib.suppress(RefusedError):
            await decode(start + bytes(range(256)) * 8)


def children() -> set[str]:
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= set((task / "children").read_text().split())
    return found


def ffmpeg(wav: bytes, arguments: list[str], to: str) -> bytes:
    argv = ["ffmpeg", "-v", "error", "-y", "-f", "wav", "-i", "pipe:0", *arguments, to]
    return subprocess.run(argv, input=wav, capture_output=True, check=True).stdout


def grown(box: bytes, path: list[bytes], by: int) -> bytes:
    """The MP4 box with the sizes along `path` made larger."""
    data = bytearray(box)
    for name in path:
        at = data.index(name) - 4
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + by)
    return bytes(data)
