from pathlib import Path

import pytest

from serving.client import EngineClient


async def test_qr_codes_are_found_and_read(opencv: EngineClient, samples: Path):
    found = await opencv.detect((samples / "code.png").read_bytes(), 0.5)
    assert {(one.name, one.text) for one in found} == {
        ("qr code", "https://example.org/door"),
        ("qr code", "second code"),
    }
    first = next(one for one in found if one.text == "https://example.org/door")
    assert first.box == pytest.approx((42, 42, 192, 192), abs=6)
    assert first.confidence is None


async def test_a_face_is_found(opencv: EngineClient, samples: Path):
    """A drawn one: no photograph may lie in the repository."""
    (face,) = await opencv.detect((samples / "face.png").read_bytes(), 0.5)
    assert (face.name, face.confidence, face.text) == ("face", None, None)
    left, top, right, bottom = face.box
    assert left < 100 < 220 < right
    assert top < 150 < 275 < bottom


@pytest.mark.parametrize("name", ["page.png", "sign.jpg", "turned.jpg", "tiny.webp"])
async def test_nothing_is_found_where_nothing_is(opencv: EngineClient, samples: Path, name: str):
    assert await opencv.detect((samples / name).read_bytes(), 0.0) == []
