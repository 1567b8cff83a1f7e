from pathlib import Path

import pytest

from serving.client import EngineClient
from serving.wire import UnsupportedError

PAGE = [
    "ACME Corporation - Invoice 2026-11-23",
    "Item: Wireless keyboard, qty 2 ... $128.50",
    "Please pay within 30 days.",
    "Gracias por su compra, señor Núñez.",
    "small print: terms and conditions apply (v1.2)",
]


async def test_a_page_is_read_line_by_line_with_every_letter_right(tesseract: EngineClient, samples: Path):
    lines = await tesseract.read((samples / "page.png").read_bytes(), [])
    assert [line.text for line in lines] == PAGE
    assert all(0.8 < line.confidence <= 1 for line in lines)
    tops = [line.box[1] for line in lines]
    assert tops == sorted(tops)
    assert lines[0].box == pytest.approx((40, 35, 632, 64), abs=4)


async def test_a_photographed_sign_is_read(tesseract: EngineClient, samples: Path):
    """Light on dark, turned by 4 degrees, blurred, noisy."""
    (line,) = await tesseract.read((samples / "sign.jpg").read_bytes(), ["en"])
    assert line.text == "STOP Exit 24B Main Street"
    assert line.box == pytest.approx((40, 57, 600, 130), abs=15)


@pytest.mark.parametrize("name", ["page-12-degrees.png", "page-upside-down.png", "page-dark.png"])
async def test_a_page_is_read_however_it_was_taken(tesseract: EngineClient, samples: Path, name: str):
    lines = await tesseract.read((samples / name).read_bytes(), [])
    assert [line.text for line in lines][:4] == PAGE[:4]


async def test_letters_of_half_the_size_are_read(tesseract: EngineClient, samples: Path):
    lines = await tesseract.read((samples / "page-small.png").read_bytes(), [])
    assert [line.text for line in lines][:3] == PAGE[:3]


async def test_boxes_are_those_of_the_picture_that_was_sent(tesseract: EngineClient, samples: Path):
    lines = await tesseract.read((samples / "page-upside-down.png").read_bytes(), [])
    assert lines[0].box == pytest.approx((900 - 632, 420 - 64, 900 - 40, 420 - 35), abs=4)


async def test_languages_are_chosen_by_their_short_codes(tesseract: EngineClient, samples: Path):
    page = (samples / "page.png").read_bytes()
    for languages in (["es"], ["es-MX"], ["spa"], ["en", "es"], ["es", "en", "es"]):
        assert (await tesseract.read(page, languages))[3].text == PAGE[3]
    assert "ñ" not in (await tesseract.read(page, ["en"]))[3].text


@pytest.mark.parametrize("language", ["zu", "xx", "../../etc/passwd", "eng+osd", "osd"])
async def test_a_language_that_is_not_there_is_refused(tesseract: EngineClient, samples: Path, language: str):
    with pytest.raises(UnsupportedError) as refused:
        await tesseract.read((samples / "page.png").read_bytes(), ["en", language])
    assert refused.value.field == "languages"


async def test_a_language_of_debian_is_refused_with_its_package(tesseract: EngineClient, samples: Path):
    with pytest.raises(UnsupportedError, match=r"apt install tesseract-ocr-chi-tra$"):
        await tesseract.read((samples / "page.png").read_bytes(), ["zh-TW"])


@pytest.mark.parametrize("name", ["face.png", "tiny.webp"])
async def test_where_nothing_is_written_nothing_is_read(tesseract: EngineClient, samples: Path, name: str):
    assert await tesseract.read((samples / name).read_bytes(), []) == []
