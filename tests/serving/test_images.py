"""Through the engines that look at pictures: decoding lives in their process."""

import struct
import zlib
from pathlib import Path

import pytest

from serving.client import EngineClient
from serving.wire import BadMediaError, UnsupportedError


async def test_a_picture_is_turned_as_its_camera_was(tesseract: EngineClient, samples: Path):
    (line,) = await tesseract.read((samples / "turned.jpg").read_bytes(), ["en"])
    assert line.text == "upright text here"
    left, top, right, bottom = line.box
    assert right - left > 5 * (bottom - top)


async def test_what_is_transparent_is_seen_on_white(tesseract: EngineClient, samples: Path):
    (line,) = await tesseract.read((samples / "transparent.png").read_bytes(), ["en"])
    assert line.text == "on clear ground"


@pytest.mark.parametrize("name", ["tiny.webp", "animated.webp"])
async def test_small_and_moving_pictures_are_taken(opencv: EngineClient, samples: Path, name: str):
    assert await opencv.detect((samples / name).read_bytes(), 0.0) == []


async def test_a_bomb_is_refused_from_its_header(opencv: EngineClient, samples: Path):
    with pytest.raises(BadMediaError, match="too large"):
        await opencv.detect((samples / "bomb.png").read_bytes(), 0.0)


@pytest.mark.parametrize(("width", "height"), [(1, 65_500), (20_001, 1), (8_000, 8_000)])
async def test_a_picture_over_the_limits_is_refused(opencv: EngineClient, samples: Path, width: int, height: int):
    with pytest.raises(BadMediaError, match="too large"):
        await opencv.detect(with_size(samples / "bomb.png", width, height), 0.0)


@pytest.mark.parametrize(("width", "height"), [(0, 10), (10, 0), (5_000, 5_000)])
async def test_a_picture_whose_header_lies_is_refused(opencv: EngineClient, samples: Path, width: int, height: int):
    with pytest.raises(BadMediaError):
        await opencv.detect(with_size(samples / "bomb.png", width, height), 0.0)


async def test_a_truncated_picture_is_refused_in_our_own_words(opencv: EngineClient, samples: Path):
    with pytest.raises(BadMediaError, match=r"^The picture cannot be decoded: the file is broken\.$") as refused:
        await opencv.detect((samples / "truncated.jpg").read_bytes(), 0.0)
    assert refused.value.field == "image"


@pytest.mark.parametrize("start", [b"GIF89a", b"%PDF-1.7", b"II*\x00", b"<svg ", b"\x00\x00\x00\x0cjP  ", b"8BPS"])
async def test_other_formats_are_not_supported(opencv: EngineClient, start: bytes):
    with pytest.raises(UnsupportedError):
        await opencv.detect(start + bytes(100), 0.0)


async def test_a_renamed_bmp_is_still_a_bmp(tesseract: EngineClient, samples: Path):
    with pytest.raises(UnsupportedError):
        await tesseract.read((samples / "renamed-bmp.png").read_bytes(), [])


async def test_every_cut_of_a_picture_is_refused_or_read(opencv: EngineClient, samples: Path):
    whole = (samples / "tiny.webp").read_bytes()
    for length in range(len(whole)):
        with pytest.raises((BadMediaError, UnsupportedError)):
            await opencv.detect(whole[:length], 0.0)


def with_size(png: Path, width: int, height: int) -> bytes:
    data = bytearray(png.read_bytes())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)
