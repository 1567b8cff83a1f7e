import json
import struct

import httpx
import pytest

from tests.attacks import Connection, check_refusal, rss_mb, server_ms
from tests.running import RunningBox, User

MB = 1 << 20
VISION = ("analyze", "detect", "ocr", "vqa")
PATHS = [("/api/v1/voice/transcribe", "audio"), *((f"/api/v1/vision/{name}", "image") for name in VISION)]
WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x0dIHDR" + struct.pack(">II", 1, 1) + b"\x08\2\0\0\0\x90wS\xde"
TEXTS = {"audio": WAV, "image": PNG}
WHOLE = pytest.mark.parametrize(("path", "field"), PATHS)


@pytest.fixture(scope="module")
def user(box: RunningBox):
    user = box.new_user()
    yield user
    user.http.close()


def part(name: str, content: bytes, filename: str | None = "f", more: str = "") -> bytes:
    file = "" if filename is None else f'; filename="{filename}"'
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{file}{more}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def send(user: User, path: str, *parts: bytes, media_type: str = "multipart/form-data; boundary=b") -> httpx.Response:
    asked = [part("question", b"what?", None)] if path.endswith("vqa") else []
    body = b"".join([*parts, *asked, b"--b--\r\n"])
    return user.http.post(path, content=body, headers={"Content-Type": media_type})


# --- the form ---------------------------------------------------------------------------------------------------------


@WHOLE
def test_a_form_with_the_wrong_parts_is_refused_with_their_names(user: User, path: str, field: str) -> None:
    good = TEXTS[field]
    other = "language" if field == "audio" else "task"
    for parts, named in (
        ([], field),
        ([part("file", good)], field),
        ([part(field, good), part(field, good)], field),
        ([part(field, good, None)], field),
        ([part(field, good), part(other, b"en")], None if other == "language" or path.endswith("analyze") else other),
        ([part(field, good), part("unknown", b"1", None)], "unknown"),
        ([part(field, good), part("unknown", b"1")], "unknown"),
        ([part(field, good), part(f"{field}_url", b"http://127.0.0.1:1/x.png", None)], f"{field}_url"),
        ([part(field, good), part("url", b"file:///etc/passwd", None)], "url"),
        ([part(field, good), part("x" * 3000, b"1", None)], "x" * 100),
        ([part(field, good), part("", b"1", None)], None),
    ):
        check_refusal(send(user, path, *parts), 400, named)


@WHOLE
def test_an_empty_file_is_refused(user: User, path: str, field: str) -> None:
    check_refusal(send(user, path, part(field, b"")), 400, field)


@WHOLE
@pytest.mark.parametrize(
    "media_type",
    ["application/json", "application/x-www-form-urlencoded", "multipart/mixed; boundary=b", "text/plain", "image/png"],
)
def test_what_is_no_form_is_refused(user: User, path: str, field: str, media_type: str) -> None:
    body = json.dumps({field: "aGVsbG8=", f"{field}_url": "http://127.0.0.1:1/"})
    check_refusal(user.http.post(path, content=body, headers={"Content-Type": media_type}), 415)


@pytest.mark.parametrize(
    "media_type",
    ["multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""',
     "multipart/form-data; boundary=other", "multipart/form-data; boundary=" + "b" * 20_000,
     "multipart/form-data; boundary=\xff", "multipart/form-data; boundary*=utf-8''b"],
)  # fmt: skip
def test_a_form_with_no_boundary_or_another_is_refused(user: User, media_type: str) -> None:
    refused = user.http.post(
        "/api/v1/voice/transcribe",
        content=part("audio", WAV) + b"--b--\r\n",
        headers={b"Content-Type": media_type.encode("latin-1")},
    )
    check_refusal(refused, 400)


@pytest.mark.parametrize(
    "body",
    [b"", b"--b", b"--b--", b"--b\r\n", b"garbage", part("audio", WAV), part("audio", WAV)[:-2] + b"--c--\r\n",
     b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", b"--b\r\n\r\nx\r\n--b--\r\n",
     b"--b\r\nno colon\r\n\r\nx\r\n--b--\r\n", b"--b\r\n" + b"X: y\r\n" * 1000 + b"\r\nx\r\n--b--\r\n",
     b"--b\r\nX: " + b"y" * MB + b"\r\n\r\nx\r\n--b--\r\n", b"\r\n" * 100_000, b"-" * MB,
     b"--b--\r\n" + b"epilogue" * 100_000],
    ids=lambda body: f"{body[:12]!r} of {len(body)}",
)  # fmt: skip
def test_a_broken_form_is_refused_at_once(box: RunningBox, user: User, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    refused = user.http.post("/api/v1/voice/transcribe", content=body, headers=headers)
    check_refusal(refused, 400)
    assert server_ms(box, refused) < 250


def test_many_parts_and_large_texts_are_refused(user: User) -> None:
    many_texts = [part(f"f{number}", b"1", None) for number in range(10_000)]
    many_files = [part(f"f{number}", b"1") for number in range(1000)]
    for parts in (many_texts, many_files, [part("language", b"e" * 70_000, None)]):
        check_refusal(send(user, "/api/v1/voice/transcribe", *parts), 400)


@pytest.mark.parametrize("charset", ["punycode", "utf-16", "unicode_escape", "idna", "rot13", "zlib", "no-such"])
def test_a_text_of_a_form_is_utf8_whatever_the_form_says(box: RunningBox, user: User, charset: str) -> None:
    media_type = f"multipart/form-data; boundary=b; charset={charset}"
    question = part("question", b"a" * 30_000 + b"-" + b"b" * 30_000, None)  # punycode takes its time over this
    body = question + part("image", PNG) + b"--b--\r\n"
    refused = user.http.post("/api/v1/vision/vqa", content=body, headers={b"Content-Type": media_type.encode()})
    check_refusal(refused, 400, "question")
    assert server_ms(box, refused) < 50
    for text in (b"\xff\xfe", b"\xed\xa0\x80", b"caf\xe9"):
        body = part("question", text, None) + part("image", PNG) + b"--b--\r\n"
        refused = user.http.post("/api/v1/vision/vqa", content=body, headers={b"Content-Type": media_type.encode()})
        check_refusal(refused, 400)


@pytest.mark.parametrize(
    ("field", "value"),
    [("detail", "maximal"), ("task", "x' OR 1=1"), ("task", "")],
)
def test_a_wrong_text_of_a_form_is_named(user: User, field: str, value: str) -> None:
    form = part(field, value.encode(), None)
    check_refusal(send(user, "/api/v1/vision/analyze", part("image", PNG), form), 400, field)


@pytest.mark.parametrize("value", ["-0.1", "1.1", "NaN", "inf", "1e400", "", "half", "9" * 5000, "0x1"])
def test_a_wrong_threshold_is_named(user: User, value: str) -> None:
    form = part("threshold", value.encode(), None)
    check_refusal(send(user, "/api/v1/vision/detect", part("image", PNG), form), 400, "threshold")


@pytest.mark.parametrize(
    "value", ["../../etc", "e", "en,", ",en", "en es", "e" * 201, "en\n", "-l,--tessdata-dir=/", ""]
)
def test_wrong_languages_are_named(user: User, value: str) -> None:
    form = part("languages", value.encode(), None)
    check_refusal(send(user, "/api/v1/vision/ocr", part("image", PNG), form), 400, "languages")
    form = part("language", value.encode(), None)
    refused = send(user, "/api/v1/voice/transcribe", part("audio", WAV), form)
    check_refusal(refused, 400, "language")


# --- names of files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filename", "more"),
    [("n" * 10_240, ""), ("n" * 3000, ""), ("n" * 4200, "; x=y"), (None, "; filename*=no-such-charset''%ff%fe"),
     (None, "; filename*=utf-8''%e2%82"), (None, "; filename*=x")],
)  # fmt: skip
def test_a_file_name_out_of_bounds_or_of_no_charset_is_refused(user: User, filename: str | None, more: str) -> None:
    check_refusal(send(user, "/api/v1/vision/ocr", part("image", PNG, filename, more)), 400)


@pytest.mark.parametrize(
    "filename",
    [
        "../../x",
        "C:\\x",
        "\\\\host\\share",
        "CON",
        "a\0b",
        "-rf",
        "💩" * 60,
        "x.png\u202egnp.exe",
        "",
        "a;b=c",
        "x'; DROP TABLE files; --",
        "%00",
        "/etc/passwd",
    ],
)
def test_a_file_name_is_the_senders_word_and_changes_nothing(user: User, filename: str) -> None:
    refused = send(user, "/api/v1/vision/ocr", part("image", b"no picture", filename))
    assert refused.status_code in (400, 415)
    assert check_refusal(refused, refused.status_code)["details"]["field"] == "image"


# --- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "counted"])
def test_a_file_over_the_limit_is_refused(box: RunningBox, user: User, declared: bool) -> None:
    before = rss_mb(box)
    body = part("audio", WAV + b"\0" * 26 * MB) + b"--b--\r\n"
    content = body if declared else (body[start : start + 65536] for start in range(0, len(body), 65536))
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    check_refusal(user.http.post("/api/v1/voice/transcribe", content=content, headers=headers), 413)
    assert rss_mb(box) - before < 50


def test_an_upload_that_breaks_off_harms_nobody(box: RunningBox, user: User) -> None:
    head = (
        f"POST /api/v1/vision/ocr HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {user.token}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n"
    )
    for _ in range(20):
        with Connection(box.port) as connection:
            connection.send(head.encode() + part("image", PNG + b"\0" * 50_000))
    assert user.http.get("/health/ready").status_code == 200


# --- what is in the file ----------------------------------------------------------------------------------------------

NO_PICTURES = {
    "gif": b"GIF89a\1\0\1\0",
    "bmp": b"BM\x1e\0\0\0\0\0\0\0\x1a",
    "tiff": b"II*\0\x08\0\0\0",
    "ico": b"\0\0\1\0\1\0\1\1",
    "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "a codestream": b"\xff\x4f\xff\x51\0\x2f",
    "psd": b"8BPS\0\1",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "pdf": b"%PDF-1.7\n",
    "heic": b"\0\0\0\x18ftypheic",
    "avif": b"\0\0\0\x1cftypavif",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:1/"/></svg>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "text": b"http://127.0.0.1:1/x.png",
    "wav": WAV,
    "zip": b"PK\3\4",
    "script": b"#!/bin/sh\n",
    "pickle": b"\x80\4\x95",
    "nothing but zeros": b"\0" * 1000,
    "half a magic": b"\x89PN",
    "webp of another kind": b"RIFF\0\0\0\0WAVEVP8 ",
    "mvg": b"push graphic-context\n",
}

NO_SOUNDS = {
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n",
    "dash": b'<?xml version="1.0"?><MPD><BaseURL>http://127.0.0.1:1/</BaseURL></MPD>',
    "a list": b"http://127.0.0.1:1/x.mp3\n",
    "concat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "a subfile": b"subfile,,start,0,end,10,,:/etc/passwd",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    "pls": b"[playlist]\nFile1=file:///etc/passwd\n",
    "smil": b"<smil><body/></smil>",
    "png": PNG,
    "avi": b"RIFF\0\0\0\0AVI ",
    "flv": b"FLV\1",
    "midi": b"MThd\0\0\0\6",
    "aiff": b"FORM\0\0\0\0AIFF",
    "au": b".snd\0\0\0\x18",
    "asf": b"\x30\x26\xb2\x75",
    "zeros": b"\0" * 1000,
    "ones": b"\xff" * 1000,
    "a tag and a list": b"ID3\4\0\0\0\0\0\0#EXTM3U\n",
    "a tag longer than its file": b"ID3\4\0\0\x7f\x7f\x7f\x7f",
    "one byte": b"R",
}


@pytest.mark.parametrize("name", NO_PICTURES)
@pytest.mark.parametrize("path", [f"/api/v1/vision/{name}" for name in VISION])
def test_what_is_no_picture_is_refused_whatever_it_is_called(user: User, path: str, name: str) -> None:
    refused = send(user, path, part("image", NO_PICTURES[name], "picture.png"))
    check_refusal(refused, 415, "image")


@pytest.mark.parametrize("name", NO_SOUNDS)
def test_what_is_no_sound_is_refused_whatever_it_is_called(user: User, name: str) -> None:
    refused = send(user, "/api/v1/voice/transcribe", part("audio", NO_SOUNDS[name], "sound.mp3"))
    check_refusal(refused, 415, "audio")
