"""What a file is, by its first bytes: names and media types are the sender's word and count for nothing."""

AUDIO_KINDS = ("wav", "mp3", "flac", "ogg", "webm", "mp4", "aac")
IMAGE_KINDS = ("jpeg", "png", "webp")

ID3_HEADER = 10


def audio_kind(data: bytes) -> str | None:
    """One of `AUDIO_KINDS`; None for everything else, playlists and texts that point elsewhere among it."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == b"OggS":
        return "ogg"
    if data[:4] == b"\x1aE\xdf\xa3":
        return "webm"
    if data[4:8] == b"ftyp":
        return "mp4"
    start = _id3_bytes(data)
    return _mpeg_kind(data[start : start + 4])


def image_kind(data: bytes) -> str | None:
    """One of `IMAGE_KINDS`, or None."""
    if data[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return None


def _mpeg_kind(data: bytes) -> str | None:
    """MPEG frames begin with eleven set bits; the layer tells mp3 from AAC in ADTS, whose layer is 0."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    layer = data[1] >> 1 & 0b11
    if layer == 0:
        return "aac" if data[1] & 0xF0 == 0xF0 and _adts_rate(data) else None
    return "mp3" if layer == 0b01 and _mp3_frame(data) else None


def _adts_rate(data: bytes) -> bool:
    return data[2] >> 2 & 0b1111 < 13


def _mp3_frame(data: bytes) -> bool:
    """A version, bit rate and sample rate that exist."""
    version, bit_rate, sample_rate = data[1] >> 3 & 0b11, data[2] >> 4, data[2] >> 2 & 0b11
    return version != 0b01 and bit_rate not in (0, 15) and sample_rate != 0b11


def _id3_bytes(data: bytes) -> int:
    """The length of the ID3v2 tag that an mp3 may begin with: four bytes of seven bits."""
    if data[:3] != b"ID3" or len(data) < ID3_HEADER:
        return 0
    size = 0
    for byte in data[6:ID3_HEADER]:
        size = size << 7 | byte & 0x7F
    return ID3_HEADER + size
