import pytest

from models.media import audio_kind, image_kind

MP3 = bytes([0xFF, 0xFB, 0x90, 0x00])


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "wav"),
        (b"fLaC\x00\x00", "flac"),
        (b"OggS\x00\x02", "ogg"),
        (b"\x1aE\xdf\xa3\x01", "webm"),
        (b"\x00\x00\x00\x20ftypM4A ", "mp4"),
        (MP3, "mp3"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x02\x00\x00" + MP3, "mp3"),
        (bytes([0xFF, 0xF1, 0x50, 0x80]), "aac"),
    ],
)
def test_sound_is_known_by_its_first_bytes(data: bytes, kind: str):
    assert audio_kind(data) == kind


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
        b'<?xml version="1.0"?><MPD></MPD>',
        b"ID3\x04\x00\x00\x00\x00\x00\x00#EXTM3U\n",
        b"ID3\x04",
        b"RIFF\x00\x00\x00\x00AVI LIST",
        b"\xff\xfe#\x00E\x00",  # UTF-16
        b"\xff\xd8\xff\xe0",  # JPEG
        b"\xff\xff\xff\xff\xff",
    ],
)
def test_what_is_no_sound_is_no_sound(data: bytes):
    assert audio_kind(data) is None


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xd8\xff\xe0\x00", "jpeg"),
        (b"\x89PNG\r\n\x1a\n\x00", "png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp"),
        (b"", None),
        (b"BM\x00\x00", None),
        (b"GIF89a", None),
        (b"II*\x00", None),
        (b"\x00\x00\x00\x0cjP  ", None),
        (b"%PDF-1.7", None),
        (b"<svg xmlns=", None),
        (b"\x00\x00\x00\x18ftypheic", None),
        (b"8BPS\x00\x01", None),
        (b"\x00\x00\x01\x00", None),
        (b"%!PS-Adobe-3.0 EPSF-3.0", None),
    ],
)
def test_pictures_are_known_by_their_first_bytes(data: bytes, kind: str | None):
    assert image_kind(data) == kind
