"""Makes the sample pictures beside it: `.venv-engines/bin/python tests/samples/make.py`, with Debian's fonts-dejavu."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

HERE = Path(__file__).parent
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
UPRIGHT_WHEN_TURNED = 6  # EXIF: the camera was held so that the picture must be turned by 90 degrees

PAGE = (
    ("ACME Corporation - Invoice 2026-11-23", 30),
    ("Item: Wireless keyboard, qty 2 ... $128.50", 24),
    ("Please pay within 30 days.", 20),
    ("Gracias por su compra, señor Núñez.", 24),
    ("small print: terms and conditions apply (v1.2)", 13),
)


def main() -> None:
    upright = page().convert("L")
    upright.save(HERE / "page.png", optimize=True)
    upright.rotate(12, Image.Resampling.BICUBIC, expand=True, fillcolor=255).save(HERE / "page-12-degrees.png")
    upright.rotate(180).save(HERE / "page-upside-down.png", optimize=True)
    ImageOps.invert(upright).save(HERE / "page-dark.png", optimize=True)
    upright.resize((450, 210), Image.Resampling.BICUBIC).save(HERE / "page-small.png", optimize=True)
    sign().save(HERE / "sign.jpg", quality=80)
    code().save(HERE / "code.png", optimize=True)
    face().save(HERE / "face.png", optimize=True)
    Image.new("RGB", (8, 6), (200, 30, 30)).save(HERE / "tiny.webp")
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("white", "black")]
    frames[0].save(HERE / "animated.webp", save_all=True, append_images=frames[1:])
    turned(words("upright text here")).save(HERE / "turned.jpg", exif=orientation(UPRIGHT_WHEN_TURNED), quality=80)
    transparent("on clear ground").save(HERE / "transparent.png", optimize=True)
    hostile()


def page() -> Image.Image:
    picture = Image.new("RGB", (900, 420), "white")
    for row, (text, size) in enumerate(PAGE):
        ImageDraw.Draw(picture).text((40, 30 + 70 * row), text, font=ImageFont.truetype(FONT, size), fill="black")
    return picture


def words(text: str) -> Image.Image:
    picture = Image.new("RGB", (420, 90), "white")
    ImageDraw.Draw(picture).text((30, 25), text, font=ImageFont.truetype(FONT, 32), fill="black")
    return picture


def sign() -> Image.Image:
    """As photographed: light on dark, a few degrees off, blurred and noisy."""
    night = (30, 30, 40)
    picture = Image.new("RGB", (760, 120), night)
    text = "STOP  Exit 24B  Main Street"
    ImageDraw.Draw(picture).text((40, 40), text, font=ImageFont.truetype(FONT, 40), fill=(240, 240, 60))
    picture = picture.rotate(4, expand=True, fillcolor=night, resample=Image.Resampling.BICUBIC)
    picture = picture.filter(ImageFilter.GaussianBlur(0.8))
    noise = np.random.default_rng(1).normal(0, 8, (picture.height, picture.width, 3))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


def code() -> Image.Image:
    picture = Image.new("L", (500, 260), 255)
    for left, content in ((30, "https://example.org/door"), (270, "second code")):
        drawn = np.kron(cv2.QRCodeEncoder.create().encode(content), np.ones((6, 6), np.uint8))
        picture.paste(Image.fromarray(drawn), (left, 30))
    return picture


def face() -> Image.Image:
    """A schematic one: light oval, dark brows and eyes, the shadow of a nose, a mouth."""
    picture = Image.new("L", (320, 360), 90)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((60, 30, 260, 330), fill=205)
    draw.pieslice((55, 10, 265, 200), 180, 360, fill=40)
    draw.ellipse((75, 70, 245, 330), fill=205)
    for left in (95, 175):
        draw.rectangle((left, 138, left + 52, 147), fill=60)
        draw.ellipse((left + 4, 156, left + 48, 182), fill=120)
        draw.ellipse((left + 16, 158, left + 36, 180), fill=25)
    draw.polygon(((160, 165), (143, 232), (177, 232)), fill=225)
    draw.ellipse((143, 224, 177, 240), fill=150)
    draw.ellipse((123, 262, 197, 288), fill=95)
    return picture.filter(ImageFilter.GaussianBlur(3))


def turned(picture: Image.Image) -> Image.Image:
    return picture.rotate(90, expand=True)


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def transparent(text: str) -> Image.Image:
    picture = Image.new("RGBA", (420, 90), (0, 0, 0, 0))
    ImageDraw.Draw(picture).text((30, 25), text, font=ImageFont.truetype(FONT, 32), fill=(0, 0, 0, 255))
    return picture


def hostile() -> None:
    (HERE / "bomb.png").write_bytes(png_header(65_500, 65_500))
    Image.new("RGB", (8, 8), "red").save(HERE / "renamed-bmp.png", format="BMP")
    whole = BytesIO()
    page().save(whole, "JPEG", quality=60)
    (HERE / "truncated.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 3])


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


if __name__ == "__main__":
    main()
