"""Pictures as engines want them: upright, RGB, no larger than the machine can bear."""

import warnings
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from models.media import IMAGE_KINDS, image_kind
from serving.wire import BadMediaError, UnsupportedError

Image = NDArray[np.uint8]  # height, width, 3

MAX_PIXELS = 50_000_000
MAX_SIDE = 20_000
TOO_LARGE = f"The picture is too large: at most {MAX_SIDE} pixels a side and {MAX_PIXELS // 10**6} megapixels."

# Whatever Pillow's decoders raise on a broken file, beside what it documents: their own words stay here.
BROKEN = (OSError, SyntaxError, ValueError, IndexError, KeyError, EOFError, MemoryError, OverflowError)


def decode(data: bytes) -> Image:
    """The first frame, turned as its EXIF says, on white where it is transparent."""
    if not data:
        raise BadMediaError("The file is empty.", "image")
    kind = image_kind(data)
    if kind is None:
        raise UnsupportedError(f"This is no picture in a known format ({', '.join(IMAGE_KINDS)}).", "image")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # our own limits are stricter than Pillow's
        try:
            with Pillow.open(BytesIO(data), formats=[kind.upper()]) as picture:
                _check_size(*picture.size)
                return np.asarray(_upright_rgb(picture))
        except Pillow.DecompressionBombError as error:
            raise BadMediaError(TOO_LARGE, "image") from error
        except (UnidentifiedImageError, *BROKEN) as error:
            raise BadMediaError("The picture cannot be decoded: the file is broken.", "image") from error


def _check_size(width: int, height: int) -> None:
    """From the header, before a pixel is decoded."""
    if min(width, height) < 1:
        raise BadMediaError("The picture has no pixels.", "image")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise BadMediaError(TOO_LARGE, "image")


def _upright_rgb(picture: Pillow.Image) -> Pillow.Image:
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if not upright.has_transparency_data:
        return _eight_bit(upright).convert("RGB")
    seen = upright.convert("RGBA")
    white = Pillow.new("RGBA", seen.size, "white")
    return Pillow.alpha_composite(white, seen).convert("RGB")


def _eight_bit(picture: Pillow.Image) -> Pillow.Image:
    """Pillow cuts 16-bit grey off at 255 instead of scaling it."""
    if not picture.mode.startswith("I"):
        return picture
    return Pillow.fromarray((np.asarray(picture, dtype=np.uint32) >> 8).astype(np.uint8))
